"""Tests of the tools that need no weights, a file for each. Nothing to run here."""
