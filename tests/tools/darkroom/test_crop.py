"""`crop`: the window asked for, where people would put it."""

from typing import get_args

import cv2
import numpy as np
import pytest

from sessions.errors import BadArguments
from tests.tools.darkroom.shapes import PHOTOS, check_dots, refused, run, translucent
from tools.edits.darkroom.crop import EITHER_WAY, PRESETS, Preset, crop, faces, place, salience


def window(result) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the result in its parent."""
    x, y = -result.geometry[2], -result.geometry[5]
    return int(x), int(y), int(x) + result.image.width, int(y) + result.image.height


def disc(size: tuple[int, int], at: tuple[int, int], radius: int, others=()) -> np.ndarray:
    """A grey picture (H, W, 3) with a yellow disc, and perhaps others (x, y, radius) in blue."""
    pixels = np.full((size[1], size[0], 3), 110, np.uint8)
    pixels += np.random.default_rng(3).integers(0, 8, pixels.shape, np.uint8)
    for x, y, r in others:
        cv2.circle(pixels, (x, y), r, (30, 60, 200), -1)
    cv2.circle(pixels, at, radius, (240, 210, 20), -1)
    return pixels


def test_a_window_is_copied_bit_for_bit():
    for pixels in (PHOTOS["coffee"], translucent(PHOTOS["cat"])):
        for args in ({"box": [0.1, 0.2, 0.7, 0.9]}, {"aspect": "1:1"}, {"preset": "story"}):
            result = run(crop, pixels, **args)
            x0, y0, x1, y1 = window(result)
            assert np.array_equal(result.image.pixels, pixels[y0:y1, x0:x1])


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        ("1:1", (400, 400)),
        ("16:9", (600, 338)),
        ("9:16", (225, 400)),
        ("3:2", (600, 400)),
        ("2.39:1", (600, 251)),
        ("1:99999", (1, 400)),
        (" 4 : 5 ", (320, 400)),
    ],
)
def test_an_aspect_gives_the_largest_such_window(aspect, size):
    assert run(crop, PHOTOS["coffee"], aspect=aspect).image.size == size


@pytest.mark.parametrize("preset", get_args(Preset))
def test_every_preset_has_its_shape(preset):
    width, height = PRESETS[preset]
    assert set(get_args(Preset)) == set(PRESETS)
    wide = run(crop, PHOTOS["coffee"], preset=preset).image
    assert wide.width / wide.height == pytest.approx(width / height, rel=0.01)
    high = run(crop, PHOTOS["coffee"].transpose(1, 0, 2), preset=preset).image
    turned = height / width if preset in EITHER_WAY else width / height
    assert high.width / high.height == pytest.approx(turned, rel=0.01)


def test_a_box_is_in_fractions():
    assert window(run(crop, PHOTOS["coffee"], box=[0.25, 0, 1, 0.5])) == (150, 0, 600, 200)
    assert window(run(crop, PHOTOS["coffee"], box=[0.9999, 0.9999, 1, 1])) == (599, 399, 600, 400)


@pytest.mark.parametrize("args", [{"box": [0.25, 0.25, 0.9, 0.9]}, {"aspect": "1:1"}, {"aspect": "3:2"}])
def test_geometry(args):
    check_dots(crop, **args)


# --- where the window goes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [10, 40, 90, 99])
@pytest.mark.parametrize("others", [(), ((60, 150, 30),), ((540, 60, 50),), ((30, 40, 25), (560, 300, 39))])
@pytest.mark.parametrize("aspect", ["1:1", "1:2", "3:1"])
def test_a_subject_in_the_centre_is_cut_no_more_than_by_centring(radius, others, aspect):
    pixels = disc((600, 400), (300, 200), radius, others)
    x0, y0, x1, y1 = window(run(crop, pixels, aspect=aspect))
    is_disc = (pixels[..., 0] == 240) & (pixels[..., 2] == 20)
    top, left = (400 - (y1 - y0)) // 2, (600 - (x1 - x0)) // 2
    centred = is_disc[top : top + y1 - y0, left : left + x1 - x0]
    assert is_disc[y0:y1, x0:x1].sum() >= centred.sum()


@pytest.mark.parametrize("at", [(90, 200), (510, 150), (130, 330)])
@pytest.mark.parametrize("aspect", ["1:1", "4:5"])
def test_a_subject_at_the_side_is_followed(at, aspect):
    pixels = disc((600, 400), at, 50)
    x0, _, x1, _ = window(run(crop, pixels, aspect=aspect))
    assert x0 <= at[0] - 50 and at[0] + 50 <= x1


def test_where_nothing_stands_out_it_is_the_middle():
    for value in (0, 128, 255):
        plain = np.full((401, 601, 3), value, np.uint8)
        assert window(run(crop, plain, aspect="1:1")) == (100, 0, 501, 401)


def test_heads_are_not_cut_off():
    """The astronaut's head is at y = 15…180 of 512; a centred 16:9 begins at 112."""
    for args in ({"preset": "widescreen"}, {"aspect": "2:1"}, {"preset": "a4"}, {"preset": "landscape"}):
        _, y0, _, y1 = window(run(crop, PHOTOS["astronaut"], **args))
        assert y0 <= 15 and y1 >= 190


@pytest.mark.parametrize("name", ["cat", "coffee", "rocket"])
def test_no_faces_are_seen_where_there_are_none(name):
    assert faces(cv2.resize(PHOTOS[name], (256, 171), interpolation=cv2.INTER_AREA)) is None


