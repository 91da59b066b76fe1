"""Files in words: what kind, how large, which version; and commands that an edit leads to."""

import pytest

from agent.export import options_of
from agent.planners.rules import RulesPlanner
from tests.agent.rules.everyday import CONTEXTS


def planned(message: str, context: str = "line"):
    return RulesPlanner().plan(message, CONTEXTS[context])


@pytest.mark.parametrize(
    ("message", "target", "options"),
    [
        ("save it as a jpeg", None, {"format": "jpeg"}),
        ("export #4 as webp at quality 80", "#4", {"format": "webp", "quality": 80}),
        ("download it in 1200 px", None, {"size": "1200"}),
        ("export it 1600 pixels wide as a png", None, {"format": "png", "size": "1600x"}),
        ("export it as webp 1200x800", None, {"format": "webp", "size": "1200x800"}),
        ("save as png at half size", None, {"format": "png", "size": "50%"}),
        ("download a jpg at 25% of the size", None, {"format": "jpeg", "size": "25%"}),
        ("save it as a jpeg under 500 kB", None, {"format": "jpeg", "max_bytes": "500kB"}),
        ("export as jpg, max 1.5 MB", None, {"format": "jpeg", "max_bytes": "1.5MB"}),
        ("export it with the date and the copyright", None, {"keep": ["date", "copyright"]}),
        (
            "save it as a 2000 px jpeg, below 2 MB, and keep the copyright",
            None,
            {"format": "jpeg", "size": "2000", "max_bytes": "2MB", "keep": ["copyright"]},
        ),
        ("give me the original file back", None, {"original": True}),
        ("download the original", None, {"original": True}),
        ("could you send me my original file, please", None, {"original": True}),
        ("export the original as png", "original", {"format": "png"}),
    ],
)
def test_an_export_in_words(message, target, options):
    command = planned(message).command
    assert command is not None
    assert (command.name, command.target, command.options) == ("export", target, options)
    options_of(command.options)


SQUARE = [("crop", {"aspect": "1:1"})]
JPEG = {"name": "export", "options": {"format": "jpeg"}}


@pytest.mark.parametrize(
    ("message", "steps", "then"),
    [
        ("crop it square and save it as a jpeg", SQUARE, JPEG),
        ("crop it square, then export it as jpg under 500 kB", SQUARE,
         {"name": "export", "options": {"format": "jpeg", "max_bytes": "500kB"}}),
        ("make it 1200 px wide and save it as jpeg", [("resize", {"width": 1200})], JPEG),
        ("save it as a jpeg, but crop it square first", SQUARE, JPEG),
        ("crop it square and compare it with the original", SQUARE, {"name": "compare", "target": "original"}),
        ("crop it square and call this branch square", SQUARE, {"name": "rename", "target": "main", "other": "square"}),
    ],
)  # fmt: skip
def test_a_command_that_edits_lead_to_comes_after_them(message, steps, then):
    plan = planned(message)
    assert plan.command is None
    assert [(step.tool, step.args) for step in plan.steps] == steps
    assert plan.then is not None
    assert plan.then.model_dump(exclude_defaults=True) == then


@pytest.mark.parametrize(
    "message",
    [
        "make it brighter, save it as png, then make it black and white",
        "crop it square and merge sepia",
        "blur the background and undo it",
        "crop it square and export it as a gif",
        "crop it square and save it as a jpeg at quality 900",
        "download it in 1200 bananas",
        "save it as a jpeg under 500",
    ],
)
def test_what_does_not_fit_together_is_refused_whole(message):
    plan = planned(message)
    assert plan.chat or plan.ask
    assert plan.then is None


@pytest.mark.parametrize(
    "message",
    [
        "Make it black and white. Don't save it yet.",
        "flip it left to right and export? no wait, don't export yet",
        "crop it square and save it as a jpeg? no, skip the jpeg",
        "brighten it but keep the original file",
    ],
)
def test_what_is_taken_back_is_not_exported(message):
    plan = planned(message)
    assert plan.then is None
    assert plan.command is None


def test_the_original_back_still_moves_and_its_file_does_not():
    assert planned("give me the original back").command.name == "reset"
    assert planned("give me the original file back").command.name == "export"
