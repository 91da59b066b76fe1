"""The first schema: sessions, pictures and their tiles, revisions, branches, moves, the conversation, turns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _session() -> sa.Column[str]:
    return sa.Column("session", sa.String(32), sa.ForeignKey("sessions.id"), primary_key=True)


def _pictures() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("touched_at", sa.Text, nullable=False),
        sa.UniqueConstraint("owner", "request_id"),
    )
    op.create_index("ix_sessions_touched", "sessions", ["owner", "touched_at"])
    op.create_table(
        "assets",
        _session(),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("seconds", sa.Float),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("original", sa.String(64)),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_table(
        "pictures",
        _session(),
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("tiles", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "tiles",
        _session(),
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("blob", sa.String(64), nullable=False),
        sa.Column("offset", sa.Integer, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("codec", sa.Text, nullable=False),
    )


def _history() -> None:
    op.create_table(
        "revisions",
        _session(),
        sa.Column("id", sa.String(67), primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("parent", sa.String(67)),
        sa.Column("parent2", sa.String(67)),
        sa.Column("step", sa.Text),
        sa.Column("image", sa.String(64), nullable=False),
        sa.Column("mask", sa.String(64)),
        sa.Column("geometry", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("turn", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("made_with", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.UniqueConstraint("session", "seq"),
        sa.ForeignKeyConstraint(["session", "parent"], ["revisions.session", "revisions.id"]),
        sa.ForeignKeyConstraint(["session", "parent2"], ["revisions.session", "revisions.id"]),
        sa.ForeignKeyConstraint(["session", "image"], ["pictures.session", "pictures.hash"]),
        sa.ForeignKeyConstraint(["session", "mask"], ["pictures.session", "pictures.hash"]),
    )
    op.create_index("ix_revisions_turn", "revisions", ["session", "turn", "seq"])
    op.create_table(
        "branches",
        _session(),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("head", sa.String(67), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["session", "head"], ["revisions.session", "revisions.id"]),
    )
    op.create_table(
        "moves",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("session", sa.String(32), sa.ForeignKey("sessions.id"), nullable=False),
        sa.Column("branch", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("before", sa.String(67)),
        sa.Column("after", sa.String(67), nullable=False),
        sa.Column("turn", sa.Text),
        sa.Column("inverts", sa.Integer),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_index("ix_moves_session", "moves", ["session", "id"])
    op.create_index("ix_moves_kind", "moves", ["session", "branch", "kind", "id"])
    op.create_index("ix_moves_inverts", "moves", ["inverts"])


def _conversation() -> None:
    op.create_table(
        "messages",
        _session(),
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("branch", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("attachments", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_index("ix_messages_time", "messages", ["session", "created_at"])
    op.create_table(
        "message_revisions",
        _session(),
        sa.Column("message", sa.String(32), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("revision", sa.String(67), nullable=False),
        sa.ForeignKeyConstraint(["session", "message"], ["messages.session", "messages.id"]),
        sa.ForeignKeyConstraint(["session", "revision"], ["revisions.session", "revisions.id"]),
    )
    op.create_table(
        "turns",
        _session(),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("message", sa.String(32), nullable=False),
        sa.Column("branch", sa.Text, nullable=False),
        sa.Column("planned_head", sa.String(67)),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("next_step", sa.Integer, nullable=False),
        sa.Column("cancel", sa.Boolean, nullable=False),
        sa.Column("lease", sa.Text),
        sa.Column("heartbeat", sa.Float),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["session", "message"], ["messages.session", "messages.id"]),
    )
    op.create_index("ix_turns_state", "turns", ["state", "heartbeat"])
    op.create_index("ix_turns_branch", "turns", ["session", "branch", "state"])


def upgrade() -> None:
    _pictures()
    _history()
    _conversation()
