"""What of a change can be told from the picture: a regression from each pixel's surroundings in A to its colour in A'.

First an affine map of the colours; what it leaves is a ridge regression on the neighbourhood of the pixel, linear
and bent. Neighbourhoods are described as in Hertzmann et al., "Image Analogies" (SIGGRAPH 2001), by a window and
coarser levels around it, the latter as derivatives (Koenderink's jets). Bent means random rectifiers, max(0, w·x + t),
whose kernel is the arc-cosine (Rahimi and Recht, "Random Features", 2007; Cho and Saul 2009): unlike a nearest
neighbour they go on straight where B shows what A does not.

What cannot be told from the surroundings, strokes and grain, is left over: that is `tools.texturing`.
Arrays are float32, colours coded 0…1 (H, W, 3).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from tools.enlarging import LUMA
from tools.pixels import Floats

WINDOW = 2
"""Radius of the window of single pixels."""
SIGMAS = (0.7, 1.4, 2.8, 5.6)
"""Scales of the derivatives, in pixels."""
BENDS = 300
"""Random rectifiers."""
RIDGE = 1e-4
"""Of the features' variance."""
FLOOR = 0.01
"""No feature counts as varying less: in a flat A noise is no information."""
ROWS = 4096
"""Pixels regressed at a time: some 50 ms."""


@dataclass(frozen=True, eq=False)
class Told:
    """What A says about A', and so B about B'. `colours` (4, 3) takes (r, g, b, 1) to what the colour alone tells."""

    a: Floats
    b: Floats
    colours: Floats


def surroundings(rgb: Floats) -> Floats:
    """(H, W, D): the colour, a window of luma around it, and per scale luma's derivatives to order 2 and the chroma."""
    luma = rgb @ LUMA
    height, width = luma.shape
    padded = cv2.copyMakeBorder(luma, WINDOW, WINDOW, WINDOW, WINDOW, cv2.BORDER_REFLECT_101)
    side = range(2 * WINDOW + 1)
    planes = [padded[y : y + height, x : x + width] - luma for y in side for x in side if (y, x) != (WINDOW, WINDOW)]
    for sigma in SIGMAS:
        smooth = np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.float32)
        grey = smooth @ LUMA
        planes += [*jet(grey, sigma), smooth[..., 0] - grey, smooth[..., 2] - grey]
    return np.dstack([rgb, *planes])


def jet(smooth: Floats, sigma: float) -> list[Floats]:
    """A plane smoothed by sigma, and its derivatives to order 2 in units of sigma (Lindeberg's normalisation)."""
    orders = [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    kernels = {order: cv2.Sobel(smooth, cv2.CV_32F, *order) for order in orders}
    return [smooth] + [np.asarray(d * (2 * sigma ** sum(o) / 8), np.float32) for o, d in kernels.items()]


def ridge(x: Floats, y: Floats, strength: float) -> Generator[None, None, Floats]:
    """w (D, C) that minimises |xw − y|² + strength·n·|w|², x (n, D), y (n, C); summed up part by part."""
    depth = x.shape[1]
    gram, right = strength * len(x) * np.eye(depth), np.zeros((depth, y.shape[1]))
    for rows in parts(len(x)):
        gram += x[rows].T @ x[rows]
        right += x[rows].T @ y[rows]
        yield
    return np.linalg.solve(gram, right).astype(np.float32)


def parts(count: int) -> Iterator[slice]:
    return (slice(i, i + ROWS) for i in range(0, count, ROWS))


def affine(rgb: Floats) -> Floats:
    """(H·W, 4): r, g, b, 1."""
    flat = rgb.reshape(-1, 3)
    return np.hstack([flat, np.ones((len(flat), 1), np.float32)])


@dataclass(frozen=True, eq=False)
class Basis:
    """Standardises features (n, D) by A's mean and spread, and bends them: `directions` (D, BENDS), `offsets`."""

    mean: Floats
    spread: Floats
    directions: Floats
    offsets: Floats

    def __call__(self, features: Floats) -> Floats:
        x = (features - self.mean) / self.spread
        return np.hstack([np.ones((len(x), 1), np.float32), x, np.maximum(0, x @ self.directions + self.offsets)])


def basis_of(features: Floats, rng: np.random.Generator) -> Basis:
    """Rectifiers that lie in A's data: each looks from one random pixel towards another, and bends at a third."""
    mean, spread = features.mean(0), np.maximum(features.std(0), np.float32(FLOOR))
    one, other, third = (features[rng.integers(0, len(features), BENDS)] / spread for _ in range(3))
    directions = (one - other) / np.maximum(np.linalg.norm(one - other, axis=1, keepdims=True), np.float32(FLOOR))
    offsets = -((third - mean / spread) * directions).sum(1)
    return Basis(mean, spread, np.ascontiguousarray(directions.T), offsets)


def imitate(a: Floats, changed: Floats, b: Floats, rng: np.random.Generator) -> Generator[None, None, Told]:
    """Learn A → A' (`changed`, of A's size) and tell it of A itself and of B, which may have another size."""
    plain, target = affine(a), changed.reshape(-1, 3)
    colours = yield from ridge(plain, target, 1e-7)
    features = [surroundings(picture).reshape(picture.shape[0] * picture.shape[1], -1) for picture in (a, b)]
    yield
    basis = basis_of(features[0], rng)
    bent = np.empty((len(plain), 1 + features[0].shape[1] + BENDS), np.float32)
    for rows in parts(len(plain)):
        bent[rows] = basis(features[0][rows])
        yield
    weights = yield from ridge(bent, target - plain @ colours, RIDGE)
    told = [affine(picture) @ colours for picture in (a, b)]
    for values, known in zip(told, features, strict=True):
        for rows in parts(len(values)):
            values[rows] += basis(known[rows]) @ weights
            yield
    return Told(told[0].reshape(a.shape), told[1].reshape(b.shape), colours)
