"""What a planner expects of a result reaches the tool that draws just that, and is kept with the step."""

import numpy as np
import pytest
from pydantic import Field

from agent import telling
from agent.plan import PlanStep
from agent.selfcheck import Expected
from agent.stepping import Job, work
from sessions.values import Picture
from tools import meanings, registry
from tools.base import KEPT, Edit, EditContext, EditResult, Progress, ToolArgs, drain, tool

EYES = "a" * 64
E = np.arange(1, 9, dtype=np.float32)


class DrawArgs(ToolArgs):
    amount: float = Field(default=0.5, ge=0, le=1)
    meant: str = Field(default="", json_schema_extra=KEPT)


@tool("imagine", args=DrawArgs)
def imagine(ctx: EditContext, args: DrawArgs) -> Edit:
    """Draw what is meant."""
    yield Progress(0.5)
    return EditResult(ctx.image)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(registry, "registered", lambda found=registry.registered(): found | {"imagine": imagine})


def done(**step):
    return drain(work(0, Job(PlanStep(tool="imagine", **step), Picture(np.zeros((4, 4, 3), np.uint8)))))


def test_what_is_expected_is_what_is_meant():
    expected = Expected.of(E, 0.5, EYES)
    made = done(expected=expected.model_dump())
    assert made.args["meant"] == meanings.written(E, EYES)


def test_a_recorded_meaning_wins_and_none_is_none():
    recorded = meanings.written(E[::-1], EYES)
    expected = Expected.of(E, 0.5, EYES).model_dump()
    assert done(args={"meant": recorded}, expected=expected).args["meant"] == recorded
    assert done().args["meant"] == ""


def test_a_tool_that_draws_nothing_of_the_kind_is_not_told():
    step = PlanStep(tool="blur", expected=Expected.of(E, 0.5, EYES).model_dump())
    assert "meant" not in drain(work(0, Job(step, Picture(np.zeros((9, 9, 3), np.uint8))))).args


def test_nobody_is_asked_to_say_it():
    assert set(imagine.schema()["properties"]) == set(imagine.said) == {"amount"}
    any2pix = registry.registered()["any2pix"]
    assert "meant" not in any2pix.schema()["properties"] and "meant" in any2pix.args.model_fields
    assert meanings.written(E, EYES) not in telling.describe("any2pix", {"meant": meanings.written(E, EYES)}, None)
