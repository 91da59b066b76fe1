"""What has a colour or a tone, by name: "red", "gray", "dark". Decides by colour alone, pixel by pixel.

Names follow hue in CIE Lab, with wide borders in between; how much hangs on where a border is drawn is the confidence.
"""

from __future__ import annotations

import cv2
import numpy as np

from tools.grounding.cuts import Bools, iou
from tools.grounding.superpixels import to_lab
from tools.grounding.view import Found, View
from tools.pixels import Floats

LEAST = 0.001
"""Share of the picture below which a colour counts as not there."""

HUES = {
    "red": (35.0, 24.0),
    "orange": (62.0, 16.0),
    "yellow": (95.0, 20.0),
    "green": (142.0, 34.0),
    "cyan": (200.0, 26.0),
    "blue": (268.0, 44.0),
    "purple": (318.0, 18.0),
    "pink": (358.0, 24.0),
}
"""Hue in Lab in degrees and half the width of its range, where membership is a half."""
SLOPE = 12.0
"""Degrees over which membership in a hue falls from 1 to 0."""
GREY, COLOURED = 8.0, 18.0
"""Chroma below which nothing has a hue, and above which everything has."""


def coloured(view: View, name: str) -> Found | None:
    """All of a colour or tone, or None where there is next to nothing of it."""
    degree = membership(to_lab(np.asarray(cv2.medianBlur(view.large, 5), dtype=np.uint8)), name)
    degree[view.clear] = 0
    mask = degree > 0.5
    if mask.mean() < LEAST:
        return None
    return Found(speckless(mask), iou(degree > 0.25, degree > 0.75))


def membership(lab: Floats, name: str) -> Floats:
    """(h, w) 0…1: how far each pixel deserves the name. lab: (h, w, 3), L 0…100."""
    light, a, b = np.moveaxis(lab, -1, 0)
    chroma = np.hypot(a, b)
    grey = 1 - ramp(chroma, GREY, COLOURED)
    if name == "dark":
        return 1 - ramp(light, *_around(light))
    if name == "bright":
        return ramp(light, *_around(light))
    if name == "black":
        return (1 - ramp(light, 15, 30)) * grey
    if name == "white":
        return ramp(light, 68, 84) * grey
    if name == "gray":
        return ramp(light, 15, 30) * (1 - ramp(light, 76, 90)) * grey
    hue = np.degrees(np.arctan2(b, a))
    if name == "brown":
        return _in_hue(hue, 60.0, 28.0) * (1 - ramp(light, 48, 62)) * (1 - grey)
    degree = _in_hue(hue, *HUES[name]) * (1 - grey)
    return degree * ramp(light, 40, 52) if name in ("orange", "yellow") else degree


def ramp(x: Floats, low: float, high: float) -> Floats:
    """0 up to `low`, 1 from `high`, straight in between."""
    return np.asarray(np.clip((x - low) / (high - low), 0, 1), dtype=np.float32)


def speckless(mask: Bools) -> Bools:
    """Without specks and pinholes of a few pixels, all else kept."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    plane = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return np.asarray(cv2.morphologyEx(plane, cv2.MORPH_CLOSE, kernel) > 0)


def largest(mask: Bools) -> Bools:
    """Its largest connected piece."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))) if count > 1 else mask


def _in_hue(hue: Floats, centre: float, half: float) -> Floats:
    away = np.abs((hue - centre + 180) % 360 - 180)
    return 1 - ramp(away, half - SLOPE / 2, half + SLOPE / 2)


def _around(light: Floats) -> tuple[float, float]:
    """A fifth of the lightness range of a picture around its threshold of Otsu."""
    threshold, _ = cv2.threshold(np.clip(light * 2.55, 0, 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    width = 0.1 * float(np.quantile(light, 0.98) - np.quantile(light, 0.02)) + 1e-3
    return threshold / 2.55 - width, threshold / 2.55 + width