def test_what_is_transparent_does_not_stand_out():
    pixels = np.dstack([disc((600, 400), (90, 200), 50, [(480, 200, 50)]), np.zeros((400, 600), np.uint8)])
    pixels[:, 400:, 3] = 255
    assert window(run(crop, pixels, aspect="1:1"))[2] > 530


def test_salience_is_what_differs_from_the_mean():
    s = salience(disc((120, 80), (60, 40), 12))
    assert s.sum() == pytest.approx(1, abs=1e-4)
    assert s[30:50, 50:70].sum() > 0.6 and s[:20].sum() < 0.1


@pytest.mark.parametrize("seed", range(30))
def test_a_window_never_holds_less_than_the_centred_one(seed):
    rng = np.random.default_rng(seed)
    p = (rng.random(200) ** 30).astype(np.float32)
    size = 2 * int(rng.integers(20, 95))
    start = round(place(p, size / 200) * 200)
    centred = (200 - size) // 2
    assert p[start : start + size].sum() >= p[centred : centred + size].sum() - 1e-4


# --- around a region --------------------------------------------------------------------------------------------------


def region(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((400, 600), np.uint8)
    mask[y0:y1, x0:x1] = 255
    return mask


def test_a_region_alone_is_cut_out_with_a_little_room():
    assert window(run(crop, PHOTOS["coffee"], region(200, 100, 300, 150))) == (194, 94, 306, 156)
    assert window(run(crop, PHOTOS["coffee"], region(0, 0, 100, 50))) == (0, 0, 106, 56)
    assert window(run(crop, PHOTOS["coffee"], region(0, 0, 600, 400))) == (0, 0, 600, 400)


def test_soft_edges_count_from_half():
    soft = cv2.GaussianBlur(region(200, 100, 300, 200), (0, 0), 15)
    x0, y0, x1, y1 = window(run(crop, PHOTOS["coffee"], soft))
    assert (x0, y0, x1, y1) == pytest.approx((194, 94, 306, 206), abs=2)
    assert window(run(crop, PHOTOS["coffee"], np.minimum(region(9, 9, 59, 59), 40))) == (6, 6, 62, 62)


@pytest.mark.parametrize("box", [(200, 100, 300, 150), (0, 0, 90, 200), (500, 350, 600, 400), (250, 0, 260, 400)])
@pytest.mark.parametrize("args", [{"aspect": "1:1"}, {"aspect": "16:9"}, {"preset": "story"}, {"preset": "a4"}])
def test_a_shape_around_a_region_holds_it(box, args):
    x0, y0, x1, y1 = window(run(crop, PHOTOS["coffee"], region(*box), **args))
    width, height = {"story": (9, 16), "a4": (297, 210)}.get(args.get("preset"), (1, 1))
    if args.get("aspect") == "16:9":
        width, height = 16, 9
    ratio = (x1 - x0) / (y1 - y0)
    paper = args.get("preset") == "a4" and ratio < 1
    assert ratio == pytest.approx(height / width if paper else width / height, rel=0.03)
    assert min(x0, y0) >= 0 and x1 <= 600 and y1 <= 400
    if box[3] - box[1] < 400 or args.get("aspect") != "16:9":
        assert x0 <= box[0] and box[2] <= x1 and y0 <= box[1] and box[3] <= y1


def test_a_region_too_wide_for_the_shape_is_cut_evenly():
    assert window(run(crop, PHOTOS["coffee"], region(50, 150, 550, 250), aspect="1:1")) == (100, 0, 500, 400)


def test_geometry_around_a_region():
    mask = np.zeros((140, 180), np.uint8)
    mask[50:100, 60:120] = 255
    check_dots(crop, mask)
    check_dots(crop, mask, aspect="1:1")


def test_an_empty_region_is_refused():
    with pytest.raises(BadArguments, match="nothing in the region"):
        run(crop, PHOTOS["coffee"], region(0, 0, 0, 0))


# --- arguments --------------------------------------------------------------------------------------------------------


def test_arguments_that_contradict_each_other():
    assert "only one of" in refused(crop, aspect="1:1", preset="square")
    assert "only one of" in refused(crop, aspect="1:1", box=[0, 0, 1, 1])
    assert "some width" in refused(crop, box=[0.5, 0, 0.5, 1])
    assert "some width" in refused(crop, box=[0.5, 0.6, 0.7, 0.2])
    for aspect in ("16x9", "wide", "0:1", "1:", "-1:2", "1:2:3", "nan:1", "1e3:1"):
        assert "such as 16:9" in refused(crop, aspect=aspect), aspect
    assert refused(crop, box=[0, 0, 1.5, 1]) and refused(crop, preset="round")


def test_something_must_be_asked_for_and_only_once():
    with pytest.raises(BadArguments, match="Crop to what"):
        run(crop, PHOTOS["coffee"])
    with pytest.raises(BadArguments, match="A box and a region"):
        run(crop, PHOTOS["coffee"], region(0, 0, 9, 9), box=[0, 0, 1, 1])


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 3), (50, 1, 4), (2, 3, 3)])
@pytest.mark.parametrize("args", [{"aspect": "16:9"}, {"preset": "story"}, {"box": [0.4, 0.4, 0.6, 0.6]}])
def test_tiny_pictures(shape, args):
    image = run(crop, np.full(shape, 9, np.uint8), **args).image
    assert 1 <= image.width <= shape[1] and 1 <= image.height <= shape[0]


def test_tiny_regions():
    one = np.full((1, 1), 255, np.uint8)
    assert run(crop, np.zeros((1, 1, 3), np.uint8), one).image.size == (1, 1)
    assert run(crop, np.zeros((1, 1, 3), np.uint8), one, preset="story").image.size == (1, 1)
