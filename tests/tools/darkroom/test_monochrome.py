"""monochrome: the luminance is kept, neutral is neutral, tones have their colour in the middle and none at the ends."""

import numpy as np
import pytest
from pydantic import ValidationError

from tests.tools.darkroom.tones import PHOTOS, edited, greys
from tools.color import LUMINANCE, to_coded, to_linear
from tools.edits.darkroom.adjust import adjust
from tools.edits.darkroom.monochrome import TONES, Args, monochrome


def test_neutral_has_equal_channels_of_the_same_luminance():
    out = edited(monochrome, PHOTOS["astronaut"])
    exact = 255 * to_coded(to_linear(PHOTOS["astronaut"] / 255) @ LUMINANCE)
    assert (np.ptp(out, axis=2) == 0).all() and np.abs(out[..., 0] - exact).max() < 1


def test_neutral_is_adjust_without_colour_and_leaves_greys_alone():
    assert np.array_equal(edited(monochrome, PHOTOS["cat"]), edited(adjust, PHOTOS["cat"], saturation=-1))
    assert np.array_equal(edited(monochrome, greys()), greys())


@pytest.mark.parametrize("tone", TONES)
def test_tones_keep_luminance_black_and_white(tone):
    out = edited(monochrome, greys(), tone=tone)[0]
    y = to_coded(to_linear(out / 255) @ LUMINANCE) * 255
    assert np.abs(y - np.arange(256)).max() < 3
    assert out[0].max() <= 1 and out[255].min() >= 254
    assert (np.diff(out.astype(int), axis=0) >= 0).all()


@pytest.mark.parametrize(("tone", "order"), [("sepia", [0, 1, 2]), ("warm", [0, 1, 2]), ("cool", [2, 1, 0])])
def test_the_order_of_channels_is_the_tone(tone, order):
    first, second, third = edited(monochrome, greys(), tone=tone)[0, 40:220].astype(int)[:, order].T
    assert (first > second).all() and (second > third).all()


def test_sepia_is_stronger_than_warm():
    sepia, warm = (np.ptp(edited(monochrome, greys(), tone=t)[0, 128].astype(int)) for t in ("sepia", "warm"))
    assert sepia > 2 * warm > 20


def test_an_unknown_tone_is_refused():
    with pytest.raises(ValidationError):
        Args(tone="blue")
