"""Real photos through small models: shapes, what comes back untouched, and recolours against their full-size truth."""

import time

import cv2
import numpy as np
import pytest
from skimage import data

from sessions.values import Picture
from tools import photos
from tools.base import Progress, drain
from tools.photos import fit, fit_back, fit_mask, restore

LUMA = np.array([0.299, 0.587, 0.114])
TO_YIQ = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def scene(size: int = 512) -> np.ndarray:
    """Grain, clouds and hard-edged discs at all scales, in colour."""
    rng = np.random.default_rng(0)
    out = np.full((size, size, 3), 0.5)
    for sigma in (1, 3, 9, 40):
        layer = cv2.GaussianBlur(rng.random((size, size, 3)), (0, 0), sigma)
        out += 0.05 * (layer - layer.mean()) / layer.std()
    for _ in range(12):
        centre, radius = rng.integers(0, size, 2).tolist(), int(rng.integers(8, 60))
        cv2.circle(out, centre, radius, rng.uniform(0.2, 0.8, 3).tolist(), -1)
    return levels(out)


def levels(coded: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(coded, 0, 1)).astype(np.uint8)


PICTURES = {
    "astronaut": data.astronaut(),
    "cat": np.ascontiguousarray(data.chelsea()[:, :448]),
    "coffee": data.coffee(),
    "scene": scene(),
}


def hue(degrees: float) -> np.ndarray:
    """The matrix that turns colours around grey."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.linalg.inv(TO_YIQ) @ [[1, 0, 0], [0, c, -s], [0, s, c]] @ TO_YIQ


SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
RECOLOURS = {
    "warm": lambda x: x * [1.12, 1.0, 0.8] + [0.02, 0, 0],
    "night": lambda x: x**1.6 * [0.45, 0.55, 0.85],
    "sepia": lambda x: x @ SEPIA.T,
    "hue 90": lambda x: x @ hue(90).T,
    "hue 180": lambda x: x @ hue(180).T,
    "negative": lambda x: 1 - x,
}


def recoloured(pixels: np.ndarray, name: str) -> np.ndarray:
    return levels(RECOLOURS[name](pixels / 255))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


def detail(pixels: np.ndarray) -> float:
    """The energy of luma's high frequencies: those that a picture of a quarter of the size cannot have."""
    luma = pixels / 255 @ LUMA
    return float(((luma - cv2.GaussianBlur(luma, (0, 0), 2)) ** 2).sum())


