"""The benchmark of `analogist`: its marks on exact results, and that what it draws is what the tool draws."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import analogist as bench
from benchmarks import toybox_analogies
from benchmarks.analogist import ASKED, DAMAGED, MODES, TASKS, Mode, items, marks, results, silhouette, told, wanted
from sessions.values import Picture
from tools.base import drain
from tools.diffusion.cloning import Analogy
from tools.edits.analogist import Args, analogist
from toybox import grader
from toybox.drawing import draw
from toybox.words import caption

SHORT = Args(prompt="x", steps=2, strength=1.0, guidance=2.0, layers=(0, 16))


@pytest.mark.parametrize("task", TASKS)
def test_the_exact_result_has_every_mark_and_copying_none(task):
    some = items(task, 12)
    exact = marks(task, some, [one.truth.rgb for one in some])
    assert sum(exact.pop("right")) >= 11
    assert exact == {"error": [0] * 12, "structure": [1] * 12}
    copied = marks(task, some, [one.b for one in some])
    assert copied["error"] == pytest.approx([1] * 12)
    assert not any(copied["right"])


def test_what_is_wanted_is_what_changes():
    for task in TASKS:
        for one in items(task, 4):
            found = wanted(task, one)
            assert {slot for slot, _ in found} - {""} == {one.scene.things[i].slot for i in one.things}
            assert {name for slot, name in found if slot} == set(ASKED[task])
            assert (("", "ground") in found) == (task == "colourise")
            assert all(value == "yes" for (_, name), value in found.items() if name == "there")


@pytest.mark.parametrize("task", DAMAGED)
def test_what_can_be_read_is_not_right_before_it_is_nearer(task):
    """A picture that is as bad as B, and read well, is not what was asked for."""
    for one in items(task, 6):
        seen = bench.readings([one.truth.rgb])[0]
        worse = np.clip(one.b.astype(int) + (one.b.astype(int) - one.truth.rgb) // 4, 0, 255).astype(np.uint8)
        assert not bench.right(task, one, worse, seen)
        read = all(seen.value(*key) == value for key, value in wanted(task, one).items())
        assert bench.right(task, one, one.truth.rgb, seen) == read


@pytest.mark.parametrize("task", TASKS)
def test_items_are_the_same_for_the_same_seed(task):
    one, again, other = items(task, 3), items(task, 3), items(task, 3, seed=5)
    for name in ("a", "changed", "b"):
        assert all(np.array_equal(getattr(x, name), getattr(y, name)) for x, y in zip(one, again, strict=True))
    assert not all(np.array_equal(x.b, y.b) for x, y in zip(one, other, strict=True))
    assert len({one.b.tobytes() for one in items(task, 12)}) == 12


@pytest.mark.parametrize("task", ["recolour", "texture", "outline"])
def test_what_is_done_to_a_is_what_is_to_be_done_to_b(task):
    """A and A' differ in a thing of the shape, colour and texture that B and B' differ in."""
    for one in items(task, 12):
        (index,) = one.things
        there = grader.region(one.b, one.truth.rgb)
        assert (there <= (one.truth.covers[index] > 0)).all() and there.any()
        wanted = one.scene.things[index]
        if task == "recolour":
            shown = grader.region(one.a, one.changed)
            assert grader.colour_in(one.changed, shown) == wanted.colour != grader.colour_in(one.a, shown)
            assert grader.colour_in(one.a, shown) == grader.colour_in(one.b, one.truth.mask(index))
        if task == "outline":
            assert wanted.texture == "plain" and "outlined" not in caption(replace(one.scene, things=(wanted,)))


@pytest.mark.parametrize("task", ["recolour", "texture", "outline"])
def test_words_name_things_and_leave_to_a_and_its_change_what_becomes_of_them(task):
    for one in items(task, 12):
        assert {*one.words.split()} - {"a", "an", "and"} == {thing.shape for thing in one.scene.things}


def test_a_silhouette_is_of_the_things():
    for one in items("recolour", 10):
        covers = np.maximum.reduce(one.truth.covers)
        found = silhouette(one.truth.rgb, one.scene)
        assert not found[covers == 0].any()
        assert not silhouette(draw(replace(one.scene, things=())).rgb, one.scene).any()


def test_gains_are_item_by_item():
    found = {name: {"right": [0.0, 1.0], "error": [0.5, 0.7], "structure": [1.0, 1.0]} for name in MODES}
    found["both"] = found["both"] | {"error": [0.4, 0.6]}
    found["ceiling"] = found["neither"]
    figures = told(found)
    assert figures["gain"]["both"] == pytest.approx([0.1, 0.1, 0.1]) and figures["gain"]["sac"] == [0, 0, 0]
    assert "neither" not in figures["gain"] and "ceiling" not in figures["gain"]
    assert figures["right"]["both"][0] == 0.5 and set(ASKED) == set(TASKS)


@pytest.fixture(scope="module")
def some():
    return [replace(one, words=few_words(one.scene)) for one in items("recolour", 3)]


def few_words(scene):
    """That the tiny model's tokenizer need not spell."""
    return f"a {scene.things[0].colour} circle"


