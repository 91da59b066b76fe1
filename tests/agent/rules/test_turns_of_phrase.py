"""Turns of phrase that once led to a wrong edit or to a refusal, each family in a few sentences of its own."""

import pytest

from agent.planners.rules import RulesPlanner
from tests.agent.rules.everyday import CONTEXTS


def made(said, context="fresh"):
    """(tool, arguments, region) of every step."""
    plan = RulesPlanner().plan(said, CONTEXTS[context])
    assert plan.ask is None
    return [(step.tool, step.args, step.region["words"] if step.region else None) for step in plan.steps]


GRAY = ("monochrome", {"tone": "neutral"})


@pytest.mark.parametrize(
    ("said", "steps"),
    [
        ("the wall in black and white, the roses should keep their colours", [(*GRAY, "wall")]),
        ("black and white background, but her scarf has to keep its own colour", [(*GRAY, "background")]),
        ("let the flag keep its colours, background in b&w", [(*GRAY, "background")]),
        ("everything black and white, the bike must not lose its colour", [(*GRAY, "everything but the bike")]),
        ("soften the background, the kitten should retain its sharpness", [("blur", {}, "background")]),
        ("darker, the lamp must keep its brightness", [("adjust", {"exposure": -0.3}, "everything but the lamp")]),
        ("she must keep her colours, all the rest in sepia", [("monochrome", {"tone": "sepia"}, "everything but her")]),
        ("the rose must keep its colour", []),
        ("reduce the noise, the skin should keep some texture", []),
    ],
)
def test_what_keeps_something_of_its_own_is_spared_and_gets_no_more_of_it(said, steps):
    assert made(said) == steps


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("blur the wall rather strongly", ("blur", {"amount": 0.8}, "wall")),
        ("a pretty heavy vignette", ("vignette", {"amount": 0.7}, None)),
        ("warm it up quite heavily", ("adjust", {"temperature": 0.6}, None)),
        ("sharpen it extremely strongly", ("sharpen", {"amount": 1.0}, None)),
        ("a quite subtle vignette", ("vignette", {"amount": 0.2}, None)),
    ],
)
def test_a_degree_is_raised_by_the_one_right_before_it_and_never_lowered(said, step):
    assert made(said) == [step]


@pytest.mark.parametrize(
    ("said", "steps"),
    [
        ("sharpen the left side, it was gloomy there", [("sharpen", {}, "left")]),
        ("it was gloomy in the barn, remove the noise", [("denoise", {}, None)]),
        ("reduce the noise in the top third, it is dark there", [("denoise", {}, "top third")]),
        (
            "denoise the right half, it is too dark there",
            [("denoise", {}, "right half"), ("adjust", {"exposure": 0.3}, "right half")],
        ),
        ("denoise it, it is too dark", [("denoise", {}, None), ("adjust", {"exposure": 0.3}, None)]),
        ("it was too dark", [("adjust", {"exposure": 0.3}, None)]),
    ],
)
def test_how_it_was_where_the_photo_was_taken_is_a_reason_and_too_dark_a_complaint(said, steps):
    assert made(said) == steps


@pytest.mark.parametrize(
    ("said", "args"),
    [
        ("lighten the window a little too", {"exposure": 0.2}),
        ("cool it down slightly too, please", {"temperature": -0.2}),
        ("darken the sky too a bit", {"exposure": -0.2}),
        ("brighten her hair too by 15 percent", {"exposure": 0.15}),
        ("make the wall warmer a tad too", {"temperature": 0.1}),
        ("the wall is a bit too bright", {"exposure": -0.3}),
        ("a touch too warm for me", {"temperature": -0.3}),
        ("way too much contrast in the sky", {"contrast": -0.3}),
    ],
)
def test_too_at_the_end_is_also_and_before_a_property_it_complains(said, args):
    ((tool, given, _),) = made(said)
    assert (tool, given) == ("adjust", args)


@pytest.mark.parametrize(
    ("said", "tools"),
    [
        ('write "Oslo" at the bottom, mirror it before that so nothing is reversed', ["flip", "text"]),
        ("crop it square, straighten it beforehand, then make it sepia", ["straighten", "crop", "monochrome"]),
        ("add a border and level the horizon before doing that, please", ["straighten", "border"]),
        ("blur it, sharpen the eyes before that, and add a vignette", ["sharpen", "blur", "vignette"]),
        ("crop it square, before that, straighten it", ["straighten", "crop"]),
        ("crop it square. before that straighten it", ["straighten", "crop"]),
        ("crop it square but before that, straighten it", ["straighten", "crop"]),
    ],
)
def test_before_that_orders_what_it_stands_behind_unless_something_opens_with_it(said, tools):
    assert [tool for tool, _, _ in made(said)] == tools


@pytest.mark.parametrize(
    ("said", "steps"),
    [
        ("rather a black frame than a white one", [("border", {"color": "#000000"}, None)]),
        ("I'd rather have sepia than grey tones", [("monochrome", {"tone": "sepia"}, None)]),
        ("sharpen the boy and darken whatever is around him", None),
        (
            "sharpen the horse and darken what surrounds it",
            [("sharpen", {}, "horse"), ("adjust", {"exposure": -0.3}, "everything but the horse")],
        ),
        ("blur whatever is around the vase", [("blur", {}, "everything but the vase")]),
        ("darken whatever is behind her", [("adjust", {"exposure": -0.3}, "behind her")]),
        ("flp it lft to rght", [("flip", {"axis": "horizontal"}, None)]),
        ("blur the background so Bella pops", [("blur", {}, "background")]),
        ("blur the background so grandma is easier to see", [("blur", {}, "background")]),
        ('write "Bakery" below in white', [("text", {"text": "Bakery", "at": "bottom", "color": "#ffffff"}, None)]),
        ('above in the photo the words "Bakery"', [("text", {"text": "Bakery", "at": "top"}, None)]),
    ],
)
def test_what_people_say_otherwise_is_understood(said, steps):
    assert made(said) == (made("sharpen the boy and darken everything around him") if steps is None else steps)


def test_there_is_the_version_that_was_just_gone_back_to():
    plan = RulesPlanner().plan("go to sepia and lower the contrast there", CONTEXTS["branches"])
    assert plan.command is not None
    assert (plan.command.name, plan.command.target) == ("switch", "sepia")
    assert [step.args for step in plan.steps] == [{"contrast": -0.3}]
    assert RulesPlanner().plan("lower the contrast there", CONTEXTS["branches"]).ask is not None


@pytest.mark.parametrize("said", ["flip this one left to right", "flip this one too", "mirror this"])
def test_an_order_to_turn_this_one_is_no_name_of_the_photo_that_was_turned(said):
    assert made(said, "two_photos") == [("flip", {"axis": "horizontal"}, None)]
