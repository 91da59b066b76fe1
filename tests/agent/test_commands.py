"""A command and what else its message says: steps begin where it really leads, and `then` is not forgotten."""

import json

import pytest

from agent.assistant import Assistant
from agent.events import Committed, Forked, Moved, Planned
from agent.planners.rules import RulesPlanner
from sessions import history, moves
from tests.agent.conftest import end, killed

FLIP = {"tool": "flip", "args": {"axis": "horizontal"}}
CROP = {"tool": "crop", "args": {"aspect": "1:1"}}
SEPIA = {"tool": "monochrome", "args": {"tone": "sepia"}}


def bright(exposure: float, **more) -> dict:
    return {"tool": "adjust", "args": {"exposure": exposure}} | more


def of(kind: type, events: list) -> list:
    return [event for event in events if isinstance(event, kind)]


def heads(store, session: str) -> dict[str, int]:
    graph = history.graph(store, session)
    return {name: graph.by_id[head].seq for name, head in graph.branches.items()}


# Steps after a command


@pytest.fixture
def begins(store, session):
    """Whether the step of these events began where its branch stood, and the plan had said so."""

    def check(events: list, seq: int, branch: str = "main") -> None:
        [made] = [event.revision for event in of(Committed, events)]
        base = store.revision(session, made.parents[0])
        assert base.seq == seq
        assert of(Planned, events)[0].plan.steps[0].base == base.id
        assert of(Forked, events) == []
        assert end(events).branch == branch

    return check


@pytest.mark.parametrize(("count", "seq"), [(1, 3), (2, 4), (7, 4)])
def test_after_so_many_redos(say, store, session, begins, count, seq):
    for exposure in (0.1, 0.2, 0.3):
        say(bright(exposure))
    say(command={"name": "undo"})
    say(command={"name": "undo"})
    begins(say(SEPIA, command={"name": "redo", "count": count}), seq)


@pytest.mark.parametrize(("count", "seq"), [(1, 3), (2, 2), (7, 1)])
def test_after_so_many_undos(say, begins, count, seq):
    say(CROP)
    say(FLIP)
    say(bright(0.1), bright(0.2))
    begins(say(SEPIA, command={"name": "undo", "count": count}), seq)


def test_after_a_redo_on_a_branch_that_is_not_the_current_one(say, begins):
    say(bright(0.1))
    say(command={"name": "undo"})
    say(command={"name": "branch", "target": "other"})
    say(FLIP)
    begins(say(SEPIA, command={"name": "redo"}, branch="main"), 2)


def test_redo_in_words_on_a_branch_that_is_not_the_current_one(say, store, session):
    say(bright(0.1))
    say(command={"name": "undo"})
    say(command={"name": "branch", "target": "other"})
    spoken = Assistant(store, RulesPlanner())
    assert end(list(spoken.turn(session, "redo", branch="other"))).state == "refused"
    assert end(list(spoken.turn(session, "redo", branch="main"))).state == "done"
    assert heads(store, session) == {"main": 2, "other": 1}


def test_after_an_undo_of_a_message_that_worked_on_two_lines(say, begins):
    say(bright(0.1))
    say({"tool": "blur", "args": {}, "base": "#1"}, FLIP | {"base": "#2"})
    begins(say(SEPIA, command={"name": "undo"}, branch="main"), 2)


@pytest.mark.parametrize("command", [{"name": "reset"}, {"name": "switch", "target": "original"}])
def test_back_to_the_original_where_one_is_there_already(say, store, session, begins, command):
    begins(say(SEPIA, command=command), 1)
    begins(say(FLIP, command=command), 1)
    assert end(say(command=command)).state == "done"
    before = history.moves(store, session)
    assert of(Moved, say(command=command))[0].sentence == "This is the original photo already."
    assert history.moves(store, session) == before


def test_after_a_switch_to_a_version_that_is_no_head(say, begins):
    say(CROP)
    say(FLIP)
    begins(say(SEPIA, command={"name": "switch", "target": "#2"}), 2, "crop")


def test_what_cannot_be_undone_is_still_refused_as_a_whole(say, store, session):
    events = say(SEPIA, command={"name": "undo"})
    assert end(events).state == "refused"
    assert heads(store, session) == {"main": 1}


def test_the_preview_names_the_base_and_moves_nothing(say, assistant, store, session):
    for exposure in (0.1, 0.2):
        say(bright(exposure))
    say(command={"name": "undo", "count": 2})
    before = history.moves(store, session)
    told = json.dumps({"steps": [SEPIA], "command": {"name": "redo", "count": 2}})
    [step] = assistant.preview(session, told).steps
    assert store.revision(session, step.base).seq == 3
    assert history.moves(store, session) == before


# What follows a command without steps

NEW = {"name": "branch", "target": "foo"}
RENAME = {"name": "rename", "other": "foo"}
COMMANDS = [
    {"name": "undo"},
    {"name": "undo", "count": 2},
    {"name": "reset"},
    {"name": "switch", "target": "warm"},
    {"name": "switch", "target": "#2"},
    {"name": "branch", "target": "bar"},
    {"name": "rename", "other": "bar"},
    {"name": "merge", "target": "warm"},
    {"name": "compare", "target": "original"},
]


@pytest.fixture
def furnished(say, store, session):
    """Three versions on main, which is current, and one of the branch `warm`."""
    say(CROP)
    say(FLIP)
    moves.create_branch(store, session, "warm", history.resolve(history.graph(store, session), "#1").id)
    say(bright(0.3))
    moves.switch(store, session, "main")


@pytest.mark.parametrize("then", [NEW, RENAME], ids=lambda then: then["name"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(map(str, command.values())))
def test_what_follows_a_command_is_done_once(furnished, say, assistant, store, session, command, then):
    """Also where the process is gone after each of the two."""
    for number in range(2):
        going = assistant.turn(session, json.dumps({"command": command, "then": then}), request_id="r")
        moved = (event for event in going if isinstance(event, Moved))
        for _ in range(command.get("count", 1) + number):
            next(moved, None)
        killed(store, session, going)
    events = list(assistant.turn(session, "", request_id="r"))
    assert (end(events).state, end(events).branch) == ("done", "foo")
    assert history.current_branch(store, session) == "foo"
    kinds = [move.kind for move in history.moves(store, session, turn="r")]
    assert kinds[0] == then["name"]
    assert len(kinds) == {"compare": 1}.get(command["name"], command.get("count", 1) + 1)


def test_it_is_told_too(furnished, say):
    events = say(command={"name": "undo"}, then=NEW)
    assert [event.branch.name for event in of(Moved, events)] == ["main", "foo"]
    assert end(events).reply.endswith("New branch foo at #2 crop 1:1.")
