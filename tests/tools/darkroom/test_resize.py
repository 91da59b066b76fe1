"""`resize`: the size asked for, without moiré, fringes or lost transparency."""

import cv2
import numpy as np
import pytest

from sessions.errors import BadArguments
from tests.tools.darkroom.shapes import PHOTOS, check_dots, refused, run, translucent
from tools.edits.darkroom.resize import resize


@pytest.mark.parametrize(
    ("args", "size"),
    [
        ({"width": 300}, (300, 200)),
        ({"height": 100}, (150, 100)),
        ({"width": 123, "height": 321}, (123, 321)),
        ({"scale": 0.5}, (300, 200)),
        ({"scale": 1.5}, (900, 600)),
        ({"width": 1200}, (1200, 800)),
        ({"width": 1}, (1, 1)),
        ({"scale": 1}, (600, 400)),
    ],
)
def test_sizes(args, size):
    assert run(resize, PHOTOS["coffee"], **args).image.size == size


@pytest.mark.parametrize("args", [{"scale": 0.5}, {"scale": 1.7}, {"width": 300, "height": 130}, {"height": 60}])
def test_geometry(args):
    check_dots(resize, **args)


def test_smaller_is_the_mean_of_areas():
    pixels = PHOTOS["coffee"]
    out = run(resize, pixels, scale=0.5).image.pixels
    means = pixels.reshape(200, 2, 300, 2, 3).mean(axis=(1, 3))
    assert np.abs(out - means).max() <= 0.51


def test_fine_stripes_become_grey_and_not_moire():
    stripes = np.zeros((300, 300, 3), np.uint8)
    stripes[:, ::2] = 255
    out = run(resize, stripes, width=100, height=600).image.pixels
    assert out.shape == (600, 100, 3) and abs(out.astype(int) - 127.5).max() < 50


def test_larger_is_interpolated():
    pixels = PHOTOS["cat"]
    out = run(resize, pixels, scale=2).image.pixels
    assert np.array_equal(out, cv2.resize(pixels, (902, 600), interpolation=cv2.INTER_CUBIC))


def test_the_same_size_changes_nothing():
    for pixels in (PHOTOS["cat"], translucent(PHOTOS["cat"])):
        out = run(resize, pixels, scale=1).image.pixels
        seen = slice(None) if pixels.shape[2] == 3 else pixels[..., 3] > 0
        assert np.array_equal(out[seen], pixels[seen])


@pytest.mark.parametrize("scale", [0.37, 2.2])
def test_alpha_is_kept_and_hidden_colours_stay_hidden(scale):
    pixels = np.zeros((60, 60, 4), np.uint8)
    pixels[...] = (0, 255, 0, 0)
    pixels[20:40, 20:40] = (255, 0, 0, 255)
    out = run(resize, pixels, scale=scale).image.pixels
    seen = out[out[..., 3] > 12]
    assert out[0, 0, 3] == 0 and len(seen) > 40
    assert seen[:, 0].min() > 240 and seen[:, 1].max() < 12


def test_a_gradient_of_alpha_stays_one():
    out = run(resize, translucent(PHOTOS["coffee"]), scale=0.5).image.pixels
    assert np.abs(out[0, :, 3] - np.linspace(0, 255, 300)).max() < 2


@pytest.mark.parametrize("args", [{"scale": 3}, {"scale": 0.6}, {"width": 5, "height": 1}])
def test_one_pixel(args):
    out = run(resize, np.full((1, 1, 3), 90, np.uint8), **args).image.pixels
    assert out.size and (out == 90).all()


def test_arguments_that_contradict_each_other():
    assert "not both" in refused(resize, scale=0.5, width=100)
    assert "give a width" in refused(resize)
    assert refused(resize, width=0) and refused(resize, scale=0) and refused(resize, height=20_000)


def test_limits_depend_on_the_picture():
    with pytest.raises(BadArguments, match="at most 16384"):
        run(resize, PHOTOS["cat"], scale=40)
    with pytest.raises(BadArguments, match="megapixels"):
        run(resize, PHOTOS["cat"], width=16_000)
    with pytest.raises(BadArguments, match="Nothing would be left"):
        run(resize, PHOTOS["cat"], scale=0.001)
