"""denoise: equals OpenCV's filter uncut, measures the noise it removes, and leaves clean photos alone."""

import cv2
import numpy as np
import pytest

from sessions.values import Picture
from tests.tools.darkroom.tones import PHOTOS, edited, ellipse
from tools.base import EditContext
from tools.edits.darkroom.denoise import PATCH, TILE, WINDOW, cleaned, denoise, noise_levels


def noisy(pixels: np.ndarray, sigma: float, grain: float = 0.0) -> np.ndarray:
    """The photo with Gaussian noise; `grain` > 0 makes neighbours alike, as cameras do."""
    field = np.random.default_rng(5).normal(0, 1, pixels.shape)
    if grain:
        field = cv2.GaussianBlur(field, (0, 0), grain)
    return np.clip(np.rint(pixels + sigma * field / field.std()), 0, 255).astype(np.uint8)


def measured(pixels: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    return noise_levels(EditContext(Picture(pixels), mask), (0, 0, pixels.shape[1], pixels.shape[0]))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((a.astype(float) - b) ** 2).mean()))


def test_tiles_equal_one_uncut_call():
    pixels = noisy(PHOTOS["coffee"][:300, :420], 8)
    assert pixels.shape[0] > TILE[1] and pixels.shape[1] > TILE[0]
    h = np.round(measured(pixels) * (0.9 + 0.4 * 0.8), 2)
    assert np.array_equal(edited(denoise, pixels), cleaned(pixels, float(h[0]), float(h[1]), 0.8))


def test_the_filter_is_opencvs():
    pixels = noisy(PHOTOS["cat"][:90, :110], 8)
    ycc = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)
    calm = [
        cv2.fastNlMeansDenoising(np.ascontiguousarray(plane), None, h, PATCH, WINDOW).astype(float)
        for plane, h in ((ycc[..., 0], 7.0), (ycc[..., 1:], 5.0))
    ]
    y, cr, cb = (np.dstack(calm) - ycc).transpose(2, 0, 1)
    exact = pixels + 0.6 * np.stack([y + 1.403 * cr, y - 0.714 * cr - 0.344 * cb, y + 1.773 * cb], -1)
    assert np.abs(cleaned(pixels, 7.0, 5.0, 0.6) - np.clip(exact, 0, 255)).max() < 0.51


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("grain", [0.0, 0.8], ids=["white", "grainy"])
@pytest.mark.parametrize(("sigma", "gain"), [(5, 2.0), (10, 3.0)])
def test_noise_goes_and_the_photo_stays(name, grain, sigma, gain):
    photo = PHOTOS[name][:300, :400]
    spoiled = noisy(photo, sigma, grain)
    assert psnr(edited(denoise, spoiled), photo) > psnr(spoiled, photo) + gain


@pytest.mark.parametrize("name", PHOTOS)
def test_a_clean_photo_is_nearly_left_alone(name):
    assert psnr(edited(denoise, PHOTOS[name]), PHOTOS[name]) > 42


@pytest.mark.parametrize("sigma", [3, 6, 12])
@pytest.mark.parametrize("grain", [0.0, 0.8], ids=["white", "grainy"])
def test_the_noise_is_measured(sigma, grain):
    luma = sigma * np.sqrt(0.299**2 + 0.587**2 + 0.114**2)
    chroma = sigma * 0.64
    for name in ("astronaut", "cat", "coffee"):
        found = measured(noisy(PHOTOS[name], sigma, grain))
        assert found[0] == pytest.approx(luma, rel=0.3, abs=0.7) and found[1] == pytest.approx(chroma, rel=0.35)


def test_the_noise_is_that_of_the_region():
    pixels, mask = PHOTOS["coffee"].copy(), np.zeros((400, 600), np.uint8)
    mask[:, 300:] = 255
    pixels[:, 300:] = noisy(pixels[:, 300:], 12)
    assert measured(pixels, mask)[0] > 2.5 * measured(pixels, 255 - mask)[0]


def test_amount_is_the_share_removed():
    pixels = noisy(PHOTOS["astronaut"][:150, :200], 9)
    left = [psnr(edited(denoise, pixels, amount=a), PHOTOS["astronaut"][:150, :200]) for a in (0, 0.3, 0.6, 0.9)]
    assert left == sorted(left)


def test_edges_stay():
    step = np.full((120, 160, 3), 60, np.uint8)
    step[:, 80:] = 180
    out = edited(denoise, noisy(step, 8), amount=1).astype(float).mean(axis=2)
    assert (out[:, 80] - out[:, 79]).mean() > 110 and out[:, 10:70].std() < 4


def test_without_noise_nothing_changes():
    flat = np.full((64, 64, 3), (30, 200, 90), np.uint8)
    assert np.array_equal(edited(denoise, flat, amount=1), flat)


def test_clipped_blocks_do_not_count():
    """Noise in the lit half is found although most of the picture is black."""
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[:64] = noisy(np.full((64, 256, 3), 120, np.uint8), 9)
    assert measured(pixels)[0] > 4


def test_a_soft_region_is_denoised_as_far_as_it_reaches():
    pixels, mask = noisy(PHOTOS["cat"], 9), ellipse(300, 451, soft=0.3)
    out = edited(denoise, pixels, mask)
    assert psnr(out[mask > 0], PHOTOS["cat"][mask > 0]) > psnr(pixels[mask > 0], PHOTOS["cat"][mask > 0]) + 2.5
