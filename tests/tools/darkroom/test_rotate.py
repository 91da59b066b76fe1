"""`rotate`: quarter turns without loss, small angles without empty corners, others on a canvas."""

import numpy as np
import pytest

from sessions.errors import BadArguments
from tests.tools.darkroom.shapes import PHOTOS, check_dots, dotted, refused, run, translucent
from tools.edits.darkroom.rotate import rotate


@pytest.mark.parametrize(
    ("degrees", "turns"), [(90, 3), (180, 2), (270, 1), (-90, 1), (0, 0), (360, 0), (-180, 2), (-270, 3)]
)
def test_quarter_turns_only_move_pixels(degrees, turns):
    for pixels in (PHOTOS["rocket"], translucent(PHOTOS["cat"])):
        assert np.array_equal(run(rotate, pixels, degrees=degrees).image.pixels, np.rot90(pixels, turns))


def test_four_quarters_are_none():
    pixels = PHOTOS["cat"]
    out = pixels
    for _ in range(4):
        out = run(rotate, out, degrees=90).image.pixels
    assert np.array_equal(out, pixels)


@pytest.mark.parametrize("degrees", [90, 180, 270, 0, 7, -14.5, 33, 96, 135, -200.25, 359])
def test_geometry(degrees):
    check_dots(rotate, degrees=degrees)


def test_a_positive_angle_is_clockwise():
    out = run(rotate, dotted((200, 200), (100, 40)), degrees=40).image.pixels
    assert out[..., 0].max(axis=0).argmax() > out.shape[1] / 2 + 20


@pytest.mark.parametrize("degrees", [1, -8, 15, 92, -83])
def test_levelling_leaves_no_empty_corner_and_keeps_the_aspect(degrees):
    white = np.full((400, 600, 3), 255, np.uint8)
    image = run(rotate, white, degrees=degrees).image
    assert image.mode == "RGB" and (image.pixels == 255).all()
    turned = (400, 600) if abs(degrees) > 45 else (600, 400)
    assert image.width / image.height == pytest.approx(turned[0] / turned[1], rel=0.01)
    assert image.width < turned[0]


@pytest.mark.parametrize("degrees", [16, 45, -60, 120])
def test_tilting_keeps_all_on_a_canvas_with_clear_corners(degrees):
    image = run(rotate, PHOTOS["coffee"], degrees=degrees).image
    assert image.mode == "RGBA" and (image.pixels[[0, 0, -1, -1], [0, -1, 0, -1], 3] == 0).all()
    assert image.pixels[..., 3].sum() / 255 == pytest.approx(600 * 400, rel=0.002)


def test_there_and_back_is_nearly_lossless():
    pixels = PHOTOS["astronaut"]
    there = run(rotate, pixels, degrees=10)
    back = run(rotate, there.image.pixels, degrees=-10)
    h, w = back.image.height // 4, back.image.width // 4
    inner = back.image.pixels[h:-h, w:-w]
    top, left = (512 - inner.shape[0]) // 2, (512 - inner.shape[1]) // 2
    errors = [
        np.square(inner.astype(float) - pixels[y : y + inner.shape[0], x : x + inner.shape[1]]).mean()
        for y in (top, top + 1)
        for x in (left, left + 1)
    ]
    assert 10 * np.log10(255**2 / min(errors)) > 28


def test_alpha_is_kept():
    out = run(rotate, translucent(PHOTOS["coffee"]), degrees=5).image.pixels
    assert out.shape[2] == 4 and out[:, 20, 3].mean() < 40 and out[:, -20, 3].mean() > 215


@pytest.mark.parametrize("degrees", [5, 45, 90])
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (40, 1, 4)])
def test_tiny_pictures(degrees, shape):
    image = run(rotate, np.full(shape, 255, np.uint8), degrees=degrees).image
    assert image.width >= 1 and image.height >= 1 and (image.pixels[..., :3][image.pixels[..., -1] > 0] == 255).all()


def test_a_canvas_has_its_limits():
    with pytest.raises(BadArguments, match="megapixels"):
        run(rotate, np.zeros((100, 12_000, 3), np.uint8), degrees=45)


def test_angles_have_bounds():
    assert refused(rotate, degrees=400) and refused(rotate, degrees="left")
