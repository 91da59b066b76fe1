"""insert_subject: the right thing, at the right place and size, without a halo; nothing else changes."""

import cv2
import numpy as np
import pytest

from sessions.errors import BadArguments, NotGrounded, Unsure
from tests.tools.darkroom.tones import PHOTOS, ellipse, far
from tests.tools.darkroom.two_pictures import fractions, together
from tools import regions
from tools.edits.darkroom.insert_subject import insert_subject
from tools.pixels import mask_box

BASE = np.full((200, 300, 3), 90, np.uint8)


def sticker(height: int = 80, width: int = 100, soft: float = 0.05) -> np.ndarray:
    """A green ellipse on nothing; where nothing is to be seen its colour is a wild pink."""
    alpha = ellipse(height, width, soft)
    rgb = np.where(alpha[..., None] > 0, (40, 180, 60), (255, 0, 255)).astype(np.uint8)
    return np.dstack([rgb, alpha])


def placed(at: str | None, other: np.ndarray | None = None, **args) -> tuple[float, float, float, float]:
    """Where it came to lie, as fractions."""
    result = together(insert_subject, BASE, sticker() if other is None else other, at=at, **args)
    x0, y0, x1, y1 = mask_box(result.mask)
    return x0 / 300, y0 / 200, x1 / 300, y1 / 200


@pytest.mark.parametrize("blend", ["none", "poisson"])
@pytest.mark.parametrize("alpha", [False, True])
def test_nothing_changes_outside_its_mask(blend, alpha):
    base = PHOTOS["coffee"]
    if alpha:
        base = np.dstack([base, np.full(base.shape[:2], 200, np.uint8)])
    result = together(insert_subject, base, PHOTOS["cat"], at="bottom right", scale=0.4, blend=blend)
    outside = result.mask == 0
    assert 0.5 < outside.mean() < 0.98
    assert np.array_equal(result.image.pixels[outside], base[outside])
    assert (result.image.pixels[~outside] != base[~outside]).any(axis=-1).mean() > 0.9


@pytest.mark.parametrize("size", [(100, 80), (300, 100), (37, 400)])
def test_a_cut_out_shows_its_own_colours_and_the_photo_and_nothing_else(size):
    result = together(insert_subject, BASE, sticker(size[1], size[0]), scale=0.5)
    out = result.image.pixels.astype(float)
    share = (out - 90) / (np.array([40.0, 180, 60]) - 90)
    assert share.min() >= -0.05
    assert share.max() <= 1.02
    assert np.ptp(share, axis=2).max() < 0.06  # no pink anywhere: every pixel is a mix of green and grey


def test_at_its_own_size_it_is_exactly_what_was_given():
    result = together(insert_subject, BASE, sticker(200, 300, soft=0), scale=0.59)
    inner = cv2.erode((result.mask > 0).astype(np.uint8), np.ones((5, 5))) > 0
    assert far(result.image.pixels[inner], np.array([40, 180, 60])) <= 1


@pytest.mark.parametrize(
    ("at", "centre"),
    [
        (None, (0.5, 0.5)), ("left", (0.2, 0.5)), ("on the right", (0.8, 0.5)), ("top left", (0.2, 0.2)),
        ("in the bottom right corner", (0.8, 0.8)), ("at the top", (0.5, 0.2)), ("in the middle", (0.5, 0.5)),
        ("corner", (0.8, 0.8)),
    ],
)  # fmt: skip
def test_places_of_the_picture(at, centre):
    x0, y0, x1, y1 = placed(at, scale=0.3)
    assert abs((x0 + x1) / 2 - centre[0]) < 0.08
    assert abs((y0 + y1) / 2 - centre[1]) < 0.08
    assert y1 - y0 == pytest.approx(0.3, abs=0.02)


def test_as_large_as_it_was_in_its_own_photo_if_it_fits():
    small, large = np.zeros((400, 600, 4), np.uint8), sticker(400, 600)
    small[150:230, 200:300] = sticker()
    x0, y0, x1, y1 = placed(None, small)
    assert y1 - y0 == pytest.approx(0.6 * 80 / 400, abs=0.02)
    x0, y0, x1, y1 = placed(None, large)
    assert max(x1 - x0, y1 - y0) <= 0.62


