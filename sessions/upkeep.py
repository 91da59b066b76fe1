"""Keeping house: which files nothing names, sweeping them away after a grace, and counting what is there.

No revision, asset or message is ever removed here (only `erase` does that), so what `gc` may take is what a crash or a
cancelled step left behind. It can be stopped at any point and begun again. Checking is `fsck`'s work.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from sessions import schema
from sessions.files import TEMP_SUFFIX, storage_errors
from sessions.rows import no_session
from sessions.store import Store

GRACE = timedelta(days=14)
LEAST_GRACE = timedelta(hours=24)
"""Younger files may belong to a step that is just being committed; temporary files are stale from here on."""

IMPORTING = "importing-"
"""Folders in which a bundle is being examined begin so; one that a killed process left is stale like a file."""

PORTION = 200
"""How many files are removed while a session's writers wait, and how many rows are read together."""

_AT: BindParameter[str] = bindparam("session")
_PACKS = select(schema.tiles.c.blob).where(schema.tiles.c.session == _AT).distinct()
_FILED = select(schema.assets.c.sha256, schema.assets.c.original, schema.assets.c.kind).where(
    schema.assets.c.session == _AT
)
_ATTACHED = select(schema.messages.c.attachments).where(
    schema.messages.c.session == _AT, schema.messages.c.attachments != "[]"
)
_HOLD = select(schema.sessions.c.id).where(schema.sessions.c.id == _AT).with_for_update()
_PICTURES = select(schema.pictures.c.hash, schema.pictures.c.tiles).where(schema.pictures.c.session == _AT)
_PICTURELESS = (
    select(schema.revisions.c.id)
    .outerjoin(
        schema.pictures,
        (schema.pictures.c.session == schema.revisions.c.session)
        & (schema.pictures.c.hash == schema.revisions.c.image),
    )
    .where(schema.revisions.c.session == _AT, schema.pictures.c.hash.is_(None))
    .limit(1)
)


@dataclass(frozen=True)
class File:
    """A file in a session's folder. `age` in seconds."""

    path: Path
    bytes: int
    age: float

    @property
    def temporary(self) -> bool:
        return self.path.name.endswith(TEMP_SUFFIX)


@dataclass(frozen=True)
class Removed:
    """What `gc` took, or with `dry_run` would take."""

    session: str
    file: str
    bytes: int


@dataclass(frozen=True)
class Spared:
    """A session `gc` left alone: its records are incomplete, so nobody can say what they would name."""

    session: str


@dataclass(frozen=True)
class Stats:
    """How much is there. `oldest_orphan_hours`: the age of the oldest file that nothing names."""

    schema: str
    owners: int
    sessions: int
    revisions: int
    files: int
    bytes: int
    orphans: int
    oldest_orphan_hours: float | None


def folders(store: Store) -> Iterator[str]:
    """The sessions that have a folder, by name, whether or not the database knows them."""
    root = store.home / "blobs"
    if root.is_dir():
        yield from sorted(path.name for path in root.iterdir() if path.is_dir())


def files(store: Store, session: str) -> Iterator[File]:
    """The files of one session's folder."""
    folder = store.home / "blobs" / session
    if folder.is_dir():
        yield from filter(None, map(_look, folder.iterdir()))


