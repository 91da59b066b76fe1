"""vignette: light falls off from the middle to the corners by the stated stops, the same at any size."""

import numpy as np
import pytest

from tests.tools.darkroom.tones import PHOTOS, edited
from tools.color import to_coded, to_linear
from tools.edits.darkroom.vignette import STOPS, falloff, vignette


def plain(pixels: np.ndarray, amount: float) -> np.ndarray:
    """The definition in float64, levels."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width] + 0.5
    r = np.hypot(x - width / 2, y - height / 2) / (np.hypot(width, height) / 2)
    gain = ((1 + r**4) ** (-STOPS * amount))[..., None]
    light = to_linear(pixels / 255)
    if amount < 0:
        gain = gain / (1 + (gain - 1) * light.max(axis=2, keepdims=True))
    return 255 * to_coded(gain * light)


@pytest.mark.parametrize("amount", [-1, -0.3, 0.2, 0.5, 1])
def test_equals_the_definition(amount):
    for name in ("astronaut", "coffee"):
        assert np.abs(edited(vignette, PHOTOS[name], amount=amount) - plain(PHOTOS[name], amount)).max() < 0.6


def test_the_corner_loses_the_stated_stops_and_the_middle_nothing():
    gain = falloff((0, 0, 601, 401), (601, 401), 1.0)
    assert gain[200, 300] == pytest.approx(1, abs=1e-4) and gain[0, 0] == pytest.approx(2**-STOPS, rel=0.02)
    assert (np.diff(gain[200, 300:]) <= 0).all() and np.allclose(gain, gain[::-1, ::-1])


def test_parts_of_the_falloff_are_the_whole():
    whole = falloff((0, 0, 90, 70), (90, 70), 0.5)
    assert np.array_equal(falloff((10, 20, 50, 60), (90, 70), 0.5), whole[20:60, 10:50])


def test_darkens_or_brightens_but_never_clips():
    photo = PHOTOS["coffee"]
    assert (edited(vignette, photo, amount=0.8) <= photo).all()
    brighter = edited(vignette, photo, amount=-1)
    assert (brighter >= photo).all() and ((brighter == 255) & (photo < 240)).sum() == 0


@pytest.mark.parametrize("amount", [-0.6, 0.6])
def test_looks_the_same_at_another_size(amount):
    small = np.full((100, 150, 3), (180, 120, 60), np.uint8)
    large = np.full((300, 450, 3), (180, 120, 60), np.uint8)
    difference = edited(vignette, large, amount=amount)[1::3, 1::3].astype(int) - edited(vignette, small, amount=amount)
    assert np.abs(difference).max() <= 1
