"""The grader's laws: the truth gets full marks, the untouched copy none, and it is not fooled by shades or light."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from toybox import grader
from toybox.drawing import draw
from toybox.edits import Recolour, random_edit
from toybox.scenes import COLOURS, LIGHTS, TEXTURES, WEATHERS, seeded

SCENES = [seeded(seed) for seed in range(40)]


def read(scene):
    """How many of a scene's things are told in their colour."""
    drawing = draw(scene)
    states = scene.tone, scene.light, scene.style, scene.weather
    return [grader.colour_in(drawing.rgb, drawing.mask(i), *states) == one.colour for i, one in enumerate(scene.things)]


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("texture", TEXTURES)
def test_an_objects_colour_is_read_in_every_texture_light_and_weather(texture, light):
    for scene in SCENES[:8]:
        things = tuple(replace(thing, texture=texture) for thing in scene.things)
        scene = replace(scene, things=things, tone="colour", light=light)
        for weather, style in itertools.product(WEATHERS, ("plain", "negative")):
            assert all(read(replace(scene, style=style, weather=weather)))


def test_a_comic_hides_few_colours():
    right = [one for scene in SCENES for one in read(replace(scene, tone="colour", style="comic", light="day"))]
    assert np.mean(right) > 0.9


def test_what_the_states_do_is_what_the_colour_is_read_by():
    scene, blind = replace(SCENES[0], tone="colour", light="day", style="plain", weather="foggy"), []
    for colour in COLOURS:
        drawing = draw(replace(scene, things=(replace(scene.things[0], texture="plain", colour=colour),)))
        assert grader.colour_in(drawing.rgb, drawing.mask(0), weather="foggy") == colour
        blind.append(grader.colour_in(drawing.rgb, drawing.mask(0)) == colour)
    assert not all(blind)
    assert 0.05 < grader.covered("rainy").mean() < 0.2 and 0.05 < grader.covered("snowy").mean() < 0.25


def test_all_colours_are_told_apart_under_noise():
    rng = np.random.default_rng(0)
    for name, rgb in COLOURS.items():
        noisy = np.clip(np.array(rgb) + rng.normal(0, 12, (20, 20, 3)), 0, 255).astype(np.uint8)
        assert grader.colour_in(noisy, np.ones((20, 20), bool)) == name


def test_truth_is_zero_copy_is_one_and_half_way_is_half():
    rng = np.random.default_rng(0)
    for scene in SCENES:
        before, after = draw(scene).rgb, draw(random_edit(rng, scene).apply(scene)).rgb
        half = ((before.astype(int) + after) // 2).astype(np.uint8)
        assert grader.inside_error(after, before, after) == 0
        assert grader.inside_error(before, before, after) == 1
        assert grader.inside_error(half, before, after) == pytest.approx(0.5, abs=0.05)


def test_outside_counts_the_outside_only():
    scene = replace(SCENES[0], tone="colour", light="day", style="plain", weather="clear")
    edit = Recolour(scene.things[0].shape, "blue" if scene.things[0].colour != "blue" else "green")
    before, after = draw(scene).rgb, draw(edit.apply(scene)).rgb
    assert grader.outside_psnr(before, before, after) == 99
    shifted = np.clip(after.astype(int) + 5, 0, 255).astype(np.uint8)
    unclipped = (after <= 250).all()
    assert grader.outside_psnr(shifted, before, after) == pytest.approx(34.15, abs=0.01 if unclipped else 0.5)


def test_no_pixel_has_no_colour():
    with pytest.raises(ValueError, match="no pixel"):
        grader.colour_in(draw(SCENES[0]).rgb, np.zeros((64, 64), bool))


def test_overlap():
    one, other = np.zeros((2, 8, 8), bool)
    assert grader.overlap(one, other) == 1
    one[:4], other[2:6] = True, True
    assert grader.overlap(one, other) == pytest.approx(1 / 3)
