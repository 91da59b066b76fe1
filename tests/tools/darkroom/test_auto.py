"""auto: repairs what is wrong, by half or so, and leaves a good photo nearly alone."""

import numpy as np
import pytest

from tests.tools.darkroom.tones import PHOTOS, edited, ellipse, greys
from tools.color import D65, to_coded, to_linear, uv_of, white_xyz
from tools.edits.darkroom.adjust import adjust, white_balance
from tools.edits.darkroom.auto import Correction, auto, correct, measure, white_of_light


def luma(pixels):
    return pixels.astype(float) @ [0.299, 0.587, 0.114]


def lit(pixels, temperature, tint=0.0):
    """The photo under another light, unclipped."""
    light = to_linear(pixels / 255) @ white_balance(temperature, tint).T
    return np.rint(255 * to_coded(np.clip(0.8 * light, 0, 1))).astype(np.uint8)


def flat(pixels, least=60, most=170):
    return np.rint(least + pixels / 255 * (most - least)).astype(np.uint8)


@pytest.mark.parametrize(("name", "most"), [("astronaut", 2.5), ("coffee", 5), ("rocket", 12), ("cat", 18)])
def test_a_good_photo_is_nearly_left_alone(name, most):
    photo = PHOTOS[name]
    assert np.abs(edited(auto, photo).astype(int) - photo).mean() < most


@pytest.mark.parametrize("name", PHOTOS)
def test_a_flat_photo_gets_most_of_its_range_back(name):
    dull = flat(PHOTOS[name])
    before, after = (np.ptp(np.percentile(luma(p), [1, 99])) for p in (dull, edited(auto, dull)))
    assert after > 1.25 * before


def test_a_dark_photo_becomes_brighter_and_a_bright_one_darker_in_the_middle():
    for name in ("astronaut", "cat"):
        dark = edited(adjust, PHOTOS[name], exposure=-0.6)
        assert np.median(luma(edited(auto, dark))) > np.median(luma(dark)) + 10
    bright = edited(adjust, PHOTOS["astronaut"], exposure=0.5)
    assert np.median(luma(edited(auto, bright))) < np.median(luma(bright))


@pytest.mark.parametrize(("temperature", "tint"), [(0.6, 0), (-0.6, 0), (0, 0.7), (0, -0.7)])
def test_a_cast_shrinks_but_is_not_chased_to_nothing(temperature, tint):
    cast = lit(PHOTOS["astronaut"], temperature, tint)
    wall = slice(20, 120), slice(290, 340)
    before, after = (p[wall].reshape(-1, 3).mean(axis=0) for p in (cast, edited(auto, cast)))
    assert 0.2 * np.ptp(before) < np.ptp(after) < 0.85 * np.ptp(before)


def test_the_light_is_estimated_within_its_limits():
    for temperature in (-1.0, -0.3, 0.3, 1.0):
        x, y, z = white_of_light(lit(PHOTOS["coffee"], temperature).reshape(-1, 3))
        away = np.hypot(*(uv_of((x / (x + y + z), y / (x + y + z))) - uv_of(D65)))
        assert y == pytest.approx(1) and away < 0.0121
    assert white_of_light(greys().reshape(-1, 3)) == pytest.approx(white_xyz(D65), abs=1e-3)
    assert white_of_light(np.full((9, 3), 255, np.uint8)) == pytest.approx(white_xyz(D65))


def test_the_correction_is_monotone_and_neutral_when_nothing_is_wrong():
    x = np.linspace(0, 1, 1001)
    nothing = Correction(0.0, 1.0, 1.0, 1.0, white_xyz(D65))
    assert correct(x, nothing) == pytest.approx(x, abs=1e-6)
    fix = measure(flat(PHOTOS["cat"]).reshape(-1, 3))
    assert (np.diff(correct(x, fix)) >= 0).all()
    assert 0 < fix.black <= 0.06 and 0.7 < fix.white < 1 and 1 <= fix.slope <= 1.15


def test_levels_equal_their_definition():
    ramp = np.repeat(np.linspace(40, 200, 1000).astype(np.uint8)[:, None], 3, axis=1)
    fix = measure(ramp)
    assert fix.black == pytest.approx(0.75 * 0.08) and fix.white == pytest.approx(1 - 0.75 * (1 - 199 / 255), abs=0.004)
    spread = (np.median(ramp[:, 0]) / 255 - fix.black) / (fix.white - fix.black)
    assert fix.gamma == pytest.approx(np.clip(np.log(np.sqrt(spread * 0.58)) / np.log(spread), 1, 1.3), abs=1e-6) or (
        0.36 <= spread <= 0.58 and fix.gamma == 1
    )


def test_amount_is_the_share_of_the_correction():
    dull = flat(PHOTOS["coffee"])
    change = [np.abs(edited(auto, dull, amount=a).astype(int) - dull).mean() for a in (0.25, 0.5, 0.75, 1)]
    assert change == pytest.approx([change[-1] * a for a in (0.25, 0.5, 0.75, 1)], rel=0.08)


def test_grey_stays_nearly_grey():
    assert np.ptp(edited(auto, greys()).astype(int), axis=2).max() <= 1


def test_statistics_are_those_of_the_region():
    """A dull picture beside bright and dark bars is corrected only when the bars are not looked at."""
    pixels = flat(PHOTOS["coffee"])
    pixels[:, :150], pixels[:, 450:] = 0, 255
    mask = np.zeros(pixels.shape[:2], np.uint8)
    mask[:, 160:440] = 255
    inside = np.s_[:, 160:440]
    alone = edited(auto, np.ascontiguousarray(pixels[inside]))
    assert np.abs(edited(auto, pixels, mask)[inside].astype(int) - alone).mean() < 1.5
    assert np.abs(edited(auto, pixels)[inside].astype(int) - alone).mean() > 6


def test_what_lies_in_the_box_but_not_in_the_region_does_not_count():
    pixels, mask = flat(PHOTOS["coffee"]), 255 - ellipse(400, 600)
    alone = edited(auto, pixels, mask)
    disturbed = pixels.copy()
    disturbed[mask == 0] = 255
    assert np.abs(edited(auto, disturbed, mask).astype(int) - alone)[mask > 0].mean() < 1.5


def test_a_faint_mask_counts_too():
    mask = ellipse(400, 600) // 4
    assert edited(auto, flat(PHOTOS["coffee"]), mask).shape == (400, 600, 3)
