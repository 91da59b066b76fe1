"""Planners may name sounds for tools that hear, and for no other: in prompts, in replies, in calls by a tool's name."""

import json
from dataclasses import replace

import pytest

from agent.plan import Context, Plan, PlanStep
from agent.planners import agreeing, cascade, chat_prompt
from agent.planners.chat_reply import understood
from agent.planners.in_context_prompt import Page
from agent.prompt import Prompt, described
from agent.turns import check
from sessions.errors import PlanError
from sessions.values import Asset
from tests.agent.planners.test_chat_model import standing
from tests.agent.test_hearing_tools import HUSH, hush
from tests.agent.test_prompt import ATTACHED, SOUND, photo
from tools import registry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool

RAIN = Asset("b" * 64, "o", "audio", "audio/wav", seconds=2.0, name="rain.wav")
DUSK = Asset("c" * 64, "o", "image", "image/png", 8, 8, name="dusk.png")


class SongArgs(ToolArgs):
    prompt: str = ""


@tool("song", args=SongArgs, subjects=(0, 8), weights=("text-to-image",), hears=True)
def song(ctx: EditContext, args: SongArgs) -> Edit:
    """Paint what is to be heard."""
    yield Progress(1.0)
    return EditResult(ctx.image)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    both = {"hush": hush, "song": song, "duet": replace(song, name="duet", subjects=(2, 2), weights=())}
    monkeypatch.setattr(registry, "registered", lambda found=registry.registered(): found | both)


def context(*sent: Asset) -> Context:
    return standing(2, attachments=sent)


def test_tools_that_hear_say_so_and_others_do_not():
    assert "Other pictures or sounds: 1–2." in described(hush)
    assert chat_prompt.described(hush)["hears"] == "subjects may be sounds"
    for tool_ in (registry.get("match_colors"), registry.get("blur")):
        assert "sound" not in described(tool_) and "hears" not in chat_prompt.described(tool_)


def test_a_prompt_knows_in_which_slots_there_are_sounds():
    page = Prompt((), {0: photo(), 4: SOUND, 2: ATTACHED}, {}, {}, 0)
    spelt = Page((), page.items, {})
    assert (page.pictures, page.sounds) == (spelt.pictures, spelt.sounds) == ([0, 2], [4])


@pytest.mark.parametrize("name", ["A2", "rain.wav", RAIN.sha256])
def test_a_reply_may_name_a_sound_for_a_tool_that_hears(name):
    plan = understood({"steps": [HUSH | {"subjects": [name, "#1"]}]}, context(DUSK, RAIN), "chat")
    assert plan.steps[0].subjects == (RAIN.sha256, f"r1:{1:064x}")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"tool": "match_colors", "subjects": ["A2"]}, "match_colors works with pictures; A2 is a sound."),
        (HUSH | {"base": "A2", "subjects": ["A1"]}, "There is no picture called 'A2' here"),
        (HUSH | {"subjects": ["A3"]}, "There is no picture called 'A3' here"),
    ],
)
def test_a_reply_that_names_a_sound_elsewhere_is_sent_back(step, said):
    with pytest.raises(PlanError, match=said):
        understood({"steps": [step]}, context(DUSK, RAIN), "chat")


@pytest.mark.parametrize(("named", "shown"), [("A1", True), ("A2", False)])
def test_a_question_may_be_about_a_sound(named, shown):
    ask = {"question": "Which?", "slot": "steps.0.subjects.0", "candidates": [{"label": "this", "value": named}]}
    reply = json.dumps({"steps": [HUSH], "ask": ask})
    [one] = understood(reply, context(DUSK, RAIN), "chat").ask.candidates
    assert one.value == {"A1": DUSK, "A2": RAIN}[named].sha256 and one.shown is shown
    for deaf in ("base", "subjects.0"):
        asked = {"steps": [{"tool": "match_colors"}], "ask": ask | {"slot": f"steps.0.{deaf}"}}
        if named == "A2":
            with pytest.raises(PlanError, match="no picture called 'A2'"):
                understood(asked, context(DUSK, RAIN), "chat")


def test_a_tool_that_is_called_by_its_name_takes_what_is_named_or_sent():
    [step] = cascade.called_by_name("song with A2 and #1: a harbour", 2).steps
    assert step.subjects == ("A2", "#1") and step.args == {"prompt": "a harbour"}
    [step] = cascade.called_by_name("song: a bottle of A1 sauce", 0).steps
    assert step.subjects == () and step.args == {"prompt": "a bottle of A1 sauce"}
    [step] = cascade.called_by_name("song: on paper of size A4", 1).steps
    assert step.subjects == ()


def test_what_was_sent_is_heard_and_the_photo_is_where_it_begins(graph_of):
    here = context(DUSK, RAIN)
    [step] = check(cascade.called_by_name("song: a harbour", 2), graph_of(here), here).steps
    assert step.subjects == (RAIN.sha256,) and step.base == DUSK.sha256
    [step] = check(cascade.called_by_name("song with A1: a harbour", 2), graph_of(here), here).steps
    assert step.subjects == (DUSK.sha256, RAIN.sha256) and step.base == here.head


def test_a_photo_goes_with_a_sound_only_where_so_many_are_needed(graph_of):
    here, plan = context(DUSK, RAIN), Plan(steps=(PlanStep(tool="duet"),))
    [step] = check(plan, graph_of(here), here).steps
    assert step.subjects == (DUSK.sha256, RAIN.sha256) and step.base == here.head


def test_a_branch_called_a1_is_that_branch(graph_of):
    here = context(DUSK)
    here = replace(here, branches={**here.branches, "A1": here.revisions[0].id})
    [step] = check(cascade.called_by_name("song with A1: a harbour", 1), graph_of(here), here).steps
    assert step.subjects == (here.revisions[0].id,)


def test_where_a_plan_begins_is_the_same_to_whoever_agrees(graph_of):
    here = context(DUSK, RAIN)
    for subjects in ((), (DUSK.sha256,), (RAIN.sha256,)):
        for name in ("song", "hush"):
            plan = Plan(steps=(PlanStep(tool=name, subjects=subjects),))
            assert agreeing._start(plan, here) == check(plan, graph_of(here), here).steps[0].base


@pytest.fixture
def graph_of():
    from sessions.history import Graph
    from sessions.values import Session

    def made(here: Context) -> Graph:
        return Graph(Session("s", "o", "n", 0, "", ""), here.revisions, here.branches, here.branch, here.words, None)

    return made
