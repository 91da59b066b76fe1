"""Ordinary work on a store under the eyes of strace. After each operation it says, in a file beside, what it was told.

Run as `python -m tests.reliability.power_worker HOME ACKS ROUNDS [BUG]`. Its bugs are for proving that the harness sees
what it should: each leaves out one of the syncs that durability stands on.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from sessions import database, history, moves, upkeep
from sessions.files import Files
from sessions.store import Store
from tests import making


def _file_not_synced() -> None:
    def write(_self: Files, path: Path, data: bytes) -> None:
        path.write_bytes(data)

    Files.write = write  # type: ignore[method-assign]


def _folder_not_synced() -> None:
    Files.sync_folder = lambda _self, _folder: None  # type: ignore[method-assign]


def _log_not_synced() -> None:
    configure = database._configure_sqlite

    def less(connection: Any, record: Any) -> None:
        configure(connection, record)
        connection.execute("PRAGMA synchronous=NORMAL")

    database._configure_sqlite = less


BUGS: dict[str, Callable[[], None]] = {
    "file_not_synced": _file_not_synced,
    "folder_not_synced": _folder_not_synced,
    "log_not_synced": _log_not_synced,
}


def work(home: Path, acknowledge: Callable[[Store, str], None], rounds: int) -> None:
    """Every round opens the store anew: closing it copies the log into the database and removes it."""
    for number in range(rounds):
        with closing(Store(home)) as store:
            session = store.create_session("cat.png", f"request {number // 2}").id
            if history.graph(store, session).current is None:
                making.upload(store, session, making.wide(number))
                acknowledge(store, session)
            making.edit(store, session, "main", making.wide(number + 50, changed=2), where=making.mask(number, 1100, 4))
            acknowledge(store, session)
            moves.undo(store, session, "main")
            acknowledge(store, session)
            shown = [making.picture(number), making.picture(number + 500)]
            making.work(store, session, "main", f"turn {number}", shown)
            acknowledge(store, session)
            moves.create_branch(store, session, "copy", moves.branch(store, session, "main").head, exact=False)
            acknowledge(store, session)
            store.keep(session, making.picture(number + 1000))
            long_ago = time.time() - 30 * 86400
            for path in (home / "blobs" / session).iterdir():
                os.utime(path, (long_ago, long_ago))
            list(upkeep.gc(store))


def main(home: str, acks: str, rounds: str, bug: str = "") -> None:
    # a small log: it is copied into the database, and begun anew, many times while the store is open
    event.listen(Engine, "connect", lambda connection, _: connection.execute("PRAGMA wal_autocheckpoint=40"))
    if bug:
        BUGS[bug]()
    with Path(acks).open("ab", buffering=0) as file:

        def acknowledge(store: Store, session: str) -> None:
            graph = history.graph(store, session)
            told: dict[str, Any] = {
                "revisions": [revision.id for revision in graph.revisions],
                "move": history.moves(store, session, 1)[0].id,
            }
            file.write(json.dumps(told).encode() + b"\n")

        work(Path(home), acknowledge, int(rounds))


if __name__ == "__main__":
    main(*sys.argv[1:])
