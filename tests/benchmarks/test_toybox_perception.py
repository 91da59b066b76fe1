"""What an encoder finds: by one that knows the truth, by one that knows nothing, and by the pack's on a handful."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import toybox, world
from benchmarks import toybox_perception as bench
from sessions.errors import MissingWeights
from tools.shelf import STARTER
from toybox.scenes import HELD_OUT, random_scene
from toybox.sounds import NAMES
from toybox.words import caption
from training.encoder_scenes import true_of


@pytest.fixture
def scenes():
    rng = np.random.default_rng(3)
    return [random_scene(rng) for _ in range(12)]


def told_apart(monkeypatch, turned=0):
    """An encoder to which each caption is a direction of its own; `turned`: pictures look like another."""
    known = {}

    def place(said):
        return known.setdefault(said, len(known))

    def rows(places):
        return torch.eye(400)[list(places)]

    monkeypatch.setattr(bench, "seen", lambda net, some: rows((place(caption(s)) + turned) % 400 for s in some))
    monkeypatch.setattr(bench, "read", lambda net, words, texts: rows(place(text) for text in texts))
    return SimpleNamespace(network=None, words=None)


def test_what_is_known_is_found_in_both_directions(monkeypatch, scenes):
    found = bench.by_words(told_apart(monkeypatch), [*scenes, scenes[0]])
    assert found["perception_image_to_text"] == 1 == found["perception_text_to_image"], "equal captions will do"
    assert found["perception_text_to_image_random"] == pytest.approx((11 / 13 + 2 * 2 / 13) / 13, abs=1e-4)
    wrong = bench.by_words(told_apart(monkeypatch, turned=1), scenes)
    assert wrong["perception_image_to_text"] < 0.2 and wrong["perception_image_to_text_ci"][0] == 0


def test_directions_are_told_apart(monkeypatch, scenes):
    """Every picture looks like the first caption most of all, and like its own a little."""
    places = {caption(scene): i for i, scene in enumerate(scenes)}
    axes = torch.eye(len(scenes))
    monkeypatch.setattr(bench, "seen", lambda net, some: axes + 2 * axes[0])
    monkeypatch.setattr(bench, "read", lambda net, words, texts: axes[[places[text] for text in texts]])
    found = bench.by_words(SimpleNamespace(network=None, words=None), scenes)
    assert found["perception_text_to_image"] == 1 > 0.1 > found["perception_image_to_text"] > 0


def hearing(monkeypatch, meant):
    """An encoder that hears a sound, and sees in a picture all that `meant` says of it."""

    def seen(net, some):
        return torch.tensor([[float(meant(name, scene)) for name in NAMES] for scene in some])

    heard = torch.eye(len(NAMES))
    monkeypatch.setattr(bench, "seen", seen)
    monkeypatch.setattr(bench, "heard", lambda names, takes: heard[[NAMES.index(name) for name in names]])
    return SimpleNamespace(network=SimpleNamespace(audio=lambda clips: clips))


def test_a_sound_is_right_where_the_first_picture_shows_what_it_stands_for(monkeypatch):
    rng = np.random.default_rng(4)
    found = bench.by_sounds(hearing(monkeypatch, true_of), rng, 40)
    assert found["perception_sound_to_image"] == 1 > 3 * found["perception_sound_to_image_random"]
    wrong = bench.by_sounds(hearing(monkeypatch, lambda name, scene: not true_of(name, scene)), rng, 40)
    assert wrong["perception_sound_to_image"] == 0


def test_every_gallery_shows_every_meaning():
    some = bench.gallery(np.random.default_rng(5), 5)
    assert len(some) == bench.SMALLEST and len(bench.gallery(np.random.default_rng(5), 60)) == 60
    assert all(any(true_of(name, scene) for scene in some) for name in NAMES)


def test_chance_of_an_attribute_is_one_of_its_values():
    rng = np.random.default_rng(6)
    scene = bench.in_colours(rng)
    assert scene.coloured and scene.style == "plain"
    assert bench.choices(scene, bench.ATTRIBUTES["ground"]) == 6
    new = bench.alone(scene, *sorted(HELD_OUT)[0])
    assert [(thing.shape, thing.colour) for thing in new.things] == sorted(HELD_OUT)[:1]


def test_the_packs_encoder_is_above_chance(tmp_path):
    """A handful, in the whole table."""
    weights = world.shelf(tmp_path)
    found, _ = toybox.measured(toybox.Subject(weights), ["perception"], 6)
    keys = {f"perception_{way}" for way in ("image_to_text", "text_to_image", "sound_to_image")}
    assert set(toybox.PARTS["perception"].keys) == keys and "skipped" not in found
    for name in keys:
        assert found[name] > found[f"{name}_random"] and len(found[f"{name}_ci"]) == 2
    attributes = {*bench.ATTRIBUTES, "colour_held_out_pair"}
    assert all({f"perception_{name}", f"perception_{name}_random"} <= found.keys() for name in attributes)


def test_where_there_is_no_encoder_it_is_missing(tmp_path):
    with pytest.raises(MissingWeights, match="no encoder"):
        bench.opened(tmp_path, STARTER.parent / "tokenizer")
