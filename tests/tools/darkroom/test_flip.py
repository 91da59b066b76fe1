"""`flip`: mirrored, nothing else."""

import numpy as np
import pytest

from sessions.values import IDENTITY
from tests.tools.darkroom.shapes import PHOTOS, check_dots, refused, run, translucent
from tools.edits.darkroom.flip import flip
from tools.geometry import compose


def test_horizontal_swaps_left_and_right():
    pixels = PHOTOS["rocket"]
    assert np.array_equal(run(flip, pixels).image.pixels, pixels[:, ::-1])
    assert np.array_equal(run(flip, pixels, axis="horizontal").image.pixels, pixels[:, ::-1])


def test_vertical_swaps_top_and_bottom():
    pixels = translucent(PHOTOS["coffee"])
    assert np.array_equal(run(flip, pixels, axis="vertical").image.pixels, pixels[::-1])


@pytest.mark.parametrize("axis", ["horizontal", "vertical"])
def test_geometry(axis):
    check_dots(flip, axis=axis)
    once = run(flip, PHOTOS["cat"], axis=axis)
    assert compose(once.geometry, once.geometry) == IDENTITY


def test_one_pixel():
    assert run(flip, np.full((1, 1, 3), 7, np.uint8)).image.pixels.tolist() == [[[7, 7, 7]]]


def test_another_axis_is_refused():
    assert "horizontal" in refused(flip, axis="diagonal")