def through(pixels: np.ndarray, edit, divide: int = 4, seen=None) -> np.ndarray:
    """A picture through a model of 1/divide of its size that does `edit` to what it sees."""
    picture = Picture(pixels.copy())
    fitted = fit(picture, max(picture.size) // divide)
    return drain(restore(picture, fitted, edit(fitted.rgb), seen and seen(fitted.rgb))).pixels


@pytest.mark.parametrize("recolour", RECOLOURS)
@pytest.mark.parametrize("picture", PICTURES)
def test_a_global_recolour_at_four_times_is_as_at_full_size(picture, recolour):
    truth = recoloured(PICTURES[picture], recolour)
    found = through(PICTURES[picture], lambda rgb: recoloured(rgb, recolour))
    assert psnr(found, truth) >= 35
    assert detail(found) == pytest.approx(detail(truth), rel=0.05)


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("recolour", ["warm", "hue 90"])
def test_a_recolour_that_keeps_contrast_keeps_the_detail_of_the_original(picture, recolour):
    found = through(PICTURES[picture], lambda rgb: recoloured(rgb, recolour))
    assert detail(found) == pytest.approx(detail(PICTURES[picture]), rel=0.05)


@pytest.mark.parametrize("picture", PICTURES)
def test_enlarging_the_edit_itself_would_not_do(picture):
    pixels = PICTURES[picture]
    fitted = fit(Picture(pixels.copy()), max(pixels.shape) // 4)
    plain = cv2.resize(photos.cut(recoloured(fitted.rgb, "warm"), fitted), fitted.of, interpolation=cv2.INTER_CUBIC)
    assert psnr(plain, recoloured(pixels, "warm")) < 35
    assert detail(plain) < 0.6 * detail(pixels)


def disc(shape: tuple[int, ...]) -> np.ndarray:
    """(H, W, 1) bool: a disc of a quarter of the picture's height in the middle."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (np.hypot(y - shape[0] / 2, x - shape[1] / 2) < shape[0] / 4)[..., None]


@pytest.mark.parametrize("picture", ["astronaut", "cat", "coffee"])
@pytest.mark.parametrize("recolour", ["warm", "sepia", "hue 90"])
def test_a_local_recolour_stays_local(picture, recolour):
    pixels = PICTURES[picture]

    truth = np.where(disc(pixels.shape), recoloured(pixels, recolour), pixels)
    found = through(pixels, lambda _: fit(Picture(truth.copy()), max(pixels.shape) // 4).rgb)
    away = cv2.erode(1 - disc(pixels.shape)[..., 0].astype(np.uint8), np.ones((49, 49), np.uint8)).astype(bool)
    assert np.array_equal(found[away], pixels[away])
    assert psnr(found, truth) >= 33
    assert detail(found) == pytest.approx(detail(truth), rel=0.05)


def blurred(rgb: np.ndarray) -> np.ndarray:
    """What an autoencoder does to fine detail."""
    return cv2.GaussianBlur(rgb, (0, 0), 1.5)


@pytest.mark.parametrize("divide", [1, 4])
@pytest.mark.parametrize("picture", PICTURES)
def test_what_the_model_cannot_draw_is_not_lost(picture, divide):
    pixels = PICTURES[picture]
    assert np.abs(through(pixels, blurred, divide, seen=blurred).astype(int) - pixels).max() <= 1
    warm = through(pixels, lambda rgb: recoloured(blurred(rgb), "warm"), divide, seen=blurred)
    assert psnr(warm, recoloured(pixels, "warm")) >= 35


def test_noise_of_the_model_is_not_taken_for_slopes():
    rng = np.random.default_rng(0)
    pixels = PICTURES["cat"]
    found = through(pixels, lambda rgb: levels(rgb / 255 + 0.02 * rng.standard_normal(rgb.shape)))
    assert psnr(found, pixels) >= 34  # 20·log10(1/0.02) = 34


def test_an_object_that_was_not_there_hides_what_is_behind_it():
    pixels = PICTURES["coffee"]

    def edit(rgb: np.ndarray) -> np.ndarray:
        return np.where(disc(rgb.shape), np.uint8([40, 90, 200]), rgb)

    inside = cv2.erode(disc(pixels.shape)[..., 0].astype(np.uint8), np.ones((31, 31), np.uint8)).astype(bool)
    found = through(pixels, edit).astype(int)
    assert np.abs(found[inside] - [40, 90, 200]).mean() < 3
    assert found[inside].std(0).max() < 0.3 * pixels[inside].std(0).min()


@pytest.mark.parametrize("picture", ["astronaut", "coffee"])
def test_new_structure_shows_nothing_of_what_it_covers(picture):
    """Beside a global change; the photo's own detail is not embossed on it."""
    pixels = PICTURES[picture]

    def edit(rgb: np.ndarray) -> np.ndarray:
        y, x = np.mgrid[: rgb.shape[0], : rgb.shape[1]]
        waves = np.stack([200 + 40 * np.sin(x / 2), 90 + 0 * x, 60 + 40 * np.sin(y / 3)], 2)
        return blurred(np.where(disc(rgb.shape), waves, recoloured(rgb, "warm")).astype(np.uint8))

    fitted = fit(Picture(pixels.copy()), max(pixels.shape) // 4)
    plain = photos.resized(photos.cut(edit(fitted.rgb), fitted), fitted.of).astype(int)
    inside = cv2.erode(disc(pixels.shape)[..., 0].astype(np.uint8), np.ones((65, 65), np.uint8)).astype(bool)
    found = through(pixels, edit, seen=blurred)
    assert np.abs(found - plain)[inside].mean() < 1
    assert np.abs(pixels - plain)[inside].mean() > 20


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 700), (700, 1), (7, 3), (63, 64), (128, 128), (129, 40), (2000, 9), (300, 451)]
)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("multiple", [8, 64])
def test_every_shape(size, channels, multiple):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, channels), np.uint8)
    picture = Picture(pixels.copy())
    fitted = fit(picture, 128, multiple)
    height, width = fitted.rgb.shape[:2]
    assert height % multiple == width % multiple == 0
    assert min(height, width) >= 64 and max(height, width) <= 128
    found = drain(restore(picture, fitted, fitted.rgb))
    assert found.mode == picture.mode
    assert np.abs(found.pixels.astype(int) - pixels).max() <= 1
    everything = np.full(size, 255, np.uint8)
    assert (fit_mask(everything, fitted) == 255).all() and fit_mask(everything, fitted).shape == (height, width)
    assert (fit_back(np.full((height, width), 255, np.uint8), fitted) == 255).all()
    assert fit_back(np.zeros((height, width), np.uint8), fitted).shape == size


