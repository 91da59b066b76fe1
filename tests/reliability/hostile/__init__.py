"""Hostile input: files, messages and plans made to do harm. Nothing to run here."""
