"""A turn from top to bottom, on real pixels and a real store; only the planner is scripted."""

import itertools
import json
import time

import numpy as np
import pytest
from sqlalchemy import update

from agent.assistant import Assistant
from agent.events import Asked, Committed, Forked, Moved, Planned, Refused, Working
from sessions import history, moves, schema, turns
from sessions.errors import Refused as RefusedAtTheDoor
from sessions.errors import StorageError, TooLarge, TurnBusy
from tests.agent.conftest import end
from tools import registry
from tools.base import Progress, ToolArgs, tool

CROP = {"tool": "crop", "args": {"aspect": "1:1"}}
WARM = {"tool": "adjust", "args": {"temperature": 0.3}}
FLIP = {"tool": "flip", "args": {"axis": "horizontal"}}
BOX = {"box": [0.25, 0.25, 0.75, 0.75]}


def of(kind: type, events: list) -> list:
    return [event for event in events if isinstance(event, kind)]


def seqs(store, session: str, branch: str = "main") -> list[int]:
    return [r.seq for r in history.log(store, session, moves.branch(store, session, branch).head)]


def test_a_multi_step_message_commits_each_step_in_order(say, store, session):
    events = say(CROP, WARM, FLIP)
    assert isinstance(events[0], Planned)
    committed = of(Committed, events)
    assert [c.revision.tool for c in committed] == ["crop", "adjust", "flip"]
    assert end(events).state == "done"
    assert end(events).revisions == tuple(c.revision.id for c in committed)
    assert seqs(store, session) == [4, 3, 2, 1]
    for before, after in itertools.pairwise(committed):
        assert after.revision.parents == (before.revision.id,)


def test_progress_is_shown_before_the_result(say):
    events = say(CROP)
    working = of(Working, events)
    assert working[0].fraction == 0
    assert working[-1].fraction == 1
    assert working[-1].preview is not None
    assert events.index(working[-1]) < events.index(of(Committed, events)[0])


def test_outside_its_mask_a_local_tool_changes_no_bit(say, store, session):
    events = say({"tool": "adjust", "args": {"exposure": 0.7}, "region": BOX})
    [made] = of(Committed, events)
    before = store.picture(session, history.resolve(history.graph(store, session), "#1").image).pixels
    after = store.picture(session, made.revision.image).pixels
    mask = store.picture(session, made.revision.mask).pixels
    assert (before[mask == 0] == after[mask == 0]).all()
    assert (before[mask > 0] != after[mask > 0]).any()
    assert made.revision.facts["pixels_changed_outside"] == 0
    assert "0 pixels changed outside" in end(events).reply


def test_a_message_sent_again_never_runs_twice(say, assistant, store, session):
    first = say(CROP, WARM, request_id="r")
    again = say(CROP, WARM, request_id="r")
    assert end(again) == end(first)
    assert len(assistant.planner.asked) == 1
    assert seqs(store, session) == [3, 2, 1]


def test_a_turn_cut_short_goes_on_at_its_first_step_without_a_revision(say, assistant, store, session):
    plan = json.dumps({"steps": [CROP, WARM, FLIP]})
    turn = assistant.turn(session, plan, request_id="r")
    for event in turn:
        if isinstance(event, Committed):
            break
    del turn  # the process would be gone; here its lease is freed by hand
    interrupted = turns.get(store, session, "r")
    assert interrupted.state == "cancelled"


def test_a_dead_runner_is_replaced_and_each_step_is_made_once(assistant, store, session):
    plan = json.dumps({"steps": [CROP, WARM, FLIP]})
    planned = assistant.propose(session, plan, (), "r")
    turns.take(store, session, "r", "elsewhere/1/dead")
    with pytest.raises(TurnBusy):
        list(assistant.turn(session, plan, request_id="r"))
    turns.take(store, session, "r", "new", dead="elsewhere/1/dead")
    run_first_step(assistant, planned)
    turns.take(store, session, "r", "elsewhere/1/dead", dead="new")
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE turns SET heartbeat = 0")
    events = list(assistant.turn(session, plan, request_id="r"))
    assert [c.revision.tool for c in of(Committed, events)] == ["adjust", "flip"]
    assert seqs(store, session) == [4, 3, 2, 1]


