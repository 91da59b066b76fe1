"""Marks for an edited picture, from exact truth: which colour an object has, how far the edit went, what else moved.

Pictures are uint8 (h, w, 3), masks bool (h, w). Nothing here is learned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toybox.drawing import INK, PAPER, Floats, Pixels, developed, lighter, weathered
from toybox.scenes import COLOURS, SIDE

Mask = NDArray[np.bool_]


def shades(tone: str = "colour", light: str = "day", style: str = "plain", weather: str = "clear") -> Floats:
    """Both shades of every object colour as they look in these states, (len(COLOURS), 2, 3); rain and snow only cover
    some pixels, so they change no shade."""
    base = np.array(list(COLOURS.values()), np.float32)
    return _seen(np.stack([base, lighter(base)], 1), tone, light, style, weather)


def _seen(rgb: Floats, tone: str, light: str, style: str, weather: str) -> Floats:
    return developed(weathered(rgb, "foggy") if weather == "foggy" else rgb, tone, light, style)


def colour_in(
    rgb: Pixels, mask: Mask, tone: str = "colour", light: str = "day", style: str = "plain", weather: str = "clear"
) -> str:
    """The colour most pixels inside the mask are nearest to (Euclidean in RGB). ValueError for an empty mask.

    Pixels that are nearer to the fill of an outline or to a comic's line have no voice, nor has what rain and snow
    cover. What is left of a comic's outlined thing are edges: one in three of these is told wrongly, else one in fifty.
    """
    if not mask.any():
        raise ValueError("A colour was asked of no pixel.")
    voices = mask & ~covered(weather) if weather in ("rainy", "snowy") else mask
    pixels = rgb[voices if voices.any() else mask].astype(np.float32)
    none = _seen(np.array([[INK] * 3, [PAPER] * 3], np.float32), tone, light, style, weather)
    away = ((pixels[:, None] - none) ** 2).sum(-1).min(1)
    distance = ((pixels[:, None, None] - shades(tone, light, style, weather)) ** 2).sum(-1).min(-1)
    told = distance.min(1) <= away
    nearest = distance[told if told.any() else slice(None)].argmin(1)
    return list(COLOURS)[int(np.bincount(nearest, minlength=len(COLOURS)).argmax())]


def covered(weather: str) -> Mask:
    """The pixels that rain or snow, with its shadows, always covers."""
    grey = np.full((SIDE, SIDE, 3), 128, np.float32)
    return np.asarray((weathered(grey, weather) != grey).any(-1))


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
