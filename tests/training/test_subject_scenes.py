"""The toybox's subjects: what is said keeps silent on looks, what is shown is the same thing elsewhere."""

import numpy as np
import pytest

from toybox.drawing import draw
from toybox.scenes import COLOURS, GROUNDS, HELD_OUT, SHAPES, SIDE, TEXTURES, Scene, Thing
from training.subject_scenes import Scenes, example, on_another_ground, rest


def thing(shape="disc", slot="top left", **more):
    looks = {"colour": "red", "texture": "dotted", "radius": 7.0} | more
    return Thing(shape, slot=slot, x=17.0, y=17.0, turn=0.0, **looks)


def test_what_is_said_behind_the_subject():
    star = thing("star", "bottom right", colour="blue", texture="plain", radius=10.0)
    two = Scene("striped", "teal", (thing(), star), light="night")
    assert rest(two) == "and a blue star on a striped teal background, night"
    assert rest(two, places=True) == (
        "at the top left and a blue star at the bottom right on a striped teal background, night"
    )
    assert rest(Scene("plain", "teal", (thing(),)), behind=False) == ""


@pytest.mark.parametrize("number", range(40))
def test_looks_are_shown_and_never_said(number):
    one = example(number)
    alone = len(one.scene.things) == 1
    category, said = Scenes(99).said(number)
    assert category == one.subject.shape and one.subject.shape not in said.split()
    words = set(said.replace(",", "").split())
    if alone:
        striped = {"striped"} if one.scene.pattern == "striped" else set()
        assert not words & ({*COLOURS, *TEXTURES, "small", "large"} - striped)
    assert all((one.shape, one.colour) not in HELD_OUT for one in one.scene.things)
    assert np.array_equal(Scenes(99).target(number), draw(example(number).scene).rgb)


def test_shown_is_the_same_thing_somewhere_else():
    places, grounds, accompanied = set(), set(), 0
    for seed in range(60):
        subject = example(seed).subject
        scene = on_another_ground(np.random.default_rng(seed), subject)
        shown = scene.things[0]
        looks = (subject.shape, subject.colour, subject.texture, subject.radius)
        assert (shown.shape, shown.colour, shown.texture, shown.radius) == looks
        assert shown.radius < shown.x < SIDE - shown.radius and shown.radius < shown.y < SIDE - shown.radius
        covers = draw(scene).covers
        assert float(sum(covers).max()) <= 1.001
        assert len({one.shape for one in scene.things}) == len(scene.things)
        places.add((round(shown.x), round(shown.y)))
        grounds.add(scene.ground)
        accompanied += len(scene.things) - 1
    assert len(places) > 40 and grounds == set(GROUNDS) and 5 < accompanied < 25


def test_pairs_are_scenes_and_single_things_with_their_captions():
    said = [Scenes(1).pair(np.random.default_rng(seed)) for seed in range(40)]
    again = Scenes(1).pair(np.random.default_rng(3))
    assert np.array_equal(again[0], said[3][0]) and again[1] == said[3][1]
    assert all(rgb.shape == (SIDE, SIDE, 3) and any(shape in words for shape in SHAPES) for rgb, words in said)
    short = [words for _, words in said if len(words.split()) < 6]
    assert 3 < len(short) < 37
