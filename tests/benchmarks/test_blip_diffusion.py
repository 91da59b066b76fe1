"""BLIP-Diffusion's marks on exact pictures and wrong ones, and the whole measurement on weights that know nothing."""

import shutil

import numpy as np
import pytest

from benchmarks import blip_diffusion as bench
from tests.training import blip_pack_of
from tools.shelf import STARTER
from toybox import grader
from toybox.drawing import draw
from toybox.scenes import GROUNDS, HELD_OUT, SHAPES, Scene
from training.subject_scenes import elsewhere


@pytest.mark.parametrize("number", range(24))
def test_exact_pictures_have_full_marks_and_others_none(number):
    one, rng = bench.items(24)[number], np.random.default_rng(number)
    thing = elsewhere(rng, one.thing)
    rgb = draw(Scene("plain", one.ground, (thing,))).rgb
    mask = bench.apart_from(rgb, one.ground)
    assert bench.ground_of(rgb) == one.ground and bench.shape_of(mask) == one.thing.shape
    assert grader.colour_in(rgb, mask) == one.thing.colour and bench.shown(rgb, one.thing, one.ground)
    other = bench.items(24)[(number + 1) % 24]
    assert not bench.shown(rgb, other.thing, one.ground)
    assert not bench.shown(draw(Scene("plain", one.ground, ())).rgb, one.thing, one.ground)
    assert not bench.shown(rgb, one.thing, other.ground) or other.ground == one.ground


def test_items_are_held_out_and_ask_for_another_background():
    some = bench.items(60)
    assert {(one.thing.shape, one.thing.colour) for one in some} == HELD_OUT
    assert {one.thing.shape for one in some} == set(SHAPES)
    for one in some:
        assert one.ground in one.prompt
        assert not (one.reference.pixels == GROUNDS[one.ground]).all(-1).any()
    again = bench.items(60)
    assert all(np.array_equal(a.reference.pixels, b.reference.pixels) for a, b in zip(some, again, strict=True))


def test_weights_that_know_nothing_have_marks_like_chance(tmp_path, monkeypatch):
    pack = shutil.copytree(STARTER.parent, tmp_path / "pack")
    monkeypatch.setitem(blip_pack_of.SAMPLING, "steps", 2)
    blip_pack_of.untaught(pack, tmp_path)
    monkeypatch.setattr(bench, "REPLACED", 1)
    monkeypatch.setattr(bench, "LEARNT", 1)
    monkeypatch.setattr(bench, "SEEDS", 1)
    monkeypatch.setattr(bench, "Schooling", lambda rate: bench.subjects.Schooling(1, rate))
    found = bench.measured(pack, 2)
    assert found["blip_marked"][0] == 1 and found["blip_replace_untouched"][0] == 1
    assert found["blip_subject"][0] <= 0.5
    assert {"blip_without", "blip_swapped", "blip_background", "blip_cosine", "blip_learnt"} <= set(found)
