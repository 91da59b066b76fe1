"""One operation on a store in which the k-th thing that could fail fails: every file primitive, statement and commit.

Runs in a child that ends here, so that classes can be patched for good. Three ways to fail: the disk is full (ENOSPC),
the disk is broken (EIO), and the process is gone from one instruction to the next (die).
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import Engine, event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from sessions import backup, history, moves, upkeep, uploads
from sessions.erase import delete_session
from sessions.errors import PentimentoError
from sessions.files import Files
from sessions.intake import Admitted
from sessions.store import Store
from tests import making
from tests.reliability.mutants import MUTANTS

UNTOUCHED, REFUSED, BORNE, DIED = 0, 10, 11, 99
"""The operation was done before the k-th point; it raised one of our errors; it was done all the same; it died."""

MODES = ("ENOSPC", "EIO", "die")

MOVES = 3
"""How many moves the store has before the operation."""


class Faults:
    """Counts the points at which something could fail, and fails at one of them."""

    def __init__(self, mode: str, at: int) -> None:
        self.mode, self.at, self.seen, self.armed = mode, at, 0, False

    def __call__(self, fail: Callable[[str], NoReturn]) -> None:
        if self.armed:
            self.seen += 1
            if self.seen == self.at:
                if self.mode == "die":
                    os._exit(DIED)
                fail(self.mode)


def disk(mode: str) -> NoReturn:
    number = getattr(errno, mode)
    raise OSError(number, os.strerror(number))


def database(mode: str) -> NoReturn:
    raise sqlite3.OperationalError("database or disk is full" if mode == "ENOSPC" else "disk I/O error")


def _around(kind: Any, name: str, point: Callable[[], None]) -> None:
    """A point before and a point after a function."""
    real = getattr(kind, name)

    def wrapped(*arguments: Any) -> Any:
        point()
        result = real(*arguments)
        point()
        return result

    setattr(kind, name, wrapped)


def install(faults: Faults) -> None:
    for name in ("rename", "remove", "sync_folder", "make_folder", "get"):
        _around(Files, name, lambda: faults(disk))
    _around(backup, "_copy_database", lambda: faults(disk))
    _around(SQLiteDialect_pysqlite, "do_commit", lambda: faults(database))
    write = Files.write

    def halfway(self: Files, path: Path, data: bytes) -> None:
        faults(disk)
        path.write_bytes(data[: len(data) // 2])
        faults(disk)
        path.unlink()
        write(self, path, data)
        faults(disk)

    Files.write = halfway  # type: ignore[method-assign]
    for hook in ("do_execute", "do_executemany", "do_execute_no_params"):
        event.listen(Engine, hook, lambda *_: faults(database))


def operate(store: Store, op: str, folder: Path) -> None:
    """One operation, the same every time; sent again, it does nothing where it was done."""
    sessions = [*(session.id for session in store.sessions()), *upkeep.folders(store)]
    if op == "gc":
        list(upkeep.gc(store))
    elif op == "backup":
        backup.backup(store, folder / "backup")
    elif op == "delete" and sessions:
        delete_session(store, sessions[0])
    elif op == "upload":
        original = b"original of a photo"
        admitted = Admitted("image", "image/png", making.picture(8), None, None, original)
        uploads.root(store, sessions[0], uploads.receive(store, sessions[0], admitted, "dog.png"), "dog")
    elif op in ("append", "undo"):
        done = history.moves(store, sessions[0], 1)[0].id > MOVES
        if op == "append" and not done:
            making.edit(store, sessions[0], "main", making.wide(7), where=making.mask(7, 1100, 4))
        if op == "undo" and not done:
            moves.undo(store, sessions[0], "main")


def run(folder: str, op: str, mode: str, at: int, mutant: str = "") -> int:
    here = Path(folder)
    if mutant:
        MUTANTS[mutant](setattr)
    faults = Faults(mode, at)
    install(faults)
    faults.armed = op == "migrate"
    try:
        store = Store(here / "home")
        if op == "migrate":
            store.close()
            return UNTOUCHED if faults.seen < at else BORNE
        faults.armed = True
        operate(store, op, here)
    except PentimentoError:
        return REFUSED
    return UNTOUCHED if faults.seen < at else BORNE
