"""Matrices, and what moves along them: points, masks, pictures."""

import cv2
import numpy as np
import pytest
from skimage import data

from sessions.errors import BadArguments, EditError
from sessions.values import IDENTITY, Picture
from tools import geometry
from tools.base import drain

SIZE = (60, 40)
SOME = {
    "crop": geometry.crop(7, 3),
    "grow": geometry.crop(-4, -4),
    "scale": geometry.scale(0.5, 2.5),
    "flip": geometry.flip("horizontal", SIZE),
    "quarter": geometry.rotate(90, SIZE, SIZE[::-1]),
    "tilt": geometry.rotate(-17.3, SIZE, (70, 60)),
}


def points(n: int = 50) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 60, (n, 2))


@pytest.mark.parametrize("name", SOME)
def test_the_inverse_undoes(name):
    there_and_back = geometry.compose(SOME[name], geometry.invert(SOME[name]))
    assert there_and_back == pytest.approx(IDENTITY, abs=1e-12)


@pytest.mark.parametrize("first", SOME)
@pytest.mark.parametrize("then", SOME)
def test_composing_is_doing_one_after_the_other(first, then):
    one_by_one = geometry.warp_points(geometry.warp_points(points(), SOME[first]), SOME[then])
    at_once = geometry.warp_points(points(), geometry.compose(SOME[first], SOME[then]))
    assert np.allclose(one_by_one, at_once)


def test_points_by_hand():
    corner = np.array([[0.0, 0.0], [60.0, 0.0]])
    assert geometry.warp_points(corner, geometry.crop(10, 5)).tolist() == [[-10, -5], [50, -5]]
    assert geometry.warp_points(corner, geometry.flip("horizontal", SIZE)).tolist() == [[60, 0], [0, 0]]
    assert geometry.warp_points(corner, geometry.flip("vertical", SIZE)).tolist() == [[0, 40], [60, 40]]
    assert geometry.warp_points(corner, geometry.rotate(90, SIZE, (40, 60))).tolist() == [[40, 0], [40, 60]]
    assert geometry.warp_points(corner, geometry.rotate(180, SIZE, SIZE)).tolist() == [[60, 40], [0, 40]]


def test_a_positive_angle_is_clockwise():
    right_of_centre = np.array([[50.0, 20.0]])
    assert geometry.warp_points(right_of_centre, geometry.rotate(30, SIZE, SIZE))[0, 1] > 20


def test_what_is_flat_cannot_be_turned_back():
    with pytest.raises(EditError, match="turned back"):
        geometry.invert((1, 2, 0, 2, 4, 0, 0, 0, 1))


# --- masks ------------------------------------------------------------------------------------------------------------


