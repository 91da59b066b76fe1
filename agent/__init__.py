"""Decides and does: a message becomes a plan, a plan becomes revisions. Knows no face."""
