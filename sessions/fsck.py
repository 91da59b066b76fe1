"""Checking the whole store, or one session of it: what is damaged, and what nothing names. Changes nothing.

Reads in short transactions, one per session, beside writers and `gc`. Memory: one session's file names and what is
damaged in it; rows come in portions, files and tiles one by one. Mending, as far as it goes, is `repair`'s work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Select, Table, select

from sessions import schema, upkeep
from sessions.check_history import check_history
from sessions.check_pixels import check_pixels
from sessions.errors import StorageError
from sessions.findings import PORTION, Look, Problem
from sessions.rows import no_session
from sessions.store import Store


def fsck(store: Store, session: str | None = None) -> Iterator[Problem]:
    """Everything that is wrong, in the whole data folder or in one session; NotFound where that is not there."""
    try:
        yield from _database(store)
        for one in _sessions(store) if session is None else [_there(store, session)]:
            yield from _session(store, one)
        if session is None:
            yield from _strangers(store)
    except StorageError as error:
        yield Problem("mismatch", "database", "", "", str(error))


def verdict(problems: Iterable[Problem]) -> int:
    """The exit status that says it: 0 clean, 1 nothing but orphans and stale temporary files, 2 damage."""
    return max((2 if problem.damage else 1 for problem in problems), default=0)


def _database(store: Store) -> Iterator[Problem]:
    if store.database.sqlite:  # PostgreSQL checks its pages as they are read
        with store.database.read() as connection:
            for line in connection.exec_driver_sql("PRAGMA integrity_check").scalars():
                if line != "ok":
                    yield Problem("mismatch", "database", "", "", line)


def _sessions(store: Store) -> Iterator[str]:
    s, after = schema.sessions.c, ""
    while True:
        with store.database.read() as connection:
            portion = list(connection.execute(select(s.id).where(s.id > after).order_by(s.id).limit(500)).scalars())
        yield from portion
        if not portion:
            return
        after = portion[-1]


def _there(store: Store, session: str) -> str:
    with store.database.read() as connection:
        if connection.execute(select(schema.sessions.c.id).where(schema.sessions.c.id == session)).first() is None:
            raise no_session()
    return session


def _session(store: Store, session: str) -> Iterator[Problem]:
    files = list(upkeep.files(store, session))  # before the rows: a file that is named meanwhile is no orphan
    with store.database.read() as connection:
        look = Look(store, connection, session)
        yield from check_pixels(look)
        yield from check_history(look)
        yield from _leftovers(look, files)


def _leftovers(look: Look, files: list[upkeep.File]) -> Iterator[Problem]:
    named = upkeep.named(look.connection, look.session)
    for file in files:
        hours = f"{file.bytes} bytes, {file.age / 3600:.0f} hours old"
        if file.temporary:
            if file.age > upkeep.LEAST_GRACE.total_seconds():
                yield look.problem(("stale-temp", hours), "file", file.path.name)
        elif file.path.name not in named:
            yield look.problem(("orphan", hours), "file", file.path.name)


def _strangers(store: Store) -> Iterator[Problem]:
    """Rows and folders of sessions that are not there."""
    with store.database.read() as connection:
        for table in schema.metadata.sorted_tables:
            if table is not schema.sessions:
                for session in connection.execute(_homeless(table)).scalars():
                    yield Problem("dangling", "session", session, session, f"{table.name} of it are there, it is not")
        lost = select(schema.revisions.c.session, schema.revisions.c.id).where(
            schema.revisions.c.session.in_(_homeless(schema.revisions))
        )
        for row in connection.execute(lost, execution_options={"yield_per": PORTION}):
            yield Problem("dangling", "revision", row.id, row.session, "its session is not there")
        for session in upkeep.folders(store):
            known = select(schema.sessions.c.id).where(schema.sessions.c.id == session)
            if connection.execute(known).first() is None:
                yield from _leftovers(Look(store, connection, session), list(upkeep.files(store, session)))


def _homeless(table: Table) -> Select[Any]:
    there = select(schema.sessions.c.id).where(schema.sessions.c.id == table.c.session)
    return select(table.c.session).where(~there.exists()).distinct()
