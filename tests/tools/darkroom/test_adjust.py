"""adjust: every slider does what its name says, monotonically, and 0 does nothing."""

import numpy as np
import pytest
from pydantic import ValidationError

from tests.tools.darkroom.tones import PHOTOS, edited, far, greys, noise
from tools.color import D65, LUMINANCE, daylight, to_coded, to_linear, uv_of
from tools.curves import expose, s_curve
from tools.edits.darkroom.adjust import Args, adjust, base_layer, local_stops, white_balance

SLIDERS = ["exposure", "contrast", "saturation", "temperature", "tint", "highlights", "shadows"]
STEPS = [-1.0, -0.6, -0.2, 0.2, 0.6, 1.0]


def patch(*rgb):
    return np.full((24, 24, 3), rgb, np.uint8)


def colour(pixels):
    return pixels.reshape(-1, 3).mean(axis=0)


def test_zero_is_the_same_picture_bit_for_bit():
    for channels in (3, 4):
        pixels = noise(50, 60, channels)
        assert np.array_equal(edited(adjust, pixels, **dict.fromkeys(SLIDERS, 0)), pixels)


@pytest.mark.parametrize("slider", SLIDERS)
def test_every_slider_changes_a_photo_and_more_changes_it_more(slider):
    photo = PHOTOS["coffee"]
    for sign in (-1, 1):
        change = [np.abs(edited(adjust, photo, **{slider: sign * a}).astype(int) - photo).mean() for a in (0.3, 1)]
        assert 0.5 < change[0] < change[1]


@pytest.mark.parametrize("slider", SLIDERS)
def test_a_bad_value_is_refused(slider):
    for value in (1.01, -2, float("nan"), "much"):
        with pytest.raises(ValidationError):
            Args(**{slider: value})


@pytest.mark.parametrize("slider", ["exposure", "contrast", "saturation", "highlights", "shadows"])
@pytest.mark.parametrize("amount", STEPS)
def test_grey_stays_grey(slider, amount):
    assert (np.ptp(edited(adjust, greys(), **{slider: amount}), axis=2) == 0).all()


@pytest.mark.parametrize("amount", STEPS)
def test_exposure_and_contrast_equal_their_curves(amount):
    for slider, curve in (
        ("exposure", lambda x: expose(x, 2 * amount)),
        ("contrast", lambda x: s_curve(x, 2.0**amount)),
    ):
        out = edited(adjust, greys(), **{slider: amount})[0, :, 0]
        exact = 255 * to_coded(np.clip(curve(to_linear(np.arange(256) / 255)), 0, 1))
        assert np.abs(out - exact).max() < 1
        assert (np.diff(out.astype(int)) >= 0).all()


def test_one_stop_is_twice_the_light():
    before = to_linear(np.array(90 / 255))
    after = to_linear(edited(adjust, patch(90, 90, 90), exposure=0.5)[0, 0, 0] / 255)
    assert after == pytest.approx(2 * before, rel=0.02)


def test_white_does_not_clip_brighter_and_does_not_turn_grey_darker():
    out = edited(adjust, greys(), exposure=0.5)[0, :, 0].astype(int)
    assert out[255] == 255 and out[200] < 245, "a shoulder, not a clip"
    assert edited(adjust, patch(255, 255, 255), exposure=-0.5)[0, 0, 0] > 210


def test_contrast_keeps_black_middle_and_white():
    for amount in STEPS:
        out = edited(adjust, greys(), contrast=amount)[0, :, 0].astype(int)
        assert out[0] == 0 and out[255] == 255 and abs(out[119] - 119) <= 1


def test_no_colour_is_the_grey_of_the_same_luminance():
    out = edited(adjust, PHOTOS["coffee"], saturation=-1)
    exact = 255 * to_coded(to_linear(PHOTOS["coffee"] / 255) @ LUMINANCE)
    assert np.abs(out - exact[..., None]).max() < 1


def test_more_colour_is_more_colour_and_nothing_clips():
    photo = PHOTOS["astronaut"]
    spread = [np.ptp(edited(adjust, photo, saturation=a).astype(int), axis=2).mean() for a in (-0.5, 0, 0.3, 0.6, 1)]
    assert spread == sorted(spread) and spread[-1] > 1.2 * spread[1]

    def clipped(p):
        return ((p == 0) | (p == 255)).mean()

    assert clipped(edited(adjust, photo, saturation=1)) < clipped(photo) + 0.02


@pytest.mark.parametrize(("amount", "least"), [(0.2, 10), (0.5, 24), (1.0, 46)])
def test_warmer_and_cooler_on_middle_grey(amount, least):
    warm, cool = (colour(edited(adjust, patch(119, 119, 119), temperature=t)) for t in (amount, -amount))
    assert warm[0] - warm[2] >= least and cool[2] - cool[0] >= least
    for out in (warm, cool):
        assert to_linear(out / 255) @ LUMINANCE == pytest.approx(to_linear(np.array(119 / 255)), rel=0.02)


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_tint_is_magenta_or_green(amount):
    magenta, green = (colour(edited(adjust, patch(119, 119, 119), tint=t)) for t in (amount, -amount))
    assert magenta[1] < 119 < min(magenta[0], magenta[2]) and green[1] > 119 > max(green[0], green[2])


