"""`border`: grows the picture by a plain frame and leaves the picture itself alone."""

import numpy as np
import pytest

from sessions.errors import BadArguments
from tests.tools.darkroom.shapes import PHOTOS, check_dots, refused, run, translucent
from tools.edits.darkroom.border import border


def test_the_picture_is_inside_and_the_frame_around():
    pixels = PHOTOS["coffee"]
    out = run(border, pixels, width=0.1, color="#102030").image.pixels
    assert out.shape == (480, 680, 3)
    assert np.array_equal(out[40:-40, 40:-40], pixels)
    for strip in (out[:40], out[-40:], out[:, :40], out[:, -40:]):
        assert (strip == (16, 32, 48)).all()


def test_white_by_default_and_a_fraction_of_the_shorter_side():
    out = run(border, PHOTOS["cat"]).image
    assert out.size == (451 + 30, 300 + 30) and (out.pixels[0] == 255).all()


def test_the_frame_of_a_transparent_picture_is_opaque():
    pixels = translucent(PHOTOS["cat"])
    out = run(border, pixels, width=0.1).image.pixels
    assert (out[0] == 255).all() and np.array_equal(out[30:-30, 30:-30], pixels)


def test_geometry():
    check_dots(border, width=0.07, color="#000000")


def test_one_pixel_gets_one_pixel():
    assert run(border, np.zeros((1, 1, 3), np.uint8)).image.size == (3, 3)


def test_no_larger_than_pictures_may_be():
    with pytest.raises(BadArguments, match="16384"):
        run(border, np.zeros((20, 16_384, 3), np.uint8))


@pytest.mark.parametrize("args", [{"width": 0}, {"width": 0.6}, {"width": -0.1}, {"color": "white"}])
def test_nonsense_is_refused(args):
    assert refused(border, **args)