def noise(shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def test_masks_move_exactly_where_pixels_do():
    mask = noise()
    assert np.array_equal(geometry.warp_mask(mask, IDENTITY, SIZE), mask)
    assert np.array_equal(geometry.warp_mask(mask, geometry.flip("horizontal", SIZE), SIZE), mask[:, ::-1])
    assert np.array_equal(geometry.warp_mask(mask, geometry.flip("vertical", SIZE), SIZE), mask[::-1])
    assert np.array_equal(geometry.warp_mask(mask, geometry.crop(7, 3), (20, 30)), mask[3:33, 7:27])
    for degrees, turns in ((90, 3), (180, 2), (270, 1)):
        expected = np.rot90(mask, turns)
        moved = geometry.rotate(degrees, SIZE, expected.shape[::-1])
        assert np.array_equal(geometry.warp_mask(mask, moved, expected.shape[::-1]), expected)


def test_a_grown_picture_has_nothing_selected_in_its_border():
    grown = geometry.warp_mask(np.full((40, 60), 255, np.uint8), geometry.crop(-5, -5), (70, 50))
    assert (grown[5:45, 5:65] == 255).all()
    grown[5:45, 5:65] = 0
    assert not grown.any()


def test_a_full_mask_stays_full_when_the_picture_is_enlarged():
    assert (geometry.warp_mask(np.full((40, 60), 255, np.uint8), geometry.scale(3, 3), (180, 120)) == 255).all()


def test_thin_things_survive_shrinking():
    mask = np.zeros((400, 600), np.uint8)
    mask[:, 301] = 255
    small = geometry.warp_mask(mask, geometry.scale(0.1, 0.1), (60, 40))
    assert np.array_equal(small, cv2.resize(mask, (60, 40), interpolation=cv2.INTER_AREA))
    assert (small[:, 30] > 20).all()


def test_a_mask_follows_the_picture_through_a_tilt():
    mask = np.zeros((400, 600), np.uint8)
    cv2.circle(mask, (420, 130), 40, 255, -1)
    moved = geometry.rotate(20, (600, 400), (700, 600))
    warped = geometry.warp_mask(mask, moved, (700, 600))
    expected = np.zeros((600, 700), np.uint8)
    x, y = geometry.warp_points(np.array([[420.5, 130.5]]), moved)[0]
    cv2.circle(expected, (round(x - 0.5), round(y - 0.5)), 40, 255, -1)
    assert np.count_nonzero((warped > 127) != (expected > 127)) < 0.03 * np.count_nonzero(expected)


# --- sizes ------------------------------------------------------------------------------------------------------------

ANGLES = (0.0, 0.4, 3.0, 7.5, -12.0, 15.0, 30.0, -45.0)


def corners(size: tuple[int, int]) -> np.ndarray:
    width, height = size
    return np.array([[0, 0], [width, 0], [0, height], [width, height]], float)


@pytest.mark.parametrize("degrees", ANGLES)
@pytest.mark.parametrize("size", [(600, 400), (400, 600), (500, 500), (900, 100)])
def test_the_inscribed_picture_has_no_empty_corner_and_is_the_largest(size, degrees):
    inner = geometry.inscribed(size, degrees)
    back = geometry.invert(geometry.rotate(degrees, size, inner))
    x, y = geometry.warp_points(corners(inner), back).T
    assert min(x.min(), y.min()) >= -1e-6 and x.max() <= size[0] + 1e-6 and y.max() <= size[1] + 1e-6
    k = inner[0] / size[0]
    assert inner[1] == pytest.approx(size[1] * k, abs=1.01 * max(1, size[1] / size[0]))
    larger = (inner[0] + 2 * max(1, size[0] / size[1]), inner[1] + 2 * max(1, size[1] / size[0]))
    x, y = geometry.warp_points(corners(larger), geometry.invert(geometry.rotate(degrees, size, larger))).T
    assert min(x.min(), y.min()) < 0


@pytest.mark.parametrize("degrees", ANGLES)
def test_the_enclosing_canvas_holds_all_and_no_more(degrees):
    outer = geometry.enclosing((600, 400), degrees)
    x, y = geometry.warp_points(corners((600, 400)), geometry.rotate(degrees, (600, 400), outer)).T
    for low, high, side in ((x.min(), x.max(), outer[0]), (y.min(), y.max(), outer[1])):
        assert -1e-6 <= low < 1 and side - 1 < high <= side + 1e-6


def test_sizes_beyond_all_limits_are_refused():
    geometry.check_size(16_384, 3_000)
    with pytest.raises(BadArguments, match="at most 16384"):
        geometry.check_size(16_385, 10)
    with pytest.raises(BadArguments, match="megapixels"):
        geometry.check_size(9_000, 9_000)


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_premultiplying_loses_nothing_that_can_be_seen():
    pixels = np.random.default_rng(2).integers(0, 256, (50, 70, 4), np.uint8)
    back = geometry.unpremultiply(geometry.premultiply(pixels))
    seen = pixels[..., 3] > 0
    assert np.array_equal(back[seen], pixels[seen])
    assert np.array_equal(back[..., 3], pixels[..., 3])


def resampled(pixels, moved, size, canvas=False) -> np.ndarray:
    return drain(geometry.resample(Picture(pixels), moved, size, canvas)).pixels


def test_bands_give_what_one_call_gives():
    """Four bands of 3000 × 2000 pixels against OpenCV's own call, bit for bit."""
    pixels = cv2.resize(data.coffee(), (3000, 2000), interpolation=cv2.INTER_CUBIC)
    size = geometry.inscribed((3000, 2000), 6.0)
    moved = geometry.rotate(6.0, (3000, 2000), size)
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    back = np.linalg.inv(half) @ np.linalg.inv(geometry.matrix(moved)) @ half
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    whole = cv2.warpAffine(pixels, back[:2], size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    cut = resampled(pixels, moved, size)
    assert np.count_nonzero(cut != whole) == 0


def test_resampling_by_nothing_changes_nothing():
    pixels = data.chelsea()
    assert np.array_equal(resampled(pixels, IDENTITY, (451, 300)), pixels)


def test_colours_under_clear_pixels_do_not_bleed():
    pixels = np.zeros((80, 80, 4), np.uint8)
    pixels[...] = (0, 255, 0, 0)
    pixels[20:60, 20:60] = (255, 0, 0, 255)
    for canvas in (False, True):
        size = geometry.enclosing((80, 80), 20) if canvas else (80, 80)
        out = resampled(pixels, geometry.rotate(20, (80, 80), size), size, canvas)
        seen = out[out[..., 3] > 12]
        assert len(seen) > 1500 and seen[:, 0].min() > 240 and seen[:, 1].max() < 12


def test_the_edge_of_a_tilted_picture_is_smooth_and_keeps_its_colour():
    out = resampled(np.full((60, 60, 3), 200, np.uint8), geometry.rotate(30, (60, 60), (82, 82)), (82, 82), True)
    alpha = out[..., 3]
    assert alpha[0, 0] == 0 and alpha[41, 41] == 255
    assert 20 < np.count_nonzero((alpha > 0) & (alpha < 255)) < 600
    assert (out[alpha > 0][:, :3] == 200).all()
    assert alpha.sum() / 255 == pytest.approx(3600, rel=0.01)
