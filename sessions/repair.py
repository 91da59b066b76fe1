"""Mending what can be mended without losing anything: `fsck --repair`.

Three things and no more. Damaged files go into `quarantine`, unless a sound tile is left in them. Records of tiles that
cannot be read are forgotten, so that the same pixels, sent again, heal every revision that stands on them (`keep`
writes only what has no record). A head that is damaged goes back to its newest sound ancestor, by a row of the reflog.
No revision is removed, and what is damaged stays reported. Run it while nobody edits.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, select

from sessions import schema
from sessions.check_pixels import file_fault, sound_tiles
from sessions.commits import advance, record
from sessions.files import storage_errors
from sessions.findings import Problem
from sessions.moves import CALLED, of_branch
from sessions.store import Store
from sessions.upkeep import hold

QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Repaired:
    """What was done. `what`: file (quarantined), tile (forgotten), branch (its head went back to `to`)."""

    what: str
    name: str
    session: str
    to: str = ""


def repair(store: Store, problems: Iterable[Problem]) -> Iterator[Repaired]:
    """Mend what `fsck` found."""
    damage = [problem for problem in problems if problem.damage]
    for session in dict.fromkeys(problem.session for problem in damage if problem.session):
        here = [problem for problem in damage if problem.session == session]
        yield from _tiles(store, session, here)
        for name in dict.fromkeys(p.name.split()[-1] for p in here if p.what in ("file", "asset")):
            yield from _quarantine(store, session, name)
        yield from _heads(store, session, {p.name for p in here if p.what == "revision"})


def _tiles(store: Store, session: str, problems: list[Problem]) -> Iterator[Repaired]:
    """Forget the tiles of damaged files, and damaged records of tiles, that cannot be read indeed."""
    t = schema.tiles.c
    for problem in problems:
        if problem.what in ("file", "tile"):
            column = t.blob if problem.what == "file" else t.hash
            with store.database.read() as connection:
                rows = select(schema.tiles).where(t.session == session, column == problem.name)
                places = connection.execute(rows).all()
            sound = sound_tiles(store, session, places)
            yield from _forget(store, session, [p.hash for p, good in zip(places, sound, strict=True) if not good])


def _quarantine(store: Store, session: str, name: str) -> Iterator[Repaired]:
    """Move a damaged file away, unless the record of a tile, a sound one by now, still names it."""
    t = schema.tiles.c
    with store.database.read() as connection:
        wanted = connection.execute(select(t.hash).where(t.session == session, t.blob == name).limit(1)).first()
    if wanted is None and file_fault(store, session, name) == "mismatch":
        path = store.files.path(store.blobs.name(session, name))
        away = store.files.path(f"{QUARANTINE}/{session}/{name}")
        with storage_errors():
            store.files.make_folder(away.parent)
            store.files.rename(path, away)
            store.files.sync_folder(away.parent)
            store.files.sync_folder(path.parent)
        yield Repaired("file", name, session, f"{QUARANTINE}/{session}/{name}")


def _forget(store: Store, session: str, tiles: list[str]) -> Iterator[Repaired]:
    t = schema.tiles.c
    with store.database.write() as connection:
        hold(connection, session)
        for tile in tiles:
            connection.execute(delete(schema.tiles).where(t.session == session, t.hash == tile))
    yield from (Repaired("tile", tile, session) for tile in tiles)


def _heads(store: Store, session: str, unsound: set[str]) -> Iterator[Repaired]:
    b = schema.branches.c
    with store.database.write() as connection:
        if not hold(connection, session):
            return
        for branch in connection.execute(select(b.name, b.head).where(b.session == session)).all():
            older = (revision for revision in _older(connection, session, branch) if revision not in unsound)
            sound = next(older, branch.head)
            if sound != branch.head:
                advance(connection, (session, branch.name), branch.head, sound)
                record(connection, (session, branch.name), "repair", (branch.head, sound))
                yield Repaired("branch", branch.name, session, sound)


def _older(connection: Connection, session: str, branch: Row[str, str]) -> Iterator[str]:
    """A branch's head and its ancestors, newest first; then where its moves came from, if the head is lost."""
    r, m = schema.revisions.c, schema.moves.c

    def find(revision: str | None) -> list[tuple[int, str, str | None, str | None]]:
        one = select(-r.seq, r.id, r.parent, r.parent2).where(r.session == session, r.id == revision)
        return [(row[0], row[1], row[2], row[3]) for row in connection.execute(one)]

    queue, seen = find(branch.head), {branch.head}
    while queue:
        _, revision, *parents = heapq.heappop(queue)
        yield revision
        for parent in set(parents) - seen:
            seen.add(parent)
            for older in find(parent):
                heapq.heappush(queue, older)
    came_from = select(m.before).join(CALLED, of_branch(schema.moves)).order_by(m.id.desc())
    for revision in connection.execute(came_from, {"session_id": session, "branch": branch.name}).scalars().all():
        yield from (row[1] for row in find(revision))
