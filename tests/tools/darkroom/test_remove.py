"""`remove`: texture comes back as texture, the rest stays as it is, the edges of what can be asked."""

import numpy as np
import pytest
from skimage import data

from benchmarks.remove import TEXTURES, Hole, holes, measure
from sessions.errors import BadArguments
from sessions.values import Picture
from tools.base import EditContext, drain
from tools.edits.darkroom.remove import Args, remove


def filled(pixels: np.ndarray, mask: np.ndarray, seed: int = 0):
    return drain(remove.run(EditContext(Picture(pixels), mask, seed=seed), Args()))


def disc(shape: tuple[int, int], x: int, y: int, radius: int) -> np.ndarray:
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    return np.where((xs - x) ** 2 + (ys - y) ** 2 <= radius**2, 255, 0).astype(np.uint8)


CASES = [hole for hole in holes() if any(texture in hole.name for texture in TEXTURES)][::2]


@pytest.mark.parametrize("hole", CASES, ids=lambda hole: hole.name)
def test_texture_is_nearer_to_the_truth_than_teleas(hole: Hole):
    score = measure(hole)[0]
    assert score.distance <= 0.6 * score.distance_telea
    assert score.psnr >= score.psnr_telea - 4


def test_the_same_seed_gives_the_same_pixels_and_the_hole_is_really_filled():
    photo = np.ascontiguousarray(data.coffee()[:200, :200])
    mask = disc((200, 200), 90, 100, 20)
    marked = photo.copy()
    marked[mask > 0] = (255, 0, 255)
    one, two = filled(marked, mask), filled(marked, mask)
    assert np.array_equal(one.image.pixels, two.image.pixels)
    inside = one.image.pixels[mask > 0].astype(int)
    assert not ((inside[:, 0] > 200) & (inside[:, 1] < 60) & (inside[:, 2] > 200)).any()


def test_outside_its_mask_it_means_to_change_nothing_and_the_mask_grows_by_a_hair_only():
    photo = np.ascontiguousarray(data.astronaut()[:256, :256])
    mask = disc((256, 256), 60, 60, 18)
    result = filled(photo, mask)
    untouched = result.mask == 0
    assert np.array_equal(result.image.pixels[untouched], photo[untouched])
    assert (result.mask[mask > 0] == 255).all()
    assert np.count_nonzero(result.mask) <= 1.6 * np.count_nonzero(mask)


def test_alpha_is_filled_too():
    photo = np.dstack([data.coffee()[:120, :120], np.full((120, 120), 255, np.uint8)])
    mask = disc((120, 120), 60, 60, 12)
    photo[mask > 0, 3] = 0
    assert (filled(np.ascontiguousarray(photo), mask).image.pixels[..., 3] == 255).all()


def test_more_hole_than_picture_is_refused_in_words():
    mask = np.full((100, 100), 255, np.uint8)
    mask[:20] = 0
    with pytest.raises(BadArguments) as refused:
        filled(np.ascontiguousarray(data.coffee()[:100, :100]), mask)
    assert refused.value.message


@pytest.mark.parametrize("shape", [(3, 5), (9, 9), (30, 200)])
def test_tiny_and_narrow_pictures_do_not_fail(shape):
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    mask = np.zeros(shape, np.uint8)
    mask[shape[0] // 2, shape[1] // 2] = 255
    assert filled(photo, mask).image.size == (shape[1], shape[0])


def test_a_hole_at_the_border_and_two_holes():
    photo = np.ascontiguousarray(data.grass()[:160, :160])
    photo = np.dstack([photo] * 3)
    mask = disc((160, 160), 0, 80, 20) | disc((160, 160), 120, 120, 10)
    result = filled(photo, mask)
    assert result.image.pixels[mask > 0].std() > 10
