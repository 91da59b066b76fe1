"""Tests of `sessions`: what happened, and the door it comes through. Nothing to run here."""
