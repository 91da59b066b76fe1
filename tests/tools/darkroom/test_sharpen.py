"""sharpen: detail grows, colours and flat places do not change, edges get no halo, noise is not fed."""

import numpy as np
import pytest

from tests.tools.darkroom.tones import PHOTOS, edited
from tools.edits.darkroom.sharpen import FLOOR, OVERSHOOT, detail, sharpen


def grey(pixels):
    return pixels.astype(float) @ [0.299, 0.587, 0.114]


def plain_detail(g: np.ndarray, sigma: float, strength: float) -> np.ndarray:
    """The definition in float64."""
    radius = int(np.ceil(3 * sigma))
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    pad = np.pad(g.astype(float), radius, mode="reflect")
    taps /= taps.sum()
    rows = np.apply_along_axis(lambda v: np.convolve(v, taps, "valid"), 0, pad)
    d = g - np.apply_along_axis(lambda v: np.convolve(v, taps, "valid"), 1, rows)
    sharp = g + strength * d**3 / (d**2 + FLOOR**2)
    reach = int(np.ceil(1.5 * sigma))
    near = np.lib.stride_tricks.sliding_window_view(np.pad(g, reach, mode="edge"), (2 * reach + 1,) * 2)
    limited = np.clip(sharp, near.min(axis=(2, 3)), near.max(axis=(2, 3)))
    return limited + OVERSHOOT * (sharp - limited) - g


@pytest.mark.parametrize("sigma", [0.7, 1.6])
@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_equals_the_definition(sigma, strength):
    g = PHOTOS["cat"][80:160, 100:210, 1]
    assert detail(g, sigma, strength) == pytest.approx(plain_detail(g, sigma, strength), abs=2e-3)


@pytest.mark.parametrize("name", PHOTOS)
def test_more_is_crisper(name):
    crisp = [np.abs(np.diff(grey(edited(sharpen, PHOTOS[name], amount=a)), axis=1)).mean() for a in (0, 0.2, 0.5, 1)]
    assert crisp == sorted(crisp) and crisp[-1] > 1.2 * crisp[0]


def test_flat_and_smooth_stay():
    flat = np.full((50, 60, 3), (90, 120, 200), np.uint8)
    assert np.array_equal(edited(sharpen, flat, amount=1), flat)
    ramp = np.repeat(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], 3, axis=2).repeat(40, axis=0)
    assert np.abs(edited(sharpen, ramp, amount=1).astype(int) - ramp).max() <= 1


def test_an_edge_gets_steeper_without_a_halo():
    step = 60 + 130 / (1 + np.exp(-(np.arange(100) - 50) / 0.8))
    pixels = np.repeat(np.rint(step).astype(np.uint8)[None, :, None], 3, axis=2).repeat(40, axis=0)
    out = edited(sharpen, pixels, amount=1)[20, :, 0].astype(int)
    assert np.diff(out).max() > 1.15 * np.diff(pixels[20, :, 0].astype(int)).max()
    assert 60 - out.min() < 6 and out.max() - 190 < 6


def test_hues_do_not_shift():
    photo = PHOTOS["coffee"]
    out = edited(sharpen, photo, amount=0.8).astype(int)
    inside = ((out > 0) & (out < 255)).all(axis=2)
    change = (out - photo)[inside]
    assert np.ptp(change, axis=1).max() <= 1


def test_faint_noise_is_not_fed():
    rng = np.random.default_rng(0)
    faint = np.clip(np.rint(128 + rng.normal(0, 1, (120, 160, 1))), 0, 255).astype(np.uint8).repeat(3, axis=2)
    strong = np.clip(np.rint(128 + rng.normal(0, 12, (120, 160, 1))), 0, 255).astype(np.uint8).repeat(3, axis=2)
    growth = [edited(sharpen, p, amount=1).std() / p.std() for p in (faint, strong)]
    assert growth[0] < 1.25 < growth[1]


def test_looks_the_same_at_large_sizes():
    """The radius follows the size: a photo of twice the pixels is sharpened over twice as many of them."""
    photo = np.tile(PHOTOS["astronaut"], (5, 5, 1))
    large = np.repeat(np.repeat(photo[:1200, :1800], 2, axis=0), 2, axis=1)
    small = photo[:1200, :1800]
    gain = []
    for pixels, step in ((small, 1), (large, 2)):
        out = edited(sharpen, pixels, amount=0.5)
        gain.append(np.abs(grey(out)[::step, ::step] - grey(pixels)[::step, ::step]).mean())
    assert gain[1] == pytest.approx(gain[0], rel=0.35)
