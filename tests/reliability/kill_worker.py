"""The life of a process that works on a store until somebody kills it, and writes down what it was told was done.

Every request is written down before it begins and after it was acknowledged; the next life sends first again what the
one before was not told about, with the same request_id.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.assistant import Assistant
from sessions import history, moves, turns
from sessions.errors import NothingToUndo, StorageError
from sessions.store import Store
from sessions.upkeep import gc
from tests import making
from tests.agent.conftest import ScriptedPlanner
from tools import registry

registry.registered()  # the tools are imported once, here, and not in every life

OPERATIONS = ("work", "turn", "turn", "upload", "undo", "undo", "redo", "redo", "branch", "branch", "gc", "gc", "gc")
NAME = "the-session"
LOST = 3
"""How a life ends whose server was stopped."""


class Diary:
    """Lines that survive the process (not a power cut: that is another test)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, **line: Any) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write(json.dumps(line).encode() + b"\n")

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_bytes().splitlines()] if self.path.exists() else []


def live(folder: str, seed: int, url: str, started: Callable[[], object] = bool) -> None:
    home, diary = Path(folder) / "home", Diary(Path(folder) / "diary")
    lines = diary.read()
    diary.write(event="open", new=not any(line["event"] == "opened" for line in lines))
    store = Store(home, url)
    session = store.create_session("cat.png", NAME).id
    diary.write(event="opened", session=session)
    started()
    acknowledged = {line["id"] for line in lines if line["event"] == "ack"}
    pending = [line for line in lines if line["event"] == "ask" and line["id"] not in acknowledged]
    first = {"id": "first", "op": "upload", "seed": 0}
    again = [
        {key: line[key] for key in ("id", "op", "seed")} for line in {line["id"]: line for line in pending}.values()
    ]
    dice = random.Random(seed)
    for request in again or ([first] if "first" not in acknowledged else []):
        _carry_out(store, session, diary, request)
    for number in range(200):
        request = {"id": f"{seed}-{number}", "op": dice.choice(OPERATIONS), "seed": seed * 1000 + number}
        _carry_out(store, session, diary, request)


def live_on_a_server(folder: str, seed: int, url: str) -> int:
    """The same until the server is gone, which is an error of ours at whatever moment it comes."""
    try:
        live(folder, seed, url)
    except StorageError:
        return LOST
    return 0


def _carry_out(store: Store, session: str, diary: Diary, request: dict[str, Any]) -> None:
    diary.write(event="ask", **request)
    made = _do(store, session, request["op"], request["id"], request["seed"])
    diary.write(event="ack", made=made, **request)


def _do(store: Store, session: str, op: str, turn: str, seed: int) -> list[tuple[str, str]]:
    """Carry out one request; the revisions that came of it and the hashes of their pixels."""
    if op == "gc":
        _grow_old(store, session)
        list(gc(store))
        return []
    if op == "work":
        shown = [making.wide(seed, changed=2), making.picture(seed)]
        made = making.work(store, session, "main", turn, shown)
        return [(revision.id, _digest(one.pixels)) for revision, one in zip(made, shown, strict=True)]
    if op == "turn":
        end = list(Assistant(store, ScriptedPlanner()).turn(session, _message(seed), request_id=turn))[-1]
        made = [store.revision(session, revision) for revision in end.revisions]
        return [(revision.id, _digest(store.picture(session, revision.image).pixels)) for revision in made]
    turns.begin(store, making.planned(session, turn, "main"), op)
    if op == "upload":
        shown = [making.picture(seed + 500)]
        branch = "main" if history.graph(store, session).current is None else "photo"
        root, _ = making.upload(store, session, shown[0], branch, turn)
        return [(root.id, _digest(shown[0].pixels))]
    if moves.made_by(store, session, turn) == 0:
        try:
            if op == "branch":
                head = moves.branch(store, session, "main").head
                moves.create_branch(store, session, "copy", head, exact=False, turn=turn)
            else:
                (moves.undo if op == "undo" else moves.redo)(store, session, "main", turn=turn)
        except NothingToUndo:
            pass
    return []


def _message(seed: int) -> str:
    """Three steps, as the plan that they stand for."""
    flips = [{"tool": "flip", "args": {"axis": axis}} for axis in ("horizontal", "vertical")]
    adjust = {"tool": "adjust", "args": {"exposure": round(seed % 1000 / 2000 + 0.1, 4)}}
    return json.dumps({"steps": [flips[0], adjust, flips[1]]})


def _grow_old(store: Store, session: str) -> None:
    """Make every file old enough to be swept, if nothing names it."""
    long_ago = time.time() - 30 * 86400
    for path in (store.home / "blobs" / session).iterdir():
        os.utime(path, (long_ago, long_ago))


def _digest(pixels: Any) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()
