"""`pentimento eval toybox`: its parts on a handful of items, with editors whose results are known beforehand."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from agent.stepping import work
from benchmarks import (
    commands,
    toybox,
    toybox_curves,
    toybox_instructions,
    toybox_masks,
    toybox_report,
    toybox_seconds,
    world,
)
from benchmarks.toybox_command import toybox_command
from benchmarks.toybox_instructions import Result
from sessions.errors import BadArguments, BadWeights, MissingWeights
from tools import registry
from tools.base import drain
from tools.shelf import STARTER
from tools.weights import read_register, write_register
from toybox import grader
from toybox.edits import KINDS, Recolour
from toybox.scenes import HELD_OUT

SOME = world.items(2 * len(KINDS), 11)


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    return world.shelf(tmp_path_factory.mktemp("home"))


# InstructPix2Pix


def test_an_oracle_succeeds_everywhere_and_a_copy_nowhere():
    exact, rows = toybox_instructions.marked(SOME, [Result(one.after.rgb, one.after.rgb) for one in SOME])
    assert exact["ip2p_success"] >= 0.95 and exact["ip2p_kept"] > 0.97
    assert exact["ip2p_inside_error"] == 0 and exact["ip2p_psnr"] == 99
    copied, _ = toybox_instructions.marked(SOME, [Result(one.before.rgb, one.before.rgb) for one in SOME])
    beside = toybox_instructions.compared("copy", SOME, [one.before.rgb for one in SOME])
    assert all(beside[f"ip2p_success_copy_{kind.__name__.lower()}"] == 0 for kind in KINDS)
    assert copied["ip2p_success"] == 0 and copied["ip2p_inside_error"] == 1 and copied["ip2p_psnr"] == 99
    kinds = {kind.__name__.lower() for kind in KINDS}
    assert {name for name in exact if re.fullmatch("ip2p_success_[a-z]+(?<!_ci)", name)} == {
        f"ip2p_success_{kind}" for kind in kinds
    }
    assert all(f"{name}_ci" in exact for name in exact if not name.endswith("_ci"))
    assert len(rows) == len(SOME) and all(row.pictures[1] is one.after.rgb for row, one in zip(rows, SOME, strict=True))


def test_what_is_held_out_is_told_apart():
    """Only of the held-out pair the result is exact; and only of the held-out words."""
    some = world.items(8, 12, [Recolour])
    assert (
        [one.pair for one in some]
        == [False, True, False, False] * 2
        == [(one.edit.shape, one.edit.colour) in HELD_OUT for one in some]
    )
    assert [one.phrasing for one in some] == [False, False, False, True] * 2
    done = [one.after.rgb if one.pair else one.before.rgb for one in some]
    found, _ = toybox_instructions.marked(some, [Result(rgb, rgb) for rgb in done])
    assert found["ip2p_success_held_out_pair"] == 1 and found["ip2p_success_held_out_phrasing"] == 0
    copied = toybox_instructions.compared("copy", some, [one.before.rgb for one in some])
    assert copied["ip2p_success_copy_held_out_pair"] == 0


def test_what_the_network_drew_is_measured_before_it_was_restored():
    one = next(one for one in SOME if isinstance(one.edit, Recolour))
    worse = np.clip(one.after.rgb.astype(int) + 10, 0, 255).astype(np.uint8)
    found, _ = toybox_instructions.marked([one], [Result(one.after.rgb, worse)])
    assert found["ip2p_psnr"] == pytest.approx(20 * np.log10(255 / 10), abs=0.3)
    assert found["ip2p_psnr_restored"] == 99


def blended(text_guidance=3.0, image_guidance=1.5):
    """An editor that does as much of the exact change as its scales say."""

    def edit(one, seed):
        share = min(1.0, text_guidance / 10) * (4 - image_guidance) / 4
        mixed = one.before.rgb + share * (one.after.rgb.astype(float) - one.before.rgb)
        rgb = np.rint(mixed).astype(np.uint8) if one.said else one.before.rgb
        return Result(rgb, rgb)

    return edit


def test_scales_are_set_against_what_changes():
    found = toybox_instructions.trade_off(SOME[:6], blended)
    assert found["ip2p_text_spearman"] == pytest.approx(1) and found["ip2p_image_spearman"] == pytest.approx(-1)
    assert found["ip2p_text_monotone"] == found["ip2p_image_monotone"] == 1
    assert [row[0] for row in found["ip2p_text_curve"]] == [*toybox_instructions.TEXT_SCALES]
    for row, ends in zip(found["ip2p_text_curve"], found["ip2p_text_curve_ci"], strict=True):
        assert len(ends) == 3 and all(low <= mean <= high for mean, (low, high) in zip(row[1:], ends, strict=True))
    still = toybox_instructions.trade_off(SOME[:2], lambda **scales: blended())
    assert still["ip2p_text_spearman"] == still["ip2p_text_monotone"] == 0


def test_nothing_said_is_the_picture_itself():
    found = toybox_instructions.nothing_said(SOME[:6], blended())
    assert found["ip2p_null_psnr"] == 99 and found["ip2p_null_kept"] > 0.97
    wrong = toybox_instructions.nothing_said(SOME[:6], lambda one, seed: Result(one.after.rgb, one.after.rgb))
    assert wrong["ip2p_null_psnr"] < 60 and wrong["ip2p_null_kept"] < found["ip2p_null_kept"]


def test_the_editor_is_the_tool_as_the_weights_want_it(starter):
    from sessions.values import Picture
    from tools.base import EditContext, drain
    from tools.edits.instruct_pix2pix import Args, edited

    one = SOME[0]
    result = toybox_instructions.editor(starter, steps=2)(one, 3)
    ctx = EditContext(Picture(one.before.rgb.copy()), seed=3, shelf=starter, familiar=True)
    usual = starter.entry("instruct-pix2pix").sampling | {"steps": 2}
    said = drain(edited(ctx, Args(instruction=one.said, **usual)))
    assert np.array_equal(result.rgb, said.image.rgb) and result.drawn.shape == (64, 64, 3)


# DiffEdit


def test_the_true_cells_are_those_that_the_thing_covers():
    for one in world.items(6, 12, [Recolour]):
        cells = toybox_masks.cells(one, 4)
        region = grader.region(one.before.rgb, one.after.rgb).reshape(16, 4, 16, 4).mean((1, 3))
        assert cells.shape == (16, 16) and 1 <= cells.sum() <= 110
        assert region[cells].min() > 0.45 and region[~cells].max() < 0.8
    block = toybox_masks.block(np.random.default_rng(0), cells)
    assert abs(int(block.sum()) - int(cells.sum())) <= 2 * cells.sum() ** 0.5 + 1


@pytest.fixture(scope="module")
def swap(starter):
    return toybox_masks.asked(starter, world.items(1, 13, toybox_masks.SWAPS)[0])


def test_masks_are_measured_against_what_knows_nothing(swap):
    truth = torch.from_numpy(swap.truth)
    swap.maps[:] = truth.float() + 0.01
    found = toybox_masks.masks([swap])
    assert found["diffedit_iou"] == found["diffedit_iou_one_map"] == found["diffedit_iou_at_0.25"] == 1
    share = float(truth.float().mean())
    assert found["diffedit_iou_whole"] == pytest.approx(share, abs=1e-3)
    assert found["diffedit_iou_random"] < 0.5 and found["diffedit_iou_block"] < 1
    assert found["diffedit_iou_median"] == 1 == found["diffedit_iou_median_ci"][0]
    assert found["diffedit_iou_gain_whole"] == pytest.approx(1 - share, abs=1e-3)
    assert found["diffedit_iou_gain_at_0.25"] == 0 == found["diffedit_iou_gain_one_map"]
    ways = {name.removeprefix("diffedit_iou_gain_") for name in found if "_gain_" in name and not name.endswith("_ci")}
    assert ways == {"random", "block", "whole", "one_map", "at_0.25", "at_0.75"}


def test_a_gain_is_of_the_same_items_and_a_median_not_a_mean():
    """What differs much from item to item, but by the same, is known as well as if it did not."""
    values = [0.1, 0.2, 0.9, 0.9, 0.9]
    found = world.gain("gain", values, [value - 0.1 for value in values])
    assert found == {"gain": 0.1, "gain_ci": [0.1, 0.1]}
    assert world.median("iou", values) == {"iou_median": 0.9, "iou_median_ci": [0.1, 0.9]}


def test_only_the_mask_is_edited(swap):
    mask = torch.zeros(16, 16, dtype=torch.bool)
    assert np.array_equal(toybox_masks.edited(swap, mask), swap.one.before.rgb)
    mask[4:8, 4:8] = True
    rgb = toybox_masks.edited(swap, mask)
    outside = np.ones((64, 64), bool)
    outside[14:34, 14:34] = False
    assert np.array_equal(rgb[outside], swap.one.before.rgb[outside])
    assert not np.array_equal(rgb, swap.one.before.rgb)
    assert toybox_masks.left_alone(swap, mask)


# The whole


def parts_of(monkeypatch, **measures):
    monkeypatch.setattr(toybox, "PARTS", {name: toybox.Part(m, 7, (f"{name}_key",)) for name, m in measures.items()})


def test_parts_make_one_flat_table(starter, monkeypatch):
    parts_of(
        monkeypatch,
        one=lambda subject, count: ({"one_key": count}, ()),
        two=lambda subject, count: ({"b": subject.weights is starter}, ["row"]),
    )
    subject = toybox.Subject(starter)
    assert toybox.measured(subject) == ({"one_key": 7, "two_key": None, "b": True}, {"two": ["row"]})
    assert toybox.measured(subject, ["one"], 3) == ({"one_key": 3}, {})
    with pytest.raises(BadArguments, match="'three'"):
        toybox.measured(subject, ["three"])


def test_a_part_without_weights_is_left_out(starter, monkeypatch):
    def lacking(subject, count):
        return subject.weights.entry("no such role"), ()

    parts_of(monkeypatch, one=lambda subject, count: ({"one_key": 1.0}, ()), two=lacking)
    found, _ = toybox.measured(toybox.Subject(starter))
    assert (found["one_key"], found["two_key"]) == (1.0, None) and "no such role" in found["skipped"]["two"]
    said = toybox.text(found)
    assert "not measured" in said and said.splitlines()[-1].startswith("two, not measured: ")
    assert json.loads(json.dumps(found))["two_key"] is None
    assert "no such role" in toybox_report.html(found, {})


def test_a_pack_is_measured_by_its_own_weights_alone(tmp_path):
    """What a pack under training lacks is not the starter's."""
    base = [one for one in read_register(STARTER) if one.role == "text-to-image"]
    write_register(tmp_path / "pack/register.json", base)
    found = world.shelf(tmp_path / "home", tmp_path / "pack")
    assert [one.role for one in found.entries()] == ["text-to-image"]
    with pytest.raises(MissingWeights):
        found.entry("instruct-pix2pix")


