"""The README's table of the toybox: bold where a bound is missed, a dash where nothing was measured."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import toybox_table
from benchmarks.toybox import KEYS
from benchmarks.toybox_table import LINES, Line, beside, bounds, measured, table, within

ROOT = Path(__file__).parents[2]
ALL = [line for lines in LINES.values() for line in lines]


def test_what_is_reached_is_plain_what_is_required_bold_and_what_is_aimed_at_in_italics():
    line = Line("x", "x", 0.6, 0.9)
    assert measured(line, {"x": 0.91, "x_ci": [0.88, 0.94]}) == "0.91 [0.88, 0.94]"
    assert measured(line, {"x": 0.7}) == "*0.70*" and measured(line, {"x": 0.3}) == "**0.30**"
    assert measured(line, {"x": None}) == measured(line, {}) == "–"


def test_what_is_to_be_beaten_is_beaten_with_intervals_apart():
    line = Line("x", "x", beats={"chance": "y"})
    found = {"x": 0.5, "x_ci": [0.4, 0.6], "y": 0.2}
    assert measured(line, found | {"y_ci": [0.1, 0.3]}) == "0.50 [0.40, 0.60]"
    assert measured(line, found | {"y_ci": [0.1, 0.4]}) == "**0.50 [0.40, 0.60]**"
    assert measured(line, {"x": 0.5, "y": 0.5}) == "**0.50**" and measured(line, {"x": 0.5}) == "0.50"
    assert bounds(line) == ("> chance", "") and beside(line, found) == "chance 0.20"


def test_a_gain_is_one_where_its_whole_interval_is_above_nothing():
    line = Line("x", "x", 0, apart=True)
    assert measured(line, {"x": 0.1, "x_ci": [0.01, 0.2]}) == "0.10 [0.01, 0.20]" and bounds(line) == ("> 0", "")
    assert measured(line, {"x": 0.1, "x_ci": [-0.01, 0.2]}) == "**0.10 [-0.01, 0.20]**"


def test_of_seconds_less_is_better():
    line = Line("x", "x", 0.5, 0.5, low=True, unit=" s")
    assert measured(line, {"x": 0.4}) == "0.40 s" and measured(line, {"x": 0.51}) == "**0.51 s**"


def test_beside_a_figure_stands_what_was_measured():
    line = Line("x", "x", beside={"copying": "x_copy", "chance": "x_random"})
    assert beside(line, {"x_copy": 0.0, "x_random": None}) == "copying 0.00"


def test_every_line_of_the_table_is_a_figure_that_the_benchmark_has():
    """Or one that it names after such a one, or beside it."""
    own = """parse_rate blip_cosine any2pix_refinement_gain drift_outside_ten_turns diffedit_iou_median
    ip2p_kinds_above_copy ip2p_text_monotone ip2p_image_monotone diffedit_iou_gain_one_map diffedit_iou_gain_at_0.25
    diffedit_iou_gain_at_0.75
    diffedit_outside_exact diffedit_psnr analogist_success_gain base_at_1_history_gain state_sounds""".split()
    assert {line.key for line in ALL} <= {*KEYS, *own}
    rows = table({line.key: 0.5 for line in ALL}).splitlines()
    assert len(rows) == len(ALL) + 2 and {row.count("|") for row in rows} == {7}


def test_several_files_are_one_measurement(tmp_path, monkeypatch, capsys):
    for name, found in {"a": {"plan_s": 0.2, "edit_s": None}, "b": {"plan_s": None, "edit_s": 1.5}}.items():
        (tmp_path / name).write_text(json.dumps(found))
    monkeypatch.setattr(sys, "argv", ["toybox_table", str(tmp_path / "a"), str(tmp_path / "b")])
    toybox_table.main()
    said = capsys.readouterr().out
    assert "| a plan | 0.20 s | ≤ 0.5 | ≤ 0.5 |" in said and "| an edit: instruct_pix2pix | 1.50 s |" in said


def test_the_readme_shows_what_was_measured():
    """`python -m benchmarks.toybox_table docs/toybox.json --into README.md` brings it up to date."""
    found = json.loads((ROOT / "docs/toybox.json").read_bytes())
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert within(text, table(found)) == text


@pytest.mark.parametrize("line", ALL, ids=lambda line: line.key)
def test_what_is_aimed_at_is_not_less_than_what_is_required(line):
    assert line.required is None or line.aim is None or line.holds(line.aim, line.required)