def test_proportions_survive_and_no_pixel_is_cropped():
    fitted = fit(Picture(np.zeros((300, 451, 3), np.uint8)), 128)
    assert fitted.inside == (128, 85) and fitted.rgb.shape == (88, 128, 3)


def test_a_picture_of_the_models_size_comes_back_as_the_model_made_it():
    pixels = np.ascontiguousarray(PICTURES["astronaut"][100:228, 200:328])
    for edited in (recoloured(pixels, "night"), scene(128), np.zeros_like(pixels)):
        found = through(pixels, lambda rgb, edited=edited: edited, divide=1)
        assert np.abs(found.astype(int) - edited).max() <= 1


def test_smaller_pictures_are_shown_larger():
    pixels = scene(30)
    fitted = fit(Picture(pixels.copy()), 128)
    assert fitted.inside == (120, 120) and fitted.rgb.shape == (120, 120, 3)
    assert psnr(drain(restore(Picture(pixels.copy()), fitted, 255 - fitted.rgb)).pixels, 255 - pixels) > 40


def test_padding_mirrors():
    pixels = scene(100)[:, :70]
    assert np.array_equal(fit(Picture(pixels.copy()), 100, 64).rgb[:100, 70:128], pixels[:, 68:10:-1])
    mask = np.zeros((100, 70), np.uint8)
    mask[:, 60:] = 255
    assert np.array_equal(np.flatnonzero(fit_mask(mask, fit(Picture(pixels.copy()), 100, 64))[0]), np.arange(60, 79))


def test_transparent_places_are_seen_on_grey_and_alpha_is_kept():
    pixels = np.dstack([scene(128), np.full((128, 128), 255, np.uint8)])
    pixels[:64, :, 3] = 0
    pixels[64:80, :, 3] = 128
    fitted = fit(Picture(pixels.copy()), 128)
    assert (fitted.rgb[:64] == 128).all() and np.array_equal(fitted.rgb[80:], pixels[80:, :, :3])
    assert np.abs(fitted.rgb[64:80].astype(float) - (pixels[64:80, :, :3] / 2 + 64)).max() < 2
    found = drain(restore(Picture(pixels.copy()), fitted, 255 - fitted.rgb)).pixels
    assert np.array_equal(found[..., 3], pixels[..., 3])
    assert np.array_equal(found[80:, :, :3], 255 - pixels[80:, :, :3])


def test_outside_a_mask_nothing_is_worked_out():
    pixels = scene(256)
    picture, mask = Picture(pixels.copy()), np.zeros((256, 256), np.uint8)
    mask[100:150, 60:90] = 255
    fitted = fit(picture, 64)
    found = drain(restore(picture, fitted, 255 - fitted.rgb, mask=mask)).pixels
    changed = (found != pixels).any(2)
    assert changed[100:150, 60:90].all() and not changed[:100].any() and not changed[:, 90:].any()


def test_twelve_megapixels_yield_often():
    picture = Picture(cv2.resize(scene(512), (4000, 3000), interpolation=cv2.INTER_CUBIC))
    fitted = fit(picture, 512)
    gaps, last = [], time.thread_time()
    for progress in restore(picture, fitted, 255 - fitted.rgb):
        assert isinstance(progress, Progress) and photos.DRAWN <= progress.fraction <= 1
        gaps.append(time.thread_time() - last)
        last = time.thread_time()
    assert len(gaps) > 40 and np.median(gaps) < 0.2