def test_the_kinds_that_beat_the_input_are_those_whose_intervals_are_apart():
    found = {"s_a_ci": [0.5, 0.9], "c_a_ci": [0.0, 0.4], "s_b_ci": [0.3, 0.9], "c_b_ci": [0.0, 0.4]}
    assert toybox_instructions.above("x", found, "s", "c", ["a", "b"]) == {"x": 0.5}
    assert [toybox_instructions.monotone(v) for v in ([1, 2, 3], [1, 2, 2], [3, 2, 1])] == [1, 0, 0]


def test_damaged_weights_are_not_left_out(starter, monkeypatch, capsys):
    def damaged(subject, count):
        raise BadWeights("They have changed.")

    parts_of(monkeypatch, one=damaged)
    with pytest.raises(BadWeights):
        toybox.measured(toybox.Subject(starter))
    monkeypatch.setattr("sys.argv", ["toybox"])
    with pytest.raises(SystemExit) as ended:
        toybox.main()
    assert ended.value.code == "They have changed.", "which Python prints, and ends with 1"


def test_without_a_planner_there_are_still_the_seconds_of_an_edit(starter, tmp_path, monkeypatch):
    monkeypatch.setattr(toybox_seconds, "cost", lambda tool, weights, count: {f"edit_s_{tool}": 2.0})
    found, _ = toybox.measured(toybox.Subject(starter, (tmp_path,)), ["seconds"], 1)
    assert (found["plan_s"], found["edit_s"]) == (None, 2.0) and "no planner" in found["skipped"]["seconds"]
    assert all(found[f"edit_s_{tool}"] == 2.0 for tool in ("diffedit", "analogist", "blip_diffusion", "any2pix"))


