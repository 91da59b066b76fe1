"""A turn too many on a disk of ten megabytes: `python -m tests.reliability.full_work FOLDER` says what came of it.

Runs where it may mount (`unshare --map-root-user --mount`), so that the disk is a real one and really full.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from agent.assistant import Assistant
from agent.events import Event, Finished, Refused
from sessions import history, moves
from sessions.errors import StorageFull
from sessions.fsck import fsck
from sessions.store import Store
from tests.agent.conftest import ScriptedPlanner, png
from tests.reliability.crowd_work import digest

SIZE, SIDE, TURNS = "10m", 500, 3
"""The disk; a photo's side; turns before the disk is full."""

LEFT, CRUMBS = 500_000, 32_768
"""Bytes that somebody else's file leaves at first, too few for pixels, enough for the records of a few moves; and then,
where even a move is soon one too many."""
MOVES = 1000
"""More than any such disk has room for."""


def edit(number: int) -> str:
    """A message that changes every pixel, to pixels that were never there before."""
    return json.dumps({"steps": [{"tool": "adjust", "args": {"exposure": round(number / 100 - 0.2, 3)}, "base": "#1"}]})


def send(assistant: Assistant, session: str, text: str) -> tuple[str, str]:
    """How a turn ended, and why if it was refused; StorageFull that came before anything was stored counts as such."""
    try:
        events: list[Event] = list(assistant.turn(session, text))
    except StorageFull as error:
        return "raised", error.code
    why = next((event.code for event in events if isinstance(event, Refused)), "")
    assert isinstance(events[-1], Finished)
    return events[-1].state, why


def pixels(store: Store, session: str) -> dict[str, str]:
    revisions = history.graph(store, session).revisions
    return {revision.id: digest(store.picture(session, revision.image)) for revision in revisions}


def fill(folder: Path, left: int) -> None:
    """Somebody else's file, so large that so many bytes are left."""
    with (folder / "filler").open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            with suppress(OSError):
                while shutil.disk_usage(folder).free >= left + size:
                    file.write(bytes(size))


def there_and_back(store: Store, session: str) -> int:
    """Undo and redo in turn until the disk says no, which moves nothing; how many times it went well."""
    branch = history.current_branch(store, session)
    for done in range(MOVES):
        head = moves.branch(store, session, branch).head
        try:
            (moves.redo if done % 2 else moves.undo)(store, session, branch)
        except StorageFull:
            assert moves.branch(store, session, branch).head == head, "it said no and moved"
            return done
    return MOVES


def main(folder: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    with closing(Store(folder / "home")) as store:
        assistant = Assistant(store, ScriptedPlanner())
        session = assistant.new(("noise.png", png(noise)))[0].id
        told: dict[str, Any] = {"room": [send(assistant, session, edit(number)) for number in range(TURNS)]}
        made = pixels(store, session)
        fill(folder, LEFT)
        told["little room"] = send(assistant, session, edit(TURNS))
        branch = history.current_branch(store, session)
        head = moves.branch(store, session, branch).head
        told["undone"] = [
            moves.undo(store, session, branch).head != head,
            moves.redo(store, session, branch).head == head,
        ]
        told["kept"] = pixels(store, session) == made
        fill(folder, CRUMBS)
        told["crumbs"] = there_and_back(store, session)
        told["with crumbs kept"] = pixels(store, session) == made
        fill(folder, 0)
        told["no room"] = send(assistant, session, edit(TURNS))
        told["still kept"] = pixels(store, session) == made
        (folder / "filler").unlink()
        undone = moves.branch(store, session, branch).head != head
        told["all the way back"] = not undone or moves.redo(store, session, branch).head == head
        told["room again"] = send(assistant, session, edit(TURNS))
        now = pixels(store, session)
        told["and kept"] = now.items() > made.items()
        told["damage"] = [str(problem) for problem in fsck(store) if problem.damage]
    return told


if __name__ == "__main__":
    here = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(here)], check=True)
    print(json.dumps(main(here)))
