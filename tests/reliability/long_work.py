"""A thousand turns on one photo, in a process of its own: `python -m tests.reliability.long_work HOME` prints figures.

Two of three turns edit (every second of them to pixels that were never there before), the third undoes. Times are
pairs of seconds, by the clock and of processor time; memory is resident bytes.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
from skimage import data

from agent.assistant import Assistant
from agent.events import Committed, Finished, Moved, Working
from sessions import history
from sessions.fsck import fsck
from sessions.store import Store
from tests.agent.conftest import ScriptedPlanner, png

TURNS, SIDE = 1000, 1024
EARLY = 100
"""From here on memory may not grow: everything has been imported and done a few times."""

OPENINGS = 100

Times = tuple[float, float]


@dataclass
class Figures:
    """`edit`: a turn without its tool; `commit`: from the tool's last pixel to the event that says it is durable."""

    undo: list[Times] = field(default_factory=list)
    edit: list[Times] = field(default_factory=list)
    commit: list[Times] = field(default_factory=list)
    opening: list[Times] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    revisions: int = 0
    damage: int = 0
    crowding: float = 1.0


def times() -> Times:
    return time.perf_counter(), time.process_time()


def since(began: Times, ended: Times) -> Times:
    return ended[0] - began[0], ended[1] - began[1]


def schedule() -> tuple[int, int]:
    """Nanoseconds that the main thread has run so far, and that it had to wait for a processor."""
    ran, waited, _ = map(int, Path("/proc/self/schedstat").read_text(encoding="ascii").split())
    return ran, waited


def crowding(since: tuple[int, int] = (0, 0)) -> float:
    """How many times longer the main thread took than with a processor to itself: other work on this machine."""
    ran, waited = (now - then for now, then in zip(schedule(), since, strict=True))
    return (ran + waited) / ran


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def message(number: int) -> dict:
    """What is said in this turn, as the plan it stands for."""
    if number % 3 == 2:
        return {"command": {"name": "undo"}}
    if number % 3 == 1:
        return {"steps": [{"tool": "adjust", "args": {"exposure": round(0.1 + number / 2000, 4)}}]}
    return {"steps": [{"tool": "flip", "args": {"axis": ("horizontal", "vertical")[number % 2]}}]}


def turn(assistant: Assistant, session: str, number: int, figures: Figures) -> None:
    began = tool_began = tool_ended = times()
    moved = committed = False
    end: object = None
    for event in assistant.turn(session, json.dumps(message(number))):
        now = times()
        if isinstance(event, Working) and event.fraction == 0.0:
            tool_began = now
        elif isinstance(event, Working) and event.fraction == 1.0:
            tool_ended = now
        elif isinstance(event, Committed):
            figures.commit.append(since(tool_ended, now))
            committed = True
        moved, end = moved or isinstance(event, Moved), event
    whole = since(began, times())
    if not isinstance(end, Finished) or end.state != "done" or not (moved or committed):
        raise RuntimeError(f"turn {number} ended as {end}")
    if moved:
        figures.undo.append(whole)
    else:
        figures.edit.append(since(since(tool_began, tool_ended), whole))


def open_anew(home: Path, session: str) -> Times:
    """Time until a process that has everything imported can show a session."""
    began = times()
    store = Store(home)
    history.graph(store, session)
    taken = since(began, times())
    store.close()
    return taken


def main(home: Path) -> Figures:
    gc.freeze()  # as the page and the engine do once they have been imported
    store, figures = Store(home), Figures()
    assistant = Assistant(store, ScriptedPlanner())
    photo = cv2.resize(data.astronaut(), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    session = assistant.new(("astronaut.png", png(photo)))[0].id
    for number in range(TURNS):
        turn(assistant, session, number, figures)
        if (number + 1) % EARLY == 0:
            figures.memory.append(resident())
    figures.opening = [open_anew(home, session) for _ in range(OPENINGS)]
    figures.revisions = len(history.graph(store, session).revisions)
    figures.damage = sum(problem.damage for problem in fsck(store))
    store.close()
    figures.crowding = crowding()
    return figures


if __name__ == "__main__":
    print(json.dumps(asdict(main(Path(sys.argv[1])))))