def test_edits_are_timed_after_the_first_of_them(starter, monkeypatch):
    """A step is the product's own, with the weights' own arguments; of those that are missing it says so."""
    clock = iter([100.0, 1.0, 3.0, 2.0])
    monkeypatch.setattr(toybox_seconds, "seconds", lambda call: next(clock))
    assert toybox_seconds.cost("diffedit", starter, 3) == {"edit_s_diffedit": 2.0, "edit_s_diffedit_ci": [1.0, 3.0]}
    monkeypatch.undo()
    worked = []

    def work(index, job):
        worked.append(job)
        yield from ()

    monkeypatch.setattr(toybox_seconds, "work", work)
    toybox_seconds.cost("any2pix", starter, 40)
    assert len(worked) == toybox_seconds.FEW + 1 and {job.step.tool for job in worked} == {"any2pix"}
    assert all(job.shelf is starter and len(job.sounds) == 1 and job.familiar for job in worked)
    assert len({job.picture.rgb.tobytes() for job in worked}) == len(worked)
    with pytest.raises(MissingWeights, match="no nowhere"):
        monkeypatch.setattr(toybox_seconds, "get", lambda tool: SimpleNamespace(weights=("nowhere",)))
        toybox_seconds.cost("analogist", starter, 1)


def test_an_edit_that_is_timed_is_a_whole_one(starter):
    (job,) = toybox_seconds.diffedits(1)
    brief = job.step.model_copy(update={"args": job.step.args | {"steps": 2, "maps": 1}})
    (done,) = [drain(work(0, replace(job, step=brief, shelf=starter, familiar=True)))]
    assert done.edit.image.rgb.shape == job.picture.rgb.shape
    for tool, jobs in toybox_seconds.JOBS.items():
        (one,), known = jobs(1), registry.get(tool)
        assert (one.step.tool, one.step.confirmed) == (tool, True) and known.args.model_validate(one.step.args)
        assert known.subjects[0] <= len(one.subjects) <= known.subjects[1]


