"""Light and colour against their definitions in float64."""

import numpy as np
import pytest
from skimage import color as skcolor
from skimage import data

from tools.color import (
    D65,
    LUMINANCE,
    adaptation,
    daylight,
    encode,
    extremes,
    from_bytes,
    indices,
    linear_light,
    luminance,
    saturate,
    to_bytes,
    to_coded,
    to_linear,
    uv_of,
    white_xyz,
    xy_of,
)

PHOTO = data.coffee()[100:160, 200:300]


def grey_of(rgb):
    return encode(luminance(linear_light(rgb)))


def test_coding_and_decoding_are_inverse_and_scikit_image_agrees():
    coded = np.linspace(0, 1, 1001)
    assert to_coded(to_linear(coded)) == pytest.approx(coded, abs=1e-6)
    rgb = np.random.default_rng(0).random((9, 9, 3))
    xyz = skcolor.rgb2xyz(rgb)
    assert to_linear(rgb) @ LUMINANCE == pytest.approx(xyz[..., 1], abs=2e-4)


def test_bytes_come_back_through_linear_light():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(to_bytes(encode(linear_light(every))), every)
    assert np.array_equal(to_bytes(from_bytes(every)), every)
    assert encode(linear_light(every)) == pytest.approx(every / 255, abs=1e-4)


def test_indices_round_and_cut():
    x = np.array([[-0.5, 0.0, 0.5, 1.0, 1.5]], np.float32)
    assert indices(x).tolist() == [[0, 0, 32768, 65535, 65535]]
    assert indices(np.dstack([x, x, x])).shape == (1, 5, 3)


def test_extremes():
    low, high = extremes(PHOTO)
    assert np.array_equal(low, PHOTO.min(axis=2)) and np.array_equal(high, PHOTO.max(axis=2))


def test_daylight_of_6504_kelvin_is_d65_and_warmer_is_redder():
    assert daylight(6504) == pytest.approx(D65, abs=2e-4)
    assert daylight(4000)[0] > daylight(5000)[0] > daylight(8000)[0] > daylight(25_000)[0]
    assert daylight(6999.9) == pytest.approx(daylight(7000.1), abs=1e-4)


def test_uv_and_back():
    assert xy_of(uv_of((0.41, 0.37))) == pytest.approx((0.41, 0.37))


def test_adaptation_takes_white_to_white_and_keeps_its_luminance():
    warm = white_xyz(daylight(4500))
    matrix = adaptation(white_xyz(D65), warm)
    grey = matrix @ np.ones(3)
    assert LUMINANCE @ grey == pytest.approx(1, abs=1e-6) and grey[0] > 1 > grey[2]
    assert adaptation(warm, white_xyz(D65)) @ grey == pytest.approx(np.ones(3), abs=1e-6)
    assert adaptation(warm, warm) == pytest.approx(np.eye(3), abs=1e-12)


def plain_saturate(coded, grey, amount):
    """The definition, pixel for pixel."""
    out = np.empty_like(coded, dtype=np.float64)
    for at in np.ndindex(grey.shape):
        c, y = coded[at].astype(np.float64), float(grey[at])
        if amount <= 0:
            out[at] = y + (1 + amount) * (c - y)
            continue
        p = max((c.max() - y) / max(1 - y, 1e-6), (y - c.min()) / max(y, 1e-6))
        g = 1 + 1.5 * amount
        out[at] = y + g / (1 + (g - 1) * p) * (c - y)
    return out


@pytest.mark.parametrize("amount", [-1, -0.4, 0, 0.3, 1])
def test_saturate_equals_its_definition(amount):
    coded, grey = from_bytes(PHOTO), grey_of(PHOTO)
    assert saturate(coded, grey, amount) == pytest.approx(plain_saturate(coded, grey, amount), abs=1e-5)


def test_saturate_stays_in_gamut_whatever_the_colour():
    rgb = np.random.default_rng(1).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    out = saturate(from_bytes(rgb), grey_of(rgb), 1.0)
    assert out.min() > -1e-3 and out.max() < 1 + 1e-3


def test_saturate_moves_pale_colours_more_than_strong_ones():
    rgb = np.array([[[140, 120, 110], [250, 40, 10]]], np.uint8)
    spread = [np.ptp(saturate(from_bytes(rgb), grey_of(rgb), a), axis=2)[0] for a in (0.0, 0.5)]
    gain = spread[1] / spread[0]
    assert gain[0] > 1.3 and 1 <= gain[1] < 1.1
