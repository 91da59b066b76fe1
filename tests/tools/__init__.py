"""Tests of what can be done to a picture. Nothing to run here."""
