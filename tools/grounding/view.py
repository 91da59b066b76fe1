"""A picture as grounding looks at it: two small copies and, worked out once when first needed, what is seen on them.

Holds no decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from sessions.values import Picture, Pixels
from tools.grounding.cuts import Bools, flattened
from tools.grounding.focus import blurred
from tools.grounding.saliency import Saliency, saliency
from tools.grounding.superpixels import Superpixels, superpixels
from tools.pixels import shrink

LARGE = 512
"""Longest side of the copy on which masks get their final shape."""
LEAST_SOFT = 0.01
"""Share of the picture from which a blurred place at the border is believed."""
SMALL = 200
"""Longest side of the copy on which things are looked for."""


@dataclass(frozen=True, eq=False)
class View:
    """`large`: (h, w, 3), at most LARGE. `clear`: (h, w) of the same size, where the picture is see-through."""

    large: Pixels
    clear: Bools

    @cached_property
    def small(self) -> Pixels:
        """(h, w, 3), at most SMALL."""
        return shrink(self.large, SMALL)

    @cached_property
    def clear_small(self) -> Bools:
        """`clear` at the size of `small`."""
        return np.asarray(shrink(self.clear.astype(np.uint8) * 255, SMALL) > 127)

    @cached_property
    def superpixels(self) -> Superpixels:
        """Of `small`."""
        return superpixels(self.small)

    @cached_property
    def saliency(self) -> Saliency:
        """Over `superpixels`."""
        return saliency(self.superpixels)

    @cached_property
    def flat(self) -> Pixels:
        """`small` for graph cuts."""
        return flattened(self.small, 6, 24)

    @cached_property
    def flat_large(self) -> Pixels:
        """`large` for graph cuts."""
        return flattened(self.large, 4, 16)

    @cached_property
    def unfocused(self) -> Bools:
        """(h, w) where `small` is out of focus, in large places at the border; elsewhere it may be a smooth surface."""
        soft = self.superpixels.paint(blurred(self.superpixels, self.large))
        _, labels, stats, _ = cv2.connectedComponentsWithStats(soft.astype(np.uint8), connectivity=4)
        ends = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        kept = ends[(ends > 0) & (stats[ends, cv2.CC_STAT_AREA] > LEAST_SOFT * soft.size)]
        return np.isin(labels, kept)

    @cached_property
    def colours(self) -> NDArray[np.intp]:
        """(h, w) the number of the Lab cell, 12.5 × 10 × 10 in size, that each pixel of `small` is in."""
        light, a, b = np.moveaxis(self.superpixels.lab, -1, 0)
        row, column = np.clip((a + 56) // 10, 0, 11), np.clip((b + 56) // 10, 0, 11)
        return np.asarray(np.clip(light // 12.5, 0, 7) * 144 + row * 12 + column, dtype=np.intp)

    def enlarged(self, mask: Bools) -> Bools:
        """A mask on `small` at the size of `large`."""
        height, width = self.large.shape[:2]
        soft = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(soft > 0.5)


@dataclass(frozen=True, eq=False)
class Found:
    """Something found on one of a view's copies: mask (h, w), and the IoU with the truth to expect, 0…1."""

    mask: Bools
    confidence: float


def look(picture: Picture) -> View:
    """The view of a picture. What is see-through is seen white."""
    small = shrink(picture.pixels, LARGE)
    if small.ndim == 2:
        small = np.dstack([small] * 3)
    clear = np.zeros(small.shape[:2], bool)
    if small.shape[2] == 4:
        clear = small[..., 3] < 128
        small = np.where(clear[..., None], 255, small[..., :3]).astype(np.uint8)
    return View(np.ascontiguousarray(small), clear)
