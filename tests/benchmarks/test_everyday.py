"""Everyday messages planned by the rules, and by another planner behind and before them, counted by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from agent.plan import Context, Plan
from benchmarks import everyday
from benchmarks.everyday import BEFORE, BEHIND, RULES, Score, decided, measure, report
from sessions.errors import OutsideWorld

BLUR = {"steps": [{"tool": "blur", "args": {}}]}
SHARPEN = {"steps": [{"tool": "sharpen", "args": {}}]}
MESSAGES = {
    "blur it": BLUR,  # the rules know
    "sharpen it": SHARPEN,
    "frobnicate the wibbles": BLUR,  # they refuse
    "oogle the boogle": {"steps": []},
}


@dataclass(frozen=True)
class Scripted:
    """Says what it is told to; OutsideWorld where that is nothing."""

    said: dict[str, dict]
    name: str = "scripted"

    def plan(self, text: str, context: Context) -> Plan:
        if text not in self.said:
            raise OutsideWorld("It knows no such thing.")
        return Plan.model_validate(self.said[text])


@pytest.fixture
def file(tmp_path):
    rows = [
        {
            "id": str(number),
            "context": "fresh",
            "message": said,
            "expect": {"kind": "edit", **wanted} if wanted["steps"] else {"kind": "refuse"},
        }
        for number, (said, wanted) in enumerate(MESSAGES.items())
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "own.jsonl"


def figures(file, order, **said) -> tuple[float, float, int]:
    planner = Scripted({text.replace("_", " "): plan for text, plan in said.items()})
    one = measure(file, planner=planner, order=order)
    assert (one.order, one.messages) == (order, 4)
    return one.accuracy, one.over_asking, one.wrong_edits


def test_the_rules_alone(file):
    one = measure(file)
    assert (one.order, one.accuracy, one.over_asking, one.wrong_edits) == (RULES, 0.75, 1 / 3, 0)


def test_behind_the_rules_only_what_they_refuse_is_another_planners(file):
    assert figures(file, BEHIND, frobnicate_the_wibbles=BLUR, blur_it=SHARPEN) == (1.0, 0.0, 0)
    assert figures(file, BEHIND, oogle_the_boogle=BLUR) == (0.5, 1 / 3, 1)


def test_before_the_rules_what_it_refuses_is_theirs(file):
    assert figures(file, BEFORE, frobnicate_the_wibbles=BLUR) == (1.0, 0.0, 0)
    assert figures(file, BEFORE, frobnicate_the_wibbles=BLUR, blur_it=SHARPEN) == (0.75, 0.0, 1)
    assert figures(file, BEFORE, blur_it={"chat": "no"}) == (0.75, 1 / 3, 0)


def test_the_order_is_the_one_that_wins_without_one_more_wrong_edit(file):
    def scores(behind: tuple[float, int], before: tuple[float, int]) -> list[Score]:
        three = {RULES: (0.75, 1), BEHIND: behind, BEFORE: before}
        return [Score("f", order, 100, right, 0.0, wrong) for order, (right, wrong) in three.items()]

    assert decided(scores((0.8, 1), (0.9, 1))) == BEFORE
    assert decided(scores((0.8, 1), (0.9, 2))) == BEHIND
    assert decided(scores((0.8, 2), (0.9, 2))) == RULES
    assert decided(scores((0.75, 1), (0.75, 0))) == RULES
    assert "for photos: planner then rules" in report(scores((0.8, 1), (0.9, 1)), as_json=False)
    assert json.loads(report(scores((0.8, 1), (0.9, 1)), as_json=True))["for_photos"] == BEFORE
    assert isinstance(json.loads(report([measure(file)], as_json=True)), list)


def test_one_command_measures_the_starter_in_every_order(file, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["everyday", str(file), "--planner", "starter", "--json"])
    everyday.main()
    told = json.loads(capsys.readouterr().out)
    assert [score["order"] for score in told["scores"]] == [RULES, BEHIND, BEFORE]
