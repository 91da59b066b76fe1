"""Brings a mask found on a small copy of a picture to its full size, its edge drawn along the picture's own edges.

Does not move an edge further than a few pixels of the small copy: what is wrong there stays wrong.
"""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np

from sessions.values import Pixels
from tools.filters import apply_coefficients, guided_coefficients
from tools.parts import Box, cut
from tools.pixels import Floats

RADIUS = 3
"""Of the guided filter, in pixels of the small copy: how far the edge may move."""
EPS = 1e-4
STEEPNESS = 2.0
"""How much narrower than the filter leaves it the soft edge is made."""
TILE = 256


def full_size(small: Pixels, guide: Pixels, rgb: Pixels) -> Generator[float, None, Pixels]:
    """The mask `small` (h, w), 0 or 255, found on `guide` (h, w, 3), at the size of `rgb` (H, W, 3); yields fractions.

    Exactly 0 or 255 but for a band along its edge, where it is a·I + b, I being the picture's colours and a, b the
    guided filter's coefficients on the small copy (He, Sun, Fast Guided Filter, arXiv:1505.00996). Only tiles that the
    band touches are computed.
    """
    height, width = rgb.shape[:2]
    a, b = guided_coefficients(_unit(guide), _unit(small), RADIUS, EPS)
    planes = np.dstack([a, b])
    reach = 2 * RADIUS + 1
    band = cv2.morphologyEx(small, cv2.MORPH_GRADIENT, np.ones((reach, reach), np.uint8))
    out = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
    band = cv2.resize(band, (width, height), interpolation=cv2.INTER_NEAREST)
    tiles = list(cut((0, 0, width, height), TILE, TILE))
    for done, (x0, y0, x1, y1) in enumerate(tiles, start=1):
        near = band[y0:y1, x0:x1] > 0
        if near.any():
            edge = _along_edges(planes, rgb, (x0, y0, x1, y1))
            out[y0:y1, x0:x1][near] = edge[near]
        if done % 32 == 0:
            yield done / len(tiles)
    return out


def _along_edges(planes: Floats, rgb: Pixels, box: Box) -> Pixels:
    """The mask in a box of the picture, (y1 − y0, x1 − x0); `planes` (h, w, 4) are a and b."""
    x0, y0, x1, y1 = box
    sx, sy = planes.shape[1] / rgb.shape[1], planes.shape[0] / rgb.shape[0]
    to_small = np.array([[sx, 0, (x0 + 0.5) * sx - 0.5], [0, sy, (y0 + 0.5) * sy - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    near = cv2.warpAffine(planes, to_small, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    ab = np.asarray(near, dtype=np.float32)
    q = apply_coefficients(ab[..., :3], ab[..., 3], _unit(rgb[y0:y1, x0:x1]))
    return np.asarray(np.clip((q - 0.5) * (255 * STEEPNESS) + 128, 0, 255), dtype=np.uint8)


def _unit(pixels: Pixels) -> Floats:
    return pixels.astype(np.float32) / np.float32(255)
