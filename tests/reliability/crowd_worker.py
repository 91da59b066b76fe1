"""One of many processes that write to the same store at once. Says `ready`, waits for a line, works, says what it did.

Run as `python -m tests.reliability.crowd_worker WORK HOME NUMBER …`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sessions import commits, moves
from sessions.errors import BlobMissing, HeadMoved, NothingToUndo
from sessions.files import Files
from sessions.store import Store
from tests import making


def together(work: Callable[[], Any]) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(work()), flush=True)


def append_persistently(store: Store, session: str, shown: Any, seed: int) -> int:
    """Append to main, whoever else does; how many times somebody was faster."""
    kept = store.keep(session, shown)
    for lost in range(10_000):
        head = moves.branch(store, session, "main").head
        try:
            commits.append(store, session, "main", commits.Draft(kept, (head,), making.step(head, seed)), head)
            return lost
        except HeadMoved:
            continue
    raise AssertionError("never came through")


def line(home: Path, number: int, count: int) -> None:
    """`count` appends to one branch."""
    store = Store(home)
    session = store.sessions()[0].id
    shown = [making.picture(1000 * number + i) for i in range(count)]
    moves.branch(store, session, "main")

    def work() -> dict[str, Any]:
        began = time.time()
        lost = [append_persistently(store, session, one, 1000 * number + i) for i, one in enumerate(shown)]
        return {"began": began, "ended": time.time(), "conflicts": sum(lost)}

    together(work)


class Aged(Files):
    """Every file is a month old as soon as it has its name: all that is not named yet is for `gc` to take."""

    def put(self, name: str, data: bytes) -> None:
        super().put(name, data)
        long_ago = time.time() - 30 * 86400
        os.utime(self.path(name), (long_ago, long_ago))


def aged(home: Path, number: int, seconds: float) -> None:
    """Uploads, edits and undone lines for some seconds, on a branch of one's own, beside a greedy `gc`."""
    store = Store(home, files=Aged(home))
    session = store.sessions()[0].id

    def work() -> dict[str, Any]:
        end, seed, swept, made = time.monotonic() + seconds, 10_000 * number, 0, []
        branch = ""
        while time.monotonic() < end:
            seed += 1
            try:
                if not branch:
                    root, branch = making.upload(store, session, making.wide(seed), f"b{number}")
                    made.append(root.id)
                elif seed % 5 == 0:
                    moves.undo(store, session, branch)
                elif seed % 7 == 0:
                    store.keep(session, making.picture(-seed % 2**31))
                else:
                    made.append(making.edit(store, session, branch, making.wide(seed, changed=seed % 3 + 1)).id)
            except BlobMissing:
                swept += 1
            except NothingToUndo:
                continue
        return {"made": made, "swept": swept}

    together(work)


WORK: dict[str, Callable[..., None]] = {"line": line, "aged": aged}


if __name__ == "__main__":
    WORK[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]), *map(int, sys.argv[4:]))
