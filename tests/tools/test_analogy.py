"""analogy: what was done from A to A' is done to B, colours, lines and strokes alike."""

from contextlib import closing
from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.analogy import PAIRS, edges, emboss, hatching, measure, ours, photo, psnr, sepia
from sessions.errors import BadArguments
from sessions.values import Picture
from tests.tools.darkroom.tones import far, noise
from tools.base import EditContext, drain
from tools.edits.darkroom.analogy import Args, analogy, evenness
from tools.enlarging import carried_out, change_of
from tools.imitation import imitate
from tools.patchmatch import distance, improve, matches
from tools.texturing import laid, source_map

SMALL = {name: cv2.resize(photo(name), (120, 90), interpolation=cv2.INTER_AREA) for name in ("coffee", "chelsea")}
UNCHANGED = np.vstack([np.eye(3), np.zeros(3)]).astype(np.float32)


def run(a: np.ndarray, changed: np.ndarray, b: np.ndarray, seed: int = 0, **args: float) -> np.ndarray:
    context = EditContext(Picture(b.copy()), None, (Picture(a.copy()), Picture(changed.copy())), seed)
    return drain(analogy.run(context, Args(**args))).image.pixels


def finished(work):
    """What a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


# The promise, on whole photos: bounds and baselines are the benchmark's.


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("edges", PAIRS[0]),
        *(
            pytest.param(*one, marks=pytest.mark.reliability)
            for one in product(["emboss", "edges", "hatching"], PAIRS[:2])
            if one != ("edges", PAIRS[0])
        ),
    ],
)
def test_relief_outlines_and_strokes_are_carried_over(name, pair):
    score, _ = measure(name, pair)
    assert score.passed, score


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("sepia", PAIRS[0]),
        pytest.param("warm", PAIRS[1], marks=pytest.mark.reliability),
        pytest.param("dark", PAIRS[2], marks=pytest.mark.reliability),
    ],
)
def test_colours_are_carried_over(name, pair):
    score, _ = measure(name, pair)
    assert score.passed, score
    assert score.psnr[0] > 30


def test_no_change_is_no_change():
    a, b = photo("coffee"), photo("chelsea")
    assert far(ours(a, a, b), b) <= 1


# Its arguments and inputs


def test_amount_0_is_the_picture_bit_for_bit_and_a_half_lies_half_way():
    a, b = SMALL["coffee"], SMALL["chelsea"]
    whole, half = (run(a, sepia(a), b, amount=amount) for amount in (1.0, 0.5))
    assert np.array_equal(run(a, sepia(a), b, amount=0), b)
    assert far(half, np.rint((whole.astype(float) + b) / 2)) <= 1
    assert far(whole, b) > 20


def test_alpha_is_kept():
    a, b = SMALL["coffee"], np.dstack([SMALL["chelsea"], noise(90, 120, 1)])
    assert np.array_equal(run(a, emboss(a), b)[..., 3], b[..., 3])


@pytest.mark.parametrize("size", [(90, 90), (90, 120), (100, 130)])
def test_a_second_picture_of_another_shape_is_refused_with_a_reason(size):
    a = cv2.resize(photo("coffee"), (120, 80))
    with pytest.raises(BadArguments, match=r"cropped, turned or framed.*120 × 80|120 × 80.*cropped, turned or framed"):
        run(a, np.zeros((*size, 3), np.uint8), SMALL["chelsea"])


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
def test_a_second_picture_that_shows_other_things_or_elsewhere_is_refused(name):
    a = cv2.resize(photo(name), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    for other in (a[:, ::-1], a[::-1, ::-1], cv2.resize(photo("coffee"), a.shape[1::-1])):
        with pytest.raises(BadArguments, match="does not show what its first one shows"):
            run(a, other, SMALL["coffee"])


def test_a_caption_is_not_repeated():
    a, b = photo("coffee"), photo("chelsea")
    written = cv2.putText(a.copy(), "Good morning", (150, 380), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 255), 3)
    assert psnr(ours(a, written, b), b) > 25


def test_a_second_picture_of_another_size_is_fine():
    a, b = photo("coffee"), SMALL["chelsea"]
    same, smaller = run(a, sepia(a), b), run(a, cv2.resize(sepia(a), (301, 201), interpolation=cv2.INTER_AREA), b)
    assert psnr(smaller, same) > 30


@given(st.tuples(*[st.integers(1, 14)] * 4), st.booleans(), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_the_smallest_and_the_flattest_pictures_work(sizes, flat, seed):
    height, width, tall, wide = sizes
    a = noise(height, width, 3, seed) // (255 if flat else 1)
    b = noise(tall, wide, 4, seed)
    out = run(a, 255 - a, b)
    assert out.shape == b.shape and np.array_equal(out[..., 3], b[..., 3])


def test_one_seed_one_picture():
    a, b = SMALL["coffee"], SMALL["chelsea"]
    first, again, other = (run(a, hatching(a), b, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_it_tells_how_far_it_is_and_can_be_stopped_everywhere():
    a, b = SMALL["coffee"], SMALL["chelsea"]
    context = EditContext(Picture(b), None, (Picture(a), Picture(hatching(a))))
    fractions = [progress.fraction for progress in analogy.run(context, Args())]
    assert len(fractions) > 300 and fractions == sorted(fractions) and fractions[-1] == 1
    for moment in range(0, len(fractions), 97):
        with closing(analogy.run(context, Args())) as work:
            for _ in range(moment + 1):
                next(work)


def test_in_a_large_photo_strokes_keep_their_share_of_the_picture_and_their_edges():
    """Stripes, 20 over the width of a small A', are 20 over that of a large B, and as black and white."""
    a = SMALL["coffee"]
    stripes = np.where(np.arange(120) % 6 < 3, 250, 5)[None, :, None] + np.zeros(a.shape)
    out = run(a, stripes.astype(np.uint8), np.full((450, 600, 3), 120, np.uint8)).mean(2)
    waves = np.abs(np.fft.rfft(out - out.mean(), axis=1)).mean(0)
    assert 19 <= waves.argmax() <= 21
    assert (np.minimum(out, 255 - out) < 40).mean() > 0.6


