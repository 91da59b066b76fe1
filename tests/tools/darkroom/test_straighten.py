"""`straighten`: finds how a photo leans, says so where nothing tells, and leaves no empty corners."""

import cv2
import numpy as np
import pytest

from sessions.errors import BadArguments
from tests.tools.darkroom.shapes import PHOTOS, check_dots, refused, run, translucent
from tools.edits.darkroom.straighten import NEEDED, find_lean, straighten


def crooked(rgb: np.ndarray, degrees: float) -> np.ndarray:
    return run(straighten, rgb, degrees=degrees).image.pixels


def test_a_crooked_rocket_stands_upright_again():
    """The rocket itself leans by less than 0.2°; the towers beside it run together and must not mislead."""
    errors = []
    for degrees in (-11, -7, -3, -1, 2, 5, 10):
        lean, confidence = find_lean(crooked(PHOTOS["rocket"], degrees))
        assert confidence > NEEDED
        errors.append(abs(lean - degrees))
    assert max(errors) < 1 and np.median(errors) < 0.2


@pytest.mark.parametrize("degrees", [-3, 0, 2])
def test_a_lean_of_the_astronauts_room(degrees):
    """The photo leans by half a degree to the left."""
    lean, confidence = find_lean(crooked(PHOTOS["astronaut"], degrees))
    assert lean == pytest.approx(degrees - 0.5, abs=0.4) and confidence > NEEDED


def test_a_horizon():
    sea = np.full((400, 600, 3), (150, 180, 220), np.uint8)
    cv2.fillPoly(sea, [np.array([[0, 180], [600, 222], [600, 400], [0, 400]])], (30, 60, 110))
    result = run(straighten, sea)
    assert result.facts["degrees"] == pytest.approx(-4.0, abs=0.2)
    edge = np.abs(np.diff(result.image.pixels[..., 0].astype(int), axis=0)).argmax(axis=0)
    assert edge.max() - edge.min() <= 1


def test_a_level_photo_is_left_alone():
    sea = np.full((400, 600, 3), (150, 180, 220), np.uint8)
    sea[200:] = (30, 60, 110)
    result = run(straighten, sea)
    assert result.facts["degrees"] == 0 and np.array_equal(result.image.pixels, sea)


@pytest.mark.parametrize("name", ["cat", "coffee"])
def test_where_nothing_is_straight_it_says_so(name):
    with pytest.raises(BadArguments) as caught:
        run(straighten, PHOTOS[name])
    assert "No clear horizon" in caught.value.message and "degrees" in caught.value.hint


@pytest.mark.parametrize("shape", [(1, 1, 3), (15, 15, 3), (16, 16, 3), (200, 300, 3), (16, 900, 3)])
def test_plain_and_tiny_pictures_have_no_horizon(shape):
    with pytest.raises(BadArguments, match="No clear horizon"):
        run(straighten, np.full(shape, 99, np.uint8))


def test_noise_has_no_horizon():
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert find_lean(noise)[1] < NEEDED


@pytest.mark.parametrize("degrees", [0, 1.5, -20, 45])
def test_given_degrees(degrees):
    check_dots(straighten, degrees=degrees)
    image = run(straighten, np.full((400, 600, 3), 255, np.uint8), degrees=degrees).image
    assert image.mode == "RGB" and (image.pixels == 255).all()
    assert image.width / image.height == pytest.approx(1.5, rel=0.01)


def test_geometry_when_it_finds_the_angle_itself():
    result = run(straighten, crooked(PHOTOS["rocket"], 4))
    a, b = result.geometry[0], result.geometry[1]
    assert np.degrees(np.arctan2(-b, a)) == pytest.approx(-4, abs=0.5)
    assert np.degrees(np.arctan2(-b, a)) == pytest.approx(result.facts["degrees"], abs=1e-9)


def test_alpha_is_kept():
    out = run(straighten, translucent(PHOTOS["rocket"]), degrees=3).image.pixels
    assert out.shape[2] == 4 and out[:, 10, 3].mean() < 30 and out[:, -10, 3].mean() > 225


def test_angles_have_bounds():
    assert refused(straighten, degrees=50) and refused(straighten, degrees="by eye")
