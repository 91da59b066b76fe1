"""Inpainting on photos: which masks there are, that what is hidden never leaks, grids, and the model that is left."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import tiny
from tests.training import photographs
from tools import adding, grids
from tools.diffusion.model import load
from tools.edits.analogist import grid_side
from tools.shelf import Shelf
from training import inpainting, inpainting_photos, photos, tokens
from training.inpainting_photos import EVERY, WHOLE, brush, ellipse, examples, grid, hidden, recipe
from training.loop import Trainer
from training.photos import Captioned, Given
from training.tilings import somewhere, without


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return photographs.folder(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    return tiny.stable_diffusion(tmp_path_factory.mktemp("sd") / "sd")


@pytest.fixture
def model(there):
    return tiny.shallow(load(there, "cpu", torch.float32))


# Masks


def test_an_ellipse_fills_its_box_as_an_ellipse_does():
    for seed in range(20):
        box, round_ = (make(np.random.default_rng(seed), 64) for make in (somewhere, ellipse))
        assert not (round_ & ~box).any() and np.array_equal(round_.any(0), box.any(0))
        assert float(round_.sum() / box.sum()) == pytest.approx(math.pi / 4, abs=0.03)


def test_strokes_are_as_wide_as_they_may_be_and_leave_something():
    shares = [brush(np.random.default_rng(seed), 64).mean() for seed in range(200)]
    assert min(shares) > 0 and max(shares) < 0.98 and 0.1 < np.mean(shares) < 0.6
    assert all(brush(np.random.default_rng(seed), 8).any() for seed in range(20))


def test_a_quarter_is_hidden_wholly_and_every_kind_occurs():
    masks = [hidden(np.random.default_rng(seed), 32) for seed in range(800)]
    whole = np.array([mask.all() for mask in masks])
    assert whole.mean() == pytest.approx(WHOLE, abs=0.05)
    boxes = np.array([mask[np.ix_(mask.any(1), mask.any(0))].all() for mask in masks])
    assert (boxes & ~whole).mean() == pytest.approx((1 - WHOLE) / 3, abs=0.06)


# What a step has


def test_what_is_hidden_is_grey_in_what_is_known_and_masked(folder, model, monkeypatch):
    seen = []
    monkeypatch.setattr(
        inpainting_photos, "errors", lambda net, z, ids, rng, channels, said: seen.append((z, ids, channels)) or z
    )
    some = Captioned.at(folder, model.side)
    made = recipe(model, some, Given(folder, 3, 1e-4), "inpainting", 8)
    for step in range(EVERY):
        made.loss(step)
    for step, (z, ids, channels) in enumerate(seen):
        told = examples(step, some, model, 3)
        torch.testing.assert_close(z, photos.latents(model, [one.rgb for one in told]))
        known = photos.latents(model, [without(one.rgb, one.cells) for one in told])
        assert torch.equal(channels[:, 0] > 0, torch.from_numpy(np.stack([one.cells for one in told])))
        torch.testing.assert_close(channels[:, 1:], known)
        said = tokens.ids(model.tokenizer, [one.text for one in told])
        null = tokens.ids(model.tokenizer, [""])[0]
        assert all(torch.equal(row, own) or torch.equal(row, null) for row, own in zip(ids, said, strict=True))
    cells = grid_side(model) // model.factor
    assert [z.shape[-1] for z, *_ in seen] == [8, 8, 8, cells]


def test_a_grid_is_laid_as_the_tool_lays_it_of_one_photo_or_of_two(folder):
    some, texts, last = Captioned.at(folder, 64), set(), 0
    for seed in range(40):
        one = grid(np.random.default_rng(seed), some, 128, 8)
        (left, low), t = grids.offsets(64), grids.tile_side(64)
        tiles = [one.rgb[y : y + t, x : x + t] for y in (left, low) for x in (left, low)]
        laid = grids.laid(*tiles[:3])
        laid[low : low + t, low : low + t] = tiles[3]
        assert np.array_equal(one.rgb, laid) and one.cells.sum() == 64
        assert not any(np.array_equal(tiles[3], other) for other in tiles[:3])
        texts.add(one.text)
        last += np.array_equal(one.cells, grids.hidden(16) > 0)
    assert len(texts) == 4 and 18 < last < 36


# Learning


def test_only_the_unet_learns_and_it_goes_on_exactly(folder, there, tmp_path):
    def made():
        begun = tiny.shallow(load(there, "cpu", torch.float32))
        return recipe(begun, Captioned.at(folder, 64), Given(folder, 2, 1e-3), "inpainting", 4)

    whole = Trainer(made(), tmp_path / "whole")
    assert whole.weights and all(name.startswith("unet.") for name in whole.weights)
    whole.run(math.inf)
    ticks = iter(range(100))
    Trainer(made(), tmp_path / "parts").run(4, lambda: next(ticks))
    rest = Trainer(made(), tmp_path / "parts")
    assert 0 < rest.step < 4
    rest.run(math.inf)
    assert all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())


def test_what_is_shown_is_learnt_from(folder, model, tmp_path):
    made = replace(recipe(model, Captioned.at(folder, 64), Given(folder, 4, 5e-3), "inpainting", 30), warm=3)
    before = float(made.loss(0).detach())
    Trainer(replace(made, loss=lambda step: made.loss(0)), tmp_path).run(math.inf)
    assert float(made.loss(0).detach()) < 0.8 * before


def test_a_training_leaves_a_whole_model_for_the_tool(folder, there, tmp_path):
    inpainting.on_photos(tmp_path / "out", 0.0, Given(folder, 2, 1e-4), 2, there)
    shelf = Shelf(tmp_path / "home")
    adding.add(shelf, tmp_path / "out/inpainting", "inpainting")
    found = shelf.diffusion("inpainting")
    assert (found.channels, found.side) == (9, 64)
