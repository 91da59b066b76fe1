"""What a soft edge is made of: the subject's own colour under a matte, freed of what stood behind it.

I = αF + (1 − α)B at every pixel; given I and α, F is estimated here. Finds no mattes and pastes nothing.
"""

from __future__ import annotations

import cv2
import numpy as np

from tools.pixels import Floats

REACH = 1 / 60
"""How far pure colours may lie from a soft pixel, in longer sides; soft edges of grounded masks are narrower."""
NEAR = 3
"""Radius in pixels of the second, finer estimate."""
TINY = np.float32(1e-4)


def reach_of(size: tuple[int, int]) -> int:
    """REACH in pixels for a picture of this (width, height)."""
    return max(2 * NEAR, round(REACH * max(size)))


def foreground(image: Floats, a: Floats, reach: int) -> Floats:
    """F of I = αF + (1 − α)B for each pixel: image (h, w, 3), levels; a (h, w), 0…1.

    F and B are first means over pure pixels within `reach`, then over pixels near, and in the end whatever of both
    explains I best: F = F̄ + α(I − αF̄ − (1 − α)B̄). Forte, Approximate Fast Foreground Colour Estimation, ICIP 2021.
    """
    alpha = a[..., None]
    fore = back = image
    for radius in (reach, NEAR):
        fore, back = _weighted(fore, alpha, radius), _weighted(back, 1 - alpha, radius)
        fore = fore + alpha * (image - alpha * fore - (1 - alpha) * back)
    return np.asarray(np.clip(fore, 0, 255), np.float32)


def _weighted(x: Floats, weight: Floats, radius: int) -> Floats:
    """Mean of x (h, w, 3) over a window, each pixel counting as its weight (h, w, 1)."""
    window = (2 * radius + 1, 2 * radius + 1)
    total = np.asarray(cv2.blur(weight, window), np.float32)[..., None]
    return np.asarray(cv2.blur(x * weight, window) / np.maximum(total, TINY), np.float32)