ASKED_FOR = """parse_rate tool_accuracy base_at_1 base_at_1_of_8 base_at_1_history sub_at_1 state_single state_2_3
state_4 ask_auroc sound_blind_drop ip2p_success ip2p_psnr diffedit_iou diffedit_success
analogist_success analogist_iou blip_subject blip_background any2pix_sound plan_s edit_s
edit_s_instruct_pix2pix edit_s_diffedit edit_s_analogist edit_s_blip_diffusion edit_s_any2pix
perception_image_to_text perception_text_to_image perception_sound_to_image
ip2p_directional ip2p_agrees any2pix_directional any2pix_agrees"""


def test_all_that_is_asked_for_has_a_place():
    beside = {f"base_at_1_of_8_{way}" for way in ("head", "latest", "original", "random")}
    beside |= {"base_at_1_history_latest", "drift_outside", "drift_outside_chained"}
    assert set(ASKED_FOR.split()) | beside == set(toybox.KEYS)


def test_intervals_stand_beside_their_means():
    found = toybox.flat({"gain": [0.5, 0.4, 0.6], "auc": {"bell": 0.9}, "count": 3})
    assert found == {"gain": 0.5, "gain_ci": [0.4, 0.6], "auc_bell": 0.9, "count": 3}
    assert "0.5  [0.4, 0.6]" in toybox.text(found) and "gain_ci" not in toybox.text(found)
    assert world.figure("none", []) == {}


