"""Tone curves over linear light, and how a picture is put through one: exposure, contrast, the look-up.

Curves are monotone float64 functions of linear light, 0 = black, 1 = white. Not here: conversions between colours (see
color), which curve a picture needs (see the tools), masks.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt, tanh

import cv2
import numpy as np

from sessions.values import Pixels
from tools.color import Doubles, extremes, indices, spread, times, to_coded, to_linear
from tools.pixels import Floats

Curve = Callable[[Doubles], Doubles]

KNEE = 0.4
"""Linear value up to which brighter exposure is exactly light times 2^EV; the shoulder lies above."""


def curve_table(curve: Curve) -> Pixels:
    """`curve` (linear → linear) as coded uint8 for each of 65 536 coded values."""
    linear = to_linear(np.arange(65536) / 65535)
    return np.rint(255 * to_coded(np.clip(curve(linear), 0, 1))).astype(np.uint8)


def apply_curve(coded: Floats, table: Pixels) -> Pixels:
    """Coded float32 (H, W, 3) through a table of `curve_table`, the hue held halfway; coded uint8.

    A curve on each channel alone turns bright oranges yellow; holding the middle channel in its place between the
    other two (as the DNG SDK's RefBaselineRGBTone does) turns them salmon. Their mean looks right.
    """
    out = np.asarray(cv2.LUT(indices(coded), table), dtype=np.uint8)
    low, high = extremes(coded)
    out_low, out_high = extremes(out)
    k = (out_high - out_low) / np.maximum(high - low, np.float32(1e-6))
    held = times(coded, k) + spread(out_low - k * low)
    return np.asarray(cv2.addWeighted(out, 0.5, held, 0.5, 0.0, dtype=cv2.CV_8U), dtype=np.uint8)


def expose(x: Doubles, stops: float) -> Doubles:
    """Light times g = 2^stops without a hard clip; 0…1 → 0…1.

    Brighter: exact up to KNEE, then a hyperbola with slope 1 there that ends in (g, 1). Darker: g·x + (√g − g)·x³, so
    that white falls by half as many stops as the rest and skies do not turn grey.
    """
    g: float = 2.0**stops
    if g <= 1:
        return g * x + (sqrt(g) - g) * x**3
    a = 1 / (1 - KNEE) - 1 / (g - KNEE)
    over = np.maximum(g * x - KNEE, 0)
    return np.minimum(g * x, KNEE) + over / (1 + a * over)


def s_curve(x: Doubles, slope: float) -> Doubles:
    """An S around middle grey on the scale of CIE lightness; black, white and L* = 50 stay; 0…1 → 0…1.

    S(L) = 1/2 + tanh(k(L − 1/2)) / (2·tanh(k/2)); `slope` = k/2 / tanh(k/2) is its steepness in the middle. A slope
    below 1 gives the inverse of the S of 1/slope, so that s_curve(s_curve(x, c), 1/c) = x.
    """
    if slope == 1:
        return x
    k = _steepness(max(slope, 1 / slope))
    t = lightness(np.clip(x, 0, 1)) - 0.5
    if slope > 1:
        bent = np.tanh(k * t) / (2 * np.tanh(k / 2))
    else:
        bent = np.arctanh(np.clip(2 * np.tanh(k / 2) * t, -np.tanh(k / 2), np.tanh(k / 2))) / k
    return from_lightness(bent + 0.5)


def _steepness(slope: float) -> float:
    """k with k/2 / tanh(k/2) = slope > 1, by Newton's method on h − slope·tanh(h) from above the root."""
    half = slope
    for _ in range(60):
        half -= (half - slope * tanh(half)) / (1 - slope * (1 - tanh(half) ** 2))
    return 2 * half


def lightness(y: Doubles) -> Doubles:
    """CIE L*/100 of luminance 0…1 (CIE 15:2004, 8.2.1)."""
    return np.where(y > 216 / 24389, 1.16 * np.cbrt(y) - 0.16, y * (24389 / 2700))


def from_lightness(v: Doubles) -> Doubles:
    """The inverse of `lightness`."""
    return np.where(v > 0.08, ((v + 0.16) / 1.16) ** 3, v * (2700 / 24389))
