"""BLIP-Diffusion's marks on exact pictures and wrong ones, and the whole measurement on weights that know nothing."""

import shutil
from dataclasses import replace

import numpy as np

from benchmarks import blip_diffusion as bench
from benchmarks import world
from tests.training import blip_pack_of
from tools.shelf import STARTER
from toybox.drawing import draw
from toybox.scenes import GROUNDS, HELD_OUT, SHAPES, Scene


def test_exact_pictures_have_full_marks_and_others_none():
    some = bench.items(24)
    exact = [draw(Scene("plain", one.ground, (bench.centred(one.thing),))).rgb for one in some]
    seen = bench.readings(exact)
    assert sum(bench.shows(it, one.thing) for it, one in zip(seen, some, strict=True)) >= 23
    assert sum(bench.on(it, one.ground) for it, one in zip(seen, some, strict=True)) >= 23
    others = [*some[1:], *some[:1]]
    assert not any(bench.shows(it, one.thing) for it, one in zip(seen, others, strict=True))
    empty = bench.reading(draw(Scene("plain", some[0].ground, ())).rgb)
    assert not any(bench.shows(empty, one.thing) for one in some)


def test_shape_and_colour_have_to_be_of_one_thing():
    disc, square = (replace(one.thing, shape=shape) for one, shape in zip(bench.items(2), SHAPES[:2], strict=True))
    two = {"top left": vars_of(disc), "middle": vars_of(square)}

    class Seen:
        def things(self):
            return two

    assert bench.shows(Seen(), disc) and bench.shows(Seen(), square, "texture")
    assert not bench.shows(Seen(), replace(disc, colour=square.colour))


def vars_of(thing):
    return {"shape": thing.shape, "colour": thing.colour, "texture": thing.texture, "size": thing.size}


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
    found, rows = bench.measured(world.shelf(tmp_path / "home", pack), 2)
    assert found["blip_replace_untouched"] == 1 and found["blip_subject"] <= 0.5 < found["blip_subject_exact"]
    assert len(rows) == 2 and all(len(row.pictures) == 3 for row in rows)
    of_ways = {f"blip_subject_{way}" for way in ("without", "swapped", "exact", "autoencoder")}
    assert of_ways | {"blip_background", "blip_background_shuffled", "blip_cosine", "blip_learnt"} <= set(found)
