"""auto: what a lab does to a print: neutral light, full range, good middle tones, a little contrast.

Measures, then makes one gentle correction for the whole region; does little where little is wrong. Never changes single
colours or parts of the picture, and learns nothing from anybody's photos.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Pixels
from tools.base import Edit, EditContext, ToolArgs, tool
from tools.color import (
    D65,
    RGB_TO_XYZ,
    Doubles,
    adaptation,
    encode,
    linear_light,
    to_coded,
    to_linear,
    uv_of,
    white_xyz,
    xy_of,
)
from tools.curves import apply_curve, curve_table, s_curve
from tools.parts import Box, colours, edit_parts, region_box, unchanged
from tools.pixels import shrink

SIDE = 512
"""Statistics are taken from a copy of at most so many pixels a side."""


class Args(ToolArgs):
    """How much of the correction."""

    amount: float = Field(default=1.0, ge=0, le=1, description="0 changes nothing, 1 makes the whole correction.")


@dataclass(frozen=True)
class Correction:
    """Coded black and white points, exponent of the middle tones, slope of the S curve, white to make neutral (XYZ)."""

    black: float
    white: float
    gamma: float
    slope: float
    light: Doubles


@tool("auto", args=Args, region="optional")
def auto(ctx: EditContext, args: Args) -> Edit:
    """Improve light, colour cast and contrast automatically."""
    box = region_box(ctx)
    if args.amount == 0 or box is None:
        return (yield from unchanged(ctx))
    fix = measure(samples(ctx, box))
    balance = np.eye(3) + args.amount * (adaptation(fix.light, white_xyz(D65)) - np.eye(3))
    table = curve_table(lambda x: correct(x, fix, args.amount))

    def change(rgb: Pixels, part: Box) -> Pixels:
        light = np.asarray(cv2.transform(linear_light(rgb), balance.astype(np.float32)), dtype=np.float32)
        return apply_curve(encode(light), table)

    return (yield from edit_parts(ctx, change))


def samples(ctx: EditContext, box: Box) -> Pixels:
    """Colours inside the region from a reduced copy of its box, (n, 3); at least one."""
    x0, y0, x1, y1 = box
    small = shrink(colours(ctx.image, box), SIDE)
    mask = ctx.mask if ctx.mask is not None else ctx.image.alpha
    if mask is None:
        return small.reshape(-1, 3)
    inside = cv2.resize(np.ascontiguousarray(mask[y0:y1, x0:x1]), small.shape[1::-1], interpolation=cv2.INTER_AREA)
    kept: Pixels = small[inside.reshape(small.shape[:2]) >= min(128, inside.max())]
    return kept


def measure(rgb: Pixels) -> Correction:
    """The whole correction for pixels (n, 3), each part within limits that keep a good picture as it is.

    Black and white: the 0.5 % darkest (luma) and brightest (largest channel) pixels go three quarters of the way to the
    ends, at most from 0.08 and 0.7. Middle: a median outside 0.36…0.58 goes half the way there. Contrast: half of the
    range between the 10th and the 90th percentile is enough, less gets a steeper curve, at most 1.15.
    """
    coded = rgb.astype(np.float64) / 255
    luma = coded @ [0.299, 0.587, 0.114]
    black = 0.75 * min(float(np.percentile(luma, 0.5)), 0.08)
    white = 1 - 0.75 * (1 - max(float(np.percentile(coded.max(axis=1), 99.5)), 0.7))
    spread = np.clip((luma - black) / (white - black), 0.001, 0.999)
    low, middle, high = np.percentile(spread, [10, 50, 90])
    aim = np.sqrt(middle * np.clip(middle, 0.36, 0.58))
    gamma = float(np.clip(np.log(aim) / np.log(middle), 0.7, 1.3))
    slope = float(np.clip((0.5 / max(high**gamma - low**gamma, 0.01)) ** 0.5, 1.0, 1.15))
    return Correction(black, white, gamma, slope, white_of_light(rgb))


def white_of_light(rgb: Pixels) -> Doubles:
    """XYZ (Y = 1) of the light to make neutral, from pixels (n, 3): shades of grey, then only part of the way.

    Minkowski mean of order 6 (Finlayson and Trezzi, Shades of gray and colour constancy, CIC 2004) over pixels that are
    neither clipped nor black, weighted by (1 − saturation)⁴ because coloured things say little about the light. The
    first 0.005 of its distance from D65 in CIE 1960 uv is taste, 0.6 of the rest is corrected, at most 0.012.
    """
    peak, floor = rgb.max(axis=1).astype(np.float64), rgb.min(axis=1)
    usable = (peak > 12) & (peak < 250)
    if not usable.any():
        return white_xyz(D65)
    weight = (floor[usable] / peak[usable]) ** 4 + 1e-6
    light = np.average(linear_light(rgb[usable]).astype(np.float64) ** 6, axis=0, weights=weight) ** (1 / 6)
    x, y, z = RGB_TO_XYZ @ light
    away = uv_of((x / (x + y + z), y / (x + y + z))) - uv_of(D65)
    distance = float(np.hypot(*away))
    part = min(0.6 * max(distance - 0.005, 0.0), 0.012)
    return white_xyz(xy_of(uv_of(D65) + away * (part / max(distance, 1e-9))))


def correct(x: Doubles, fix: Correction, amount: float = 1.0) -> Doubles:
    """Levels, middle tones and contrast, `amount` of them: linear → linear, monotone."""
    coded = to_coded(x)
    levels = np.clip((coded - fix.black) / (fix.white - fix.black), 0, 1) ** fix.gamma
    return to_linear((1 - amount) * coded + amount * to_coded(s_curve(to_linear(levels), fix.slope)))
