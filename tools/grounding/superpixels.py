"""Superpixels of a small picture and what is measured on them: colour, place, neighbours, border contact, geodesics.

Says nothing about what they belong to. Arrays over superpixels are float64; n is their number, some 250.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from skimage.segmentation import slic

from sessions.values import Pixels
from tools.pixels import Floats

COUNT = 250
COMPACTNESS = 20.0
Values = NDArray[np.float64]
Indices = NDArray[np.intp]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Superpixels:
    """`labels`: (h, w), 0 … n−1. `lab`: (h, w, 3), CIE Lab of each pixel, L 0…100."""

    labels: Indices
    lab: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)"""
        height, width = self.labels.shape
        return height, width

    @cached_property
    def pixels(self) -> Values:
        """(n,) how many pixels each has."""
        return np.bincount(self.labels.ravel()).astype(np.float64)

    def mean(self, plane: NDArray[np.generic]) -> Values:
        """(n,) the mean of a plane (h, w) over each."""
        return np.bincount(self.labels.ravel(), weights=plane.ravel()) / self.pixels

    def paint(self, values: NDArray[T]) -> NDArray[T]:
        """(h, w) a plane with each superpixel's value."""
        return values[self.labels]

    @cached_property
    def colour(self) -> Values:
        """(n, 3) mean Lab."""
        return np.stack([self.mean(self.lab[..., c]) for c in range(3)], axis=1)

    @cached_property
    def place(self) -> Values:
        """(n, 2) mean x and y as fractions of width and height."""
        y, x = np.mgrid[: self.shape[0], : self.shape[1]] + 0.5
        return np.stack([self.mean(x) / self.shape[1], self.mean(y) / self.shape[0]], axis=1)

    @cached_property
    def sides(self) -> Values:
        """(4, n) how many pixels of the top, bottom, left and right border each has."""
        s = self.labels
        return np.stack([np.bincount(line, minlength=self.n) for line in (s[0], s[-1], s[:, 0], s[:, -1])]).astype(
            float
        )

    @property
    def n(self) -> int:
        return len(self.pixels)

    @cached_property
    def neighbours(self) -> NDArray[np.bool_]:
        """(n, n) which ones touch, also at a corner."""
        s, touch = self.labels, np.zeros((self.n, self.n), bool)
        for a, b in ((s[:, :-1], s[:, 1:]), (s[:-1], s[1:]), (s[:-1, :-1], s[1:, 1:]), (s[:-1, 1:], s[1:, :-1])):
            touch[a[a != b], b[a != b]] = True
        return touch | touch.T

    @cached_property
    def colour_distance(self) -> Values:
        """(n, n) Euclidean distance of the mean Lab colours."""
        return pairwise(self.colour)

    @cached_property
    def distance(self) -> Values:
        """(n, n) distance in the plane, in units of the longer side."""
        height, width = self.shape
        return pairwise(self.place * (np.array([width, height]) / max(height, width)))


def superpixels(rgb: Pixels, count: int = COUNT) -> Superpixels:
    """SLIC superpixels (Achanta et al., TPAMI 2012) of a small picture (h, w, 3)."""
    labels = slic(rgb, n_segments=count, compactness=COMPACTNESS, max_num_iter=5, start_label=0, channel_axis=-1)
    return Superpixels(labels.astype(np.intp), to_lab(rgb))


def to_lab(rgb: Pixels) -> Floats:
    """CIE Lab of sRGB pixels (h, w, 3): L 0…100, a and b about ±100."""
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), dtype=np.float32)


def pairwise(points: Values) -> Values:
    """(n, n) Euclidean distances between the rows of (n, d)."""
    difference = points[:, None] - points[None]
    return np.asarray(np.sqrt((difference**2).sum(axis=-1)), dtype=np.float64)


def geodesic(steps: Values, linked: NDArray[np.bool_], sources: Indices | None = None) -> Values:
    """Length of the shortest path over linked superpixels, where going from i to j costs steps[i, j] ≥ 0.

    From every one of `sources` (all, if None): (sources, n).
    """
    costs = csr_array(np.where(linked, steps + 1e-5, 0))  # a cost of exactly 0 would read as "no link"
    return np.asarray(dijkstra(costs, directed=False, indices=sources), dtype=np.float64)
