"""OKLab, a perceptual colour space, and its way back into the gamut of sRGB. In doubles: for tables, not photos.

L is lightness, 0 = black … 1 = white; a and b are green–red and blue–yellow, about ±0.3; (…, 3).
Björn Ottosson, "A perceptual color space for image processing" (2020).
"""

from __future__ import annotations

import numpy as np

from tools.color import LUMINANCE, Doubles, to_coded, to_linear

_TO_LMS: Doubles = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB: Doubles = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(coded: Doubles) -> Doubles:
    """Coded sRGB (…, 3), 0…1 → OKLab."""
    lab: Doubles = np.cbrt(to_linear(coded) @ _TO_LMS.T) @ _TO_LAB.T
    return lab


def srgb(lab: Doubles) -> Doubles:
    """OKLab → coded sRGB, 0…1. What lies outside the gamut keeps its hue and luminance and loses colour."""
    linear = (lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T
    return to_coded(np.clip(in_gamut(linear), 0, 1))


def in_gamut(linear: Doubles) -> Doubles:
    """Linear RGB (…, 3), moved towards the grey of its luminance as far as it takes to lie in 0…1."""
    grey = np.clip(linear @ LUMINANCE, 0, 1)[..., None]
    away = linear - grey
    room = np.where(away > 0, 1 - grey, grey)
    share = np.min(np.where(np.abs(away) > room, room / np.maximum(np.abs(away), 1e-12), 1), axis=-1, keepdims=True)
    return np.asarray(grey + share * away)
