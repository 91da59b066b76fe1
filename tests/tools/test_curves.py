"""Tone curves: fixed points, slopes, inverses; and the look-up against float64."""

import numpy as np
import pytest
from skimage import data

from tools.color import from_bytes, to_coded, to_linear
from tools.curves import KNEE, apply_curve, curve_table, expose, from_lightness, lightness, s_curve

LIGHT = np.linspace(0, 1, 2001)
GREY = from_lightness(np.array(0.5))


@pytest.mark.parametrize("stops", [0.3, 1.0, 2.0])
def test_brighter_is_exact_below_the_knee_and_rolls_off_to_white(stops):
    y = expose(LIGHT, stops)
    below = 2**stops * LIGHT <= KNEE
    assert y[below] == pytest.approx(2**stops * LIGHT[below])
    assert y[-1] == pytest.approx(1) and (np.diff(y) > 0).all()
    assert (np.diff(y, 2) < 1e-9).all(), "concave: a shoulder, no kink upwards"


@pytest.mark.parametrize("stops", [-0.3, -1.0, -2.0])
def test_darker_is_nearly_exact_in_the_middle_and_halves_the_loss_of_white(stops):
    assert expose(np.array(0.18), stops) == pytest.approx(0.18 * 2**stops, rel=0.04)
    assert expose(np.array(1.0), stops) == pytest.approx(2 ** (stops / 2))
    assert (np.diff(expose(LIGHT, stops)) > 0).all()


@pytest.mark.parametrize("slope", [0.5, 0.9, 1.001, 1.3, 2.0])
def test_the_s_has_its_slope_in_the_middle_and_fixed_ends(slope):
    def s(v):
        return lightness(s_curve(from_lightness(v), slope))

    assert s(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 0.5, 1], abs=1e-9)
    assert (s(np.array(0.501)) - s(np.array(0.499))) / 0.002 == pytest.approx(slope, rel=1e-3)
    assert (np.diff(s_curve(LIGHT, slope)) > 0).all()
    assert s_curve(s_curve(LIGHT, slope), 1 / slope) == pytest.approx(LIGHT, abs=1e-9)


def test_lightness_is_that_of_cie():
    assert lightness(np.array([0.0, 0.001, 0.184187, 1.0])) == pytest.approx([0, 0.0090330, 0.5, 1], abs=1e-6)
    assert from_lightness(lightness(LIGHT)) == pytest.approx(LIGHT)


def test_greys_go_through_a_table_as_through_the_curve():
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)

    def curve(x):
        return s_curve(expose(x, 1.1), 1.4)

    out = apply_curve(from_bytes(greys), curve_table(curve))
    exact = np.rint(255 * to_coded(curve(to_linear(np.arange(256) / 255))))
    assert np.abs(out[0, :, 0] - exact).max() <= 1 and (np.ptp(out, axis=2) == 0).all()


def test_the_middle_channel_lies_halfway_between_its_curve_and_its_old_place():
    rgb = data.coffee()[100:150, 200:260]
    x = rgb / 255.0

    def curve(v):
        return expose(v, 1.5)

    alone = to_coded(curve(to_linear(x)))
    low, high = x.min(axis=2, keepdims=True), x.max(axis=2, keepdims=True)
    new_low, new_high = alone.min(axis=2, keepdims=True), alone.max(axis=2, keepdims=True)
    held = new_low + (x - low) / np.maximum(high - low, 1e-6) * (new_high - new_low)
    out = apply_curve(from_bytes(rgb), curve_table(curve))
    assert np.abs(out - 255 * (alone + held) / 2).max() < 1.01
    assert np.array_equal(out.max(axis=2), np.rint(255 * alone.max(axis=2)))


def test_the_neutral_curve_is_the_identity_on_bytes():
    rgb = data.astronaut()[:60, :60]
    assert np.array_equal(apply_curve(from_bytes(rgb), curve_table(lambda x: x)), rgb)