def run_first_step(assistant: Assistant, planned) -> None:
    from agent.executor import Run
    from agent.plan import Plan

    steps = Plan.model_validate(planned.plan).steps
    list(Run(assistant.store, planned, "new").steps(steps[:1]))


def test_continuing_from_another_revision_opens_a_branch_that_the_face_follows(say, store, session):
    say(CROP, WARM)
    events = say({"tool": "monochrome", "args": {"tone": "sepia"}, "base": "#1"})
    [fork] = of(Forked, events)
    assert (fork.branch, fork.base.seq) == ("sepia", 1)
    assert end(events).branch == "sepia"
    assert history.current_branch(store, session) == "sepia"
    assert seqs(store, session, "main") == [3, 2, 1]
    assert seqs(store, session, "sepia") == [4, 1]
    assert end(say({"tool": "monochrome", "args": {"tone": "sepia"}, "base": "#1"})).branch == "sepia-2"


def test_continuing_from_the_head_of_another_branch_extends_that_branch(say, store, session):
    say(CROP)
    say({"tool": "monochrome", "args": {"tone": "sepia"}, "base": "#1"})
    assert end(say(FLIP, branch="main")).branch == "main"
    assert end(say({**WARM, "base": "sepia"})).branch == "sepia"


def test_a_head_that_moved_in_the_meantime_makes_a_sibling_branch(assistant, store, session, say):
    plan = json.dumps({"steps": [WARM]})
    assistant.propose(session, plan, (), "slow")
    say(CROP)
    events = list(assistant.turn(session, plan, request_id="slow"))
    assert end(events).branch == "warmer"
    assert seqs(store, session, "warmer") == [3, 1]
    assert seqs(store, session, "main") == [2, 1]


def test_undo_takes_back_the_whole_message_and_redo_brings_it_back(say, store, session):
    say(CROP)
    say(WARM, FLIP)
    [moved] = of(Moved, say(command={"name": "undo"}))
    assert moved.sentence == "Undone: main is at #2 crop 1:1."
    say(command={"name": "redo"})
    assert seqs(store, session)[0] == 4
    say(command={"name": "undo", "count": 2})
    assert seqs(store, session) == [1]


def test_a_command_sent_again_moves_once(say, store, session):
    say(CROP)
    say(WARM)
    for _ in range(2):
        say(command={"name": "undo"}, request_id="u")
    assert seqs(store, session) == [2, 1]


def test_undo_then_steps_in_one_message(say, store, session):
    say(CROP)
    events = say(FLIP, command={"name": "undo"})
    assert events[0].plan.steps[0].base == history.resolve(history.graph(store, session), "#1").id
    assert seqs(store, session) == [3, 1]


def test_switching_to_a_revision_that_is_no_head_opens_a_branch_there(say, store, session):
    say(CROP, WARM)
    assert end(say(command={"name": "switch", "target": "#2"})).branch == "crop"
    assert end(say(FLIP)).branch == "crop"
    assert seqs(store, session, "crop") == [4, 2, 1]
    assert end(say(command={"name": "switch", "target": "main"})).branch == "main"


def test_an_attached_photo_used_as_base_becomes_a_root_of_its_own(say, store, session, cup):
    events = say(WARM, files=[("My Cup.png", cup)])
    assert end(events).branch == "my-cup"
    line = history.log(store, session, moves.branch(store, session, "my-cup").head)
    assert [(r.seq, r.tool, r.name) for r in line] == [(3, "adjust", ""), (2, "upload", "My Cup.png")]
    assert store.asset_bytes(session, store.asset(session, line[1].image).original) == cup


def test_two_attached_photos_are_asked_about(say, cup, cat):
    events = say(WARM, files=[("cup.png", cup), ("dog.png", cup[:-1] + cup[-1:])])
    assert end(events).state in ("done", "waiting")
    other = say(WARM, files=[("cup.png", cup), ("cat.png", cat)])
    [asked] = of(Asked, other)
    assert [c.label for c in asked.ask.candidates] == ["cup.png", "cat.png"]


