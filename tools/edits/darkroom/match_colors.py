"""match_colors: gives a photo the colours of another one, by what is typical of both and not pixel by pixel.

In OKLab the colours of a photo are a cloud; the Monge–Kantorovich map is the linear change that turns the cloud of the
one into that of the other while it moves colours as little as possible: Pitié, Kokaram, The Linear Monge–Kantorovitch
Linear Colour Mapping for Example-Based Colour Transfer, CVMP 2007. (Reinhard et al., Color Transfer between Images,
2001, is its diagonal.) What is rare does not count, no spread grows or shrinks beyond GAIN, black and white stay
without colour, and what leaves the gamut keeps its hue.
Does not look for things: the grass of the one does not become the grass of the other. What is seen through is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from sessions.errors import BadArguments
from sessions.values import Picture, Pixels
from tools.base import Edit, EditContext, Progress, ToolArgs, tool
from tools.color import Doubles
from tools.cube import cube, through
from tools.oklab import oklab, srgb
from tools.parts import edit_parts, region_box, unchanged
from tools.pixels import shrink

SEEN = 384
"""Longer side, in pixels, of the copies whose colours are counted."""
RARE = 0.02
"""Share of the colours, at either end of each axis, that is pulled in to where the others end."""
GRAIN = 0.004
"""Standard deviation in OKLab that every photo has at least, so that a grey one can be given colours and take them."""
GAIN = 2.5
"""How much a spread may grow or shrink."""
ENDS = 0.12
"""Below and above these lightnesses, counted from black and from white, colours are moved less and less."""
HARD = 4
"""How late, and then how abruptly, tones are pressed together on their way to black or white."""


class Args(ToolArgs):
    """How much."""

    amount: float = Field(0.8, ge=0, le=1, description="Strength; 1 makes the colours those of the other photo.")


@dataclass(frozen=True, eq=False)
class Cloud:
    """Mean (3,) and covariance (3, 3) of colours in OKLab."""

    mean: Doubles
    spread: Doubles


@tool("match_colors", args=Args, region="optional", subjects=(1, 1))
def match_colors(ctx: EditContext, args: Args) -> Edit:
    """Give the photo, or a part of it, the colours of another photo."""
    if args.amount == 0 or region_box(ctx) is None:
        return (yield from unchanged(ctx))
    ours = cloud(ctx.image, ctx.mask)
    yield Progress(0.0)
    theirs = cloud(ctx.subjects[0])
    yield Progress(0.0)
    table = cube(lambda coded: moved(coded, ours, theirs, args.amount))
    return (yield from edit_parts(ctx, lambda rgb, _: through(table, rgb)))


def cloud(picture: Picture, mask: Pixels | None = None) -> Cloud:
    """The colours of a picture, where it is not see-through and the mask (H, W), if any, is not 0."""
    small = shrink(picture.pixels, SEEN)
    weight = np.full(small.shape[:2], 255, np.uint8) if mask is None else shrink(mask, SEEN)
    if picture.alpha is not None:
        weight = np.minimum(weight, small[..., 3])
    rgb = np.dstack([small] * 3) if small.ndim == 2 else small[..., :3]
    seen = oklab(rgb[weight > 127] / 255.0)
    if len(seen) == 0:
        raise BadArguments("There is nothing to be seen in the picture, or the part of it, whose colours count.")
    low, high = np.quantile(seen, [RARE, 1 - RARE], axis=0)
    seen = np.clip(seen, low, high)
    return Cloud(seen.mean(axis=0), np.cov(seen.T, bias=True) + GRAIN**2 * np.eye(3))


def moved(coded: Doubles, ours: Cloud, theirs: Cloud, amount: float) -> Doubles:
    """Coded sRGB (n, 3), 0…1, as it becomes: x + amount · (T(x − μ) + μ' − x) in OKLab, within its limits."""
    x = oklab(coded)
    y = (x - ours.mean) @ transport(ours.spread, theirs.spread).T + theirs.mean
    light = x[:, :1] + short_of_the_ends(x[:, :1], y[:, :1] - x[:, :1])
    near_ends = smooth(np.minimum(x[:, :1], 1 - x[:, :1]) / ENDS)
    y = np.hstack([light, x[:, 1:] + near_ends * (y[:, 1:] - x[:, 1:])])
    return srgb(x + amount * (y - x))


def transport(a: Doubles, b: Doubles) -> Doubles:
    """T = A^−½ (A^½ B A^½)^½ A^−½, the symmetric map that turns covariance A into B, no gain beyond GAIN."""
    root = power(a, 0.5)
    inverse = np.linalg.inv(root)
    t = inverse @ power(root @ b @ root, 0.5) @ inverse
    gains, axes = np.linalg.eigh((t + t.T) / 2)
    return np.asarray((axes * np.clip(gains, 1 / GAIN, GAIN)) @ axes.T)


def power(a: Doubles, exponent: float) -> Doubles:
    """A symmetric positive matrix to some power."""
    values, axes = np.linalg.eigh(a)
    return np.asarray((axes * np.maximum(values, 0) ** exponent) @ axes.T)


def short_of_the_ends(light: Doubles, change: Doubles) -> Doubles:
    """A change of lightness, less where it would go beyond black or white: d / (1 + (d / room)^HARD)^(1 / HARD)."""
    room = np.where(change < 0, light, 1 - light)
    share = np.abs(change) / np.maximum(room, 1e-6)
    return np.asarray(change / (1 + share**HARD) ** (1 / HARD))


def smooth(t: Doubles) -> Doubles:
    """0 up to 0, 1 from 1, without corners in between."""
    t = np.clip(t, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