# Its parts


def test_strokes_are_texture_and_failures_at_outlines_are_not():
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 0.1, (200, 200, 3)).mean(2, keepdims=True).repeat(3, 2).astype(np.float32)
    outline = np.zeros_like(grain)
    outline[95:97] = 0.3
    assert evenness(grain) == 1
    assert evenness(outline) == 0


def test_a_filter_of_the_surroundings_is_learnt_from_one_picture_and_done_to_another():
    a, b = ((p / 255).astype(np.float32) for p in SMALL.values())

    def sharper(x):
        return 2 * x - cv2.GaussianBlur(x, (0, 0), 1.4)

    told = finished(imitate(a, sharper(a), b, np.random.default_rng(0)))
    for known, picture in ((told.a, a), (told.b, b)):
        assert np.abs(known - sharper(picture))[4:-4, 4:-4].mean() < 0.2 * np.abs(picture - sharper(picture)).mean()


def test_an_edit_that_follows_the_photo_is_enlarged_with_its_detail():
    large = photo("chelsea")[:300, :450].astype(np.float32) / 255
    small = cv2.resize(large, (75, 50), interpolation=cv2.INTER_AREA)
    invert = np.vstack([-np.eye(3), np.ones(3)]).astype(np.float32)
    for told in (invert, UNCHANGED):
        change = change_of(small, 1 - small, told)
        out = carried_out(change, large, (0, 0, 450, 300), (450, 300))
        assert np.abs(out - (1 - large)).mean() < (1e-5 if told is invert else 0.03)


def test_what_a_photo_does_not_show_is_enlarged_as_it_is_whatever_the_box():
    small, edit = np.full((20, 30, 3), 0.5, np.float32), np.zeros((20, 30, 3), np.float32)
    edit[:, 15:] = 1
    change = change_of(small, edit, UNCHANGED)
    whole = carried_out(change, np.full((100, 150, 3), 0.5, np.float32), (0, 0, 150, 100), (150, 100))
    part = carried_out(change, np.full((40, 50, 3), 0.5, np.float32), (60, 30, 110, 70), (150, 100))
    assert np.allclose(part, whole[30:70, 60:110], atol=1e-5)
    assert np.abs(whole[:, :65]).max() < 0.01 and np.abs(whole[:, 85:] - 1).max() < 0.01


def test_texture_copied_from_one_place_is_an_exact_copy():
    sheet = noise(40, 60).astype(np.float32)
    y, x = np.mgrid[:20, :30]
    sources = source_map(np.clip(y + 3, 0, 19) * 30 + np.clip(x + 5, 0, 29), (20, 30), sheet)
    assert np.allclose(laid(sources, (0, 0, 48, 32), (60, 40)), sheet[6:38, 10:58], atol=0.01)


@given(st.integers(0, 999))
@settings(max_examples=15, deadline=None)
def test_search_never_loses_and_finds_nearly_the_nearest(seed):
    rng = np.random.default_rng(seed)
    field = cv2.GaussianBlur(rng.random((24, 32, 4)).astype(np.float32), (0, 0), 1.5)
    known, wanted = field, field[4:20, 7:30]
    found = matches(known, wanted, rng.integers(0, 24 * 32, wanted.shape[:2]))
    for _ in range(3):
        before = found.cost.copy()
        finished(improve(found, rng))
        assert (found.cost <= before).all()
    flat = known.reshape(-1, 4)
    assert np.allclose(found.cost.ravel(), distance(flat[found.source.ravel()], wanted.reshape(-1, 4)))
    y, x = np.mgrid[4:20, 7:30]
    assert (found.source == y * 32 + x).mean() > 0.8


def test_outlines_need_no_texture():
    """What is told of a line drawing is all there is: no piece of A's drawing appears in a flat B."""
    a = photo("coffee")
    out = ours(a, edges(a), np.full((200, 300, 3), 128, np.uint8))
    assert out.std() < 1
