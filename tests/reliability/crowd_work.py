"""What one process of a crowd does: append to a branch that all others append to, or run a turn that all others run."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agent.assistant import Assistant
from agent.events import Committed, Finished
from sessions import commits, moves
from sessions.errors import HeadMoved
from sessions.store import Store
from sessions.values import Picture
from tests.agent.conftest import ScriptedPlanner
from tests.making import picture, step
from tests.reliability.crowd import meet

SIDE = 16
TRIES = 10_000
"""Somebody wins every time, so nobody loses so often before all others are through."""
LONGEST = 0.25
"""Seconds that who came too late stands back at most."""

_stand_back = threading.Event()


@dataclass(frozen=True)
class Place:
    """Where everybody works."""

    home: Path
    url: str
    owner: str
    session: str

    def open(self) -> closing[Store]:
        return closing(Store(self.home, self.url, self.owner))


@dataclass(frozen=True)
class Stay:
    """When somebody was at work, what it made, and how often it came too late."""

    began: float
    ended: float
    made: tuple[str, ...]
    late: int


def digest(shown: Picture) -> str:
    return hashlib.sha256(shown.pixels.tobytes()).hexdigest()


def append_many(number: int, place: Place, count: int) -> Stay:
    """Append `count` pictures to `main`, each for as often as it takes.

    Who comes too late stands back for a random while, longer after each loss: where all try again at once, a server
    that lets them in one by one spends nearly all its time on losers.
    """
    with place.open() as store:
        began = meet()
        made = [_append(store, place.session, number * count + i + 1) for i in range(count)]
        return Stay(began, time.monotonic(), tuple(id for id, _ in made), sum(late for _, late in made))


def _append(store: Store, session: str, seed: int) -> tuple[str, int]:
    kept = store.keep(session, picture(seed, SIDE, SIDE))
    for late in range(TRIES):
        began = time.monotonic()
        head = moves.branch(store, session, "main").head
        try:
            draft = commits.Draft(kept, (head,), step(head, seed))
            return commits.append(store, session, "main", draft, head).id, late
        except HeadMoved:
            _stand_back.wait(random.uniform(0, min((time.monotonic() - began) * 2 ** min(late, 4), LONGEST)))
    raise AssertionError(f"came too late {TRIES} times")


@dataclass(frozen=True)
class Told:
    """What the person who sent a message was told."""

    state: str
    branch: str
    revision: str
    digest: str
    began: float
    ended: float


def run_turn(number: int, place: Place) -> Told:
    """One message of one step, planned on the head that everybody saw, run when all have planned."""
    step = {"tool": "adjust", "args": {"exposure": round((number + 0.5) / 16 - 1, 3)}}
    with place.open() as store:
        turn = Assistant(store, ScriptedPlanner()).turn(place.session, json.dumps({"steps": [step]}))
        next(turn)
        began = meet()
        events = list(turn)
        committed = next(event for event in events if isinstance(event, Committed))
        end = events[-1]
        assert isinstance(end, Finished)
        shown = store.picture(place.session, committed.revision.image)
        return Told(end.state, end.branch, committed.revision.id, digest(shown), began, time.monotonic())
