"""R15. Fair use of the device: nobody waits much longer than the others, and a cancelled turn frees its place."""

from __future__ import annotations

import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Barrier

import pytest

from agent.assistant import Assistant
from agent.engine import Engine
from agent.events import Working
from sessions import turns
from sessions.store import Store
from tests.agent import neural
from tests.agent.conftest import ScriptedPlanner, cat, png  # noqa: F401
from tests.agent.neural import PATIENCE, until
from tests.reliability.long_work import crowding, schedule

USERS, TURNS = 10, 5
STOPPED = 2.0


def tint(gate: Path | str = "") -> str:
    return json.dumps({"steps": [{"tool": "tint", "base": "#1", "args": {"gate": str(gate)}}]})


def user(home: Path, number: int, photo: bytes, ready) -> list[int]:
    """One user's turns, one after the other; how many turns of all users were begun while each of them waited."""
    with closing(Store(home, owner=f"user {number}")) as store:
        assistant = Assistant(store, ScriptedPlanner())
        session = assistant.new(("cat.png", photo))[0].id
        ready.wait(PATIENCE)
        waits = []
        for _ in range(TURNS):
            before = len(neural.lines(home / "begun"))
            events = assistant.turn(session, tint())
            next(event for event in events if isinstance(event, Working))
            waits.append(len(neural.lines(home / "begun")) - before)
            assert list(events)[-1].state == "done"
    return waits


@pytest.mark.reliability
def test_ten_users_wait_alike(tmp_path, monkeypatch, cat):  # noqa: F811
    neural.without_torch(monkeypatch.setattr)
    home, ready = tmp_path / "home", Barrier(USERS)
    with closing(Store(home)) as store, ThreadPoolExecutor(USERS) as pool, ExitStack() as until_the_end:
        neural.weights(home)
        engine = Engine(store)
        engine.keep()
        until_the_end.callback(engine.leave, PATIENCE)
        users = [pool.submit(user, home, number, cat, ready) for number in range(USERS)]
        waits = [wait for one in users for wait in one.result(4 * PATIENCE)]
    print(sorted(waits))
    assert len(neural.lines(home / "begun")) == USERS * TURNS
    assert statistics.mean(waits) >= USERS / 3, "they did not really wait for each other"
    assert max(waits) <= 1.5 * statistics.mean(waits)


def test_a_cancelled_turn_frees_its_place(tmp_path, monkeypatch, cat):  # noqa: F811
    neural.without_torch(monkeypatch.setattr)
    began = schedule()
    with closing(Store(tmp_path / "home")) as store, ThreadPoolExecutor(2) as pool, ExitStack() as until_the_end:
        neural.weights(store.home)
        assistant = Assistant(store, ScriptedPlanner())
        one, other = (assistant.new(("cat.png", cat))[0].id for _ in range(2))
        engine = Engine(store)
        engine.keep()
        until_the_end.callback(engine.leave, PATIENCE)
        stuck = pool.submit(lambda: list(assistant.turn(one, tint(store.home / "never"), request_id="r")))
        until(lambda: neural.lines(store.home / "begun"))
        waiting = pool.submit(lambda: list(assistant.turn(other, tint())))
        until(lambda: len(turns.queue(store.database)) == 2)
        asked = time.monotonic()
        turns.cancel(store, one, "r")
        until(lambda: len(neural.lines(store.home / "begun")) == 2)
        assert time.monotonic() - asked <= STOPPED * crowding(began)
        assert stuck.result(PATIENCE)[-1].state == "cancelled" and waiting.result(PATIENCE)[-1].state == "done"
