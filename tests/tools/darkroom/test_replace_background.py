"""replace_background: the subject keeps its colours, soft edges lose the old background's, the rest is new."""

import cv2
import numpy as np
import pytest

from sessions.errors import BadArguments
from sessions.values import Picture, Region
from tests.tools.darkroom.tones import PHOTOS, edited, ellipse, noise, yields
from tests.tools.darkroom.two_pictures import together
from tools.base import EditContext
from tools.edits.darkroom.replace_background import covering, replace_background
from tools.matte import foreground
from tools.regions import ground

GREEN = np.array([0, 160, 96])


def mixed(fore: np.ndarray, back: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The picture that a camera makes of a subject with a soft edge, (h, w, 3)."""
    return np.rint(alpha[..., None] * fore + (1 - alpha[..., None]) * back).astype(np.uint8)


@pytest.mark.parametrize("back", [(255, 255, 255), (30, 60, 200), (0, 0, 0)])
@pytest.mark.parametrize("soft", [0.02, 0.05])
def test_a_soft_edge_is_as_if_the_subject_had_stood_there(back, soft):
    """The colour of the subject being known, the result can be computed: αF + (1 − α)C."""
    alpha = ellipse(240, 320, soft).astype(np.float32) / 255
    fore, old = np.full((240, 320, 3), (200, 90, 40)), np.full((240, 320, 3), back)
    mask = np.rint(255 * (1 - alpha)).astype(np.uint8)
    out = edited(replace_background, mixed(fore, old, alpha), mask, color="#00a060")
    expected = mixed(fore, np.full((240, 320, 3), GREEN), alpha)
    assert np.abs(out.astype(int) - expected).max() <= 10
    assert np.abs(out.astype(int) - expected).mean() < 0.5


@pytest.mark.parametrize("name", PHOTOS)
def test_inside_nothing_changes_and_outside_all_is_the_colour(name):
    photo, mask = PHOTOS[name], 255 - ellipse(*PHOTOS[name].shape[:2], soft=0.05)
    out = edited(replace_background, photo, mask, color="#00a060")
    assert np.array_equal(out[mask == 0], photo[mask == 0])
    assert (out[mask == 255] == GREEN).all()


def test_a_real_cup_has_no_fringe_of_the_old_table():
    """Along its edge the saucer is as light on white as on black: what is left there is its own colour."""
    photo = PHOTOS["coffee"]
    mask = ground(Picture(photo), Region(words="everything but the cup and saucer")).mask
    white, black = (edited(replace_background, photo, mask, color=c).astype(float) for c in ("#ffffff", "#000000"))
    soft = (mask > 40) & (mask < 215)
    share = 1 - (white - black)[soft] / 255  # how much of the subject is there, by channel
    assert soft.sum() > 500
    assert np.abs(share - (1 - mask[soft, None] / 255.0)).max() < 0.02
    own = black[soft] / np.maximum(share, 0.05)
    near = cv2.erode((mask == 0).astype(np.uint8), np.ones((3, 3)))
    inner = cv2.dilate(cv2.GaussianBlur(photo, (0, 0), 2), np.ones((15, 15)))[soft]
    assert near.any() and (own <= inner + 40.0).mean() > 0.97


def test_what_was_see_through_becomes_opaque_but_not_in_the_subject():
    rgb = np.full((60, 80, 3), 120, np.uint8)
    alpha = np.zeros((60, 80), np.uint8)
    alpha[20:40, 20:60] = 200
    mask = np.where(alpha > 0, 0, 255).astype(np.uint8)
    out = edited(replace_background, np.dstack([rgb, alpha]), mask, color="#00a060")
    assert (out[mask == 255] == (*GREEN, 255)).all()
    assert (out[mask == 0] == (120, 120, 120, 200)).all()


def test_an_empty_mask_changes_nothing():
    photo = noise(40, 50)
    assert np.array_equal(edited(replace_background, photo, np.zeros((40, 50), np.uint8), color="#ffffff"), photo)


def test_the_parts_leave_no_seams_and_it_tells_how_far_it_is():
    photo = cv2.resize(PHOTOS["coffee"], (1500, 1000))
    mask = 255 - ellipse(1000, 1500, soft=0.1)
    out = edited(replace_background, photo, mask, color="#ffffff")
    reach = round(1500 / 60)
    alpha = 1 - mask.astype(np.float32) / 255
    whole = foreground(photo.astype(np.float32), alpha, reach)
    soft = (mask > 0) & (mask < 255)
    expected = np.rint(alpha[..., None] * whole + (1 - alpha[..., None]) * 255)
    assert np.abs(out - expected)[soft].max() <= 1
    fractions = yields(replace_background, photo, mask, color="#ffffff")
    assert len(fractions) > 3 and fractions == sorted(fractions) and fractions[-1] == 1


def test_another_picture_is_the_background_and_the_subjects_edge_is_mixed_with_it():
    photo, other = PHOTOS["coffee"], PHOTOS["rocket"]
    mask = 255 - ellipse(*photo.shape[:2], soft=0.05)
    out = together(replace_background, photo, other, mask).image.pixels
    expected = covering(Picture(other.copy()), (photo.shape[1], photo.shape[0]))
    assert np.array_equal(out[mask == 255], expected[mask == 255])
    assert np.array_equal(out[mask == 0], photo[mask == 0])
    white = edited(replace_background, photo, mask, color="#ffffff").astype(float)
    soft, share = (mask > 0) & (mask < 255), mask[..., None] / 255.0
    mixed = white - share * 255 + share * expected
    assert np.abs(out - mixed)[soft].max() <= 2


@pytest.mark.parametrize(("width", "height"), [(400, 300), (100, 400), (37, 21)])
def test_it_covers_all_of_the_photo_and_is_not_squeezed(width, height):
    y, x = np.mgrid[:300, :400]
    out = covering(Picture(np.dstack([x // 2, y // 2, x * 0]).astype(np.uint8)), (width, height)).astype(float)
    assert out.shape == (height, width, 3)
    across, down = (np.median(np.diff(out[..., c], axis=1 - c).mean(axis=1 - c)) for c in (0, 1))
    assert across == pytest.approx(down, rel=0.1)
    assert out[height // 2, width // 2] == pytest.approx((100, 75, 0), abs=8)


@pytest.mark.parametrize("args", [{}, {"color": "#ffffff"}])
def test_it_is_either_a_colour_or_a_picture(args):
    photo, mask = noise(40, 50), np.full((40, 50), 255, np.uint8)
    other = () if not args else (Picture(noise(40, 50)),)
    with pytest.raises(BadArguments, match="either a colour or another picture"):
        list(replace_background.run(EditContext(Picture(photo), mask, other), replace_background.args(**args)))


def test_what_is_see_through_in_the_new_background_is_white():
    clear = np.zeros((20, 20, 4), np.uint8)
    out = together(replace_background, noise(40, 50), clear, np.full((40, 50), 255, np.uint8)).image.pixels
    assert (out == 255).all()