def by_the_tool(shelf, one, seed, **args):
    context = replace(one.context, seed=seed, shelf=shelf)
    said = SHORT.model_copy(update={"prompt": few_words(one.scene), **args})
    return drain(analogist.run(context, said)).image.rgb


@pytest.mark.parametrize(
    ("mode", "args"),
    [
        ("both", {}),
        ("neither", {"amount": 0.0}),
        ("cam", {"aligned": "none"}),
        ("swapped", {"aligned": "b"}),
    ],
)
def test_it_draws_what_the_tool_draws(mode, args, some, tiny_shelf, monkeypatch):
    """Several at once, and each to the level as the tool itself."""
    monkeypatch.setattr(bench, "BATCH", 2)
    found = results(tiny_shelf.diffusion("inpainting"), some, SHORT, MODES[mode])
    for seed, (rgb, one) in enumerate(zip(found, some, strict=True)):
        assert abs(rgb.astype(int) - by_the_tool(tiny_shelf, one, seed, **args)).max() <= 1


def test_modes_differ_in_what_they_switch(some, tiny_shelf, monkeypatch):
    seen = []
    attention = bench.Attention
    monkeypatch.setattr(bench, "Attention", lambda mode: seen.append(mode) or attention(mode))
    drawn = {n: results(tiny_shelf.diffusion("inpainting"), some[:1], SHORT, m)[0] for n, m in MODES.items()}
    assert all(isinstance(mode, Analogy) for mode in seen)
    told_ = dict(zip(MODES, ((mode.cloning, mode.masking) for mode in seen), strict=True))
    assert told_ == {"both": (1, 1), "neither": (0, 0), "sac": (1, 0), "cam": (0, 1), "swapped": (1, 1)}
    assert len({rgb.tobytes() for rgb in drawn.values()}) == len(MODES)
    assert MODES["both"] == Mode() and Picture(drawn["both"]).size == (64, 64)


def test_the_ceiling_is_the_truth_through_the_autoencoder(some, tiny_shelf, monkeypatch):
    """Where the autoencoder loses nothing, what is left is the tile's size and the way back."""
    latents = bench.latents
    monkeypatch.setattr(latents, "encode", lambda model, rgb: rgb[None])
    monkeypatch.setattr(latents, "decode", lambda model, z: z[0])
    found = [
        bench.ceiling(tiny_shelf.diffusion("inpainting"), one, SHORT.model_copy(update={"detail": 2})) for one in some
    ]
    marked = marks("recolour", some, found)
    assert marked["right"] == [1, 1, 1] and max(marked["error"]) < 0.35


def test_the_table_of_all_families():
    """Means over families of one size, the tool's own without a suffix, gains item by item."""
    own = {"right": [1.0, 1.0], "error": [0.25, 0.25], "structure": [1.0, 0.5]}
    plain = {"right": [0.0, 1.0], "error": [0.75, 1.25], "structure": [0.5, 0.5]}
    found = toybox_analogies.told({task: {"both": own, "neither": plain, "sac": own, "copy": plain} for task in TASKS})
    assert found["analogist_success"] == 1 and found["analogist_success_neither"] == 0.5
    assert found["analogist_iou"] == 0.75 and found["analogist_error_gain"] == -0.75
    assert found["analogist_success_gain"] == 0.5 and found["analogist_success_gain_ci"][0] > 0
    assert found["analogist_success_recolour_neither"] == 0.5 and "analogist_iou_denoise" in found


def test_the_part_draws_every_family_and_spares_what_is_half_switched_off(tiny_shelf, monkeypatch):
    for name in ("caption", "shapes"):
        monkeypatch.setattr(bench, name, few_words)
    monkeypatch.setattr(toybox_analogies, "recommended", lambda weights: SHORT.model_dump() | {"prompt": ""})
    drawn = []
    own = toybox_analogies.results
    monkeypatch.setattr(
        toybox_analogies, "results", lambda model, some, *rest: drawn.append(len(some)) or own(model, some, *rest)
    )
    found, rows = toybox_analogies.figures(tiny_shelf, 2 * len(TASKS))
    assert drawn == [2, 2, 1, 1, 1] * len(TASKS) and len(rows) == 2 * len(TASKS)
    assert {"analogist_success", "analogist_iou", "analogist_success_swapped", "analogist_iou_copy"} <= found.keys()
    assert all(len(row.shown) == 2 and len(row.pictures) == 3 for row in rows)
