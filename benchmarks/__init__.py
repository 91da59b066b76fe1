"""Measurements: one file each, prints a table and writes JSON. Figures go into `docs/log.md`; nothing imports these."""
