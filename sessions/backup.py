"""Backup and restore of the whole data folder: a copy of the database, then the files it needs, then a manifest.

A backup can be made while others write: a file is there before its name is, so every file that the copied database
names can be copied after it. Into the same folder again only what is new is copied; until the manifest is replaced, at
the end, the backup before it stands whole. SQLite is copied by its backup API, PostgreSQL by `pg_dump`. Files are never
removed from a backup: those of deleted sessions stay until the folder is thrown away.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import func, make_url, select

from sessions import schema, upkeep
from sessions.blobs import Blobs
from sessions.errors import BlobDamaged, BlobMissing, StorageError
from sessions.files import TEMP_SUFFIX, Files, storage_errors
from sessions.findings import Problem
from sessions.fsck import fsck
from sessions.identity import new_id
from sessions.rows import dumps, now
from sessions.store import Store

MANIFEST = "manifest.json"
_DATABASE = "sessions-"


@dataclass(frozen=True)
class Manifest:
    """What a backup folder holds. `lost`: files the store needs and does not have, nor the backup from before."""

    database: str
    sha256: str
    engine: str
    schema: str
    sessions: int
    revisions: int
    copied: int
    bytes: int
    lost: int
    created_at: str
    version: int = 1


def backup(store: Store, folder: Path) -> Manifest:
    """Copy everything into a folder; StorageError where a session was deleted meanwhile."""
    target = Files(folder)
    part = folder / f"{_DATABASE}{new_id()}{TEMP_SUFFIX}"
    with storage_errors():
        target.make_folder(folder)
        before = _sessions(store)
        revisions = _revisions(store)
        _copy_database(store, part)
        digest = _sync_and_hash(part)
        counts = [_copy_files(store, session, target) for session in sorted(before | _sessions(store))]
        if before - _sessions(store):
            target.remove(part)
            raise StorageError("A session was deleted during the backup.", "Run it again; the one before it stands.")
        copied, size, lost = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
        manifest = Manifest(
            database=f"{_DATABASE}{digest[:16]}.db",
            sha256=digest,
            engine=store.database.engine.dialect.name,
            schema=store.database.schema() or "",
            sessions=len(before),
            revisions=revisions,
            copied=copied,
            bytes=size,
            lost=lost,
            created_at=now(),
        )
        _put_in_force(target, part, manifest)
    return manifest


def restore(folder: Path, home: Path, url: str = "") -> list[Problem]:
    """Bring a backup back into a data folder without sessions, then check all of it; returns what is wrong.

    The database gets its name last, so that a restore that was stopped can be begun again (PostgreSQL: drop and
    create the database first).
    """
    manifest = _manifest(folder)
    files = Files(home)
    with storage_errors():
        files.make_folder(home)
    target = make_url(url or f"sqlite:///{home / 'sessions.db'}")
    if target.get_backend_name() != manifest.engine:
        raise StorageError(f"This backup was made of {manifest.engine}.", "Set PENTIMENTO_DATABASE_URL accordingly.")
    if manifest.engine != "sqlite":
        _pg("pg_restore", url, "--no-owner", "--exit-on-error", "--single-transaction", folder / manifest.database)
        return _bring(Store(home, url), folder)
    database, part = Path(target.database or ""), Path(f"{target.database}{TEMP_SUFFIX}")
    with storage_errors():
        if database.exists():
            raise StorageError("There are sessions in that data folder already.", "Restore into an empty one.")
        for leftover in part.parent.glob(f"{part.name}*"):
            files.remove(leftover)
        shutil.copyfile(folder / manifest.database, part)
        _sync_and_hash(part)
    problems = _bring(Store(home, f"sqlite:///{part}"), folder)
    with storage_errors():
        files.rename(part, database)
        files.sync_folder(database.parent)
    return problems


def _bring(store: Store, folder: Path) -> list[Problem]:
    """Copy from the backup the files that the restored database needs, and check."""
    source = Blobs(Files(folder))
    with closing(store):
        for session in sorted(_sessions(store)):
            with store.database.read() as connection:
                names = upkeep.needed(connection, session)
            for name in sorted(names):
                try:
                    store.blobs.put(session, source.get(session, name))
                except (BlobMissing, BlobDamaged):
                    continue  # fsck says so, and what stands on it
        return list(fsck(store))


def _sessions(store: Store) -> set[str]:
    with store.database.read() as connection:
        return set(connection.execute(select(schema.sessions.c.id)).scalars())


def _revisions(store: Store) -> int:
    with store.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(schema.revisions)).scalar_one())


def _copy_database(store: Store, part: Path) -> None:
    if not store.database.sqlite:
        _pg("pg_dump", store.database.url, "--format=custom", "--no-owner", f"--file={part}")
        return
    try:
        with closing(store.database.engine.raw_connection()) as raw, closing(sqlite3.connect(part)) as copy:
            source = raw.driver_connection
            if isinstance(source, sqlite3.Connection):
                source.backup(copy)
    except sqlite3.Error as error:
        raise StorageError(f"The session database could not be copied ({error}).") from error


def _pg(program: str, url: str, *arguments: object) -> None:
    """Run a client program of PostgreSQL; the password goes by the environment, where `ps` does not show it."""
    if shutil.which(program) is None:
        raise StorageError(f"{program} is not installed.", "Install the client programs of PostgreSQL.")
    where = make_url(url)
    plain = where.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    secret = {"PGPASSWORD": str(where.password)} if where.password is not None else {}
    command = [program, f"--dbname={plain}", *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | secret, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        first = next(iter(done.stderr.splitlines()), f"status {done.returncode}")
        raise StorageError(f"{first}.", "A restore needs a database that is empty, a backup one that answers.")


def _copy_files(store: Store, session: str, target: Files) -> tuple[int, int, int]:
    """Copy the files of one session that are not there yet; how many, how many bytes, how many could not be."""
    with store.database.read() as connection:
        names = upkeep.needed(connection, session)
    count = size = lost = 0
    for name in sorted(names):
        if target.path(Blobs.name(session, name)).exists():
            continue
        try:
            data = store.blobs.get(session, name)
        except (BlobMissing, BlobDamaged):
            lost += 1
            continue
        Blobs(target).put(session, data)
        count, size = count + 1, size + len(data)
    return count, size, lost


def _sync_and_hash(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put_in_force(target: Files, part: Path, manifest: Manifest) -> None:
    """Give the database copy its name, then replace the manifest, then drop the database copies before it."""
    folder = target.root
    target.rename(part, folder / manifest.database)
    target.sync_folder(folder)
    draft = folder / f"{MANIFEST}.{new_id()}{TEMP_SUFFIX}"
    target.write(draft, (dumps(asdict(manifest)) + "\n").encode())
    target.rename(draft, folder / MANIFEST)
    target.sync_folder(folder)
    for old in [*folder.glob(f"{_DATABASE}*"), *folder.glob(f"*{TEMP_SUFFIX}")]:
        if old.name != manifest.database:
            target.remove(old)


def _manifest(folder: Path) -> Manifest:
    """The manifest of a backup whose database copy is what it says."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        right = manifest.version == 1 and _sync_and_hash(folder / manifest.database) == manifest.sha256
    except (OSError, ValueError, TypeError) as error:
        raise StorageError("That folder holds no complete backup.", "Name the folder given to backup.") from error
    if not right:
        raise BlobDamaged("The database copy in that folder is damaged.", "Use another backup; nothing was changed.")
    return manifest
