"""A session as one file, and back: all its history, words and pictures, under the ids it had.

A bundle is a zip of uncompressed members: a file of JSON lines per table (`bundle_rows`), the blobs under their sha256,
and `manifest.json`, which has the counts and the sha256 of each table. Equal sessions give equal bytes. Turns that are
not finished travel as cancelled, with a sentence: steps they have made name them, and nobody there would go on.

A bundle that comes in is a stranger's. It is unpacked into a store of its own, where `fsck` must find nothing wrong;
only then its files are moved over and its rows copied, in one transaction. Whatever is refused leaves nothing behind.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import IntegrityError

from sessions import schema, upkeep
from sessions.bundle_pixels import check_tiles
from sessions.bundle_rows import ROWS, TABLES, damaged, lines, rows
from sessions.bundle_zip import MANIFEST, Reader, Writer, reading, table_member
from sessions.database import KNOWN_SCHEMAS, SCHEMA
from sessions.errors import NameTaken, Refused, SchemaTooNew, StorageError
from sessions.files import TEMP_SUFFIX, storage_errors
from sessions.findings import PORTION
from sessions.fsck import fsck
from sessions.identity import canonical, new_id
from sessions.rows import insert_new, now, session_of
from sessions.store import Store
from sessions.values import Session
from sessions.words import clean_name

FORMAT = "pentimento-session"
VERSION = 1
_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Manifest:
    """What a bundle holds. `rows`: how many of each table; `sha256`: of each table's lines; `bytes`: of all blobs."""

    session: str
    name: str
    created_at: str
    schema: str
    rows: dict[str, int]
    sha256: dict[str, str]
    blobs: int
    bytes: int
    format: str = FORMAT
    version: int = VERSION


# Out


