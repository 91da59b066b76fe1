"""Working part by part: every pixel once, halos read and not written, alpha and the outside kept."""

import cv2
import numpy as np
import pytest

from sessions.values import Picture
from tools.base import EditContext, drain
from tools.parts import cut, edit_parts, grown, region_box


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (100, 3), (64, 200)])
def test_parts_tile_the_box(size):
    count = np.zeros((90, 80), int)
    for x0, y0, x1, y1 in cut((3, 5, 77, 81), *size):
        assert 0 < x1 - x0 <= size[0] and 0 < y1 - y0 <= size[1]
        count[y0:y1, x0:x1] += 1
    assert (count[5:81, 3:77] == 1).all() and count.sum() == 76 * 74


def test_grown_stops_at_the_picture():
    assert grown((2, 3, 8, 9), 4, (10, 20)) == (0, 0, 10, 13)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("part", [None, (13, 9), (200, 1)])
def test_a_filter_with_its_halo_sees_no_seams(channels, part):
    pixels = noise(60, 70, channels)
    whole = cv2.blur(np.ascontiguousarray(pixels[..., :3]), (7, 7))
    out = drain(edit_parts(EditContext(Picture(pixels)), lambda rgb, box: cv2.blur(rgb, (7, 7)), 3, part)).image.pixels
    assert np.array_equal(out[..., :3], whole) and np.array_equal(out[..., 3:], pixels[..., 3:])


def test_the_box_given_is_where_the_colours_are_from():
    pixels, mask = noise(50, 60, 3), np.zeros((50, 60), np.uint8)
    mask[10:30, 20:45] = 9

    def check(rgb, box):
        x0, y0, x1, y1 = box
        assert np.array_equal(rgb, pixels[y0:y1, x0:x1])
        return 255 - rgb

    ctx = EditContext(Picture(pixels), mask)
    out = drain(edit_parts(ctx, check, 4, (11, 8))).image.pixels
    expected = pixels.copy()
    expected[10:30, 20:45] = 255 - expected[10:30, 20:45]
    assert np.array_equal(out, expected) and region_box(ctx) == (20, 10, 45, 30)


def test_parts_without_mask_are_passed_over():
    mask = np.zeros((40, 40), np.uint8)
    mask[0, 0] = mask[39, 39] = 255
    seen = []
    drain(
        edit_parts(EditContext(Picture(noise(40, 40, 3)), mask), lambda rgb, box: seen.append(box) or rgb, 0, (10, 10))
    )
    assert seen == [(0, 0, 10, 10), (30, 30, 40, 40)]


def test_an_empty_mask_gives_the_picture_back():
    picture = Picture(noise(5, 5, 3))
    ctx = EditContext(picture, np.zeros((5, 5), np.uint8))
    assert drain(edit_parts(ctx, lambda rgb, box: 255 - rgb)).image is picture
