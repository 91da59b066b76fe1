"""An animal seen from close up: two round dark eyes far apart, their mask, and the animal around them.

Eyes are found by their shape alone. Both must be by far the roundest things in the picture but for a nose: in 1000
photos of ECSSD none are seen where none are. Does not find small eyes, and does not know animals.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np

from tools.grounding.cuts import IN, MAYBE_IN, MAYBE_OUT, OUT, Bools, cut_steps, iou, tidy
from tools.grounding.persons import agreed
from tools.grounding.view import Found, View
from tools.pixels import Floats

RADII = (3, 4, 5, 6, 7, 8, 10, 12, 14)
"""Pixels of the view's small copy."""
FAINT, STRONG = 2.0, 15.0
"""Gradients in levels per pixel: below the one they do not vote, above the other they count no more."""
ROUND = 1.75
"""Roundness that both eyes must have."""
LONELY = 1.5
"""How many times rounder than anything else they must be."""
APART = 0.2
"""Least distance of the eyes, as a share of the longer side."""
NEAR, FAR = 2.2, 10.0
"""Least and largest distance of the eyes, in radii."""
TILT, UNLIKE = 0.7, 1.7
"""Largest slope of the line through both, and largest ratio of their radii."""
NOSE = (0.3, 0.4, 1.5)
"""How far aside of the middle, and from where to where below the eyes the nose can be, in distances of the eyes."""
CANDIDATES = 8

HEADS = (1.0, 1.25, 1.5)
"""How large the head is taken to be, in turn: an average one is 2.6 distances of the eyes wide."""
HEAD = (1.3, 1.2)
SOFT = 0.25
SOFT_FOCUS = 0.8
"""How much likelihood a place loses by being out of focus."""


@dataclass(frozen=True)
class Eye:
    """Centre and radius of a dark round thing as shares of the width of the picture."""

    x: float
    y: float
    radius: float

    def disc(self, shape: tuple[int, ...], scale: float = 1.0) -> Bools:
        """(h, w) of `shape`: the disc, `scale` times as large."""
        y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) / shape[1]
        return np.asarray(np.hypot(x - self.x, y - self.y) < scale * self.radius)


Pair = tuple[Eye, Eye]


def find(view: View) -> Pair | None:
    """The eyes, left one first, or None. Takes some 50 ms."""
    height, width = view.small.shape[:2]
    blobs = _blobs(roundness(view))
    pairs = [(a, b) for a, b in combinations(blobs[:CANDIDATES], 2) if _matching(a, b, max(height, width))]
    if not pairs:
        return None
    a, b = max(pairs, key=lambda pair: min(pair[0][0], pair[1][0]))
    rest = max((blob[0] for blob in blobs if blob not in (a, b) and not _nose(blob, a, b)), default=0.0)
    if min(a[0], b[0]) < max(ROUND, LONELY * rest):
        return None
    one, other = sorted(((x + 0.5) / width, (y + 0.5) / width, radius / width) for _, x, y, radius in (a, b))
    return Eye(*one), Eye(*other)


