"""The grader's recipe: what it learns from, what is not asked of it, and that it learns."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from sessions.values import Pixels
from toybox.drawing import draw
from toybox.reading import OF_THINGS, OF_WHOLE, Reader, readings, shown
from toybox.scenes import HELD_OUT, SHAPES, SLOTS, STYLES, TONES, WEATHERS, seeded
from training import reading as recipes
from training.loop import Trainer


def lessons(count: int = 300) -> list:
    rng = np.random.default_rng(1)
    return [recipes.lesson(rng) for _ in range(count)]


def test_it_learns_from_every_combination_and_from_nothing_at_all():
    some = lessons(600)
    pairs = {(thing.shape, thing.colour) for scene in some for thing in scene.things}
    assert pairs >= HELD_OUT and len(pairs) == 48
    assert any(not scene.things for scene in some)
    assert {thing.slot for scene in some for thing in scene.things} == set(SLOTS)
    for name, values in (("tone", TONES), ("style", STYLES), ("weather", WEATHERS)):
        assert {getattr(scene, name) for scene in some} == set(values)
    assert not any(scene.tone != "colour" and scene.style != "plain" for scene in some)


def test_things_stay_within_the_picture_and_what_is_learnt_is_what_is_drawn():
    for scene in lessons():
        for thing in scene.things:
            assert thing.radius < min(thing.x, thing.y, 64 - thing.x, 64 - thing.y) + 0.5


def test_targets_are_the_truth_that_can_be_seen():
    some = lessons(60)
    found = recipes.targets(some)
    for i, scene in enumerate(some):
        truth = shown(scene)
        for name, values in OF_THINGS.items():
            said = [values[n] if n >= 0 else None for n in found[name][i].tolist()]
            assert said == [truth.get((slot, name)) for slot in SLOTS]
        for name, values in OF_WHOLE.items():
            n = int(found[name][i])
            assert (values[n] if n >= 0 else None) == truth.get(("", name))


def test_what_cannot_be_seen_costs_nothing():
    some = lessons(40)
    truth = recipes.targets(some)
    torch.manual_seed(0)
    told = {name: logits.requires_grad_() for name, logits in Reader()(torch.randn(40, 3, 64, 64)).items()}
    told = {name: logits.detach().requires_grad_() for name, logits in told.items()}
    recipes.error(told, truth).backward()
    for name, logits in told.items():
        unasked = truth[name] == recipes.UNASKED
        assert not logits.grad[unasked].any() and logits.grad[~unasked].abs().sum(-1).gt(0).all()


def test_soft_pictures_are_near_the_drawn_ones_and_the_same_again():
    rgb = draw(seeded(3)).rgb
    soft: list[Pixels] = [recipes.softened(np.random.default_rng(seed), rgb) for seed in range(20)]
    apart = [abs(one.astype(float) - rgb).mean() for one in soft]
    assert min(apart) > 0.5 and max(apart) < 20
    assert np.array_equal(soft[3], recipes.softened(np.random.default_rng(3), rgb))
    assert all(one.shape == rgb.shape and one.dtype == np.uint8 for one in soft)


def test_jpeg_squeezes_colours_as_it_does_elsewhere():
    rgb = draw(seeded(3)).rgb
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "jpeg", quality=50)
    other = np.asarray(Image.open(stream)).astype(float)
    assert abs(recipes.squeezed(rgb, 50) - other).mean() < 0.5


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(recipes, "BATCH", 16)
    monkeypatch.setattr(recipes, "DECODED", 4)


def test_it_learns(small, tmp_path):
    trainer = Trainer(recipes.recipe(recipes.network(), steps=60), tmp_path)
    losses = [trainer.once() for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:10])


def test_decoded_pictures_are_learnt_from_too(small):
    pool = recipes.decoded(lambda rgb: rgb // 2, 8)
    assert pool[0].shape == (8, 3, 64, 64) and pool[0].max() <= 0.01
    net = recipes.network()
    assert float(recipes.recipe(net, pool).loss(0).detach()) != float(recipes.recipe(net).loss(0).detach())


def test_what_is_written_is_what_is_read(tmp_path, monkeypatch):
    from toybox import reading

    net = recipes.network().eval()
    recipes.written(net, tmp_path / "reading.safetensors")
    monkeypatch.setattr(reading, "WEIGHTS", tmp_path / "reading.safetensors")
    picture = draw(seeded(5)).rgb
    again = readings([picture], reading.reader.__wrapped__())[0]
    (now,) = readings([picture], net)
    assert (tmp_path / "reading.safetensors").stat().st_size < 1_500_000
    for key, shares in now.shares.items():
        assert again.shares[key] == pytest.approx(shares, abs=5e-3)
    assert len(SHAPES) == len(now.shares["middle", "shape"])
