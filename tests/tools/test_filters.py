"""The guided filter against its formulas written out in float64, and what it promises about edges."""

import numpy as np
import pytest
from skimage import data

from tools.filters import apply_coefficients, enlarge, enlarge_rows, guided_coefficients, guided_filter

PHOTO = (data.astronaut()[40:90, 180:250] / 255).astype(np.float32)


def window_means(x: np.ndarray, radius: int) -> np.ndarray:
    """Mean over each window of a mirrored plane, by adding up shifted copies."""
    padded = np.pad(x.astype(np.float64), radius, mode="symmetric")
    side, (height, width) = 2 * radius + 1, x.shape
    return sum(padded[j : j + height, i : i + width] for j in range(side) for i in range(side)) / side**2


def plain_guided_filter(i: np.ndarray, p: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Equations 14–16 of He et al. with np.linalg, float64; a grey guide is one of one channel."""
    i = i.astype(np.float64).reshape(*p.shape, -1)
    channels = range(i.shape[2])
    mean_i = np.stack([window_means(i[..., c], radius) for c in channels], -1)
    mean_p = window_means(p, radius)
    cov = np.stack([window_means(i[..., c] * p, radius) - mean_i[..., c] * mean_p for c in channels], -1)
    sigma = np.stack(
        [
            np.stack([window_means(i[..., c] * i[..., d], radius) for c in channels], -1)
            - mean_i * mean_i[..., d : d + 1]
            for d in channels
        ],
        -1,
    )
    a = np.linalg.solve(sigma + eps * np.eye(i.shape[2]), cov[..., None])[..., 0]
    b = mean_p - (a * mean_i).sum(-1)
    return sum(window_means(a[..., c], radius) * i[..., c] for c in channels) + window_means(b, radius)


@pytest.mark.parametrize("radius", [1, 4, 9])
@pytest.mark.parametrize("eps", [1e-2, 1e-4])
@pytest.mark.parametrize("guide", [PHOTO, PHOTO[..., 1]], ids=["colour", "grey"])
def test_equals_the_formulas(guide, radius, eps):
    p = PHOTO[..., 0] ** 2
    assert np.abs(guided_filter(guide, p, radius, eps) - plain_guided_filter(guide, p, radius, eps)).max() < 1e-3


@pytest.mark.parametrize("guide", [PHOTO, PHOTO[..., 1]], ids=["colour", "grey"])
def test_a_flat_plane_stays_flat(guide):
    assert guided_filter(guide, np.full((50, 70), 0.3, np.float32), 5, 0.01) == pytest.approx(0.3, abs=1e-5)


def test_noise_goes_and_the_edge_stays():
    rng = np.random.default_rng(0)
    step = np.where(np.arange(80) < 40, 0.2, 0.8) * np.ones((60, 1))
    noisy = (step + rng.normal(0, 0.03, step.shape)).astype(np.float32)
    smooth = guided_filter(noisy, noisy, 6, 0.01)
    assert smooth[:, :30].std() < 0.4 * noisy[:, :30].std()
    assert smooth[:, 40:].mean() - smooth[:, :40].mean() > 0.58
    assert (smooth[:, 41] - smooth[:, 38]).mean() > 0.5


def test_the_fast_form_is_close_to_the_whole_one():
    large = (data.coffee()[:200, :300, 1] / 255).astype(np.float32)
    whole, fast = guided_filter(large, large, 12, 0.01), guided_filter(large, large, 12, 0.01, subsample=4)
    assert np.abs(whole - fast).mean() < 0.01


def test_coefficients_are_the_filter_in_two_steps():
    a, b = guided_coefficients(PHOTO, PHOTO[..., 0], 3, 0.01)
    assert np.array_equal(apply_coefficients(a, b, PHOTO), guided_filter(PHOTO, PHOTO[..., 0], 3, 0.01))


@pytest.mark.parametrize("size", [(140, 100), (71, 51), (70, 50), (211, 333)])
def test_rows_of_the_enlarged_are_the_enlarged_rows(size):
    for small in (PHOTO, PHOTO[..., 1]):
        whole = enlarge(small, *size)
        for rows in (slice(0, 7), slice(7, 50), slice(size[1] - 1, size[1])):
            assert np.abs(enlarge_rows(small, size, rows) - whole[rows]).max() < 1e-5


def test_one_pixel():
    one = np.full((1, 1), 0.4, np.float32)
    assert guided_filter(one, one, 3, 0.01, subsample=4) == pytest.approx(0.4)
