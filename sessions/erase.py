"""Deleting a session: the only way data leaves. Its rows first, in one transaction, then its files.

Whoever is stopped in between asks again: the files of a session that is no more go at once. One line of `deleted.jsonl`
says that it happened, and nothing of what it was. Backups keep their copies; they are the operator's to throw away.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import delete, func, select

from sessions import schema, upkeep
from sessions.files import storage_errors
from sessions.repair import QUARANTINE
from sessions.rows import dumps, no_session, now
from sessions.store import Store

AUDIT = "deleted.jsonl"
CACHE = "cache"
"""What tools have worked out from pictures, of whatever session: all of it goes, and is worked out anew when needed."""
_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Deleted:
    """What is gone."""

    session: str
    revisions: int
    files: int
    bytes: int
    at: str


def delete_session(store: Store, session: str) -> Deleted:
    """Delete a session by its full id, whoever owns it; NotFound where neither rows nor files of it are there."""
    if not _ID.fullmatch(session):  # it becomes part of a path
        raise no_session()
    revisions = _rows(store, session)
    places = [place for name in ("blobs", "live", QUARANTINE) if (place := store.home / name / session).is_dir()]
    if revisions is None and not places:
        raise no_session()
    paths = [path for place in places for path in place.iterdir()]
    deleted = Deleted(session, revisions or 0, len(paths), sum(path.stat().st_size for path in paths), now())
    with storage_errors():
        _note(store.home / AUDIT, deleted)
        for path in paths:
            store.files.remove(path)
        for place in places:
            place.rmdir()
            store.files.sync_folder(place.parent)
    shutil.rmtree(store.home / CACHE, ignore_errors=True)
    return deleted


def _rows(store: Store, session: str) -> int | None:
    """Delete the rows; how many revisions there were, None where the session is not there."""
    r = schema.revisions.c
    with store.database.write() as connection:
        if store.database.sqlite:  # what was deleted is overwritten, not just marked as free
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        if not upkeep.hold(connection, session):
            return None
        count = connection.execute(select(func.count()).where(r.session == session)).scalar_one()
        for table in reversed(schema.metadata.sorted_tables):
            column = table.c.id if table is schema.sessions else table.c.session
            connection.execute(delete(table).where(column == session))
    if store.database.sqlite:
        with closing(store.database.engine.raw_connection()) as raw:  # outside any transaction
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return int(count)


def _note(path: Path, deleted: Deleted) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(dumps(asdict(deleted)) + "\n")
        file.flush()
        os.fsync(file.fileno())
