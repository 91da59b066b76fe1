"""Names: tags on revisions, and the name a branch had before it was renamed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "tags",
        sa.Column("session", sa.String(32), sa.ForeignKey("sessions.id"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("revision", sa.String(67), nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["session", "revision"], ["revisions.session", "revisions.id"]),
    )
    op.add_column("moves", sa.Column("old_name", sa.Text))
