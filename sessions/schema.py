"""The tables, for SQLite and PostgreSQL alike. The migrations create them; a test holds that both agree.

Every table hangs on `sessions`, which alone names the owner: a row can be reached only through a session one owns. Rows
of `revisions`, `moves`, `messages` and `tiles` are never updated.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()


def _session() -> Column[str]:
    return Column("session", String(32), ForeignKey("sessions.id"), primary_key=True)


sessions = Table(
    "sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("request_id", Text),
    Column("created_at", Text, nullable=False),
    Column("touched_at", Text, nullable=False),
    UniqueConstraint("owner", "request_id"),
    Index("ix_sessions_touched", "owner", "touched_at"),
)

assets = Table(
    "assets",
    metadata,
    _session(),
    Column("sha256", String(64), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("seconds", Float),
    Column("bytes", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("original", String(64)),
    Column("facts", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

pictures = Table(
    "pictures",
    metadata,
    _session(),
    Column("hash", String(64), primary_key=True),
    Column("mode", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("tiles", LargeBinary, nullable=False),
)

tiles = Table(
    "tiles",
    metadata,
    _session(),
    Column("hash", String(64), primary_key=True),
    Column("blob", String(64), nullable=False),
    Column("offset", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    Column("codec", Text, nullable=False),
)

revisions = Table(
    "revisions",
    metadata,
    _session(),
    Column("id", String(67), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("parent", String(67)),
    Column("parent2", String(67)),
    Column("step", Text),
    Column("image", String(64), nullable=False),
    Column("mask", String(64)),
    Column("geometry", Text),
    Column("source", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("turn", Text),
    Column("name", Text, nullable=False),
    Column("made_with", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("session", "seq"),
    ForeignKeyConstraint(["session", "parent"], ["revisions.session", "revisions.id"]),
    ForeignKeyConstraint(["session", "parent2"], ["revisions.session", "revisions.id"]),
    ForeignKeyConstraint(["session", "image"], ["pictures.session", "pictures.hash"]),
    ForeignKeyConstraint(["session", "mask"], ["pictures.session", "pictures.hash"]),
    Index("ix_revisions_turn", "session", "turn", "seq"),
)

branches = Table(
    "branches",
    metadata,
    _session(),
    Column("name", Text, primary_key=True),
    Column("head", String(67), nullable=False),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["session", "head"], ["revisions.session", "revisions.id"]),
)

tags = Table(
    "tags",
    metadata,
    _session(),
    Column("name", Text, primary_key=True),
    Column("revision", String(67), nullable=False),
    Column("created_at", Text, nullable=False),
    ForeignKeyConstraint(["session", "revision"], ["revisions.session", "revisions.id"]),
)

moves = Table(
    "moves",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("session", String(32), ForeignKey("sessions.id"), nullable=False),
    Column("branch", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("before", String(67)),
    Column("after", String(67), nullable=False),
    Column("turn", Text),
    Column("inverts", Integer),
    Column("created_at", Text, nullable=False),
    Column("old_name", Text),
    Index("ix_moves_session", "session", "id"),
    Index("ix_moves_kind", "session", "branch", "kind", "id"),
    Index("ix_moves_inverts", "inverts"),
)

messages = Table(
    "messages",
    metadata,
    _session(),
    Column("id", String(32), primary_key=True),
    Column("branch", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("attachments", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Index("ix_messages_time", "session", "created_at"),
)

message_revisions = Table(
    "message_revisions",
    metadata,
    _session(),
    Column("message", String(32), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("revision", String(67), nullable=False),
    ForeignKeyConstraint(["session", "message"], ["messages.session", "messages.id"]),
    ForeignKeyConstraint(["session", "revision"], ["revisions.session", "revisions.id"]),
)

turns = Table(
    "turns",
    metadata,
    _session(),
    Column("request_id", Text, primary_key=True),
    Column("message", String(32), nullable=False),
    Column("branch", Text, nullable=False),
    Column("planned_head", String(67)),
    Column("plan", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("next_step", Integer, nullable=False),
    Column("cancel", Boolean, nullable=False),
    Column("lease", Text),
    Column("heartbeat", Float),
    Column("outcome", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    ForeignKeyConstraint(["session", "message"], ["messages.session", "messages.id"]),
    Index("ix_turns_state", "state", "heartbeat"),
    Index("ix_turns_branch", "session", "branch", "state"),
)