def _look(path: Path) -> File | None:
    """A file as it is now; None where it is no more."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return File(path, facts.st_size, time.time() - facts.st_mtime)


def needed(connection: Connection, session: str) -> set[str]:
    """The files without which something of the session cannot be read."""
    here = {"session": session}
    names = set(connection.execute(_PACKS, here).scalars())
    for asset, original, kind in connection.execute(_FILED, here):
        names |= {asset} if kind in ("audio", "original") else set()
        names |= {original} - {None}
    return names


def named(connection: Connection, session: str) -> set[str]:
    """Every name of a file that stands in a tile, an asset or a message of the session, needed or not."""
    here = {"session": session}
    names = needed(connection, session)
    names |= {row.sha256 for row in connection.execute(_FILED, here)}
    for attachments in connection.execute(_ATTACHED, here).scalars():
        with suppress(ValueError):  # damage, which fsck reports
            names |= set(json.loads(attachments))
    return names


def hold(connection: Connection, session: str) -> bool:
    """Make the writers of a session wait until this transaction ends. False: there is no such session."""
    return connection.execute(_HOLD, {"session": session}).first() is not None


def owner_of(store: Store, session: str) -> str:
    """Whose session it is, by its full id; NotFound where it is not there. For operators only."""
    with store.database.read() as connection:
        owner = connection.execute(select(schema.sessions.c.owner).where(schema.sessions.c.id == session)).scalar()
    if owner is None:
        raise no_session()
    return str(owner)


def gc(store: Store, grace: timedelta = GRACE, dry_run: bool = False) -> Iterator[Removed | Spared]:
    """Remove files that nothing names and that are older than `grace` (24 hours at least), and stale temporary files.

    Safe beside writers: names are read, ages looked at and files removed while the session's writers wait, and what a
    writer found in place before that it looks for again before it names it (`Store.insert_pixels`).
    """
    if grace < LEAST_GRACE:
        raise ValueError(f"a grace of {grace} could take what is being written")
    for session in folders(store):
        with store.database.read() as connection:
            kept = named(connection, session)
            found = [file for file in files(store, session) if _may_go(file, grace, kept)]
            spare = bool(found) and _incomplete(store, connection, session)
        if spare:
            yield Spared(session)
        elif dry_run:
            yield from (Removed(session, file.path.name, file.bytes) for file in found)
        else:
            for start in range(0, len(found), PORTION):
                yield from _sweep(store, session, found[start : start + PORTION], grace)
            _leave(store, session)
    yield from _abandoned(store, dry_run)


def stats(store: Store) -> Stats:
    """Counts over everything in the data folder."""
    s, r = schema.sessions, schema.revisions
    with store.database.read() as connection:
        owners, sessions = connection.execute(select(func.count(s.c.owner.distinct()), func.count())).one()
        revisions = connection.execute(select(func.count()).select_from(r)).scalar_one()
    count = size = orphans = 0
    oldest: float | None = None
    for session in folders(store):
        with store.database.read() as connection:
            kept = named(connection, session)
        for file in files(store, session):
            count, size = count + 1, size + file.bytes
            if file.path.name not in kept:
                orphans, oldest = orphans + 1, max(oldest or 0.0, file.age)
    hours = None if oldest is None else round(oldest / 3600, 1)
    return Stats(store.database.schema() or "", owners, sessions, revisions, count, size, orphans, hours)


def _abandoned(store: Store, dry_run: bool) -> Iterator[Removed]:
    """Remove what imports have left that were killed."""
    for folder in sorted(store.home.glob(f"{IMPORTING}*")):
        if time.time() - folder.stat().st_mtime > LEAST_GRACE.total_seconds():
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            if not dry_run:
                shutil.rmtree(folder, ignore_errors=True)
            yield Removed("", folder.name, size)


def _may_go(file: File, grace: timedelta, kept: set[str]) -> bool:
    if file.temporary:
        return file.age > LEAST_GRACE.total_seconds()
    return file.age > grace.total_seconds() and file.path.name not in kept


def _sweep(store: Store, session: str, found: list[File], grace: timedelta) -> list[Removed]:
    """Remove what may still go now that nobody can begin to name it."""
    with store.database.write() as connection, storage_errors():
        hold(connection, session)
        kept = named(connection, session)
        going = [file for file in filter(None, (_look(f.path) for f in found)) if _may_go(file, grace, kept)]
        for file in going:
            store.files.remove(file.path)
    return [Removed(session, file.path.name, file.bytes) for file in going]


def _incomplete(store: Store, connection: Connection, session: str) -> bool:
    """Whether a revision's picture or a picture's tile has no record: the record may have named a file we see."""
    here = {"session": session}
    if connection.execute(_PICTURELESS, here).first() is not None:
        return True
    with connection.execute(_PICTURES, here, execution_options={"yield_per": PORTION}) as pictures:
        for row in pictures:
            tiles = {row.tiles[i : i + 32].hex() for i in range(0, len(row.tiles), 32)}
            if tiles - set(store.known(connection, session, list(tiles))):
                return True
    return False


def _leave(store: Store, session: str) -> None:
    """Remove the empty folder of a session that is no more."""
    with store.database.read() as connection:
        gone = connection.execute(select(schema.sessions.c.id).where(schema.sessions.c.id == session)).first() is None
    if gone:
        with suppress(OSError):
            (store.home / "blobs" / session).rmdir()
