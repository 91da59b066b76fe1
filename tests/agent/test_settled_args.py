"""What a step was really done with is on record: as its weights want it, as its tool has found it."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import Field

from agent.plan import Context, Plan, PlanStep
from agent.planners.cascade import called_by_name
from agent.stepping import Job, recommended, work
from agent.turns import check
from sessions.history import Graph
from sessions.values import IDENTITY, Picture, Revision, Session
from tools import describing, registry
from tools import shelf as shelves
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, drain, tool
from tools.weights import Entry

PHOTO = Picture(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
NIGHT = PlanStep(tool="sketch", args={"instruction": "make it night"})


class SketchArgs(ToolArgs):
    instruction: str = ""
    text_guidance: float = Field(default=7.5, ge=0)
    steps: int = 100


@tool("sketch", args=SketchArgs, weights=("instruct-pix2pix",))
def sketch(ctx: EditContext, args: SketchArgs) -> Edit:
    """Draw as many greys as there are steps."""
    yield Progress(0.5)
    found = {} if args.instruction else {"instruction": "what it found"}
    return EditResult(Picture(np.full((16, 16, 3), args.steps, np.uint8)), args=found)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "registered", lambda found=registry.registered(): found | {"sketch": sketch})
    made = shelves.Shelf(tmp_path)
    wanted = {"text_guidance": 3, "steps": 20, "image_guidance": 1.5}
    made.add(Entry(role="instruct-pix2pix", name="mine", pack="own", files={}, sampling=wanted))
    return made


def done(shelf, step: PlanStep):
    return drain(work(0, Job(step, PHOTO, seed=3, shelf=shelf)))


def test_arguments_are_as_the_weights_want_them_unless_said(shelf):
    assert done(shelf, NIGHT).args == {"instruction": "make it night", "text_guidance": 3.0, "steps": 20}
    said = NIGHT.model_copy(update={"args": NIGHT.args | {"steps": 100}})
    assert done(shelf, said).args["steps"] == 100 and done(shelf, said).edit.image.pixels.max() == 100
    assert recommended(sketch, None) == {}


def test_done_again_with_other_weights_it_is_what_it_was(shelf):
    first = done(shelf, NIGHT)
    shelf.add(Entry(role="instruct-pix2pix", name="other", pack="own", files={}, sampling={"steps": 7}))
    again = NIGHT.model_copy(update={"args": first.args})
    assert done(shelf, again).args == first.args and done(shelf, NIGHT).args["steps"] == 7
    assert np.array_equal(done(shelf, again).edit.image.pixels, first.edit.image.pixels)


def test_what_a_tool_has_found_is_recorded_and_found_no_more(shelf):
    first = done(shelf, PlanStep(tool="sketch"))
    assert first.args["instruction"] == "what it found" and "repeated" not in first.facts
    assert done(shelf, PlanStep(tool="sketch", args=first.args)).facts["repeated"]


def test_the_starter_says_how_it_is_drawn_with():
    [entry] = [one for one in shelves.weights.read_register(shelves.STARTER) if one.role == "instruct-pix2pix"]
    assert entry.sampling == {"text_guidance": 3, "image_guidance": 1.5, "steps": 20}
    registry.get("instruct_pix2pix").args.model_validate({"instruction": "x", **entry.sampling})


# Words that somebody has to say


def photos(count: int) -> tuple[Graph, Context]:
    """A session of so many photos, and where it stands."""
    one = Revision("r1:" + "0" * 64, "s", (), None, "i" * 64, None, IDENTITY, "upload", 64, 64, 1, "", None, "p")
    made = tuple(replace(one, id=f"r1:{seq:064x}", seq=seq) for seq in range(1, count + 1))
    branches = {"main": made[-1].id}
    graph = Graph(Session("s", "", "", 0, "", ""), made, branches, "main", {}, None)
    return graph, Context("main", made[-1].id, branches, made)


@pytest.mark.parametrize("model", ["", "somebody:some-model"])
def test_analogist_asks_for_words_where_no_chat_model_would(model, monkeypatch):
    monkeypatch.setenv(describing.SETTING, model)
    plan = check(called_by_name("analogist on #1 and #2"), *photos(3))
    if model:
        assert plan.ask is None
        return
    assert plan.ask.free and plan.ask.slot == "steps.0.args.prompt" and not plan.ask.candidates
    assert plan.ask.question == "analogist needs to be told what the result shows, in a few words: a sketch of a cat."
    answered = check(plan.answered("a sketch of a cat"), *photos(3))
    assert answered.ask is None and answered.steps[0].args == {"prompt": "a sketch of a cat"}


def test_the_step_that_lacks_words_is_asked_about(monkeypatch):
    monkeypatch.delenv(describing.SETTING, raising=False)
    two = tuple(f"#{seq}" for seq in (1, 2))
    steps = (PlanStep(tool="flip"), PlanStep(tool="analogist", subjects=two))
    assert check(Plan(steps=steps), *photos(3)).ask.slot == "steps.1.args.prompt"
    said = steps[1].model_copy(update={"args": {"prompt": "a cat"}})
    assert check(Plan(steps=(steps[0], said)), *photos(3)).ask is None
