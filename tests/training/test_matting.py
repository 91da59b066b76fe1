"""Matting: against drawn covers that are known exactly, against its own equation, and what it leaves as it was."""

import numpy as np
import pytest

from toybox.drawing import backdrop, draw
from toybox.scenes import COLOURS, SHAPES, Scene, Thing
from training.matting import UNKNOWN, colour_lines, composite, matte, trimap


def scene(shape="disc", texture="plain", pattern="plain"):
    thing = Thing(shape, "red", texture, "middle", 32.3, 31.6, 17.0, 0.2)
    return Scene(pattern, "teal", (thing,))


def heat(cover, width=3):
    """A cover as a segmenter sees it: near its edge it is unsure."""
    padded = np.pad(cover, width)
    shifted = [padded[y : y + 64, x : x + 64] for y in range(2 * width + 1) for x in range(2 * width + 1)]
    low, high = np.min(shifted, 0), np.max(shifted, 0)
    return np.where(low == high, cover, 0.3).astype(np.float32)


def test_two_thresholds_make_three_regions():
    seen = np.array([[0.0, 0.0999, 0.1, 0.4999, 0.5, 1.0]], np.float32)
    assert trimap(seen).tolist() == [[0, 0, 0.5, 0.5, 1, 1]]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_drawn_cover_is_found(shape):
    drawing = draw(scene(shape))
    known = trimap(heat(drawing.covers[0]))
    found = matte(drawing.rgb, known)
    unknown = known == UNKNOWN
    assert unknown.mean() > 0.05
    assert np.abs(found - drawing.covers[0]).mean() < 0.02
    assert np.abs(found - drawing.covers[0])[unknown].mean() < 0.02
    guessed = np.abs(known - drawing.covers[0])[unknown].mean()
    assert guessed > 0.3


@pytest.mark.parametrize("pattern", ["striped", "gradient"])
def test_it_is_found_where_what_is_behind_changes(pattern):
    drawing = draw(scene("star", pattern=pattern))
    found = matte(drawing.rgb, trimap(heat(drawing.covers[0], 2)))
    assert np.abs(found - drawing.covers[0]).mean() < 0.02


def test_it_solves_the_papers_equation():
    """Densely, on a small piece, with every window."""
    rgb = draw(scene()).rgb[10:30, 8:28]
    known = trimap(heat(draw(scene()).covers[0]))[10:30, 8:28]
    sure = np.diag((known != UNKNOWN).ravel().astype(float))
    numbers = np.arange(400).reshape(20, 20)
    lines = np.zeros((400, 400))
    for y in range(18):
        for x in range(18):
            window = numbers[y : y + 3, x : x + 3].ravel()
            colours = rgb.reshape(-1, 3)[window] / 255.0
            mean, covariance = colours.mean(0), np.cov(colours.T, bias=True)
            inverse = np.linalg.inv(covariance + 1e-7 / 9 * np.eye(3))
            for i, one in zip(window, colours, strict=True):
                for j, other in zip(window, colours, strict=True):
                    lines[i, j] += (i == j) - (1 + (one - mean) @ inverse @ (other - mean)) / 9
    np.testing.assert_allclose(colour_lines(rgb, np.ones((20, 20), bool)).toarray(), lines, atol=1e-6)
    exact = np.linalg.solve(lines + 100 * sure, 100 * sure @ known.ravel()).reshape(20, 20)
    assert np.abs(matte(rgb, known) - exact.clip(0, 1)).max() < 0.02


def test_constants_and_lines_of_colour_cost_nothing():
    """The Laplacian's kernel: α that is one number, or linear in the colour."""
    rgb = draw(scene(pattern="gradient")).rgb
    laplacian = colour_lines(rgb, np.ones((64, 64), bool))
    for alpha in (np.ones((64, 64)), rgb[..., 1] / 255.0):
        cost = alpha.ravel() @ (laplacian @ alpha.ravel())
        noise = np.random.default_rng(0).random(64 * 64)
        assert cost < 1e-4 * (noise @ (laplacian @ noise))


def test_what_is_known_is_left_as_it_is():
    known = (np.random.default_rng(1).random((64, 64)) < 0.5).astype(np.float32)
    assert np.array_equal(matte(draw(scene()).rgb, known), known)


@pytest.mark.parametrize("shape", ["disc", "star"])
def test_on_its_own_background_it_is_the_original(shape):
    one = scene(shape)
    drawing, fore = draw(one), np.broadcast_to(np.float32(COLOURS["red"]), (64, 64, 3))
    behind = np.rint(backdrop(one)).astype(np.uint8)
    again = composite(fore, drawing.covers[0], behind).astype(int)
    assert np.abs(again - drawing.rgb).max() <= 1
    assert np.array_equal(composite(fore, np.zeros((64, 64), np.float32), behind), behind)