def test_white_balance_moves_white_by_the_stated_mired_and_distance():
    def white(matrix):
        x, y, z = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ (
            matrix @ np.ones(3)
        )
        return uv_of((x / (x + y + z), y / (x + y + z)))

    assert white_balance(0, 0) == pytest.approx(np.eye(3), abs=1e-9)
    tint = white(white_balance(0, 1)) - uv_of(D65)
    along = uv_of(daylight(6000)) - uv_of(daylight(7000))
    assert np.hypot(*tint) == pytest.approx(0.022, abs=3e-4) and abs(tint @ along) < 0.05 * np.hypot(*along) * 0.022
    assert tint[1] < 0, "below the locus: magenta"
    u, v = white(white_balance(1, 0))
    n = (3 * u / (2 * u - 8 * v + 4) - 0.3320) / (0.1858 - 2 * v / (2 * u - 8 * v + 4))
    kelvin = 449 * n**3 + 3525 * n**2 + 6823.3 * n + 5520.33  # McCamy 1992
    assert 1e6 / kelvin - 1e6 / 6504 == pytest.approx(90, abs=4)


def two_halves(dark: int, bright: int) -> np.ndarray:
    """Dark on the left, bright on the right, with the same fine texture in both."""
    halves = np.where(np.arange(240) < 120, dark, bright)[None, :] * np.ones((160, 1))
    texture = np.random.default_rng(0).normal(0, 3, halves.shape)
    return np.repeat(np.clip(np.rint(halves + texture), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("amount", [-1, -0.5, 0.5, 1])
def test_shadows_change_the_dark_half_and_leave_the_bright_one(amount):
    change = edited(adjust, two_halves(40, 210), shadows=amount)[..., 0].astype(float) - two_halves(40, 210)[..., 0]
    assert np.sign(change[:, :110].mean()) == np.sign(amount) and abs(change[:, :110].mean()) > 6 * abs(amount)
    assert np.abs(change[:, 130:]).max() <= 1


@pytest.mark.parametrize("amount", [-1, -0.5, 0.5, 1])
def test_highlights_change_the_bright_half_and_leave_the_dark_one(amount):
    change = edited(adjust, two_halves(40, 200), highlights=amount)[..., 0].astype(float) - two_halves(40, 200)[..., 0]
    assert np.sign(change[:, 130:].mean()) == np.sign(amount) and abs(change[:, 130:].mean()) > 15 * abs(amount)
    assert np.abs(change[:, :110]).max() <= 1


def test_edges_get_no_halo_and_texture_keeps_its_contrast():
    x = two_halves(40, 210)
    out = edited(adjust, x, shadows=1)[..., 0].astype(float)
    near, far_away = out[:, 100:118].mean(axis=0), out[:, 20:80].mean()
    assert np.abs(near - far_away).max() < 5
    relative = [p[:, 20:80].std() / p[:, 20:80].mean() for p in (x[..., 0].astype(float), out)]
    assert relative[1] > 0.7 * relative[0]


def test_white_stays_white_and_black_black_whatever_happens_locally():
    for slider in ("shadows", "highlights"):
        out = edited(adjust, greys(), **{slider: 1.0})[0, :, 0].astype(int)
        assert out[0] == 0 and out[255] == 255
    assert edited(adjust, patch(255, 255, 255), highlights=-1)[0, 0, 0] > 225


def test_a_spark_in_the_dark_is_not_lifted_to_white():
    dark = np.full((400, 600, 3), 12, np.uint8)
    dark[100:102, 150:152] = 200
    out = edited(adjust, dark, shadows=1)
    assert out[101, 151, 0] < 210 and out[20, 20, 0] > 18


def test_brighter_highlights_do_not_clip_what_is_above_its_surroundings():
    wall = np.full((200, 300, 3), 165, np.uint8)
    wall[::8, ::8] = 225
    out = edited(adjust, wall, highlights=1)
    assert out[100, 100, 0] > 185 and out.max() < 254


def test_local_light_equals_its_formula_on_a_flat_field():
    flat = patch(51, 51, 51)
    stops = local_stops(flat, base_layer(flat), (0, 0, 24, 24), Args(shadows=0.5))
    assert stops == pytest.approx(0.5 * 1.6 * (1 - 0.2 / 0.6) ** 2, abs=1e-3)


def test_local_light_looks_the_same_at_another_size():
    small = PHOTOS["coffee"]
    large = np.repeat(np.repeat(small, 3, axis=0), 3, axis=1)
    args = {"shadows": 0.8, "highlights": -0.6}
    assert np.abs(edited(adjust, large, **args)[1::3, 1::3].astype(int) - edited(adjust, small, **args)).mean() < 1.5


def test_the_order_of_sliders_in_one_step_is_that_of_the_docstring():
    x = PHOTOS["cat"]
    two_steps = edited(adjust, edited(adjust, x, temperature=0.5, saturation=0.4), exposure=0.3, contrast=0.2)
    assert far(edited(adjust, x, temperature=0.5, saturation=0.4, exposure=0.3, contrast=0.2), two_steps) <= 4
