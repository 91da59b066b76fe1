"""Regions: places, boxes and brushes are exact, words are found or refused, and never the middle of the picture."""

from contextlib import suppress
from itertools import product

import cv2
import numpy as np
import pytest
from skimage import data

from benchmarks.regions import BOUND_LEAST, BOUND_MEAN, BOUND_USED, Score, measure, pairs, summary
from sessions.errors import NotGrounded
from sessions.values import Picture, Region
from tools import regions
from tools.grounding.spread import spread
from tools.grounding.superpixels import superpixels
from tools.regions import SURE, ground, ground_steps


def words(said: str) -> Region:
    return Region(words=said)


@pytest.fixture(scope="module")
def cat() -> Picture:
    return Picture(np.ascontiguousarray(data.chelsea()))


def measured(step: int = 1) -> list[Score]:
    """What the words of the pairs that are not held out find; of every `step`-th pair."""
    return [measure(pair)[0] for pair in [pair for pair in pairs() if not pair.held_out][::step]]


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    return measured()


def used_without_asking(scores: list[Score]) -> dict[str, float]:
    """Their IoUs: each is right, and on the whole well."""
    used = {score.pair: score.iou for score in scores if score.outcome == "used"}
    assert not {pair: iou for pair, iou in used.items() if iou < BOUND_LEAST}
    assert np.mean(list(used.values())) >= BOUND_MEAN
    return used


def test_what_is_used_without_asking_is_right():
    assert len(used_without_asking(measured(4))) >= 2


@pytest.mark.reliability
def test_whatever_is_used_without_asking_is_right(scores):
    used_without_asking(scores)


@pytest.mark.reliability
def test_nine_pairs_are_used_without_asking(scores):
    assert sum(score.outcome == "used" for score in scores) >= BOUND_USED


@pytest.mark.reliability
def test_what_is_asked_about_is_not_beside_the_point(scores):
    asked = {score.pair: score.iou for score in scores if score.outcome == "asked"}
    assert not {pair: iou for pair, iou in asked.items() if iou < 0.3}


@pytest.mark.reliability
def test_a_benchmark_that_finds_too_little_is_not_passed(scores):
    assert summary(scores)["passed"]
    assert not summary([score for score in scores if score.outcome != "used"])["passed"]


VARIANTS = {
    "flipped": (lambda photo: photo[:, ::-1], lambda mask, size: mask[:, ::-1]),
    "half size": (
        lambda photo: cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        lambda mask, size: cv2.resize(mask, size),
    ),
    "brighter": (lambda photo: np.clip(photo * 1.15 + 8, 0, 255).astype(np.uint8), lambda mask, size: mask),
    "JPEG": (
        lambda photo: cv2.imdecode(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR),
        lambda mask, size: mask,
    ),
}
"""What leaves a photo the same to a person; how to do it, and how to undo it on the mask."""


MEANT = {"chelsea": "the cat", "astronaut": "the person", "coffee": "the table"}


@pytest.mark.parametrize(
    ("photo", "variant"),
    [
        pytest.param(*one, marks=() if one == ("chelsea", "flipped") else pytest.mark.reliability)
        for one in product(MEANT, VARIANTS)
    ],
)
def test_what_changes_nothing_for_a_person_changes_little(photo, variant):
    said = MEANT[photo]
    pixels = np.ascontiguousarray(getattr(data, photo)())
    change, undo = VARIANTS[variant]
    plain = ground(Picture(pixels), words(said))
    other = ground(Picture(np.ascontiguousarray(change(pixels))), words(said))
    one, two = plain.mask > 127, undo(other.mask, pixels.shape[1::-1]) > 127
    assert (one & two).sum() > 0.95 * (one | two).sum()
    assert abs(plain.confidence - other.confidence) < 0.2


def test_a_cat_that_fills_the_frame_is_found_by_its_eyes(cat):
    head, seen = ground(cat, words("the cat")).mask > 127, ground(cat, words("the cat's eyes")).mask > 127
    assert head[0].mean() > 0.5 and head[-1].mean() > 0.5 and head[:, 0].mean() > 0.3
    assert (head | ~seen).mean() > 0.99


def test_a_cup_is_asked_about_without_its_saucer():
    photo = Picture(np.ascontiguousarray(data.coffee()))
    cup, both = ground(photo, words("the cup")), ground(photo, words("the cup and saucer"))
    assert cup.confidence < SURE <= both.confidence
    assert 0.25 < (cup.mask > 127).sum() / (both.mask > 127).sum() < 0.6
    assert ((cup.mask > 127) & (both.mask < 128)).sum() < 0.03 * (cup.mask > 127).sum()


def test_spreading_follows_colour_over_a_wrong_guess():
    """Half of a red disc is guessed, and half of it forbidden: the colour finds the rest, or the fix holds."""
    pixels = np.full((100, 150, 3), (40, 90, 160), np.uint8)
    cv2.circle(pixels, (75, 50), 30, (210, 40, 40), -1)
    s = superpixels(pixels, 150)
    disc, left = s.mean(pixels[..., 0] > 128) > 0.5, s.place[:, 0] < 0.5
    guess, free = np.where(disc & left, 0.8, np.where(left, 0.1, 0.3)), np.zeros(s.n, int)
    inside = spread(s, guess, free, colour=1.5, smooth=1.0) > 0.5
    assert np.array_equal(inside, disc)
    inside = spread(s, guess, np.where(disc & ~left, -1, 0), colour=1.5, smooth=1.0) > 0.5
    assert not inside[disc & ~left].any()


@pytest.mark.parametrize("said", ["the eyes", "her eyes"])
def test_eyes_that_are_small_in_the_picture_are_not_guessed(said):
    with pytest.raises(NotGrounded, match="close up"):
        ground(Picture(np.ascontiguousarray(data.astronaut())), words(said))


def test_two_round_things_are_not_an_animal_when_something_else_is_named():
    pixels = np.full((200, 300, 3), 200, np.uint8)
    for x in (90, 210):
        cv2.circle(pixels, (x, 100), 18, (20, 20, 20), -1, cv2.LINE_AA)
    with pytest.raises(NotGrounded):
        ground(Picture(pixels), words("the eyes of the third man"))
    assert (ground(Picture(pixels), words("the eyes")).mask[100, [90, 210]] == 255).all()
    with suppress(NotGrounded):
        car = ground(Picture(pixels), words("the car"))
        assert car.confidence < SURE or car.mask[100, 150] == 0


def test_a_large_photo_takes_no_longer_and_tells_how_far_it_is(cat):
    large = Picture(cv2.resize(cat.pixels, (4000, 2661), interpolation=cv2.INTER_CUBIC))
    steps, fractions = ground_steps(large, words("the cat")), []
    with pytest.raises(StopIteration) as end:
        while True:
            fractions.append(next(steps))
    found = end.value.value
    assert len(fractions) > 5 and all(0 <= fraction <= 1 for fraction in fractions)
    small = cv2.resize(found.mask, cat.size, interpolation=cv2.INTER_AREA) > 127
    one = ground(cat, words("the cat")).mask > 127
    assert (one & small).sum() > 0.95 * (one | small).sum()


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
