"""A message over a marked place is about that place, and about nothing else."""

import pytest

from agent import pointing
from agent.plan import Ask, Context, Plan, PlanStep
from agent.planners.rules import RulesPlanner
from agent.turns import region_of
from sessions.errors import PlanError
from sessions.values import Region

BOX = Region(box=(0.1, 0.1, 0.5, 0.5))
HERE = Context(branch="main", head="r1:head", branches={"main": "r1:head"})


@pytest.mark.parametrize(
    "words",
    ["make this brighter", "brighten the marked area", "brighten it", "brighten what I painted", "brighten this part",
     "make the selection brighter", "brighten the box"],
)  # fmt: skip
def test_however_it_is_called(words):
    plan = pointing.pointed(RulesPlanner().plan(pointing.plainly(words), HERE), BOX)
    assert [(step.tool, step.region) for step in plan.steps] == [("adjust", BOX.to_json())], plan.chat


def test_a_question_about_the_place_is_answered_by_it():
    plan = pointing.pointed(RulesPlanner().plan("remove this", HERE), BOX)
    assert plan.ask is None and plan.steps[0].region == BOX.to_json()
    other = Plan(steps=(PlanStep(tool="crop"),), ask=Ask(question="Which shape?", slot="steps.0.args.aspect"))
    assert pointing.pointed(other, BOX).ask == other.ask


def test_a_place_that_is_named_and_a_tool_that_takes_none_are_left_alone():
    plan = Plan(
        steps=(PlanStep(tool="blur", region={"words": "the sky"}), PlanStep(tool="flip", args={"axis": "horizontal"}))
    )
    assert pointing.pointed(plan, BOX) == plan


def test_the_rest_is_not_guessed():
    with pytest.raises(PlanError, match="the rest"):
        pointing.plainly("make this warmer and the rest black and white")


@pytest.mark.parametrize("region", [Region(words="the sky"), BOX, Region(mask="0" * 64), Region(box=(0, 0, 1, 1))])
def test_a_place_as_json_is_the_same_place(region):
    assert region_of(region.to_json()) == Region.from_json(region.to_json()) == region


@pytest.mark.parametrize(
    "value",
    [{}, {"words": None}, {"words": 5}, {"mask": 5}, {"mask": None}, {"box": 5}, {"box": None}, {"box": ["a", 0, 1, 1]},
     {"box": [0, 0, 1]}, {"box": [0, 0, 1, 1, 1]}, {"box": "0011"}, {"sky": "blue"}, {"words": "x", "box": None}],
)  # fmt: skip
def test_what_is_no_place_is_a_plan_error(value):
    with pytest.raises(PlanError, match=r"^A region is words, or a box of four numbers, or a mask\.$"):
        region_of(value)
    with pytest.raises(ValueError, match="a region is"):
        Region.from_json(value)


@pytest.mark.parametrize("box", [[0.5, 0, 0.5, 1], [0, -0.1, 1, 1], [0, 0, 1, 2], [0, 0, float("nan"), 1]])
def test_a_box_lies_in_the_picture(box):
    with pytest.raises(PlanError, match=r"^A box is four fractions"):
        region_of({"box": box})
