"""Commands beside the steps of one message: a file that is asked for, and what runs after the steps, not before."""

import json

import pytest

from agent.assistant import Assistant
from agent.events import Committed, Compared, Exported, Finished, Moved, Refused
from agent.export import encode, options_of
from sessions import history
from sessions.history import Graph
from tests.agent.conftest import end, killed

FLIP = {"tool": "flip", "args": {"axis": "horizontal"}}
CROP = {"tool": "crop", "args": {"aspect": "1:1"}}
SAVE = {"name": "export", "options": {"format": "webp", "quality": 80}}


@pytest.fixture
def send(assistant, session):
    def run(request_id: str | None = None, **plan) -> list:
        return list(assistant.turn(session, json.dumps(plan), request_id=request_id))

    return run


def of(kind: type, events: list) -> list:
    return [event for event in events if isinstance(event, kind)]


def here(store, session) -> Graph:
    return history.graph(store, session)


def test_a_file_is_asked_for_and_the_face_can_make_it(send, store, session):
    events = send(command=SAVE)
    [asked] = of(Exported, events)
    made = encode(store, asked.revision, options_of(asked.options))
    assert (made.name, made.quality) == ("cat-1.webp", 80)
    assert end(events).state == "done"
    assert end(events).reply == "Here is #1 cat.png as a WEBP file."
    assert end(events).revisions == ()


def test_after_the_steps_means_what_they_made(send, store, session):
    events = send(steps=[CROP, FLIP], then=SAVE)
    committed, [asked] = of(Committed, events), of(Exported, events)
    assert events.index(asked) > events.index(committed[-1])
    assert asked.revision == committed[-1].revision
    assert end(events).reply.endswith("Here is #3 flip horizontal as a WEBP file.")
    assert end(events).reply.startswith("Done in")


def test_before_the_steps_means_what_was_there(send):
    [asked] = of(Exported, send(command=SAVE, steps=[FLIP]))
    assert asked.revision.seq == 1


def test_a_named_version_is_exported_and_not_the_head(send):
    [asked] = of(Exported, send(steps=[FLIP], then=SAVE | {"target": "original"}))
    assert asked.revision.seq == 1


def test_the_comparison_after_a_step_sees_the_step(send):
    [compared] = of(Compared, send(steps=[FLIP], then={"name": "compare", "target": "original"}))
    assert "#2" in compared.sentence


def test_on_another_branch_the_file_is_of_that_branch(send, store, session):
    send(steps=[FLIP])
    events = send(steps=[CROP | {"base": "#1"}], then=SAVE)
    assert of(Exported, events)[0].revision == of(Committed, events)[0].revision
    assert end(events).branch != "main"


def test_the_same_message_again_gives_the_same_file_and_no_second_step(send, store, session):
    once, again = (send("r", steps=[FLIP], then=SAVE) for _ in range(2))
    assert of(Exported, again) == of(Exported, once)
    assert of(Committed, again) == []
    assert len(here(store, session).revisions) == 2


def test_a_branch_after_the_steps_starts_at_what_they_made(send, store, session):
    events = send(steps=[CROP], then={"name": "branch", "target": "square"})
    graph = here(store, session)
    assert graph.current == end(events).branch == "square"
    assert graph.branches["square"] == graph.branches["main"] == end(events).revisions[0]


@pytest.mark.parametrize("then", [{"name": "branch", "target": "square"}, {"name": "rename", "other": "square"}])
def test_a_turn_cut_short_goes_on_after_its_steps_and_moves_once(assistant, store, session, then):
    """Cut off between the last step and the command, and once more between the command and the end."""
    for last in (Committed, Moved):
        going = assistant.turn(session, json.dumps({"steps": [CROP], "then": then}), request_id="r")
        for event in going:
            if isinstance(event, last):
                break
        killed(store, session, going)
    events = list(assistant.turn(session, "", request_id="r"))
    assert end(events).state == "done"
    graph = here(store, session)
    assert len(graph.revisions) == 2
    assert "square" in graph.branches
    kinds = [move.kind for move in history.moves(store, session)]
    assert kinds.count(then["name"]) == 1


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ({"name": "undo"}, "undo"),
        ({"name": "merge", "target": "main"}, "merge"),
        ({"name": "export", "options": {"format": "gif"}}, "format"),
        ({"name": "export", "options": {"quality": 300}}, "quality"),
        ({"name": "export", "target": "#99"}, "#99"),
    ],
)
def test_what_cannot_follow_is_refused_before_anything_runs(send, store, session, then, why):
    events = send(steps=[FLIP], then=then)
    assert why in of(Refused, events)[0].message
    assert end(events).state == "refused"
    assert len(here(store, session).revisions) == 1


def test_steps_stay_where_the_command_after_them_fails(send, store, session, monkeypatch):
    events = send(steps=[FLIP], then={"name": "branch", "target": "main"})
    assert of(Refused, events)[0].code == "name_taken"
    assert end(events).state == "failed"
    assert len(here(store, session).revisions) == 2


def test_a_plan_with_an_answer_keeps_what_follows(assistant: Assistant, session):
    ask = {"question": "Which?", "candidates": [{"label": "square", "value": "1:1"}], "slot": "steps.0.args.aspect"}
    plan = {"steps": [{"tool": "crop", "args": {}}], "ask": ask, "then": SAVE}
    list(assistant.turn(session, json.dumps(plan)))
    events = list(assistant.turn(session, "square"))
    assert of(Exported, events)[0].revision.seq == 2
    assert isinstance(events[-1], Finished)
