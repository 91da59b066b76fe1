"""Turns on threads: they outlive who started them, are told to every tab, stopped from any, and gone on with."""

import threading
import time

import pytest

from agent.assistant import Assistant
from agent.plan import Plan, PlanStep
from agent.planners.given import Given
from sessions import history, turns
from sessions.errors import Refused, TooLarge
from sessions.store import Store
from tests.agent.conftest import cat, png  # noqa: F401
from ui.worker import Call, Worker

PATIENCE = 20
FLIP = Plan(steps=(PlanStep(tool="flip", args={"axis": "horizontal"}),))


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def worker(store):
    return Worker(Assistant(store, Given(Plan(chat="I did not understand that.", refused="not_understood"))))


@pytest.fixture
def session(worker, cat):  # noqa: F811
    return worker.assistant.new(("cat.png", cat))[0].id


def until_over(worker, call):
    """The turn once it has ended, looked at as the page does: again and again."""
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while time.monotonic() < end:
        live = worker.live(call.request_id)
        if live is not None and live.over:
            return live
        pause.wait(0.01)
    raise AssertionError("the turn has not ended")


def test_a_click_is_a_turn_with_its_plan(worker, store, session):
    call = Call(session, "mirror it", branch="main", plan=FLIP)
    worker.start(call)
    live = until_over(worker, call)
    assert live.finished.state == "done" and len(live.made) == 1
    assert history.graph(store, session).words[live.made[0]] == "mirror it"


def test_the_same_call_again_runs_nothing_twice(worker, store, session):
    call = Call(session, "mirror it", branch="main", plan=FLIP)
    worker.start(call)
    until_over(worker, call)
    worker.start(call)
    until_over(worker, call)
    assert len(history.graph(store, session).revisions) == 2


def test_a_message_the_door_refuses_is_told_as_an_error(worker, session):
    call = Call(session, "x" * 5000)
    worker.start(call)
    assert isinstance(until_over(worker, call).error, TooLarge)
    broken = Call(session, "use this", files=(("a.jpg", b"\xff\xd8 nothing"),))
    worker.start(broken)
    assert isinstance(until_over(worker, broken).error, Refused)


def test_what_a_gone_process_left_is_gone_on_with_and_a_held_plan_is_not(worker, store, session):
    held = Assistant(store, Given(FLIP)).propose(session, "mirror it", request_id="held")
    assert "held" in held.outcome
    left = Assistant(store, Given(FLIP)).propose(session, "mirror it again", request_id="left")
    turns.take(store, session, left.request_id, "elsewhere/1/gone")
    turns.beat(store, session, left.request_id, "elsewhere/1/gone")
    assert worker.revive(session) == []
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE turns SET heartbeat = 0 WHERE request_id = 'left'")
    [revived] = worker.revive(session)
    assert until_over(worker, revived.call).finished.state == "done"
    assert turns.get(store, session, "held").state == "planned"


def test_a_running_turn_is_stopped_from_elsewhere(worker, store, session, monkeypatch):
    began, go_on = threading.Event(), threading.Event()
    picture_and_tiles = store.picture_and_tiles

    def slow(*args):
        began.set()
        assert go_on.wait(PATIENCE)
        return picture_and_tiles(*args)

    monkeypatch.setattr(store, "picture_and_tiles", slow)
    call = Call(session, "mirror it", branch="main", plan=FLIP)
    worker.start(call)
    assert began.wait(PATIENCE)
    assert [live.call.request_id for live in worker.running(session)] == [call.request_id]
    worker.cancel(session, call.request_id)
    go_on.set()
    assert until_over(worker, call).finished.state == "cancelled"
    assert len(history.graph(store, session).revisions) == 1


def test_a_defect_becomes_a_sentence(worker, session, monkeypatch):
    monkeypatch.setattr("agent.assistant.planning.begin", lambda *_: 1 / 0)
    call = Call(session, "anything")
    worker.start(call)
    assert "broke on our side" in until_over(worker, call).error.message
