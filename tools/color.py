"""Light and colour on arrays: sRGB ⇄ linear light, luminance, white points and their adaptation, saturation.

Knows nothing of tools, masks or bands, nor of tone curves (see curves). "Linear" is float32 RGB with sRGB's primaries,
0 = black, 1 = white; "coded" is sRGB as stored, float32 0…1 unless uint8 is said.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sessions.values import Pixels
from tools.pixels import Floats

Doubles = NDArray[np.float64]

D65 = (0.3127, 0.3290)
"""CIE xy of sRGB's white, the neutral of every picture here."""

# IEC 61966-2-1 primaries and white; rows are X, Y, Z.
RGB_TO_XYZ: Doubles = np.array(
    [[0.4123908, 0.3575843, 0.1804808], [0.2126390, 0.7151687, 0.0721923], [0.0193308, 0.1191948, 0.9505322]]
)
LUMINANCE: Doubles = RGB_TO_XYZ[1] / RGB_TO_XYZ[1].sum()

# Lam 1985, the "Bradford" cone responses as ICC.1:2010 annex E gives them.
BRADFORD: Doubles = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def to_linear(coded: Doubles) -> Doubles:
    """sRGB decoding, 0…1 → 0…1 (IEC 61966-2-1)."""
    return np.where(coded <= 0.04045, coded / 12.92, ((np.maximum(coded, 0.04045) + 0.055) / 1.055) ** 2.4)


def to_coded(linear: Doubles) -> Doubles:
    """sRGB encoding, 0…1 → 0…1; the inverse of `to_linear`."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


_LINEAR = to_linear(np.arange(256) / 255).astype(np.float32)


def linear_light(rgb: Pixels) -> Floats:
    """Coded uint8 of any shape → linear of that shape."""
    return np.asarray(cv2.LUT(rgb, _LINEAR), dtype=np.float32)


def indices(x: Floats) -> NDArray[np.uint16]:
    """0…1 → 0…65 535, what lies outside is cut; (H, W) or (H, W, C)."""
    return np.asarray(cv2.addWeighted(x, 65535.0, x, 0.0, 0.0, dtype=cv2.CV_16U), dtype=np.uint16)


@cache
def _encoding(top: int) -> NDArray[np.integer[Any]]:
    """Coded values 0…top for each of 65 536 linear ones."""
    coded = np.rint(top * to_coded(np.arange(65536) / 65535))
    return coded.astype(np.uint16 if top > 255 else np.uint8)


def encode(linear: Floats) -> Floats:
    """Linear → coded float32, cut to 0…1, within 0.0001; (H, W) or (H, W, C)."""
    return np.multiply(cv2.LUT(indices(linear), _encoding(65535)), np.float32(1 / 65535), dtype=np.float32)


def encode_bytes(linear: Floats) -> Pixels:
    """Linear → coded uint8, cut and rounded; (H, W) or (H, W, C)."""
    return np.asarray(cv2.LUT(indices(linear), _encoding(255)), dtype=np.uint8)


def from_bytes(rgb: Pixels) -> Floats:
    """Coded uint8 → coded 0…1."""
    return np.multiply(rgb, np.float32(1 / 255), dtype=np.float32)


def to_bytes(coded: Floats) -> Pixels:
    """Coded 0…1 → uint8, rounded and cut."""
    return np.asarray(cv2.convertScaleAbs(np.maximum(coded, np.float32(0)), alpha=255.0), dtype=np.uint8)


def luminance(linear: Floats) -> Floats:
    """Relative luminance Y of linear RGB, (H, W, 3) → (H, W)."""
    return np.asarray(cv2.transform(linear, LUMINANCE[None].astype(np.float32)), dtype=np.float32)


def saturate(coded: Floats, grey: Floats, amount: float) -> Floats:
    """More or less colour; amount −1 (grey) … 1, 0 leaves all as it is.

    coded: (H, W, 3); grey: (H, W), the coded grey of each pixel's luminance. A colour moves on the line from its grey
    to the edge of the gamut. With p its place there (0 grey, 1 edge), less colour means p' = (1 + amount)·p and more
    means p' = g·p / (1 + (g − 1)·p), g = 1 + 1.5·amount: pale colours gain most, strong ones little (as "vibrance"
    does), none leaves the gamut, and no two of a hue change places. Coded values and not linear ones, because reds
    that lose colour in linear light turn mauve.
    """
    if amount <= 0:
        return np.asarray(cv2.addWeighted(coded, 1 + amount, spread(grey), -amount, 0.0), dtype=np.float32)
    tiny, g = np.float32(1e-6), np.float32(1 + 1.5 * amount)
    low, high = extremes(coded)
    p = np.maximum((high - grey) / np.maximum(1 - grey, tiny), (grey - low) / np.maximum(grey, tiny))
    t = g / (1 + (g - 1) * p)
    return times(coded, t) + spread((1 - t) * grey)


def extremes(rgb: Floats | Pixels) -> tuple[Floats, Floats]:
    """Smallest and largest channel of each pixel, (H, W, 3) → two (H, W), as float32 in the units of `rgb`."""
    r, g, b = cv2.split(rgb)  # ten times faster than numpy's reduction over a short last axis
    low, high = np.minimum(np.minimum(r, g), b), np.maximum(np.maximum(r, g), b)
    return low.astype(np.float32, copy=False), high.astype(np.float32, copy=False)


def times(rgb: Floats, plane: Floats) -> Floats:
    """(H, W, 3) times (H, W)."""
    return np.asarray(cv2.multiply(rgb, spread(plane)), dtype=np.float32)


def spread(plane: Floats) -> Floats:
    """(H, W) → (H, W, 3) with that plane three times; what numpy would broadcast, but fast."""
    return np.asarray(cv2.merge([plane, plane, plane]), dtype=np.float32)


def daylight(kelvin: float) -> tuple[float, float]:
    """CIE xy of daylight of a correlated colour temperature, 4000…25 000 K (CIE 15:2004, section 3.1)."""
    t = 1000.0 / kelvin
    if kelvin <= 7000:
        x = -4.6070 * t**3 + 2.9678 * t**2 + 0.09911 * t + 0.244063
    else:
        x = -2.0064 * t**3 + 1.9018 * t**2 + 0.24748 * t + 0.237040
    return x, -3.000 * x * x + 2.870 * x - 0.275


def uv_of(xy: tuple[float, float]) -> Doubles:
    """CIE 1960 u, v of CIE x, y."""
    x, y = xy
    return np.array([4 * x, 6 * y]) / (-2 * x + 12 * y + 3)


def xy_of(uv: Doubles) -> tuple[float, float]:
    """The inverse of `uv_of`."""
    u, v = float(uv[0]), float(uv[1])
    return 3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4)


def white_xyz(xy: tuple[float, float]) -> Doubles:
    """XYZ with Y = 1 of a chromaticity."""
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


def adaptation(source: Doubles, target: Doubles) -> Doubles:
    """3×3 matrix on linear RGB that makes the XYZ white `source` look as `target`: von Kries on Bradford's responses.

    Whites of equal Y keep the luminance of greys.
    """
    ratio = (BRADFORD @ target) / (BRADFORD @ source)
    in_xyz = np.linalg.inv(BRADFORD) @ np.diag(ratio) @ BRADFORD
    matrix: Doubles = np.linalg.inv(RGB_TO_XYZ) @ in_xyz @ RGB_TO_XYZ
    return matrix
