"""`remove`: texture comes back as texture, the rest stays as it is, the edges of what can be asked."""

import cv2
import numpy as np
import pytest
from skimage import data

from benchmarks.remove import TEXTURES, Hole, holes, measure
from sessions.errors import BadArguments
from sessions.values import Picture
from tools import patchfill
from tools.base import EditContext, drain
from tools.edits.darkroom.remove import WORK_HOLE, Args, factors, remove, windows
from tools.seams import seams, solve


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


def test_nothing_marked_is_refused_in_words():
    for mask in (None, np.zeros((40, 40), np.uint8)):
        with pytest.raises(BadArguments):
            filled(np.zeros((40, 40, 3), np.uint8), mask)


def test_what_the_hole_showed_has_no_part_in_the_result():
    photo, mask = np.ascontiguousarray(data.chelsea()[:160, :200]), disc((160, 200), 90, 80, 22)
    result = filled(photo, mask)
    inside = result.mask > 0
    other = photo.copy()
    other[inside] = np.random.default_rng(1).integers(0, 256, (np.count_nonzero(inside), 3))
    assert np.array_equal(result.image.pixels, filled(other, mask).image.pixels)


def test_bars_go_on_through_the_hole():
    bars = np.where(np.arange(160) % 20 < 8, 200, 60).astype(np.uint8)
    photo = np.ascontiguousarray(np.broadcast_to(bars[None, :, None], (160, 160, 3)))
    mask = disc((160, 160), 83, 77, 30)
    error = np.abs(filled(photo, mask).image.pixels.astype(int) - photo)[mask > 0]
    assert error.mean() < 2


def test_a_soft_edge_is_replaced_wholly():
    mask = cv2.GaussianBlur(disc((120, 120), 60, 60, 15), (0, 0), 4)
    assert (np.diff(np.unique(mask)) > 0).sum() > 20
    result = filled(np.ascontiguousarray(data.coffee()[:120, :120]), mask)
    assert (result.mask[mask > 0] == 255).all()
    assert result.facts["filled"] == np.count_nonzero(result.mask)


def test_near_holes_share_a_window_and_far_ones_do_not():
    far = (disc((600, 600), 80, 80, 20) | disc((600, 600), 500, 480, 30)) > 0
    near = (disc((600, 600), 80, 80, 20) | disc((600, 600), 130, 80, 20)) > 0
    met_by_the_pair_only = (
        disc((600, 600), 100, 100, 8) | disc((600, 600), 150, 150, 8) | disc((600, 600), 215, 52, 8)
    ) > 0
    assert len(windows(far)) == 2 and len(windows(near)) == 1
    for hole in (far, near, met_by_the_pair_only):
        seen = np.zeros(hole.shape, int)
        for x0, y0, x1, y1 in windows(hole):
            seen[y0:y1, x0:x1] += 1
        assert (seen[hole] == 1).all() and seen.max() == 1


def test_all_windows_together_keep_to_the_working_size():
    hole = np.zeros((3000, 4000), bool)
    for x in (400, 2000, 3400):
        hole[1000:1500, x : x + 500] = True
    hole[100:110, 100:110] = True
    boxes = windows(hole)
    factor = factors(hole, boxes)
    work = [hole[y0:y1, x0:x1].sum() / k**2 for (x0, y0, x1, y1), k in zip(boxes, factor, strict=True)]
    assert sum(work) <= WORK_HOLE and min(factor) == 1 and max(factor) <= 7


def test_a_hole_planned_at_a_smaller_size_is_filled_as_well(monkeypatch):
    monkeypatch.setattr("tools.edits.darkroom.remove.WORK_HOLE", 2000)
    case = max(CASES, key=lambda hole: np.count_nonzero(hole.mask))
    score = measure(case)[0]
    assert score.distance <= 0.6 * score.distance_telea


def test_progress_rises_and_shows_pictures():
    edit = remove.run(EditContext(Picture(data.coffee()), disc((400, 600), 300, 200, 40)), Args())
    seen = list(edit)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    shown = [progress.preview for progress in seen if progress.preview]
    assert len(shown) >= 5 and all(max(preview.size) <= 384 for preview in shown)


@pytest.mark.parametrize(("step", "left"), [(8, 1.0), (120, 119.0)])
def test_a_seam_is_hidden_and_an_edge_is_not(step, left):
    """A flat hole of 20×20 whose right half copies from an area that is brighter by `step`."""
    rgb = np.full((40, 120, 3), 50, np.float32)
    rgb[:, 70:] += step
    hole = np.zeros((40, 120), bool)
    hole[10:30, 20:40] = True
    source = np.arange(hole.size).reshape(hole.shape)
    source[10:30, 20:30] = source[10:30, 0:10]
    source[10:30, 30:40] = source[10:30, 90:100]
    e = np.zeros((*hole.shape, 3), np.float32)
    e[hole] = drain(solve(seams(rgb, hole, source.ravel()), 200))
    result = rgb.reshape(-1, 3)[source] + e
    across = np.abs(result[10:30, 30] - result[10:30, 29]).max(), np.abs(result[10:30, 40] - result[10:30, 39]).max()
    assert max(across) <= left if step == 8 else min(across) >= left


def test_a_level_ends_with_copied_pixels_not_with_means():
    rgb = np.ascontiguousarray(data.chelsea()[60:130, 60:150])
    hole = disc((70, 90), 45, 35, 10) > 0
    level = drain(patchfill.make_level(patchfill.channels(rgb, hole), hole, near=1.0))
    drain(patchfill.onion(level))
    drain(patchfill.settle(level, None, 2, np.random.default_rng(0)))
    known = {pixel.tobytes() for pixel in level.image[~hole]}
    assert all(pixel.tobytes() in known for pixel in level.image[hole])
