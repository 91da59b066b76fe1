"""Where a turn stands while it is asked, stalled or cut short: on which branch it goes on, and who may end it."""

import json

import pytest

from agent import executor
from agent.assistant import Assistant
from agent.events import Asked, Committed, Finished, Moved, Refused, Working
from sessions import history, names, turns
from tests.agent.conftest import ScriptedPlanner, end, killed

FLIP = {"tool": "flip", "args": {"axis": "horizontal"}}
CROP = {"tool": "crop", "args": {"aspect": "1:1"}}
CORNER = {"tool": "blur", "args": {}, "region": {"words": "top left"}}
WARM = {"name": "branch", "target": "warm"}


def heads(store, session: str) -> dict[str, int]:
    """Each branch's head by its number."""
    graph = history.graph(store, session)
    return {name: graph.by_id[head].seq for name, head in graph.branches.items()}


def of(kind: type, events: list) -> list:
    return [event for event in events if isinstance(event, kind)]


# Which branch


def test_a_question_waits_on_the_branch_that_its_command_opened(say, assistant, store, session, unsure):
    asked = say(CORNER, command=WARM)
    assert end(asked).branch == history.current_branch(store, session) == "warm"
    answered = list(assistant.turn(session, "yes"))
    assert end(answered).branch == "warm"
    assert heads(store, session) == {"main": 1, "warm": 2}


def test_on_the_branch_that_was_left_nothing_was_asked(say, assistant, store, session, unsure):
    say(CORNER, command=WARM)
    assert end(list(assistant.turn(session, "yes", branch="main"))).state == "refused"
    assert heads(store, session) == {"main": 1, "warm": 1}


def test_a_question_waits_on_the_branch_of_the_photo_it_is_about(say, assistant, store, session, cup, unsure):
    asked = say(CORNER, files=[("Cup.png", cup)])
    assert end(asked).branch == history.current_branch(store, session) == "cup"
    assert end(list(assistant.turn(session, "yes"))).branch == "cup"
    assert heads(store, session) == {"main": 1, "cup": 3}


def test_a_photo_that_stands_on_a_branch_already_moves_nobody_before_the_answer(
    say, assistant, store, session, cup, unsure
):
    say(CORNER, files=[("cup.png", cup)])
    say(FLIP, branch="main")
    asked = say(CORNER, files=[("cup.png", cup)])
    assert end(asked).branch == history.current_branch(store, session) == "main"
    assert end(list(assistant.turn(session, "yes"))).branch == "cup"


def test_a_question_follows_its_branch_to_another_name(say, assistant, store, session, unsure):
    say(CORNER, command=WARM)
    names.rename_branch(store, session, "warm", "hot")
    assert end(list(assistant.turn(session, "yes"))).branch == "hot"
    assert heads(store, session) == {"main": 1, "hot": 2}


def test_renaming_another_branch_moves_nobody(say, assistant, store, session, unsure):
    say(command=WARM)
    renamed = say(command={"name": "rename", "target": "main", "other": "cold"})
    assert end(renamed).branch == history.current_branch(store, session) == "warm"
    asked = say(CORNER, command={"name": "rename", "target": "cold", "other": "cool"})
    assert end(asked).branch == history.current_branch(store, session) == "warm"
    assert end(list(assistant.turn(session, "yes"))).branch == "warm"


@pytest.mark.parametrize("command", [WARM, {"name": "switch", "target": "other"}])
def test_cut_short_after_its_move_a_turn_goes_on_where_the_move_led(say, assistant, store, session, command):
    say(command={"name": "branch", "target": "other"})
    say(command={"name": "switch", "target": "main"})
    going = assistant.turn(session, json.dumps({"steps": [FLIP], "command": command}), request_id="r")
    next(event for event in going if isinstance(event, Moved))
    killed(store, session, going)
    events = list(assistant.turn(session, "", request_id="r"))
    assert end(events).branch == command["target"]
    assert heads(store, session) == {"main": 1, "other": 1} | {command["target"]: 2}


# Whose turn


@pytest.fixture
def eager(monkeypatch):
    """A runner looks after its lease at every yield."""
    monkeypatch.setattr(executor, "LOOK_SECONDS", 0)
    monkeypatch.setattr(executor, "BEAT_SECONDS", 0)


def stalled(assistant: Assistant, session: str, *steps: dict):
    """A runner of turn `r` that stopped at its first step for so long that its lease may be taken over."""
    going = assistant.turn(session, json.dumps({"steps": steps}), request_id="r")
    next(event for event in going if isinstance(event, Working))
    with assistant.store.database.write() as connection:
        connection.exec_driver_sql("UPDATE turns SET heartbeat = 0")
    return going


def test_who_has_lost_the_lease_says_so_and_the_other_goes_on_to_the_end(assistant, store, session, eager):
    first = stalled(assistant, session, CROP, FLIP)
    second = Assistant(store, ScriptedPlanner()).turn(session, "", request_id="r")
    next(event for event in second if isinstance(event, Working))
    woken = list(first)
    assert of(Refused, woken)[0].code == "turn_busy"
    assert end(woken).state == "running"
    assert end(list(second)).state == "done"
    assert heads(store, session) == {"main": 3}
    assert [m.text for m in turns.messages(store, session)][1:] == [turns.get(store, session, "r").outcome["reply"]]


def test_who_has_lost_the_lease_asks_nothing(assistant, store, session, unsure):
    first = stalled(assistant, session, CORNER)
    turns.take(store, session, "r", "elsewhere/1/x")
    woken = list(first)
    assert of(Asked, woken) == []
    assert end(woken).state == turns.get(store, session, "r").state == "running"


def test_who_is_stopped_after_losing_the_lease_leaves_the_turn_alone(assistant, store, session):
    first = stalled(assistant, session, CROP)
    held = turns.take(store, session, "r", "elsewhere/1/x")
    first.close()
    assert turns.get(store, session, "r") == held


def test_a_stopped_turn_is_still_a_stopped_turn(assistant, store, session, eager):
    going = stalled(assistant, session, CROP)
    turns.cancel(store, session, "r")
    woken = list(going)
    assert (of(Refused, woken)[0].code, end(woken).state) == ("cancelled", "cancelled")
    assert of(Committed, woken) == []
    assert isinstance(woken[-1], Finished)