ASK = {
    "question": "Which shape?",
    "candidates": [{"label": "square", "value": "1:1"}, {"label": "wide", "value": "16:9"}],
    "slot": "steps.0.args.aspect",
}


@pytest.mark.parametrize("words", ["square", "1", "the square one", "Square please!", "the first one"])
def test_naming_a_candidate_answers_the_question_and_the_plan_goes_on(say, assistant, store, session, words):
    events = say({"tool": "crop", "args": {}}, ask=ASK)
    assert end(events).state == "waiting"
    assert seqs(store, session) == [1]
    answered = list(assistant.turn(session, words))
    assert [c.revision.step.args["aspect"] for c in of(Committed, answered)] == ["1:1"]
    assert end(answered).state == "done"


def test_an_answer_sent_again_does_nothing_more(say, assistant, store, session):
    say({"tool": "crop", "args": {}}, ask=ASK)
    first = list(assistant.turn(session, "wide", request_id="a"))
    again = list(assistant.turn(session, "wide", request_id="a"))
    assert end(first).revisions == end(again).revisions
    assert seqs(store, session) == [2, 1]


def test_any_other_message_cancels_the_question(say, assistant, store, session):
    say({"tool": "crop", "args": {}}, ask=ASK, request_id="q")
    assert end(say(FLIP)).state == "done"
    assert turns.get(store, session, "q").state == "cancelled"
    assert end(list(assistant.turn(session, "square"))).state == "refused"


def test_a_question_that_allows_free_words_takes_them(say, assistant, store, session):
    ask = {"question": "What shall it say?", "slot": "steps.0.args.text", "free": True}
    say({"tool": "text", "args": {}}, ask=ask)
    [made] = of(Committed, list(assistant.turn(session, "Hello there")))
    assert made.revision.step.args["text"] == "Hello there"


def test_candidates_that_are_revisions_come_with_their_pictures(say, assistant, store, session):
    say(CROP)
    ids = [r.id for r in history.graph(store, session).revisions]
    ask = {
        "question": "Which one?",
        "candidates": [{"label": "#1 cat", "revision": ids[0]}, {"label": "#2 crop", "revision": ids[1]}],
        "slot": "steps.0.base",
    }
    [asked] = of(Asked, say(FLIP, ask=ask))
    assert asked.pictures[1].size == (200, 200)
    answered = list(assistant.turn(session, "#1"))
    assert of(Forked, answered)[0].base.id == ids[0]


