"""How steps are named as branches and in sentences, and what a turn is said to have come to."""

import json

import pytest

from agent.events import Working
from agent.telling import describe, name_for
from sessions import history, names
from sessions.moves import check_name
from tests.agent.conftest import end
from tools import registry

FLIP = {"tool": "flip", "args": {"axis": "horizontal"}}
CROP = {"tool": "crop", "args": {"aspect": "1:1"}}


@pytest.mark.parametrize(
    ("tool", "args", "name"),
    [
        ("monochrome", {"tone": "sepia"}, "sepia"),
        ("monochrome", {"tone": "neutral"}, "monochrome"),
        ("adjust", {"exposure": 0.3}, "brighter"),
        ("adjust", {"exposure": 0.1, "temperature": -0.4}, "cooler"),
        ("adjust", {"exposure": 0.0, "tint": 0.2}, "adjust"),
        ("replace_background", {"color": "#ffffff"}, "replace-background"),
    ],
)
def test_a_branch_is_called_after_what_was_done(tool, args, name):
    assert name_for(tool, args) == check_name(name)


def test_degrees_say_that_they_are():
    assert describe("rotate", {"degrees": -2.5}, None) == "rotate -2.5°"
    assert describe("straighten", {"degrees": "auto"}, None) == "straighten auto"


def test_a_plus_says_that_there_is_a_minus():
    assert describe("adjust", {"exposure": 0.2}, None) == "adjust exposure +0.2"
    assert describe("diffedit", {"query": "pears", "guidance": 3.0}, None) == "diffedit “pears” guidance 3"


def test_a_tool_with_weights_is_told_in_its_words_and_what_is_not_as_always():
    args = registry.get("analogist").args(prompt="a sketch", steps=20).model_dump(mode="json")
    assert describe("analogist", args, None) == "analogist “a sketch” steps 20"
    assert name_for("instruct_pix2pix", {"instruction": "make it look like winter"}) == "make-it-look-like"


def test_a_branch_that_opened_by_itself_is_new(say):
    say(FLIP)
    assert end(say(CROP | {"base": "#1"})).reply.startswith(
        "New branch crop from #1; main stays where it was. Done in "
    )


def test_a_photo_that_is_attached_has_a_new_branch(say, cup):
    assert end(say(FLIP, files=[("cup.png", cup)])).reply.startswith(
        "New branch cup from #2; main stays where it was. Done"
    )


def test_a_branch_that_was_renamed_meanwhile_is_not_new(assistant, store, session):
    events = []
    for event in assistant.turn(session, json.dumps({"steps": [FLIP]})):
        if isinstance(event, Working) and "better" not in history.graph(store, session).branches:
            names.rename_branch(store, session, "main", "better")
        events.append(event)
    assert history.graph(store, session).branches.keys() == {"better"}
    assert end(events).reply.startswith("Done in ")
    assert "better is at #2" in end(events).reply


def test_another_branch_that_goes_on_is_not_new(say):
    say(FLIP)
    say(CROP | {"base": "#1"})
    reply = end(say(FLIP | {"base": "crop"}, branch="main")).reply
    assert reply.startswith("Done in ")
    assert "crop is at #4" in reply