def test_a_report_is_a_page_that_needs_nothing_else(tmp_path):
    _, rows = toybox_instructions.marked(SOME[:3], [Result(one.after.rgb, one.after.rgb) for one in SOME[:3]])
    page = toybox_report.write(tmp_path / "report", {"a<b": 0.5, "a<b_ci": [0.4, 0.6]}, {"edits": rows})
    html = page.read_text()
    assert html.count("data:image/png;base64,") == 9 == html.count("<img")
    assert SOME[0].said in html and "a&lt;b" in html and "http" not in html
    with Image.open(tmp_path / "report/edits.png") as sheet:
        assert sheet.size == (4 * (3 * 128 + 8), 132)
        assert sheet.getpixel((0, 0)) == (toybox_report.GOOD if rows[0].good else toybox_report.BAD)


def test_the_report_has_what_is_asked_for_first_and_every_example(tmp_path):
    _, rows = toybox_instructions.marked(SOME[:1], [Result(one.after.rgb, one.after.rgb) for one in SOME[:1]])
    shown = toybox_report.Row("like this", rows[0].pictures[:2], False, "no", (SOME[0].before.rgb,) * 2)
    html = toybox_report.html({"b": 1.0, "a": 0.5, "a_ci": [0.25, 0.75], "c": None}, {"x": [shown]}, ["a", "c"])
    assert html.index("<td>a<") < html.index("<td>c<") < html.index("<details>") < html.index("<td>b<")
    assert "0.250 – 0.750" in html and "not measured" in html and html.count("<img") == 4


def test_curves_are_where_their_figures_are():
    rows = [[r, t, s, 0.9, 30.0 + s] for t, s in ((0.25, 0.5), (0.5, 1.0)) for r in (0.4, 0.8)]
    drawn = toybox_curves.drawn(
        {"diffedit_curve": rows, "ip2p_text_curve": [[1.0, 0.0, 1.0, 2.0], [7.5, 1.0, 0.5, 9.0]]}
    )
    assert drawn.count("<polyline") == 4 and drawn.count("<circle") == 8 and "threshold 0.25" in drawn
    ys = [float(y) for y in re.findall(r'cy="([0-9.]+)"', drawn)]
    assert ys[0] == ys[1] > ys[2] == ys[3], "more success is further up"
    assert toybox_curves.drawn({"a": 1}) == ""
    bare = toybox_curves.drawn({"diffedit_curve": rows})
    ends = [[[row[2] - 0.25, row[2] + 0.25], [0.9, 0.9], [30.0, 31.0]] for row in rows]
    between = toybox_curves.drawn({"diffedit_curve": rows, "diffedit_curve_ci": ends})
    assert between.count("<line") == bare.count("<line") + 4
    (low, high), *_ = re.findall(r'y1="([0-9.]+)" y2="([0-9.]+)" stroke="#', between)
    assert float(low) > ys[0] > float(high), "an interval is about its point"


def test_the_command_says_the_same_as_the_module(monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(toybox, "run", lambda *args, **given: told.append((args, given)) or {"a": 1})
    app = typer.Typer()
    app.command("toybox")(toybox_command)
    words = ["--tool", "diffedit", "--tool", "seconds", "--count", "3", "--report", str(tmp_path), "--json"]
    words += ["--planner", "a", "--planner", "b", "--grader", "c"]
    found = CliRunner().invoke(app, words)
    assert json.loads(found.stdout) == {"a": 1}
    given = {"count": 3, "report": tmp_path, "planners": [Path("a"), Path("b")], "grader": Path("c")}
    assert told == [((["diffedit", "seconds"],), given)]
    monkeypatch.undo()
    assert "toybox" in CliRunner().invoke(commands.app, ["--help"]).output
    refused = CliRunner().invoke(app, ["--tool", "nonsense"])
    assert refused.exit_code == 1 and "nonsense" in refused.output
