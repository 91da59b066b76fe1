"""adjust: exposure, contrast, saturation, white balance, highlights and shadows, in one pass over linear light.

Order: white balance, highlights and shadows (local), saturation, exposure with its shoulder, contrast; the last two are
one table. No automatic choices here (see auto), no hand-drawn curves, no grading by ranges of colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Pixels
from tools.base import Edit, EditContext, ToolArgs, tool
from tools.color import (
    D65,
    Doubles,
    adaptation,
    daylight,
    encode,
    extremes,
    from_bytes,
    linear_light,
    luminance,
    saturate,
    times,
    to_bytes,
    uv_of,
    white_xyz,
    xy_of,
)
from tools.curves import apply_curve, curve_table, expose, s_curve
from tools.filters import enlarge_rows, guided_coefficients
from tools.parts import Box, colours, edit_parts, unchanged
from tools.pixels import Floats, shrink

Slider = Annotated[float, Field(ge=-1, le=1)]

STOPS = 2.0
"""Exposure at ±1, in stops (EV)."""
CONTRAST_SLOPE = 2.0
"""Slope of the S curve in the middle at contrast 1; its inverse at −1."""
MIREDS = 90.0
"""Shift of the white point at temperature ±1, in mired (10⁶ / kelvin); daylight of 6504 K has 154."""
TINT = 0.022
"""Distance from the daylight locus at tint ±1, in CIE 1960 uv."""
SHADOW_STOPS, HIGHLIGHT_STOPS = 1.6, 0.8
"""Greatest local change at shadows ±1 and highlights ±1, in stops."""


class Args(ToolArgs):
    """Seven sliders, −1…1; 0 leaves the picture as it is, bit for bit."""

    exposure: Slider = Field(default=0.0, description="Brighter or darker; ±1 is two stops.")
    contrast: Slider = Field(default=0.0, description="Stronger or softer contrast around middle grey.")
    saturation: Slider = Field(default=0.0, description="More or less colour; −1 is grey.")
    temperature: Slider = Field(default=0.0, description="Warmer (positive) or cooler (negative).")
    tint: Slider = Field(default=0.0, description="Towards magenta (positive) or green (negative).")
    highlights: Slider = Field(default=0.0, description="Brighten (positive) or recover (negative) the bright parts.")
    shadows: Slider = Field(default=0.0, description="Lift (positive) or deepen (negative) the dark parts.")


@tool("adjust", args=Args, region="optional")
def adjust(ctx: EditContext, args: Args) -> Edit:
    """Change exposure, contrast, colour, white balance, highlights and shadows."""
    if args == Args():
        return (yield from unchanged(ctx))
    curve_only = args == Args(exposure=args.exposure, contrast=args.contrast)
    table = curve_table(lambda x: s_curve(expose(x, STOPS * args.exposure), CONTRAST_SLOPE**args.contrast))
    balance = white_balance(args.temperature, args.tint).astype(np.float32)
    base = base_layer(colours(ctx.image, (0, 0, *ctx.image.size))) if args.highlights or args.shadows else None

    def change(rgb: Pixels, box: Box) -> Pixels:
        if curve_only:
            return apply_curve(from_bytes(rgb), table)
        light = linear_light(rgb)
        if args.temperature or args.tint:
            light = np.asarray(cv2.transform(light, balance), dtype=np.float32)
        if base:
            light = times(light, np.exp2(local_stops(rgb, base, box, args)))
        coded = encode(light)
        if args.saturation:
            coded = saturate(coded, encode(luminance(light)), args.saturation)
        return apply_curve(coded, table) if args.exposure or args.contrast else to_bytes(coded)

    return (yield from edit_parts(ctx, change))


def white_balance(temperature: float, tint: float) -> Doubles:
    """3×3 matrix on linear RGB that renders neutral as if lit by warmer or cooler daylight, off its locus by `tint`.

    The white lies on the CIE daylight locus at 154 + MIREDS·temperature mired, and TINT·tint below it (magenta) in CIE
    1960 uv. Bradford adaptation from D65 to it; greys keep their luminance.
    """
    mired = 1e6 / 6504
    there = mired + MIREDS * temperature
    along = uv_of(daylight(1e6 / (there + 1))) - uv_of(daylight(1e6 / there))
    below = np.array([along[1], -along[0]]) / np.hypot(*along)
    white = uv_of(D65) + uv_of(daylight(1e6 / there)) - uv_of(daylight(1e6 / mired)) + TINT * tint * below
    return adaptation(white_xyz(D65), white_xyz(xy_of(white)))


@dataclass(frozen=True)
class Base:
    """The base layer of a picture, base = a·luma + b, as coefficients on a reduced copy; `size` is (width, height)."""

    a: Floats
    b: Floats
    size: tuple[int, int]


def base_layer(rgb: Pixels, side: int = 1024, radius: float = 0.02, eps: float = 0.01) -> Base:
    """The large forms of a picture, true to its edges, so that light can change without halos or loss of detail.

    Coded luma smoothed by the fast guided filter, its coefficients from a copy of at most `side` pixels; `radius` is a
    fraction of the longer side.
    """
    luma = _luma(shrink(rgb, side))
    a, b = guided_coefficients(luma, luma, max(1, round(radius * max(luma.shape))), eps)
    return Base(a, b, (rgb.shape[1], rgb.shape[0]))


def local_stops(rgb: Pixels, base: Base, box: Box, args: Args) -> Floats:
    """What highlights and shadows change, in stops, for the pixels (h, w, 3) of a box; (h, w).

    Weights follow the base layer, and where something becomes brighter also the pixel itself, so that nothing is pushed
    past white: a spark in the dark is not lifted with it. Clipped white is recovered less than what lies just below it,
    because there is nothing in it and it would only turn grey.
    """
    x0, y0, x1, y1 = box
    luma, peak = _luma(rgb), extremes(rgb)[1] * np.float32(1 / 255)
    a = enlarge_rows(base.a, base.size, slice(y0, y1))[:, x0:x1]
    b = enlarge_rows(base.b, base.size, slice(y0, y1))[:, x0:x1]
    smooth = np.clip(a * luma + b, 0, 1)
    stops = np.zeros_like(luma)
    if args.shadows:
        dark = np.maximum(1 - np.maximum(smooth, peak - 0.15) / 0.6, 0)
        stops += np.float32(SHADOW_STOPS * args.shadows) * dark * dark
    if args.highlights > 0:
        bright = np.maximum(smooth, peak)
        stops += np.float32(HIGHLIGHT_STOPS * args.highlights) * (_ramp(bright, 0.3, 0.7) - _ramp(bright, 0.65, 1))
    if args.highlights < 0:
        hump = _ramp(smooth, 0.4, 0.85) - 0.65 * _ramp(smooth, 0.85, 1)
        stops += np.float32(HIGHLIGHT_STOPS * args.highlights) * hump
    return stops


def _ramp(x: Floats, start: float, end: float) -> Floats:
    """0 up to start, 1 from end, 3t² − 2t³ between."""
    t: Floats = np.clip((x - np.float32(start)) * np.float32(1 / (end - start)), 0, 1)
    return t * t * (3 - 2 * t)


def _luma(rgb: Pixels) -> Floats:
    """Coded luma 0…1, (H, W)."""
    return from_bytes(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8))
