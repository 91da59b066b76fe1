"""Six planted bugs. Each takes a `setattr`, so that a test can take the bug out again and a doomed child need not.

Two could not be planted as they are usually told. The database refuses a head that names no revision, so the mutant
lays down that arm first. And `gc` has no right to remove revisions, so the mutant forgets something else instead: the
pictures that only undone revisions name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from sqlalchemy import Connection, bindparam, select, update

from sessions import blobs, check_pixels, commits, database, schema, store, tiles, upkeep
from sessions.blobs import Blobs
from sessions.files import Files
from sessions.identity import bytes_hash

Set = Callable[[Any, str, Any], None]


def row_before_blob(put: Set) -> None:
    """The file of a step is written after the transaction that names it."""
    waiting: list[Callable[[], object]] = []
    append = commits.append

    def later(self: Blobs, session: str, data: bytes) -> str:
        waiting.append(lambda: Files.put(self.files, self.name(session, bytes_hash(data)), data))
        return bytes_hash(data)

    def appended(*arguments: Any) -> Any:
        revision = append(*arguments)
        while waiting:
            waiting.pop()()
        return revision

    put(Blobs, "put", later)
    put(Blobs, "must_stand", lambda *_: None)
    put(commits, "append", appended)


def no_compare_and_set(put: Set) -> None:
    """A head moves whatever it was."""
    b = schema.branches.c
    moved = (
        update(schema.branches)
        .where(b.session == bindparam("session_id"), b.name == bindparam("branch"))
        .values(head=bindparam("new_head"), version=b.version + 1)
        .returning(b.version)
    )
    put(commits, "_ADVANCE", moved)
    put(commits, "_called_now", lambda _connection, _session, branch: (branch, None))


def head_before_revision(put: Set) -> None:
    """The head moves in a transaction of its own, before the one that brings the revision."""
    configure = database._configure_sqlite
    append = commits.append

    def unguarded(connection: Any, record: Any) -> None:
        configure(connection, record)
        connection.execute("PRAGMA foreign_keys=OFF")

    def in_two(at: store.Store, session: str, branch: str, draft: commits.Draft, expect: str) -> Any:
        with at.database.write() as connection:
            commits.advance(connection, (session, branch), expect, draft.id)
        return append(at, session, branch, draft, draft.id)

    put(database, "_configure_sqlite", unguarded)
    put(commits, "append", in_two)


def hash_not_checked(put: Set) -> None:
    """Whatever a PNG decoder makes of the bytes is taken for the tile."""

    def decode(data: bytes, _name: str) -> Any:
        raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        return tiles._swapped(raw) if raw is not None else np.zeros((1, 1), np.uint8)

    for module in (tiles, blobs, check_pixels):
        put(module, "decode", decode)


def gc_forgets_undone_lines(put: Set) -> None:
    """`gc` spares only what the heads can reach."""
    r, b, p, t = schema.revisions.c, schema.branches.c, schema.pictures.c, schema.tiles.c

    def named(connection: Connection, session: str) -> set[str]:
        line = select(r.id, r.parent, r.image, r.mask).join(
            schema.branches, (b.session == r.session) & (b.head == r.id)
        )
        line = line.where(r.session == session).cte("line", recursive=True)
        older = select(r.id, r.parent, r.image, r.mask).join(line, r.id == line.c.parent).where(r.session == session)
        line = line.union(older)
        shown = select(p.tiles).where(p.session == session, p.hash.in_(select(line.c.image).union(select(line.c.mask))))
        names = [row[i : i + 32].hex() for row in connection.execute(shown).scalars() for i in range(0, len(row), 32)]
        return set(connection.execute(select(t.blob).where(t.session == session, t.hash.in_(names))).scalars())

    put(upkeep, "named", named)


def owner_not_in_where(put: Set) -> None:
    """A picture is found by its session and its hash alone."""
    p = schema.pictures.c
    anybodys = select(schema.pictures).where(p.session == bindparam("session"), p.hash == bindparam("hash"))
    put(store, "_PICTURE", anybodys)
    places = store._PLACES.whereclause.clauses[:2]
    put(store, "_PLACES", select(schema.tiles).where(*places))


MUTANTS: dict[str, Callable[[Set], None]] = {
    function.__name__: function
    for function in (
        row_before_blob,
        no_compare_and_set,
        head_before_revision,
        hash_not_checked,
        gc_forgets_undone_lines,
        owner_not_in_where,
    )
}