def test_what_is_not_understood_changes_nothing(assistant, store, session):
    events = list(assistant.turn(session, "flurb the gnarl"))
    assert end(events).state == "refused"
    assert seqs(store, session) == [1]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ({"tool": "teleport"}, "plan"),
        ({"tool": "crop", "args": {"aspect": "round"}}, "plan"),
        ({"tool": "adjust", "args": {"exposure": 7}}, "plan"),
        ({"tool": "adjust", "args": {"exposure": float("nan")}}, "plan"),
        ({"tool": "flip", "args": {"axis": "horizontal"}, "region": BOX}, "plan"),
        ({"tool": "blur", "args": {}, "region": {"box": [0.5, 0, 0.1, 1]}}, "plan"),
        ({"tool": "blur", "args": {}, "base": "#99"}, "not_found"),
        ({"tool": "blur", "args": {}, "base": "r1:" + "0" * 64}, "not_found"),
        ({"tool": "blur", "args": {}, "base": "prev"}, "plan"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_before_anything_runs(say, store, session, step, error):
    events = say(step)
    [refused] = of(Refused, events)
    assert refused.code == error
    assert end(events).state == "refused"
    assert end(events).reply == refused.message
    assert seqs(store, session) == [1]
    assert end(say(FLIP)).state == "done"


def test_photos_without_a_word_are_kept_and_a_word_is_asked_for(assistant, store, session, cup):
    events = list(assistant.turn(session, "", files=[("cup.png", cup)]))
    assert end(events).state == "waiting"
    assert "cup.png" in end(events).reply
    message = turns.messages(store, session)[0]
    assert store.asset(session, message.attachments[0]).name == "cup.png"


def test_bad_files_and_messages_are_refused_at_the_door(assistant, store, session):
    with pytest.raises(RefusedAtTheDoor):
        list(assistant.turn(session, "make it warm", files=[("x.png", b"not a picture")]))
    with pytest.raises(TooLarge):
        list(assistant.turn(session, "x" * 4001))
    assert seqs(store, session) == [1]


@tool("break_after_one", args=ToolArgs)
def break_after_one(context, args):
    """A tool with a defect."""
    yield Progress(0.5)
    raise ZeroDivisionError


@tool("endless", args=ToolArgs)
def endless(context, args):
    """Runs until it is stopped."""
    while True:
        yield Progress(0.1)


@pytest.fixture
def odd_tools(monkeypatch):
    known = registry.registered() | {t.name: t for t in (break_after_one, endless)}
    monkeypatch.setattr(registry, "registered", lambda: known)


def test_a_plan_that_fails_at_step_three_keeps_the_first_two(say, store, session, odd_tools):
    events = say(CROP, WARM, {"tool": "break_after_one"})
    [refused] = of(Refused, events)
    assert refused.code == "tool_failed"
    assert end(events).state == "failed"
    assert len(end(events).revisions) == 2
    assert seqs(store, session) == [3, 2, 1]
    assert end(say(FLIP)).state == "done"


def test_cancel_from_elsewhere_stops_at_the_next_yield_and_keeps_nothing_of_the_step(
    assistant, store, session, odd_tools
):
    running = assistant.turn(session, json.dumps({"steps": [CROP, {"tool": "endless"}]}), request_id="r")
    events = []
    for event in running:
        events.append(event)
        if isinstance(event, Working) and event.step.tool == "endless" and event.fraction > 0:
            turns.cancel(store, session, "r")
            break
    began = time.monotonic()
    rest = list(running)
    assert time.monotonic() - began < 2
    assert end(rest).state == "cancelled"
    assert [store.revision(session, r).tool for r in end(rest).revisions] == ["crop"]
    assert turns.get(store, session, "r").state == "cancelled"


def test_closing_the_generator_cancels_the_turn(assistant, store, session, odd_tools):
    running = assistant.turn(session, json.dumps({"steps": [{"tool": "endless"}]}), request_id="r")
    next(event for event in running if isinstance(event, Working))
    running.close()
    assert turns.get(store, session, "r").state == "cancelled"
    assert seqs(store, session) == [1]


def test_preview_stores_nothing_and_writes_every_base_out(assistant, store, session):
    plan = assistant.preview(session, json.dumps({"steps": [CROP, WARM]}))
    assert plan.steps[0].base == history.graph(store, session).head.id
    assert plan.steps[1].base == "prev"
    assert turns.messages(store, session) == []


def test_everything_is_there_after_a_restart(say, assistant, store, session, tmp_path):
    say(CROP, WARM)
    from sessions.store import Store

    again = Store(tmp_path / "home")
    graph = history.graph(again, session)
    assert [r.seq for r in graph.revisions] == [1, 2, 3]
    assert graph.words[graph.revisions[2].id] == graph.words[graph.revisions[1].id]
    for revision in graph.revisions:
        assert np.any(again.picture(session, revision.image).pixels)
    messages = turns.messages(again, session)
    assert [m.role for m in messages] == ["user", "assistant"]
    assert messages[0].revisions == tuple(r.id for r in graph.revisions[1:])
    again.close()


def test_a_stored_plan_that_is_none_is_a_sentence_about_the_store(say, assistant, store, session):
    say(FLIP, request_id="again")
    with store.database.write() as connection:
        connection.execute(update(schema.turns).values(plan='{"nonsense":1}'))
    with pytest.raises(StorageError, match="plan is damaged"):
        list(assistant.turn(session, "flip it", request_id="again"))