def export_session(store: Store, session: str, path: Path) -> Manifest:
    """Write a session as a bundle; StorageError where `path` exists, BlobMissing or BlobDamaged where pixels are."""
    about = store.session(session)
    with storage_errors(), _reserved(path):
        part = path.with_name(f"{path.name}.{new_id()}{TEMP_SUFFIX}")
        try:
            with part.open("xb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as opened:
                    manifest = _write(store, about, Writer(opened))
                os.fsync(file.fileno())
            store.files.rename(part, path)
            store.files.sync_folder(path.parent)
        finally:
            with suppress(OSError):
                store.files.remove(part)
    return manifest


@contextmanager
def _reserved(path: Path) -> Iterator[None]:
    """An empty file holds the name, so that nobody's is written over; it goes where what follows fails."""
    try:
        path.open("xb").close()
    except FileExistsError:
        raise StorageError(f"There is something called {path} already.", "Choose another name.") from None
    with ExitStack() as back:
        back.callback(path.unlink, missing_ok=True)
        yield
        back.pop_all()


def _write(store: Store, session: Session, writer: Writer) -> Manifest:
    """The rows as one consistent reading; then the blobs they name, which stay as long as the rows do."""
    counts: dict[str, int] = {}
    with store.database.read() as connection:
        hashes = {
            member: writer.add(member, _counted(lines(connection, session.id, table), table, counts))
            for member, table in _members()
        }
        needed = sorted(upkeep.needed(connection, session.id))
    size = 0
    for blob in needed:
        data = store.blobs.get(session.id, blob)
        writer.add(f"blobs/{blob}", [data])
        size += len(data)
    manifest = Manifest(session.id, session.name, session.created_at, SCHEMA, counts, hashes, len(needed), size)
    writer.add(MANIFEST, [canonical(asdict(manifest)) + b"\n"])
    return manifest


def _members() -> list[tuple[str, Table]]:
    return [(table_member(table.name), table) for table in TABLES]


def _counted(found: Iterable[Any], table: Table, counts: dict[str, int]) -> Iterator[Any]:
    counts[table.name] = 0
    for one in found:
        counts[table.name] += 1
        yield one


# In


def import_session(store: Store, path: Path) -> Session:
    """Take in a bundle; Refused, with nothing left behind, where anything in it is wrong.

    Revisions keep their ids. The session keeps its id where it is free; NameTaken where this owner has it here already.
    Where it is somebody else's on the same database, the copy gets an id of its own: owners never share a row.
    """
    with (
        storage_errors(),
        TemporaryDirectory(prefix=upkeep.IMPORTING, dir=store.home, ignore_cleanup_errors=True) as place,
        closing(Store(Path(place), owner=store.owner)) as hall,
    ):
        with reading(path) as bundle:
            manifest = _manifest(bundle)
            _unpack(hall, bundle, manifest)
        _examine(hall, manifest.session)
        return _adopt(store, hall, manifest.session)


def _manifest(bundle: Reader) -> Manifest:
    line = bundle.manifest()
    try:
        manifest = TypeAdapter(Manifest).validate_json(line, strict=True)
    except ValueError:
        raise damaged("its manifest is not as Pentimento writes it") from None
    few = all(0 <= count <= ROWS for count in manifest.rows.values())
    if canonical(asdict(manifest)) + b"\n" != line or not few or not _ID.fullmatch(manifest.session):
        raise damaged("its manifest is not as Pentimento writes it")
    _check_version(manifest)
    held = (manifest.format, manifest.blobs, manifest.bytes)
    if bundle.tables != {member for member, _ in _members()} or held != (FORMAT, len(bundle.blobs), bundle.bytes):
        raise damaged("it does not hold what its manifest says")
    return replace(manifest, name=clean_name(manifest.name), created_at=clean_name(manifest.created_at))


def _check_version(manifest: Manifest) -> None:
    """Only this schema's: an old data folder is upgraded when it is opened, a bundle is not."""
    if manifest.version != VERSION or manifest.schema not in KNOWN_SCHEMAS:
        raise SchemaTooNew("This bundle was written by a newer Pentimento.", "Update Pentimento; nothing was changed.")
    if manifest.schema != SCHEMA:
        raise Refused(
            "This bundle was written by an older Pentimento.",
            "Take it in with that one, update, and export the session again.",
        )


def _unpack(hall: Store, bundle: Reader, manifest: Manifest) -> None:
    """Everything into the store it is examined in; Refused where a part is not what its name or the manifest says."""
    folder = hall.files.path(f"blobs/{manifest.session}")
    hall.files.make_folder(folder)
    for blob in bundle.blobs:
        bundle.copy(blob, folder / blob)
    counts: dict[str, int] = {}
    try:
        with hall.database.write() as connection:
            connection.execute(schema.sessions.insert(), _session(hall, manifest, manifest.session))
            for member, table in _members():
                found = rows(table, manifest.session, bundle.lines(member, manifest.sha256.get(member, "")))
                _insert(connection, table, _counted(found, table, counts))
    except StorageError as error:
        if isinstance(error.__cause__, IntegrityError):
            raise damaged("its rows do not belong together") from error
        raise
    if counts != manifest.rows:
        raise damaged("it has not as many rows as its manifest says")


def _session(store: Store, manifest: Manifest, session: str) -> dict[str, Any]:
    return {
        "id": session,
        "owner": store.owner,
        "name": manifest.name,
        "seq": manifest.rows.get("revisions", 0),
        "request_id": new_id(),
        "created_at": manifest.created_at,
        "touched_at": now(),
    }


def _insert(connection: Connection, table: Table, found: Iterator[dict[str, Any]]) -> None:
    while portion := list(islice(found, PORTION)):
        connection.execute(table.insert(), portion)


def _examine(hall: Store, session: str) -> None:
    check_tiles(hall, session)
    problem = next(fsck(hall), None)
    if problem is not None:
        raise damaged(f"{problem.what} {problem.name[:19]}: {problem.detail}")


def _adopt(store: Store, hall: Store, session: str) -> Session:
    """From the store it was examined in to the one it shall be in: files, then rows, in one transaction."""
    with hall.database.read() as source, store.database.write() as target:
        claimed = _claim(target, store, source)
        with ExitStack() as back:
            _move_files(store, hall.files.path(f"blobs/{session}"), claimed, back)
            for table in TABLES:
                (_copy_moves if table is schema.moves else _copy)(source, target, table, claimed)
            back.pop_all()
        return session_of(target.execute(select(schema.sessions).where(schema.sessions.c.id == claimed)).one())


def _claim(target: Connection, store: Store, source: Connection) -> str:
    """Insert the session's row, under its own id if nobody has it; NameTaken where it is one's own already."""
    s = schema.sessions
    row = dict(source.execute(select(s)).one()._mapping)
    for wanted in (row["id"], new_id()):
        insert_new(target, s, [row | {"id": wanted}])
        there = target.execute(select(s).where(s.c.id == wanted)).one()
        if there.request_id == row["request_id"]:
            return str(wanted)
        if there.owner == store.owner:
            raise NameTaken("This session is here already.", f"pentimento log -s {wanted[:8]} shows it.")
    raise StorageError("No id was free.", "Try again.")


def _move_files(store: Store, source: Path, session: str, back: ExitStack) -> None:
    """Move the files of a session to where they belong; `back` takes them away again if what follows fails."""
    folder = store.files.path(f"blobs/{session}")
    store.files.make_folder(folder)
    for path in sorted(source.iterdir()):
        store.files.rename(path, folder / path.name)
        back.callback(store.files.remove, folder / path.name)
    store.files.sync_folder(folder)


def _copy(source: Connection, target: Connection, table: Table, session: str) -> None:
    order = [table.c.seq] if table is schema.revisions else []
    found = source.execute(select(table).order_by(*order), execution_options={"yield_per": PORTION})
    _insert(target, table, (dict(row._mapping) | {"session": session} for row in found))


def _copy_moves(source: Connection, target: Connection, table: Table, session: str) -> None:
    """One by one: their ids count over all sessions, and a redo names the move it inverts."""
    given: dict[int | None, int] = {}
    for row in source.execute(select(table).order_by(table.c.id), execution_options={"yield_per": PORTION}):
        new = dict(row._mapping) | {"session": session, "inverts": given.get(row.inverts)}
        del new["id"]
        given[row.id] = target.execute(table.insert().returning(table.c.id), new).scalar_one()
