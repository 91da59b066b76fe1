"""A wish said again with another value takes the place of the one before; whatever else differs, nothing does."""

import pytest

from agent import restating
from agent.plan import Command, Context, Plan, PlanStep
from agent.restating import FURTHEST, superseded, wish
from sessions.history import Graph
from sessions.values import Region, Session
from tests.agent.test_cascade import PHOTO, instructed


def restated(plan: Plan, context: Context) -> Plan:
    session = Session("s", "", "", 0, "", "")
    graph = Graph(session, context.revisions, context.branches, context.branch, {}, None)
    return restating.restated(plan, context, graph)


def step(words: str, **more) -> Plan:
    return Plan(steps=(PlanStep(tool="instruct_pix2pix", args={"instruction": words}, **more),))


@pytest.mark.parametrize(
    ("said", "again"),
    [
        ("make the star blue", "make the star red"),
        ("paint the star blue", "turn the star red."),
        ("change the colour of the star to blue", "Make the star red!"),
        ("make it night", "make it dawn"),
        ("turn the picture into winter", "make it look like summer"),
        ("make it warm", "change the light to cool"),
        ("make it sunny", "make the weather foggy"),
    ],
)
def test_the_same_wish_with_another_value_replaces_the_first(said, again):
    context = instructed(said)
    assert restated(step(again), context).steps[0].replaces == context.head


@pytest.mark.parametrize(
    ("said", "again"),
    [
        ("make the star blue", "make the ring red"),
        ("make the star blue", "make it red"),
        ("make the star blue", "make the star bigger"),
        ("make the star blue", "turn the star into a ring"),
        ("make it night", "make it snowy"),
        ("make it night", "make it warmer"),
        ("make it night", "make the sky night"),
        ("make it night", "make it blue"),
        ("add a hat", "add a red hat"),
    ],
)
def test_another_wish_goes_on_from_the_head(said, again):
    assert restated(step(again), instructed(said)).steps[0].replaces is None


def test_the_place_has_to_be_the_same():
    context = instructed("make it red", Region(words="ball"))
    assert restated(step("make it blue", region={"words": "ball"}), context).steps[0].replaces == context.head
    for region in (None, {"words": "sky"}, {"box": [0, 0, 9, 9]}):
        assert restated(step("make it blue", region=region), context).steps[0].replaces is None


def test_a_step_from_elsewhere_or_behind_a_command_replaces_nothing():
    context = instructed("make it night")
    photo = context.revisions[0].id
    assert restated(step("make it day", base=photo), context).steps[0].replaces is None
    behind = step("make it day").model_copy(update={"command": Command(name="undo")})
    assert restated(behind, context) == behind
    assert restated(step("make it day"), PHOTO).steps[0].replaces is None
    assert restated(Plan(chat="hello"), context) == Plan(chat="hello")


def test_only_the_first_step_of_a_plan_can_replace():
    context = instructed("make it night")
    plan = Plan(steps=step("add a hat").steps + step("make it day").steps)
    assert restated(plan, context) == plan


def test_a_wish_names_a_value_of_one_kind():
    assert wish("make the big old star blue").what == "big old star"
    assert wish("make it winter").value == "winter"
    assert wish("crop it") is None and wish("") is None


def said(*instructions: str) -> list:
    return [(one, None) for one in instructions]


def test_an_earlier_wish_is_found_behind_others():
    night = ("make it night", None)
    assert superseded(said("make it dawn", "make it winter"), night) == 0
    assert superseded(said("make it dawn", "make it dusk", "make it winter"), night) == 1
    assert superseded(said("make it winter", "make it warm"), night) is None
    assert superseded([], night) is None


def test_but_not_behind_what_would_come_out_as_something_else():
    night = ("make it night", None)
    assert superseded(said("make it dawn", "add a hat"), night) is None
    assert superseded([*said("make it dawn"), ("", None)], night) is None


def test_nor_behind_more_than_is_soon_done_again():
    between = ["make it winter", "make it warm", "make it rainy"]
    assert len(between) > FURTHEST
    night = ("make it night", None)
    assert superseded(said("make it dawn", *between[:FURTHEST]), night) == 0
    assert superseded(said("make it dawn", *between), night) is None


def test_wishes_of_other_places_lie_between():
    ball, sky = {"words": "ball"}, {"words": "sky"}
    assert superseded([("make it red", ball), ("make it blue", sky)], ("make it green", ball)) == 0
    assert superseded([("make it red", ball), ("make it blue", sky)], ("make it green", None)) is None
