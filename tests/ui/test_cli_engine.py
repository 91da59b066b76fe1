"""The faces and the engine: the command line starts one and stays quick, the page follows it without taking a seat."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import lease
from agent.assistant import Assistant
from agent.engine import Engine
from agent.events import Finished, Queued
from agent.plan import Plan, PlanStep
from agent.planners.given import Given
from sessions import turns
from sessions.store import Store
from tests.agent import neural
from tests.agent.conftest import cat, png  # noqa: F401
from tests.agent.neural import PATIENCE, until
from ui import terminal
from ui.worker import SEATS, Call, Worker

ROOT = Path(__file__).parents[2]
FLIP = Plan(steps=(PlanStep(tool="flip", args={"axis": "horizontal"}),))


def tint(**args):
    return Plan(steps=(PlanStep(tool="tint", args=args),))


@pytest.fixture
def store(tmp_path):
    with_weights = Store(tmp_path / "home")
    neural.weights(with_weights.home)
    yield with_weights
    with_weights.close()


@pytest.fixture
def known(monkeypatch):
    """The tool is known in this process, which needs no torch for it."""
    neural.without_torch(monkeypatch.setattr)


SAY = """
import sys
from agent import lease
from tests.agent import neural
neural.without_torch()
lease.COMMAND = neural.COMMAND
from ui import cli
try:
    cli.main()
finally:
    assert not {"torch", "diffusers", "transformers"} & set(sys.modules), "this process loaded what only engines load"
"""


@contextmanager
def said(store, session, plan, request_id, *more):
    """`pentimento say` in a process of its own, of a message whose plan is stored."""
    Assistant(store, Given(plan)).propose(session, "tint it", request_id=request_id)
    command = [sys.executable, "-c", SAY, "say", "tint it", "--request-id", request_id, *more]
    environment = os.environ | {"PENTIMENTO_HOME": str(store.home), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process):
    """What it said, once it has ended well."""
    out, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, error
    return out


@pytest.fixture
def no_engine_left(store):
    yield
    if lease.held(store.home):
        os.kill(int((store.home / lease.LOCK).read_text()), signal.SIGTERM)
        until(lambda: not lease.held(store.home))


def test_say_starts_an_engine_that_stays_and_loads_nothing_itself(store, cat, known, no_engine_left):  # noqa: F811
    session = Assistant(store, Given(Plan())).new(("cat.png", cat))[0].id
    with said(store, session, tint(), "one", "--json") as process:
        first = json.loads(ended(process))
    assert first["state"] == "done" and len(first["revisions"]) == 1
    assert lease.held(store.home)
    assert list(Assistant(store, Given(tint(amount=0.9))).turn(session, "tint it"))[-1].state == "done"
    assert len(neural.lines(store.home / "loads")) == 1


def test_who_waits_says_so_in_one_line(capsys):
    for before in (1, 3):
        terminal.follow(iter([Queued(before), Finished("done", "", "main")]))
    assert capsys.readouterr().err.splitlines() == ["waits for another turn", "waits for 3 other turns"]


def test_say_that_is_interrupted_stops_the_engine_s_step(store, cat, known):  # noqa: F811
    session = Assistant(store, Given(Plan())).new(("cat.png", cat))[0].id
    engine = Engine(store)
    engine.keep()
    try:
        with said(store, session, tint(gate=str(store.home / "never")), "one") as waiting:
            until(lambda: neural.lines(store.home / "begun"))
            waiting.send_signal(signal.SIGTERM)
            waiting.communicate(timeout=PATIENCE)
        assert waiting.returncode == 130
        until(lambda: turns.get(store, session, "one").state == "cancelled")
    finally:
        assert engine.leave(PATIENCE)


def test_turns_in_the_engine_take_no_seat(store, cat, known):  # noqa: F811
    worker = Worker(Assistant(store, Given(Plan())))
    places = [worker.assistant.new(("cat.png", cat))[0].id for _ in range(SEATS + 2)]
    gate, engine = store.home / "gate", Engine(store)
    engine.keep()
    try:
        calls = [Call(place, "tint it", branch="main", plan=tint(gate=str(gate))) for place in places[:-1]]
        for call in calls:
            worker.start(call)
        until(lambda: all(live.plan for place in places[:-1] for live in worker.running(place)))
        worker.start(quick := Call(places[-1], "mirror it", branch="main", plan=FLIP))
        assert worker.wait(quick.request_id, PATIENCE) and worker.live(quick.request_id).finished.state == "done"
        assert not any(worker.live(call.request_id).over for call in calls)
        gate.touch()
        assert all(worker.wait(call.request_id, PATIENCE) for call in calls)
        assert {worker.live(call.request_id).finished.state for call in calls} == {"done"}
    finally:
        assert engine.leave(PATIENCE)
    assert len(neural.lines(store.home / "begun")) == len(calls)


def test_the_page_shows_what_others_left_to_the_engine(store, cat, known):  # noqa: F811
    assistant, gate = Assistant(store, Given(tint(gate=str(store.home / "gate")))), store.home / "gate"
    session = assistant.new(("cat.png", cat))[0].id
    engine, worker = Engine(store), Worker(assistant)
    engine.keep()
    try:
        with ThreadPoolExecutor(1) as pool:
            told = pool.submit(lambda: list(assistant.turn(session, "tint it", request_id="r")))
            until(lambda: neural.lines(store.home / "begun"))
            [live] = worker.revive(session)
            assert live.call.request_id == "r"
            gate.touch()
            assert worker.wait("r", PATIENCE) and worker.live("r").finished == told.result(PATIENCE)[-1]
    finally:
        assert engine.leave(PATIENCE)
    assert not worker.revive(session)
    assert not [thread for thread in threading.enumerate() if thread.name == "engine"]
