"""The starter weights take scenes of their own world, drawn or decoded, and refuse photos and anything like them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import skimage.data

from sessions.errors import OutsideWorld
from tools.diffusion.world import in_world, require
from toybox.drawing import draw
from toybox.edits import random_edit
from toybox.history import shaken
from toybox.scenes import LIGHTS, PATTERNS, STYLES, TONES, WEATHERS, seeded

PULL = "pentimento models pull instruct-pix2pix"
VALUES = {"light": LIGHTS, "weather": WEATHERS, "style": STYLES, "tone": TONES, "pattern": PATTERNS}
BUNDLED = ("astronaut", "coffee", "chelsea", "rocket", "camera", "moon", "brick", "grass", "gravel", "coins", "page")


def photo(name):
    found = np.asarray(getattr(skimage.data, name)())
    return np.ascontiguousarray((np.dstack([found] * 3) if found.ndim == 2 else found)[..., :3])


def at_size(rgb):
    return cv2.resize(rgb, (64, 64), interpolation=cv2.INTER_AREA)


def test_scenes_are_taken():
    rng = np.random.default_rng(0)
    scenes = [seeded(5 * 10**6 + i) for i in range(200)]
    assert all(in_world(draw(state).rgb) for one in scenes for state in (one, random_edit(rng, one).apply(one)))


@pytest.mark.parametrize("state", [(name, value) for name, values in VALUES.items() for value in values])
def test_scenes_in_every_state_and_shaken_are_taken(state):
    name, value = state
    for seed in range(40):
        scene = replace(seeded(seed), **{name: value})
        assert in_world(draw(scene).rgb) and in_world(draw(shaken(scene, seed)).rgb)


def test_photos_and_random_crops_are_refused():
    rng = np.random.default_rng(4)
    for name in BUNDLED:
        whole = photo(name)
        assert not in_world(at_size(whole)), name
        for _ in range(20):
            side = int(rng.integers(64, min(whole.shape[:2])))
            y, x = (int(rng.integers(0, size - side + 1)) for size in whole.shape[:2])
            assert not in_world(at_size(whole[y : y + side, x : x + side])), (name, y, x, side)


def test_noise_and_gradients_across_are_refused():
    assert not in_world(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))
    across = np.broadcast_to(np.linspace(0, 255, 64)[None, :, None], (64, 64, 3)).astype(np.uint8)
    assert not in_world(across)


def test_a_refusal_says_what_helps():
    require(draw(seeded(1)).rgb, PULL)
    with pytest.raises(OutsideWorld, match="toybox") as refused:
        require(at_size(photo("coffee")), PULL)
    assert PULL in str(refused.value.hint)
