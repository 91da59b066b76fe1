"""The planner on the messages it was tuned on: what was once understood stays understood, and nothing wrong is done.

What it makes of messages that nobody tuned on is in `docs/log.md`.
"""

from pathlib import Path

import pytest

from agent.planners.rules import RulesPlanner
from benchmarks.everyday import CONTEXTS, measure

HERE = Path(__file__).parent
OPENED = sorted(HERE.glob("everyday_*_opening.jsonl"))
TUNING = sorted((HERE / "tuning").glob("*.jsonl"))
SETS = [*OPENED[:2], *(pytest.param(path, marks=pytest.mark.reliability) for path in OPENED[2:] + TUNING)]
ACCURACY = {"o": 0.80, "z": 0.82, "zz": 0.76}
"""Quoting, irony and denial (o) are refused more often, and must be; of the last two (stories, words taken
back) only what was done wrong has been mended."""


def test_the_first_tuning_set_is_understood_and_nothing_wrong_is_done():
    score = measure(HERE / "everyday_open.jsonl")
    assert score.messages == 150
    assert score.accuracy >= 0.95
    assert score.over_asking <= 0.05
    assert score.wrong_edits == 0


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_what_was_learnt_from_later_messages_is_not_forgotten(path):
    score = measure(path)
    assert score.messages == 150
    assert score.accuracy >= ACCURACY.get(path.stem, 0.90)
    assert score.wrong_edits == 0


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("much more vivid", {"saturation": 0.6}),
        ("way more contrasty please", {"contrast": 0.6}),
        ("a lot more saturated", {"saturation": 0.6}),
        ("much too vivid", {"saturation": -0.3}),
        ("shed some light on it", {"exposure": 0.3}),
    ],
)
def test_more_of_a_property_is_asked_for_and_too_much_complained_of(said, meant):
    (step,) = RulesPlanner().plan(said, CONTEXTS["fresh"]).steps
    assert (step.tool, step.args, step.region) == ("adjust", meant, None)
