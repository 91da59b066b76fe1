"""Rows ↔ values, and the statements that more than one module needs. No transactions here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sessions import schema
from sessions.errors import NotFound, StorageError
from sessions.identity import canonical
from sessions.values import IDENTITY, Asset, Branch, Geometry, Json, Message, Move, Revision, Session, Step, Tag, Turn

OWNED = exists().where(schema.sessions.c.id == bindparam("session"), schema.sessions.c.owner == bindparam("owner"))
"""Part of every reading statement's WHERE: the session named is the caller's own."""

TOUCH = (
    update(schema.sessions)
    .where(schema.sessions.c.id == bindparam("session_id"), schema.sessions.c.owner == bindparam("owner_name"))
    .values(touched_at=bindparam("now"))
    .returning(schema.sessions.c.seq)
)

BRANCH = select(schema.branches).where(
    schema.branches.c.session == bindparam("session"), schema.branches.c.name == bindparam("branch"), OWNED
)

REVISION = select(schema.revisions).where(
    schema.revisions.c.session == bindparam("session"), schema.revisions.c.id == bindparam("id"), OWNED
)


def now() -> str:
    """UTC, ISO 8601 with microseconds: sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def dumps(value: Any) -> str:
    return canonical(value).decode()


def insert_new(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows; those whose key exists stay as they are (rows of one key always say the same)."""
    if rows:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def touch(connection: Connection, session: str, owner: str) -> None:
    """The first statement of every write: proves ownership, and makes writers of one session take turns."""
    if connection.execute(TOUCH, {"session_id": session, "owner_name": owner, "now": now()}).first() is None:
        raise no_session()


def no_session() -> NotFound:
    return NotFound("There is no such session.", "pentimento sessions lists yours.")


def no_revision() -> NotFound:
    return NotFound("There is no such revision in this session.", "pentimento log lists them.")


def no_tag(name: str) -> NotFound:
    return NotFound(f"There is no tag called {name!r}.", "pentimento tag lists them.")


def no_branch(name: str) -> NotFound:
    return NotFound(f"There is no branch called {name!r}.", "pentimento branch lists them.")


def session_of(row: Row[Any]) -> Session:
    return Session(row.id, row.owner, row.name, row.seq, row.created_at, row.touched_at)


_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)


@contextmanager
def readable(what: str) -> Iterator[None]:
    """A row that cannot be understood is a StorageError that says which."""
    try:
        yield
    except _UNREADABLE as error:
        raise _damaged(what) from error


def _damaged(what: str) -> StorageError:
    return StorageError(f"The record of {what} is damaged.", "Run: python -m sessions fsck")


def revision_of(row: Row[Any]) -> Revision:
    try:
        step = json.loads(row.step) if row.step else None
        return _revision(row, step, _object(row.made_with), _object(row.facts))
    except _UNREADABLE as error:
        raise _damaged(f"revision #{row.seq}") from error


def _revision(row: Row[Any], step: Json | None, made_with: Json, facts: Json) -> Revision:
    geometry: Geometry = tuple(json.loads(row.geometry)) if row.geometry else IDENTITY
    return Revision(
        id=row.id,
        session=row.session,
        parents=tuple(p for p in (row.parent, row.parent2) if p),
        step=Step.from_json(step) if step is not None else None,
        image=row.image,
        mask=row.mask,
        geometry=geometry,
        source=row.source,
        width=row.width,
        height=row.height,
        seq=row.seq,
        created_at=row.created_at,
        turn=row.turn,
        name=row.name,
        made_with=made_with,
        facts=facts,
    )


def revisions_of(rows: Sequence[Row[Any]]) -> tuple[Revision, ...]:
    """As `revision_of` of each: their JSON is read in one go, for a graph has thousands of rows."""
    try:
        steps, made, told = (json.loads(f"[{','.join(column)}]") for column in _columns(rows))
        return tuple(_revision(*parts) for parts in zip(rows, steps, made, told, strict=True))
    except _UNREADABLE:
        return tuple(revision_of(row) for row in rows)  # which one cannot be read


def _columns(rows: Sequence[Row[Any]]) -> tuple[list[str], list[str], list[str]]:
    return [row.step or "null" for row in rows], [row.made_with for row in rows], [row.facts for row in rows]


def _object(text: str) -> Json:
    """A JSON object; most are empty."""
    return {} if text == "{}" else json.loads(text)


def branch_of(row: Row[Any]) -> Branch:
    return Branch(row.session, row.name, row.head, row.version)


def move_of(row: Row[Any]) -> Move:
    return Move(
        id=row.id,
        session=row.session,
        branch=row.branch,
        kind=row.kind,
        before=row.before,
        after=row.after,
        turn=row.turn,
        inverts=row.inverts,
        created_at=row.created_at,
        old_name=row.old_name,
    )


def tag_of(row: Row[Any]) -> Tag:
    return Tag(row.session, row.name, row.revision, row.created_at)


def message_of(row: Row[Any], revisions: tuple[str, ...] = ()) -> Message:
    with readable("a message"):
        attachments = tuple(json.loads(row.attachments))
    return Message(row.id, row.session, row.branch, row.role, row.text, attachments, row.created_at, revisions)


def asset_of(row: Row[Any], owner: str) -> Asset:
    with readable("a picture or sound"):
        facts = json.loads(row.facts)
    return Asset(
        sha256=row.sha256,
        owner=owner,
        kind=row.kind,
        media_type=row.media_type,
        width=row.width,
        height=row.height,
        seconds=row.seconds,
        bytes=row.bytes,
        name=row.name,
        original=row.original,
        facts=facts,
    )


def turn_of(row: Row[Any]) -> Turn:
    with readable("a turn"):
        plan, outcome = json.loads(row.plan), json.loads(row.outcome)
    return Turn(
        session=row.session,
        request_id=row.request_id,
        message=row.message,
        branch=row.branch,
        planned_head=row.planned_head,
        plan=plan,
        state=row.state,
        next_step=row.next_step,
        cancel=bool(row.cancel),
        lease=row.lease,
        heartbeat=row.heartbeat,
        outcome=outcome,
        created_at=row.created_at,
    )
