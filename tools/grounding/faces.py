"""Faces seen from the front: boxes from a cascade of local binary patterns, a face's mask, its person's whereabouts.

Needs no weights but the cascade that scikit-image carries. Does not see profiles, and does not know whose face it is.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from sessions.values import Pixels
from tools.grounding.cuts import IN, MAYBE_IN, MAYBE_OUT, OUT, Bools, cut_steps, iou, tidy
from tools.grounding.view import Found, View
from tools.pixels import Floats, shrink

SIDE = 400
"""Longest side of the copy that is searched."""
SMALLEST, LEAST_PIXELS = 1 / 12, 24
"""Of the shorter side, and in pixels: smaller faces are not looked for."""
SKIN = 0.5
"""How much of a face's middle must have a colour that skin can have."""
SAME = 0.4
"""Overlap (IoU) from which two boxes are the same face."""

HEAD = (0.75, 0.95)
"""Half axes of head and hair, in sides of the face's square, as are the next."""
NECK, SLOPE, SHOULDERS = 0.45, 1.1, 1.25
"""Half the width of the torso at the chin, how fast it grows on the way down, and how far."""
SOFT = 0.25
"""Width of the border of a person, as a share of its distance from the middle."""

Square = tuple[int, int, int]
"""x, y, side in pixels of the searched copy."""


@dataclass(frozen=True)
class Face:
    """The square that the cascade found: its centre as fractions of width and height, its side in picture widths."""

    x: float
    y: float
    side: float

    def oval(self, shape: tuple[int, ...], scale: float = 1.0) -> Bools:
        """(h, w) of `shape`: the ellipse from hairline to chin, `scale` times as large."""
        y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
        side = self.side * shape[1]
        dx, dy = x - self.x * shape[1], y - self.y * shape[0] - 0.08 * side
        return np.asarray((dx / (0.46 * scale * side)) ** 2 + (dy / (0.58 * scale * side)) ** 2 < 1)

    def person(self, shape: tuple[int, ...], build: float = 1.0) -> Floats:
        """(h, w) 0…1, how likely each pixel is the person's: head and hair, and a torso from the chin down.

        The torso widens from the neck to two and a half faces, times `build`; the border of the whole is soft.
        """
        y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
        side = self.side * shape[1]
        down, aside = (y - self.y * shape[0]) / side, np.abs(x - self.x * shape[1]) / side
        head = np.hypot(aside / HEAD[0], (down + 0.1) / HEAD[1])
        below = down - 0.5
        half = np.clip(NECK + SLOPE * np.maximum(below, 0), 0, SHOULDERS) * build
        torso = np.where(below > -0.1, aside / half, np.inf)
        return np.asarray(1 / (1 + np.exp((np.minimum(head, torso) - 1) / SOFT)), dtype=np.float32)


def find(view: View) -> list[Face]:
    """The faces of a picture, the surest first. Takes some 0.15 s, which cannot be interrupted.

    A face must have the colour of skin and be found again in the mirrored picture; that leaves one mistake in a hundred
    photos without faces.
    """
    rgb = shrink(view.large, SIDE)
    height, width = rgb.shape[:2]
    smallest, largest = max(LEAST_PIXELS, round(SMALLEST * min(height, width))), round(0.9 * min(height, width))
    if largest < smallest:
        return []
    tone = skin(rgb)
    sure = []
    for x, y, side in _squares(rgb, smallest, largest):
        middle = tone[y + side // 5 : y + side - side // 8, x + side // 5 : x + side - side // 5]
        if middle.mean() > SKIN and (seen := _mirrored(rgb, (x, y, side))) > 0:
            sure.append((seen, (x, y, side)))
    kept: list[Square] = []
    for _, square in sorted(sure, reverse=True):
        if all(_overlap(square, other) < 0.1 for other in kept):
            kept.append(square)
    return [Face((x + side / 2) / width, (y + side / 2) / height, side / width) for x, y, side in kept]


def face(view: View, faces: list[Face]) -> Generator[float, None, Found]:
    """The mask of one or several faces, hairline to chin; the truth is taken to lie between the oval and the cut."""
    shape = view.large.shape
    mask, agreed = np.zeros(shape[:2], bool), []
    for done, one in enumerate(faces, start=1):
        seeds = np.where(one.oval(shape, 1.15), MAYBE_OUT, OUT).astype(np.uint8)
        seeds[one.oval(shape)] = MAYBE_IN
        seeds[one.oval(shape, 0.6)] = IN
        inside = list(cut_steps(view.flat_large, seeds, 2))[-1]
        agreed.append(iou(inside, one.oval(shape)))
        mask |= tidy(inside)
        yield done / len(faces)
    return Found(mask, (1 + float(np.mean(agreed))) / 2)


def skin(rgb: Pixels) -> Bools:
    """(h, w) where a colour can be skin: Cr and Cb in the ranges of Chai and Ngan, IEEE CSVT 1999, a little widened."""
    y, cr, cb = np.moveaxis(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb), -1, 0)
    return np.asarray((y > 40) & (cr > 135) & (cr < 180) & (cb > 80) & (cb < 130))


@cache
def _cascade() -> Any:
    from skimage.data import lbp_frontal_face_cascade_filename  # slow to import, and rarely needed
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())  # type: ignore[no-untyped-call]


def _squares(rgb: Pixels, smallest: int, largest: int) -> list[Square]:
    """Where the cascade sees a face; Liao et al., Learning Multi-scale Block Local Binary Patterns, ICB 2007."""
    hits = _cascade().detect_multi_scale(
        rgb, 1.15, 1.2, min_size=(smallest, smallest), max_size=(largest, largest), min_neighbor_number=3
    )
    return [(hit["c"], hit["r"], hit["width"]) for hit in hits]


def _mirrored(rgb: Pixels, square: Square) -> float:
    """How well the mirrored surroundings of a square show the same face again, 0…1."""
    x, y, side = square
    left, top = max(0, x - side // 2), max(0, y - side // 2)
    near = rgb[top : y + side * 3 // 2, left : x + side * 3 // 2]
    flipped = np.ascontiguousarray(near[:, ::-1])
    largest = min(side * 4 // 3, *near.shape[:2])
    again = _squares(flipped, max(LEAST_PIXELS, side * 3 // 4), largest) if largest >= LEAST_PIXELS else []
    found = [(left + near.shape[1] - a - size, top + b, size) for a, b, size in again]
    best = max((_overlap(square, other) for other in found), default=0.0)
    return best if best > SAME else 0.0


def _overlap(a: Square, b: Square) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[2], b[1] + b[2]) - max(a[1], b[1])
    common = max(0, width) * max(0, height)
    return common / (a[2] ** 2 + b[2] ** 2 - common)
