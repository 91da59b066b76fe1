"""Alembic migrations of the session database; `run.upgrade` applies what is missing. Released ones never change."""
