"""BLIP-Diffusion's marks on exact pictures and wrong ones, and the whole measurement on weights that know nothing."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import blip_diffusion as bench
from benchmarks import toybox_seconds, world
from tests.training import blip_pack_of
from tools.base import EditContext, drain
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


def test_items_of_pairs_that_training_has():
    """A model without vectors knows that there is no held-out pair, so that these are what it has to be beaten on."""
    some = bench.items(60, held_out=False)
    assert not {(one.thing.shape, one.thing.colour) for one in some} & HELD_OUT
    assert {one.thing.shape for one in some} == set(SHAPES) and len({one.thing.colour for one in some}) == 8


def test_pictures_of_one_subject_count_once():
    """Six subjects, all pictures of three right: 24 throws of a coin would have an interval half as wide."""
    found = bench.by_subject("right", [[True] * 4, [False] * 4] * 3)
    assert found["right"] == 0.5 and found["right_ci"] == bench.figure("right", [1.0, 0.0] * 3)["right_ci"]
    low, high = found["right_ci"]
    assert high - low > 0.6


@pytest.fixture(scope="module")
def untaught(tmp_path_factory):
    """A shelf whose weights have learnt nothing of subjects, and draw in two steps."""
    folder = tmp_path_factory.mktemp("untaught")
    pack = shutil.copytree(STARTER.parent, folder / "pack")
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(blip_pack_of.SAMPLING, "steps", 2)
        blip_pack_of.untaught(pack, folder)
    return world.shelf(folder / "home", pack)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(bench, "REPLACED", 1)
    monkeypatch.setattr(bench, "LEARNT", 1)
    monkeypatch.setattr(bench, "SEEDS", 1)
    monkeypatch.setattr(bench, "Schooling", lambda rate: bench.subjects.Schooling(1, rate))


def test_it_draws_what_the_tool_draws(untaught):
    wanted = untaught.entry(bench.subjects.ROLE).sampling
    there = bench.Bench(untaught, untaught.diffusion(bench.subjects.ROLE), wanted["guidance"], int(wanted["steps"]))
    (one,) = bench.items(1)
    (drawn,) = there.drawn([(one, there.vectors(one.reference, one.thing.shape))])
    context = EditContext(one.reference, None, (one.reference,), seed=0, shelf=untaught)
    args = bench.Args(category=one.thing.shape, prompt=one.prompt, guidance=there.guidance, steps=there.steps)
    by_the_tool = drain(bench.blip_diffusion.run(context, args)).image.rgb
    assert abs(drawn.astype(int) - by_the_tool).max() <= 1


def test_a_whole_edit_is_timed(untaught):
    found = toybox_seconds.cost("blip_diffusion", untaught, 1)
    assert 0 < found["edit_s_blip_diffusion"] == found["edit_s_blip_diffusion_ci"][0]


def test_weights_that_know_nothing_have_marks_like_chance(untaught, few):
    found, rows = bench.measured(untaught, 2)
    assert found["blip_replace_untouched"] == 1 and found["blip_subject"] <= 0.5 < found["blip_subject_exact"]
    assert len(rows) == 2 and all(len(row.pictures) == 3 for row in rows)
    of_ways = {f"blip_subject_{way}" for way in ("without", "swapped", "exact", "autoencoder", "seen", "seen_without")}
    assert of_ways | {"blip_background", "blip_background_shuffled", "blip_cosine", "blip_learnt"} <= set(found)
