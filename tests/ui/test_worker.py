"""Turns on threads: they outlive who started them, are told to every tab, stopped from any, and gone on with."""

import threading
import time
from dataclasses import replace

import pytest

from agent.assistant import Assistant
from agent.events import Asked, Committed, Planned, Queued, Working
from agent.plan import Ask, Candidate, Command, Plan, PlanStep
from agent.planners.given import Given
from agent.planning import Focus
from sessions import history, turns
from sessions.errors import NotFound, Refused, TooLarge
from sessions.store import Store
from sessions.values import Picture
from tests.agent.conftest import cat, png  # noqa: F401
from ui import chat
from ui.worker import STOPPED, Call, Worker

PATIENCE = 20
FLIP = Plan(steps=(PlanStep(tool="flip", args={"axis": "horizontal"}),))


class Told:
    """A planner that does as it is told, once it is let go."""

    name = "told"

    def __init__(self, plan: Plan, at_once: bool = True) -> None:
        self.told = plan
        self.began, self.go_on = threading.Event(), threading.Event()
        if at_once:
            self.go_on.set()

    def plan(self, _text, _context):
        self.began.set()
        assert self.go_on.wait(PATIENCE)
        return self.told


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def worker(store):
    return Worker(Assistant(store, Told(Plan(chat="I did not understand that.", refused="not_understood"))))


@pytest.fixture
def session(worker, cat):  # noqa: F811
    return worker.assistant.new(("cat.png", cat))[0].id


def slow_to_read(store, monkeypatch):
    """Steps begin, and read their picture once they are let go: the events of both."""
    began, go_on = threading.Event(), threading.Event()
    picture_and_tiles = store.picture_and_tiles

    def waits(*args):
        began.set()
        assert go_on.wait(PATIENCE)
        return picture_and_tiles(*args)

    monkeypatch.setattr(store, "picture_and_tiles", waits)
    return began, go_on


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
    began, go_on = slow_to_read(store, monkeypatch)
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


# --- one after the other ----------------------------------------------------------------------------------------------

SEPIA = Plan(steps=(PlanStep(tool="monochrome", args={"tone": "sepia"}),))


@pytest.fixture
def slow(worker):
    """The planner of messages that are said; clicks need none."""
    worker.assistant.planner = Told(SEPIA, at_once=False)
    yield worker.assistant.planner
    worker.assistant.planner.go_on.set()


def test_a_message_begins_when_those_before_it_are_over_and_goes_on_from_them(worker, store, session, slow):
    first, second = Call(session, "sepia", branch="main"), Call(session, "mirror it", branch="main", plan=FLIP)
    worker.start(first)
    assert slow.began.wait(PATIENCE)
    worker.start(second)
    assert [live.began for live in worker.running(session)] == [True, False]
    assert not worker.wait(second.request_id, 0.1)
    slow.go_on.set()
    until_over(worker, second)
    graph = history.graph(store, session)
    assert set(graph.branches) == {"main"}
    assert [revision.tool for revision in graph.line(graph.head.id)][:2] == ["flip", "monochrome"]


@pytest.mark.parametrize(("after", "grows"), [(True, "sepia"), (False, "main")])
def test_a_message_of_the_same_tab_follows_to_where_the_one_before_has_ended(
    worker, store, session, slow, after, grows
):
    worker.start(done := Call(session, "mirror it", branch="main", plan=FLIP))
    until_over(worker, done)
    older = Focus(history.graph(store, session).revisions[0].id)
    worker.start(first := Call(session, "sepia", branch="main", focus=older))
    assert slow.began.wait(PATIENCE)
    focus = older if after else Focus()
    worker.start(
        second := Call(
            session, "mirror", branch="main", focus=focus, plan=FLIP, after=first.request_id if after else ""
        )
    )
    slow.go_on.set()
    assert until_over(worker, second).finished.branch == grows
    assert sorted(history.graph(store, session).branches) == ["main", "sepia"]


def test_other_sessions_do_not_wait(worker, session, slow, cat):  # noqa: F811
    other = worker.assistant.new(("other.png", cat))[0].id
    worker.start(Call(session, "sepia", branch="main"))
    assert slow.began.wait(PATIENCE)
    worker.start(there := Call(other, "mirror it", branch="main", plan=FLIP))
    assert until_over(worker, there).finished.state == "done"


# --- cancelled --------------------------------------------------------------------------------------------------------


def test_what_waits_is_cancelled_at_once_and_never_begins(worker, store, session, slow):
    worker.start(first := Call(session, "sepia", branch="main"))
    assert slow.began.wait(PATIENCE)
    worker.start(second := Call(session, "mirror it", branch="main"))
    worker.cancel(session, second.request_id)
    assert worker.live(second.request_id).finished.state == "cancelled"
    assert [live.call.text for live in worker.refused(session)] == ["mirror it"]
    slow.go_on.set()
    until_over(worker, first)
    worker.start(last := Call(session, "mirror it", branch="main", plan=FLIP))
    until_over(worker, last)
    assert turns.find(store, session, second.request_id) is None


@pytest.mark.parametrize("hold", [False, True])
def test_a_turn_is_cancelled_before_there_is_a_row_of_it(worker, store, session, slow, hold):
    worker.start(call := Call(session, "sepia", branch="main", hold=hold))
    assert slow.began.wait(PATIENCE)
    worker.cancel(session, call.request_id)
    slow.go_on.set()
    assert until_over(worker, call).finished.state == "cancelled"
    assert turns.get(store, session, call.request_id).state == "cancelled"
    assert turns.messages(store, session)[-1].text == STOPPED
    assert len(history.graph(store, session).revisions) == 1


