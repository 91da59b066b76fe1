"""The grader: what can be seen is asked, nothing else; how it answers on pictures it has not learnt from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.reading import accuracies, edits, of_held_out, read, scenes
from benchmarks.world import items
from toybox.drawing import draw
from toybox.reading import KEYS, WEIGHTS, Reader, alike, faint, options, reading, readings, shown
from toybox.scenes import COLOURS, HELD_OUT, SLOTS, Scene, Thing, seeded

DISC = Thing("disc", "red", "dotted", "top left", 17.0, 17.0, 10.25, 0.0)
SCENE = Scene("striped", "teal", (DISC,))


# What is asked


def test_everything_of_a_scene_in_colours_is_asked():
    truth = shown(SCENE)
    of_disc = {"there": "yes", "shape": "disc", "colour": "red", "texture": "dotted", "size": "medium"}
    assert {name: value for (slot, name), value in truth.items() if slot == "top left"} == of_disc
    assert [truth[slot, "there"] for slot in SLOTS] == ["yes", "no", "no", "no", "no"]
    whole = {name: value for (slot, name), value in truth.items() if not slot}
    assert whole == {
        **{"ground": "teal", "pattern": "striped", "light": "day", "weather": "clear"},
        **{"style": "plain", "tone": "colour"},
    }
    assert len(truth) == 5 + 4 + 6 and set(truth) <= set(KEYS)


@pytest.mark.parametrize(
    ("radius", "style", "hidden"), [(7.0, "comic", True), (13.0, "comic", False), (7.0, "plain", False)]
)
def test_dots_that_a_comic_s_lines_hide_are_not_asked(radius, style, hidden):
    cross = replace(DISC, shape="cross", radius=radius)
    scene = Scene("plain", "teal", (cross,), style=style)
    assert alike(scene, cross) == hidden == (("top left", "texture") not in shown(scene))


def test_grey_shows_no_colours():
    truth = shown(replace(SCENE, tone="grey"))
    assert ("top left", "colour") not in truth and ("", "ground") not in truth
    assert truth["top left", "shape"] == "disc" and truth["", "tone"] == "grey"


@pytest.mark.parametrize(("colour", "ground", "hidden"), [("yellow", "mint", True), ("yellow", "teal", False)])
def test_a_thing_as_bright_as_the_ground_is_not_asked_in_grey(colour, ground, hidden):
    thing = replace(DISC, colour=colour)
    scene = Scene("plain", ground, (thing,), tone="grey")
    assert faint(scene, thing) == hidden
    assert (("top left", "there") in shown(scene)) == (not hidden)
    assert ("top left", "there") in shown(replace(scene, tone="colour"))


def test_of_an_empty_scene_what_nothing_shows_is_not_asked():
    empty = replace(SCENE, things=())
    assert ("", "tone") not in shown(empty) and ("", "tone") in shown(SCENE)
    assert ("", "style") not in shown(replace(empty, style="comic")) and shown(empty)["", "style"] == "plain"
    foggy = replace(empty, weather="foggy")
    assert ("", "weather") in shown(foggy) and ("", "weather") not in shown(replace(foggy, tone="sepia"))
    assert all(shown(empty)[slot, "there"] == "no" for slot in SLOTS)


# How it answers


def test_a_reading_says_what_is_there():
    for seed in (3, 2_000_003):
        scene = seeded(seed)
        seen = reading(draw(scene).rgb)
        assert all(seen.agreement(scene).values())
        assert set(seen.things()) == {thing.slot for thing in scene.things}


def test_a_reading_of_another_picture_disagrees_where_it_differs():
    other = replace(SCENE, ground="white", light="night", things=(replace(DISC, colour="blue", shape="star"),))
    wrong = [key for key, said in reading(draw(other).rgb).agreement(SCENE).items() if not said]
    assert set(wrong) == {("", "ground"), ("", "light"), ("top left", "colour"), ("top left", "shape")}


def test_where_nothing_is_read_nothing_of_the_thing_agrees():
    agreed = reading(draw(replace(SCENE, things=())).rgb).agreement(SCENE)
    assert not any(said for (slot, _), said in agreed.items() if slot == "top left")
    assert agreed["", "ground"] and agreed["bottom right", "there"]


def test_probabilities_are_shares_of_the_options():
    seen = reading(draw(SCENE).rgb)
    assert all(len(seen.shares[key]) == len(options(key)) for key in KEYS)
    assert all(sum(shares) == pytest.approx(1, abs=1e-5) for shares in seen.shares.values())
    assert seen.probability("", "ground", "teal") == max(seen.shares["", "ground"]) > 0.9
    assert sum(seen.somewhere("colour", colour) for colour in COLOURS) == pytest.approx(1, abs=0.1)
    assert seen.somewhere("light", "day") == seen.probability("", "light", "day")


def test_each_corner_is_read_by_the_same_head_and_the_order_is_that_of_the_slots():
    for slot, (x, y) in SLOTS.items():
        seen = reading(draw(Scene("plain", "white", (replace(DISC, slot=slot, x=x, y=y),))).rgb)
        assert list(seen.things()) == [slot]


def test_pictures_are_read_one_by_one_whatever_is_beside_them():
    pictures = [draw(seeded(seed)).rgb for seed in range(3)]
    torch.manual_seed(0)
    net = Reader().eval()
    alone = [readings([picture], net)[0] for picture in pictures]
    for one, other in zip(alone, readings(pictures, net), strict=True):
        for key in KEYS:
            assert one.shares[key] == pytest.approx(other.shares[key], abs=1e-5)


# The network that is shipped (`python -m benchmarks.reading` has all figures)


def test_it_is_small():
    assert sum(weight.numel() for weight in Reader().parameters()) <= 600_000
    assert WEIGHTS.stat().st_size <= 1_500_000


def test_it_reads_scenes_that_it_has_not_learnt_from():
    some = scenes(300)
    seen = read([draw(scene).rgb for scene in some])
    found = accuracies(some, seen)
    assert min(value for name, value in found.items() if name[:8] == "accuracy" and name[-3:] != "_ci") >= 0.985
    apart = accuracies(some, seen, "_held_out", of_held_out)
    assert min(apart[f"accuracy_{name}_held_out"] for name in ("there", "shape", "colour", "texture")) >= 0.95


def test_in_half_of_the_scenes_something_is_held_out():
    """And of it alone it is told how it is read."""
    some = scenes(80)
    new = [scene for scene in some if of_held_out(scene)]
    assert len(new) > 30 and any(scene in new for scene in some[1::2]) and any(scene in new for scene in some[::2])
    for scene in new:
        slots = {slot for slot, _ in of_held_out(scene)}
        assert {(t.shape, t.colour) in HELD_OUT for t in scene.things if t.slot in slots} == {True}
    assert not of_held_out(SCENE)
    blue = replace(SCENE, things=(replace(DISC, shape="star", colour="blue"),))
    wrong = read([draw(replace(SCENE, things=(replace(DISC, shape="star"),))).rgb])
    found = accuracies([blue], wrong, "_held_out", of_held_out)
    assert (found["accuracy_colour_held_out"], found["accuracy_shape_held_out"]) == (0, 1)
    assert "accuracy_ground_held_out" not in found


def test_it_takes_no_unedited_input_for_edited_and_exact_results_for_done():
    found = edits(items(240, 8), lambda rgb: rgb)
    assert found["unedited"] <= 0.01 and found["exact"] >= 0.97


def test_it_is_not_fooled_by_noise_alone():
    some = scenes(60)
    noise = np.random.default_rng(0)
    grainy = [np.clip(draw(s).rgb + noise.normal(0, 4, (64, 64, 3)), 0, 255).astype(np.uint8) for s in some]
    found = accuracies(some, read(grainy))
    assert found["accuracy_shape"] >= 0.95 and found["accuracy_colour"] >= 0.95