def test_a_region_is_a_frame_that_it_fits_into():
    frame = np.zeros((200, 300), np.uint8)
    frame[20:80, 30:230] = 255
    x0, y0, x1, y1 = mask_box(together(insert_subject, BASE, sticker(), frame).mask)
    assert y0 >= 20 and y1 <= 80 and y1 - y0 > 55
    assert abs((x0 + x1) / 2 - 130) <= 2


def test_who_is_cut_off_by_the_photo_stands_on_the_lower_border():
    cut = sticker(160, 100)[:70]
    assert placed("left", cut, scale=0.4)[3] == 1
    assert placed("top left", cut, scale=0.4)[3] < 0.6


@pytest.fixture
def table(monkeypatch):
    """A picture whose lower half is a table, with a cup in a part of it."""
    masks = {"the table": np.zeros((200, 300), np.uint8), "the cup": np.zeros((200, 300), np.uint8)}
    masks["the table"][100:] = 255
    masks["the table"][100:, :120] = masks["the cup"][80:140, 60:100] = 0
    masks["the cup"][80:140, 60:100] = 255

    def ground_steps(picture, region, brush=None):
        yield 0.5
        return regions.Grounding(masks[region.words], 1.0, region.words)

    monkeypatch.setattr(regions, "ground_steps", ground_steps)


def test_places_of_things(table):
    left, lower = placed("on the table", scale=0.3)[0::3]
    assert left > 0.4
    assert 0.6 < lower < 1
    assert placed("next to the cup", scale=0.2)[0::3] == pytest.approx((1 / 3, 0.7), abs=0.02)
    assert placed("to the left of the cup", scale=0.2)[2] == pytest.approx(0.2, abs=0.02)
    assert placed("above the cup", scale=0.2)[3] == pytest.approx(0.4, abs=0.02)
    assert placed("on the cup", scale=0.2)[3] == pytest.approx(0.415, abs=0.02)
    assert placed("below the cup", scale=0.2)[1] == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize("at", ["yesterday", "behind the cup", "xyzzy"])
def test_what_is_no_place_is_said_so(at):
    with pytest.raises(BadArguments, match="no place"):
        placed(at)


def test_the_old_background_leaves_no_halo():
    """A dark disc cut out of white, on black: along its edge nothing is lighter than the disc."""
    disc = ellipse(300, 300, soft=0.02)[..., None] / 255.0
    photo = np.rint(disc * (90, 40, 30) + (1 - disc) * 255).astype(np.uint8)
    photo = np.dstack([photo[..., c] for c in range(3)])
    result = together(insert_subject, np.zeros((400, 400, 3), np.uint8), photo, scale=0.5)
    assert result.mask.any()
    assert (result.image.pixels.astype(int) - (90, 40, 30)).max() <= 25


def test_blending_takes_the_light_of_the_place_and_keeps_the_detail():
    thing = sticker(120, 120)
    base = np.full((200, 300, 3), (60, 60, 140), np.uint8)
    plain, blended = (
        together(insert_subject, base, thing, scale=0.5, blend=blend).image.pixels.astype(float)
        for blend in ("none", "poisson")
    )
    at = np.s_[90:110, 140:160]
    shift = (blended - plain)[at].reshape(-1, 3)
    assert shift.mean(axis=0)[2] > 5  # bluer
    assert np.linalg.norm(shift, axis=1).max() <= 61
    assert shift.std(axis=0).max() < 2


def test_what_it_is_not_sure_of_is_shown_and_what_is_not_there_is_not_put_in():
    with pytest.raises(Unsure) as unsure:
        together(insert_subject, BASE, PHOTOS["coffee"], confirmed=False, subject="the cup")
    assert unsure.value.shown.size == (600, 400)
    with pytest.raises(NotGrounded):
        together(insert_subject, BASE, PHOTOS["astronaut"], subject="the dog")
    with pytest.raises(BadArguments, match="empty"):
        together(insert_subject, BASE, np.zeros((50, 60, 4), np.uint8))


def test_it_tells_how_far_it_is_and_can_be_stopped_anywhere():
    told = fractions(insert_subject, PHOTOS["coffee"], PHOTOS["cat"], blend="poisson")
    assert len(told) > 20
    assert told == sorted(told)
    assert told[-1] == 1
