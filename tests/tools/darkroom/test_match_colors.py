"""match_colors: the colours become the other photo's by what is typical of both, and within their limits."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.errors import BadArguments
from sessions.values import Picture
from tests.tools.darkroom.tones import PHOTOS, ellipse, far, greys
from tests.tools.darkroom.two_pictures import fractions, together
from tools.color import LUMINANCE, to_linear
from tools.edits.darkroom.match_colors import Cloud, cloud, match_colors, power, transport
from tools.oklab import in_gamut, oklab, srgb


def distance(a: Cloud, b: Cloud) -> float:
    """The squared Wasserstein distance of two Gaussians: |μ − μ'|² + tr(A + B − 2 (A^½ B A^½)^½)."""
    root = power(a.spread, 0.5)
    return float(
        ((a.mean - b.mean) ** 2).sum() + np.trace(a.spread + b.spread - 2 * power(root @ b.spread @ root, 0.5))
    )


@pytest.mark.parametrize(("ours", "theirs"), list(permutations(PHOTOS, 2)))
def test_four_fifths_of_the_distance_between_two_photos_are_gone(ours, theirs):
    before, target = cloud(Picture(PHOTOS[ours].copy())), cloud(Picture(PHOTOS[theirs].copy()))
    after = cloud(together(match_colors, PHOTOS[ours], PHOTOS[theirs], amount=1).image)
    assert distance(after, target) <= 0.2 * distance(before, target)


@pytest.mark.parametrize("name", PHOTOS)
def test_its_own_colours_change_nothing_and_no_amount_changes_no_bit(name):
    assert far(together(match_colors, PHOTOS[name], PHOTOS[name], amount=1).image.pixels, PHOTOS[name]) <= 1
    other = PHOTOS["rocket" if name == "cat" else "cat"]
    assert np.array_equal(together(match_colors, PHOTOS[name], other, amount=0).image.pixels, PHOTOS[name])


def test_half_the_amount_goes_half_the_way():
    target = cloud(Picture(PHOTOS["rocket"].copy())).mean
    none, half, full = (
        np.linalg.norm(cloud(together(match_colors, PHOTOS["cat"], PHOTOS["rocket"], amount=a).image).mean - target)
        for a in (0, 0.5, 1)
    )
    assert full < 0.05 * none
    assert 0.4 * none < half < 0.6 * none


def test_black_and_white_stay_without_colour_and_greys_keep_their_order():
    ramp = np.repeat(greys(), 20, axis=0)
    for other in PHOTOS.values():
        out = together(match_colors, ramp, other, amount=1).image.pixels[0].astype(float)
        assert np.ptp(out[[0, -1]], axis=1).max() <= 2
        light = to_linear(out / 255) @ LUMINANCE
        assert (np.diff(light) > -0.004).all()


def test_a_grey_photo_takes_no_more_than_its_share_and_nothing_overflows():
    grey = np.full((40, 60, 3), 128, np.uint8)
    out = together(match_colors, grey, PHOTOS["coffee"], amount=1).image.pixels
    assert np.ptp(out.reshape(-1, 3), axis=0).max() <= 1
    back = together(match_colors, PHOTOS["coffee"], grey, amount=1).image.pixels
    spread = cloud(Picture(back)).spread
    assert np.linalg.eigvalsh(spread)[-1] >= np.linalg.eigvalsh(cloud(Picture(PHOTOS["coffee"].copy())).spread)[-1] / 8


def test_only_the_colours_of_the_region_count_and_alpha_is_kept():
    photo, mask = PHOTOS["coffee"], ellipse(*PHOTOS["coffee"].shape[:2])
    elsewhere = np.where(mask[..., None] > 0, photo, 0).astype(np.uint8)
    out, other = (together(match_colors, p, PHOTOS["cat"], mask, amount=1).image.pixels for p in (photo, elsewhere))
    assert far(out[mask == 255], other[mask == 255]) <= 2
    alpha = np.arange(photo.shape[0] * photo.shape[1], dtype=np.uint32).reshape(photo.shape[:2]).astype(np.uint8)
    assert np.array_equal(together(match_colors, np.dstack([photo, alpha]), PHOTOS["cat"]).image.pixels[..., 3], alpha)


def test_what_cannot_be_seen_has_no_colours():
    photo = PHOTOS["cat"]
    clear = np.dstack([PHOTOS["rocket"], np.zeros(PHOTOS["rocket"].shape[:2], np.uint8)])
    with pytest.raises(BadArguments, match="nothing to be seen"):
        together(match_colors, photo, clear)
    clear[:100, :, 3] = 255
    only_the_top = PHOTOS["rocket"][:100]
    a, b = (together(match_colors, photo, other).image.pixels for other in (clear, only_the_top))
    assert far(a, b) <= 6


def test_it_tells_how_far_it_is():
    large = np.tile(PHOTOS["cat"], (4, 4, 1))
    told = fractions(match_colors, large, PHOTOS["coffee"])
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1] == 1


covariances = st.lists(st.floats(-0.1, 0.1), min_size=9, max_size=9).map(
    lambda m: np.array(m).reshape(3, 3) @ np.array(m).reshape(3, 3).T + 0.002 * np.eye(3)
)


@given(covariances, covariances)
def test_the_map_is_symmetric_within_its_gain_and_right_where_no_gain_is_too_large(a, b):
    t = transport(a, b)
    gains = np.linalg.eigvalsh(t)
    assert np.allclose(t, t.T)
    assert gains[0] >= 0.4 - 1e-9
    assert gains[-1] <= 2.5 + 1e-9
    if gains[0] > 0.41 and gains[-1] < 2.49:
        assert np.allclose(t @ a @ t, b, atol=1e-6)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_oklab_goes_there_and_back(rgb):
    assert np.allclose(srgb(oklab(np.array([rgb]))), rgb, atol=2e-4)


@given(st.lists(st.floats(-0.5, 1.5), min_size=3, max_size=3))
def test_what_is_out_of_gamut_keeps_its_hue_and_luminance(linear):
    x = np.array(linear)
    out = in_gamut(x)
    y = x @ LUMINANCE
    assert out.min() >= -1e-9
    assert out.max() <= 1 + 1e-9
    if 0 < y < 1:
        assert out @ LUMINANCE == pytest.approx(y)
        assert np.linalg.norm(np.cross(out - y, x - y)) < 1e-9
