"""Tests of our own networks. Nothing to run here."""
