"""An edit made on a small copy, brought to a photo's own size: the change is enlarged, not the picture.

In every pixel the edit is explained by the photo there as far as it follows it, an affine map of the colours for the
whole picture and near each pixel a multiple of luma, the guided filter's (He, Sun, Tang, ECCV 2010; carried to full
size as in He, Sun, arXiv:1505.00996). Both are applied to the photo itself, so that its own detail appears in the
edit; what they do not explain, new structure and texture, is enlarged by cubic interpolation.
Colours are float32, coded 0…1.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tools.color import times
from tools.filters import box_mean
from tools.parts import Box
from tools.pixels import Floats

RADIUS = 2
"""Of the guided filter's window, in pixels of the small copy."""
EPS = 0.02**2
"""Variance of luma below which an edit is not taken to follow it."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, eq=False)
class Change:
    """edit = (r, g, b, 1)·colours + slope·luma + rest; colours (4, 3), slope and rest (h, w, 3) of the small copy."""

    colours: Floats
    slope: Floats
    rest: Floats


def change_of(small: Floats, edit: Floats, colours: Floats) -> Change:
    """The change from a small copy (h, w, 3) to its edit, beyond what `colours` (4, 3) does to the whole."""
    luma: Floats = small @ LUMA
    left: Floats = edit - (small @ colours[:3] + colours[3])
    mean, means = box_mean(luma, RADIUS), box_mean(left, RADIUS)
    squares: Floats = luma * luma
    variance = box_mean(squares, RADIUS) - mean * mean
    together: Floats = left * luma[..., None]
    covariance = box_mean(together, RADIUS) - means * mean[..., None]
    slope = box_mean(np.divide(covariance, (variance + EPS)[..., None], dtype=np.float32), RADIUS)
    return Change(colours, slope, left - slope * luma[..., None])


def carried_out(change: Change, photo: Floats, box: Box, size: tuple[int, int]) -> Floats:
    """The edit of a box of the photo, whose whole is `size` (width, height); photo: its colours in the box."""
    out = np.asarray(cv2.transform(photo, np.ascontiguousarray(change.colours.T)), np.float32)
    luma = np.asarray(cv2.transform(photo, LUMA[None]), np.float32)
    out += times(magnified(change.slope, box, size), luma)
    out += magnified(change.rest, box, size)
    return out


def magnified(planes: Floats, box: Box, size: tuple[int, int]) -> Floats:
    """A box of `planes` (h, w, 3) as it is at another size (width, height), by cubic interpolation."""
    x0, y0, x1, y1 = box
    height, width = planes.shape[:2]
    at = np.meshgrid(scaled(x0, x1, width / size[0]), scaled(y0, y1, height / size[1]))
    return np.asarray(cv2.remap(planes, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)


def scaled(start: int, stop: int, scale: float) -> Floats:
    """Where the centres of the pixels start … stop lie in a picture `scale` times as large, counted in its pixels."""
    return ((np.arange(start, stop) + 0.5) * scale - 0.5).astype(np.float32)
