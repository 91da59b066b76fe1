"""The planner on the messages it was tuned on: what was once understood stays understood, and nothing wrong is done."""

from pathlib import Path

from benchmarks.planner import measure

OPEN = Path(__file__).parent / "everyday_open.jsonl"


def test_the_tuning_set_is_understood_and_nothing_wrong_is_done():
    score = measure(OPEN)
    assert score.messages == 150
    assert score.accuracy >= 0.95
    assert score.over_asking <= 0.05
    assert score.wrong_edits == 0
