"""Regions: places, boxes and brushes are exact, words are found or refused, and never the middle of the picture."""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from skimage.draw import polygon2mask

from sessions.errors import NotGrounded
from sessions.values import Picture, Region
from tools import regions
from tools.regions import SURE, ground

PAIRS = json.loads((Path(__file__).parents[1] / "masks" / "pairs.json").read_text("utf-8"))["pairs"]
PHOTOS = {"chelsea.png": data.chelsea, "coffee.png": data.coffee, "rocket.jpg": data.rocket}
HELD = (
    ("chelsea.png", "the cat"),
    ("coffee.png", "the background"),
    ("rocket.jpg", "the sky"),
    ("rocket.jpg", "the rocket"),
)
"""All pairs are measured by `benchmarks.regions`; docs/log.md says which miss."""


def truth(pair: dict) -> np.ndarray:
    width, height = pair["size"]

    def drawn(polygons: list) -> np.ndarray:
        mask = np.zeros((height, width), bool)
        for polygon in polygons:
            mask |= polygon2mask((height, width), np.array(polygon)[:, ::-1] - 0.5)
        return mask

    inside = drawn(pair["polygons"]) & ~drawn(pair["holes"])
    return ~inside if pair["complement"] else inside


def words(said: str) -> Region:
    return Region(words=said)


@pytest.fixture(scope="module")
def cat() -> Picture:
    return Picture(np.ascontiguousarray(data.chelsea()))


TESTED = [p for p in PAIRS if (p["photo"], p["words"]) in HELD]


@pytest.mark.parametrize("pair", TESTED, ids=lambda p: f"{p['photo']} {p['words']}")
def test_what_is_used_without_asking_is_right(pair):
    found = ground(Picture(np.ascontiguousarray(PHOTOS[pair["photo"]]())), words(pair["words"]))
    mask, inside = truth(pair), found.mask >= 128
    iou = (mask & inside).sum() / (mask | inside).sum()
    assert found.confidence < SURE or iou >= 0.6


def test_a_box_is_its_pixels_with_hard_edges():
    found = ground(Picture(np.zeros((40, 80, 3), np.uint8)), Region(box=(0.25, 0.5, 0.75, 1)))
    expected = np.zeros((40, 80), np.uint8)
    expected[20:, 20:60] = 255
    assert np.array_equal(found.mask, expected)
    assert found.confidence == 1


def test_a_brush_is_brought_to_the_pictures_size():
    brush = np.zeros((20, 20), np.uint8)
    brush[:10] = 255
    found = ground(Picture(np.zeros((40, 40, 3), np.uint8)), Region(mask="x" * 64), brush)
    assert (found.mask[:18] == 255).all()
    assert (found.mask[22:] == 0).all()


@pytest.mark.parametrize(
    ("said", "rows", "columns"),
    [
        ("the left half", slice(None), slice(0, 50)),
        ("the right half", slice(None), slice(50, 100)),
        ("the top half", slice(0, 30), slice(None)),
        ("the bottom half", slice(30, 60), slice(None)),
    ],
)
def test_places_are_geometry(said, rows, columns):
    found = ground(Picture(np.zeros((60, 100, 3), np.uint8)), words(said))
    expected = np.zeros((60, 100), bool)
    expected[rows, columns] = True
    assert np.array_equal(found.mask >= 128, expected)
    assert found.confidence == 1


def test_everything_but_is_the_complement(cat):
    one, other = ground(cat, words("the left half")), ground(cat, words("everything but the left half"))
    assert np.array_equal(one.mask >= 128, other.mask < 128)


@pytest.mark.parametrize(
    "said", ["her earring", "the wristwatch of the third man", "flurb", "the bicycle's left pedal"]
)
def test_what_cannot_be_grounded_is_refused_with_a_way_on(cat, said):
    with pytest.raises(NotGrounded) as refused:
        ground(cat, words(said))
    assert "box" in str(refused.value) or "brush" in str(refused.value)


def test_a_flat_picture_has_no_subject():
    flat = Picture(np.full((200, 200, 3), 128, np.uint8))
    with suppress(NotGrounded):
        assert ground(flat, words("the cat")).confidence < SURE


def test_the_same_every_time(cat):
    assert np.array_equal(ground(cat, words("the cat")).mask, ground(cat, words("the cat")).mask)


def test_an_empty_brush_is_refused():
    with pytest.raises(NotGrounded):
        regions.ground(Picture(np.zeros((4, 4, 3), np.uint8)), Region(mask="x"), np.zeros((4, 4), np.uint8))
