"""Planners: each turns a message and its context into a `Plan`."""