def test_who_cancels_what_was_never_said_is_told_so(worker, session):
    with pytest.raises(NotFound):
        worker.cancel(session, "nothing")


SHAPE = Ask(question="Which?", candidates=(Candidate(label="square", value="1:1"),), slot="steps.0.args.aspect")
WHICH = Plan(steps=(PlanStep(tool="crop"),), ask=SHAPE)


def test_an_answered_question_can_be_stopped(worker, store, session, monkeypatch):
    worker.start(asked := Call(session, "crop it", branch="main", plan=WHICH))
    assert until_over(worker, asked).finished.state == "waiting"
    began, go_on = slow_to_read(store, monkeypatch)
    worker.start(answer := Call(session, "square", branch="main"))
    assert began.wait(PATIENCE)
    worker.cancel(session, answer.request_id)
    go_on.set()
    assert until_over(worker, answer).finished.state == "cancelled"
    assert turns.get(store, session, asked.request_id).state == "cancelled"


# --- plans that wait --------------------------------------------------------------------------------------------------


def held(worker, plan, text="do it"):
    worker.assistant.planner = Told(plan)

    def send(session):
        worker.start(call := Call(session, text, branch="main", hold=True))
        return until_over(worker, call)

    return send


def test_steps_wait_for_approval(worker, store, session):
    live = held(worker, FLIP)(session)
    assert live.held and live.finished is None
    assert turns.get(store, session, live.call.request_id).state == "planned"


@pytest.mark.parametrize(
    ("plan", "state"),
    [(WHICH, "waiting"), (Plan(chat="No."), "refused"), (Plan(command=Command(name="branch", target="other")), "done")],
)
def test_where_there_is_nothing_to_approve_it_is_done_at_once(worker, session, plan, state):
    assert held(worker, plan)(session).finished.state == state


def test_an_answer_is_an_answer_also_where_plans_wait(worker, store, session):
    asked = held(worker, WHICH)(session)
    answer = held(worker, Plan(chat="What?"), "square")(session)
    assert answer.finished.state == "done" and len(answer.made) == 1
    assert turns.get(store, session, asked.call.request_id).state == "done"


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_of_an_ended_turn_only_what_tabs_need_is_kept(worker, session, cat):  # noqa: F811
    worker.start(call := Call(session, "mirror it", files=(("other.png", cat),), branch="main", plan=FLIP))
    live = until_over(worker, call)
    assert live.call.files == (("other.png", b""),) and live.preview is None


def test_who_keeps_what_is_asked_is_told_of_it(store, cat):  # noqa: F811
    told = []
    worker = Worker(Assistant(store, Told(WHICH)), lambda *what: told.append(what))
    session = worker.assistant.new(("cat.png", cat))[0].id
    worker.start(call := Call(session, "crop it", branch="main"))
    until_over(worker, call)
    assert told == [(session, call.request_id, Asked(SHAPE))]


def test_a_preview_stays_until_the_step_it_is_of_is_there(worker, store, session, cat):  # noqa: F811
    [root] = history.graph(store, session).revisions
    worker._lives["r"] = worker._lives.get("r") or replace(worker.start(Call(session, "")), finished=None, error=None)
    look = Picture(store.picture(session, root.image).pixels[:8, :8])

    def after(event):
        worker._update("r", event)
        return worker.live("r")

    assert after(Working(2, FLIP.steps[0], 1.0, look)).preview is look
    assert after(Working(3, FLIP.steps[0], 0.0)).preview is look
    assert after(Working(3, FLIP.steps[0], 0.5, look)).look == 2
    assert after(Committed(root, "main")).preview is look
    assert after(Working(3, FLIP.steps[0], 0.7)).look == 2
    assert after(Committed(root, "main")).preview is None


def test_how_many_turns_the_engine_does_first_is_told_until_its_own_begins(worker, session):
    worker.start(call := Call(session, ""))
    until_over(worker, call)
    worker._lives["r"] = replace(worker.live(call.request_id), finished=None, error=None)
    assert chat._progress(worker.live("r")) == "Reading your message"
    for event, shown in (
        (Planned("r", Plan(steps=FLIP.steps), True), "Step 1 of 1: flip"),
        (Queued(2), "Waiting for 2 other turns"),
        (Queued(1), "Waiting for another turn"),
        (Working(0, FLIP.steps[0], 0.0), "Step 1 of 1: flip"),
    ):
        worker._update("r", event)
        assert chat._progress(worker.live("r")) == shown


# --- the end ----------------------------------------------------------------------------------------------------------


def test_what_came_too_late_is_told_in_its_conversation(worker, store, session, slow):
    worker.start(Call(session, "sepia", branch="main"))
    assert slow.began.wait(PATIENCE)
    worker.start(Call(session, "mirror it", branch="main"))
    assert not worker.rest(0.05)
    assert ["“sepia”" in said.text or "“mirror it”" in said.text for said in turns.messages(store, session)] == [
        True
    ] * 2
    late = worker.start(Call(session, "sharpen it", branch="main"))
    assert "being stopped" in late.error.message


def test_who_rests_waits_for_what_is_at_work(worker, store, session, slow):
    worker.start(call := Call(session, "sepia", branch="main"))
    assert slow.began.wait(PATIENCE)
    threading.Timer(0.05, slow.go_on.set).start()
    assert worker.rest(PATIENCE)
    assert turns.get(store, session, call.request_id).state == "done"
    assert len(turns.messages(store, session)) == 2
