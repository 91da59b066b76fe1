"""Marks for an edited picture, from exact truth: which colour an object has, how far the edit went, what else moved.

Pictures are uint8 (h, w, 3), masks bool (h, w). Nothing here is learned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toybox.drawing import Floats, Pixels, developed, lighter
from toybox.scenes import COLOURS

Mask = NDArray[np.bool_]


def shades(tone: str = "colour", light: str = "day") -> Floats:
    """Both shades of every object colour under a tone and light, (len(COLOURS), 2, 3)."""
    base = np.array(list(COLOURS.values()), np.float32)
    return developed(np.stack([base, lighter(base)], 1), tone, light)


def colour_in(rgb: Pixels, mask: Mask, tone: str = "colour", light: str = "day") -> str:
    """The colour most pixels inside the mask are nearest to (Euclidean in RGB). ValueError for an empty mask."""
    if not mask.any():
        raise ValueError("A colour was asked of no pixel.")
    distance = ((rgb[mask].astype(np.float32)[:, None, None] - shades(tone, light)) ** 2).sum(-1).min(-1)
    return list(COLOURS)[int(np.bincount(distance.argmin(1), minlength=len(COLOURS)).argmax())]


def region(before: Pixels, after: Pixels) -> Mask:
    """Where an edit's exact result differs from its start."""
    return np.asarray((before != after).any(-1))


def inside_error(edited: Pixels, before: Pixels, after: Pixels) -> float:
    """Error after the edit over size of the change, both mean |Δ| inside the region: 0 exact, 1 as bad as copying."""
    mask = region(before, after)
    got, was, wanted = (rgb[mask].astype(np.float32) for rgb in (edited, before, after))
    return float(abs(got - wanted).mean() / abs(was - wanted).mean())


def outside_psnr(edited: Pixels, before: Pixels, after: Pixels) -> float:
    """PSNR in dB against the truth outside the region; 99 where nothing differs or nothing is outside."""
    mask = ~region(before, after)
    error = ((edited[mask].astype(np.float32) - after[mask]) ** 2).mean() if mask.any() else 0.0
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


def overlap(mask: Mask, truth: Mask) -> float:
    """Intersection over union; two empty masks agree."""
    union = (mask | truth).sum()
    return float((mask & truth).sum() / union) if union else 1.0
