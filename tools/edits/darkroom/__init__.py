"""Everyday photo work without weights and without a GPU: one file per tool."""