def roundness(view: View) -> Floats:
    """(radii, h, w): how much of a circle around each pixel is an edge with the dark side within; above 1 if thick.

    Loy, Zelinsky, Fast Radial Symmetry for Detecting Points of Interest, TPAMI 2003, only the magnitudes M_n.
    """
    light = np.asarray(cv2.cvtColor(view.small, cv2.COLOR_RGB2LAB)[..., 0], np.float32)
    light = np.asarray(cv2.GaussianBlur(light, (0, 0), 1.2), np.float32)
    gx, gy = cv2.Sobel(light, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(light, cv2.CV_32F, 0, 1) / 8
    size = np.hypot(gx, gy)
    y, x = np.nonzero(size > FAINT)
    strength = size[y, x]
    ux, uy = gx[y, x] / strength, gy[y, x] / strength
    height, width = light.shape
    planes = np.zeros((len(RADII), height, width), np.float32)
    for plane, n in zip(planes, RADII, strict=True):
        column, row = np.rint(x - n * ux).astype(int), np.rint(y - n * uy).astype(int)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        at, counts = row[inside] * width + column[inside], np.minimum(strength[inside], STRONG)
        votes = np.bincount(at, counts, minlength=plane.size).astype(np.float32)
        sigma = n / 4
        plane[:] = cv2.GaussianBlur(votes.reshape(plane.shape), (0, 0), sigma) * (sigma**2 / (n * STRONG))
    return planes


Blob = tuple[float, int, int, int]
"""Roundness, x, y, radius in pixels."""


def _blobs(planes: Floats) -> list[Blob]:
    """The roundest places, the best first; of those within each other's radius the best."""
    best, which = planes.max(axis=0), planes.argmax(axis=0)
    peaks = (best == cv2.dilate(best, np.ones((13, 13)))) & (best > 0)
    rows, columns = np.nonzero(peaks)
    found = sorted((-float(best[y, x]), int(x), int(y), RADII[which[y, x]]) for y, x in zip(rows, columns, strict=True))
    kept: list[Blob] = []
    for less, x, y, radius in found:
        if all(np.hypot(x - a, y - b) > max(radius, other) for _, a, b, other in kept):
            kept.append((-less, x, y, radius))
    return kept


def _matching(a: Blob, b: Blob, side: int) -> bool:
    dx, dy = abs(a[1] - b[1]), abs(a[2] - b[2])
    distance, mean = float(np.hypot(dx, dy)), (a[3] + b[3]) / 2
    alike = max(a[3], b[3]) <= UNLIKE * min(a[3], b[3])
    return alike and distance >= APART * side and NEAR * mean < distance < FAR * mean and dy <= TILT * dx


def _nose(blob: Blob, a: Blob, b: Blob) -> bool:
    """Whether it lies below and between the eyes."""
    (x0, y0), (x1, y1) = sorted((a[1:3], b[1:3]))
    dx, dy = x1 - x0, y1 - y0
    x, y = blob[1] - (x0 + x1) / 2, blob[2] - (y0 + y1) / 2
    squared = dx * dx + dy * dy
    return abs(x * dx + y * dy) < NOSE[0] * squared and NOSE[1] * squared < y * dx - x * dy < NOSE[2] * squared


def eyes(view: View, pair: Pair) -> Generator[float, None, Found]:
    """The mask of both eyes; the truth is taken to lie between the discs and the cut. Yields fractions."""
    shape = view.large.shape
    discs = np.any([eye.disc(shape) for eye in pair], axis=0)
    labels = np.where(np.any([eye.disc(shape, 1.4) for eye in pair], axis=0), MAYBE_OUT, OUT).astype(np.uint8)
    labels[np.any([eye.disc(shape, 1.1) for eye in pair], axis=0)] = MAYBE_IN
    labels[np.any([eye.disc(shape, 0.7) for eye in pair], axis=0)] = IN
    inside = list(cut_steps(view.flat_large, labels, 2))[-1]
    yield 1.0
    return Found(tidy(inside), (1 + iou(inside, discs)) / 2)


def animal(view: View, pair: Pair) -> Generator[float, None, Found]:
    """The animal with these eyes, (h, w) on `small`, as far as it is in focus. Yields fractions."""
    shape = view.small.shape[:2]
    sure = np.any([eye.disc(shape) for eye in pair], axis=0)
    blurred = SOFT_FOCUS * view.unfocused
    return (yield from agreed(view, [_around(pair, shape, size) * (1 - blurred) for size in HEADS], sure))


def _around(pair: Pair, shape: tuple[int, ...], size: float) -> Floats:
    """(h, w) 0…1: the head, an ellipse around both eyes and what lies below them, and the body as wide below it."""
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) / shape[1]
    a, b = pair
    distance = np.hypot(b.x - a.x, b.y - a.y)
    c, s = (b.x - a.x) / distance, (b.y - a.y) / distance
    x, y = (x - (a.x + b.x) / 2) / distance, (y - (a.y + b.y) / 2) / distance
    along, down = c * x + s * y, c * y - s * x
    aside = np.abs(along) / (HEAD[0] * size)
    head = np.hypot(aside, (down - 0.2) / (HEAD[1] * size))
    body = np.where(down > 0.2, aside, np.inf)
    return np.asarray(1 / (1 + np.exp((np.minimum(head, body) - 1) / SOFT)), np.float32)
