"""Proofs that hold under faults, load and hostile input. Nothing to run here."""
