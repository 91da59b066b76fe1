"""blur: the Gaussian it says it is, in linear light, at any size; and no bleeding into or out of a region."""

from math import ceil, hypot

import numpy as np
import pytest

from tests.tools.darkroom.tones import PHOTOS, edited, ellipse
from tools.color import to_coded, to_linear
from tools.edits.darkroom.blur import REACH, blur


def kernel_matrix(n: int, sigma: float) -> np.ndarray:
    """(n, n): G_σ cut at 3.5σ, nothing beyond the border, as a matrix."""
    distance = np.abs(np.arange(n)[:, None] - np.arange(n))
    return np.where(distance <= ceil(3.5 * sigma), np.exp(-(distance**2) / (2 * sigma**2)), 0)


def plain_blur(pixels: np.ndarray, sigma: float, w: np.ndarray | None = None) -> np.ndarray:
    """The definition in float64, levels."""
    rows, columns = kernel_matrix(pixels.shape[0], sigma), kernel_matrix(pixels.shape[1], sigma)
    w = np.ones(pixels.shape[:2]) if w is None else w
    light = np.einsum("ij,jkc,lk->ilc", rows, to_linear(pixels / 255) * w[..., None], columns, optimize=True)
    return 255 * to_coded(light / np.maximum(rows @ w @ columns.T, 1e-9)[..., None])


def sigma_of(pixels: np.ndarray, amount: float) -> float:
    return REACH * hypot(*pixels.shape[:2]) * amount**1.5


@pytest.mark.parametrize("amount", [0.1, 0.3, 0.5])
def test_small_blurs_equal_the_definition(amount):
    photo = PHOTOS["coffee"][:230, :301]
    assert sigma_of(photo, amount) < 8
    assert np.abs(edited(blur, photo, amount=amount) - plain_blur(photo, sigma_of(photo, amount))).max() < 0.6


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("amount", [0.72, 0.85, 1.0])
def test_large_blurs_differ_from_the_definition_by_less_than_a_level(name, amount):
    photo = PHOTOS[name]
    sigma = sigma_of(photo, amount)
    difference = np.abs(edited(blur, photo, amount=amount) - plain_blur(photo, sigma))
    if sigma >= 8:
        assert difference.max() < 1.5 and difference.mean() < 0.3


@pytest.mark.parametrize("amount", [0.4, 0.9])
def test_a_region_is_blurred_from_itself_alone_as_defined(amount):
    photo, mask = PHOTOS["astronaut"], ellipse(512, 512, soft=0.1)
    exact = plain_blur(photo, sigma_of(photo, amount), mask / 255)
    difference = np.abs(edited(blur, photo, mask, amount=amount) - exact)[mask > 0]
    assert difference.mean() < 0.5 and np.percentile(difference, 99.9) < 4


@pytest.mark.parametrize("amount", [0.2, 0.5, 1.0])
def test_a_red_disc_does_not_bleed_into_the_blurred_blue(amount):
    disc = ellipse(300, 400) > 0
    pixels = np.where(disc[..., None], np.uint8([230, 20, 20]), np.uint8([20, 40, 200]))
    background = np.where(disc, 0, 255).astype(np.uint8)
    out = edited(blur, pixels, background, amount=amount)
    assert (out[~disc] == (20, 40, 200)).all()
    assert edited(blur, pixels, amount=amount)[~disc][:, 0].max() > 60, "without the region it does bleed"


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_clear_pixels_give_no_colour(amount):
    pixels = np.zeros((200, 260, 4), np.uint8)
    pixels[60:140, 80:180] = (200, 150, 100, 255)
    out = edited(blur, pixels, amount=amount)
    assert (out[60:140, 80:180] == (200, 150, 100, 255)).all() and np.array_equal(out[..., 3], pixels[..., 3])


@pytest.mark.parametrize("amount", [0.2, 0.6, 1.0])
def test_flat_stays_flat(amount):
    flat = np.full((333, 257, 3), (200, 90, 17), np.uint8)
    assert np.array_equal(edited(blur, flat, amount=amount), flat)


def test_more_is_softer():
    photo = PHOTOS["cat"]
    detail = [np.abs(np.diff(edited(blur, photo, amount=a).astype(int), axis=1)).mean() for a in (0, 0.1, 0.3, 0.6, 1)]
    assert detail == sorted(detail, reverse=True) and detail[-1] < 0.2 * detail[0]


@pytest.mark.parametrize("amount", [0.35, 0.7])
def test_looks_the_same_at_another_size(amount):
    small = PHOTOS["coffee"]
    large = np.repeat(np.repeat(small, 3, axis=0), 3, axis=1)
    difference = np.abs(edited(blur, large, amount=amount)[1::3, 1::3].astype(int) - edited(blur, small, amount=amount))
    assert difference.mean() < 0.5 and np.percentile(difference, 99) <= 5


def test_light_is_mixed_not_codes():
    """Half black, half white, mixed evenly, is the grey of half the light: 188 and not 128."""
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    assert edited(blur, stripes, amount=0.6)[200, 200, 0] == pytest.approx(188, abs=1)
