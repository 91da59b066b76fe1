"""R1 for turns in the engine: engines killed at any moment, and every step is there once."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event

import pytest

from agent import lease
from agent.assistant import Assistant
from agent.events import Committed, Finished
from sessions import history, turns
from sessions.fsck import fsck
from sessions.store import Store
from tests.agent import neural
from tests.agent.conftest import ScriptedPlanner, cat, png  # noqa: F401
from tests.agent.neural import PATIENCE, until

TURNS, STEPS, KILLS = 3, 4, 8
STEP, LIFE = 0.2, 0.6
"""Seconds that a step lasts, and for which an engine may live at most, once it has begun to work."""


@pytest.mark.reliability
def test_engines_killed_at_any_moment_do_every_step_once(tmp_path, url, cat, monkeypatch):  # noqa: F811
    neural.without_torch(monkeypatch.setattr)
    monkeypatch.setattr(lease, "COMMAND", neural.COMMAND)
    monkeypatch.setattr("agent.lease.keepers", set())
    dice = random.Random(0)
    with closing(Store(tmp_path / "home", url)) as store, ThreadPoolExecutor(TURNS) as pool:
        neural.weights(store.home)
        assistant = Assistant(store, ScriptedPlanner())
        places = [assistant.new(("cat.png", cat))[0].id for _ in range(TURNS)]
        followed = [pool.submit(follow, assistant, place) for place in places]
        kills = kill(store, dice)
        ends = [future.result(4 * PATIENCE) for future in followed]
        stop(store)
        print("killed", kills, "engines", len(set(neural.lines(store.home / "begun"))))
        assert kills >= 3
        for place, events in zip(places, ends, strict=True):
            check(store, place, events)
        assert not [problem for problem in fsck(store) if problem.damage]


def follow(assistant: Assistant, session: str) -> list:
    steps = [{"tool": "tint", "args": {"amount": (number + 1) / STEPS, "lasts": STEP}} for number in range(STEPS)]
    return list(assistant.turn(session, json.dumps({"steps": steps}), request_id="r"))


def kill(store: Store, dice: random.Random) -> int:
    """Kill engines in the middle of their work, each after another while, until nothing is left to do."""
    kills = 0
    until(lambda: neural.lines(store.home / "begun"))
    while kills < KILLS:
        Event().wait(dice.uniform(0, LIFE))
        seen = len(neural.lines(store.home / "begun"))
        if not turns.queue(store.database):
            break
        child = lease._started.get(store.home.resolve())
        if child is not None and child.poll() is None and lease.held(store.home):
            child.kill()
            child.wait(PATIENCE)
            kills += 1
        until(lambda seen=seen: len(neural.lines(store.home / "begun")) > seen or not turns.queue(store.database))
    return kills


def stop(store: Store) -> None:
    child = lease._started.pop(store.home.resolve())
    child.kill()
    child.wait(PATIENCE)


def check(store: Store, session: str, events: list) -> None:
    """Each step of the turn once, in order, told once and in order; given up only where engines died under one step."""
    end = events[-1]
    made = [event.revision.id for event in events if isinstance(event, Committed)]
    assert isinstance(end, Finished) and end.state in ("done", "failed")
    assert made == list(end.revisions) == turns.revisions(store, turns.get(store, session, "r"))
    steps = [one for one in history.graph(store, session).revisions if one.step]
    assert [one.id for one in steps] == made and len({one.step.seed for one in steps}) == len(made)
    assert len(made) == STEPS or end.state == "failed"
