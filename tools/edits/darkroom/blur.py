"""blur: a soft, lens-like blur in linear light, which with a region takes nothing from outside it.

Gaussian only: no motion, no bokeh shapes, no depth. What it equals: out = G_σ ∗ (w·x) / (G_σ ∗ w) with x the linear
light, w the region (times alpha; 0 beyond the border), G_σ cut at 3.5σ; σ = REACH · diagonal · amount^1.5, so that a
picture looks the same at any size. From σ = 8 on it is computed on a copy reduced by k = ⌊σ/4⌋ (block means, σ less
what they add, enlarged bilinearly), which differs by less than one level before rounding (tested).
"""

from __future__ import annotations

from collections.abc import Generator
from math import ceil, hypot, sqrt

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Picture, Pixels
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.color import encode_bytes, linear_light, times
from tools.filters import enlarge_rows
from tools.parts import CACHED_PIXELS, Box, colours, cut, edit_parts, grown, put_colours, region_box, unchanged
from tools.pixels import Floats

REACH = 0.022
"""σ at amount 1 as a share of the diagonal."""
PART = 1024, 512
TINY = np.float32(1e-6)


class Args(ToolArgs):
    """How much."""

    amount: float = Field(default=0.5, ge=0, le=1, description="0 changes nothing, 1 dissolves all but large shapes.")


@tool("blur", args=Args, region="optional")
def blur(ctx: EditContext, args: Args) -> Edit:
    """Blur the picture softly; in a region, such as the background, without bleeding from outside it."""
    sigma = REACH * hypot(*ctx.image.size) * args.amount**1.5
    box = region_box(ctx)
    if sigma < 0.1 or box is None:
        return (yield from unchanged(ctx))
    if sigma >= 8:
        return (yield from _blur_reduced(ctx, box, sigma))

    def change(rgb: Pixels, part: Box) -> Pixels:
        return encode_bytes(smooth(linear_light(rgb), weights(ctx, part), sigma))

    return (yield from edit_parts(ctx, change, reach(sigma), PART))


def weights(ctx: EditContext, box: Box) -> Floats | None:
    """How much each pixel of a box may give to its neighbours, 0…1, (h, w); None where all give alike."""
    x0, y0, x1, y1 = box
    planes = [plane[y0:y1, x0:x1] for plane in (ctx.mask, ctx.image.alpha) if plane is not None]
    if not planes:
        return None
    w = planes[0].astype(np.float32) / np.float32(255)
    return w if len(planes) == 1 else w * planes[1] / np.float32(255)


def reach(sigma: float) -> int:
    """Radius of the kernel in pixels."""
    return ceil(3.5 * sigma)


def smooth(x: Floats, w: Floats | None, sigma: float) -> Floats:
    """G_σ ∗ (w·x) / (G_σ ∗ w), (h, w, 3); 0 where no weight is near."""
    if w is None:
        near = _gaussian_1d(x.shape[0], sigma)[:, None] * _gaussian_1d(x.shape[1], sigma)
        return times(gaussian(x, sigma), np.reciprocal(near))
    return times(gaussian(times(x, w), sigma), np.reciprocal(np.maximum(gaussian(w, sigma), TINY)))


def gaussian(x: Floats, sigma: float) -> Floats:
    """G_σ ∗ x with nothing beyond the border."""
    side = 2 * reach(sigma) + 1
    return np.asarray(cv2.GaussianBlur(x, (side, side), sigma, borderType=cv2.BORDER_CONSTANT), dtype=np.float32)


def _gaussian_1d(n: int, sigma: float) -> Floats:
    """G_σ ∗ 1 along a side of n pixels, (n,)."""
    taps, one = cv2.getGaussianKernel(2 * reach(sigma) + 1, sigma), np.ones(1)
    line = cv2.sepFilter2D(np.ones((1, n), np.float32), -1, taps, one, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(line, dtype=np.float32).reshape(n)


def _blur_reduced(ctx: EditContext, box: Box, sigma: float) -> Edit:
    k = int(sigma / 4)
    small = yield from _reduce(ctx, box, k)
    # block means widen by (k² − 1)/12 and bilinear enlarging by k²/6, in pixels²
    soft = yield from _soften(small, sqrt(sigma**2 - (k**2 - 1) / 12 - k**2 / 6) / k)
    x0, y0, x1, y1 = box
    out = ctx.image.pixels.copy()
    for part in cut(box, x1 - x0, max(1, CACHED_PIXELS // (x1 - x0))):
        rows = slice(part[1] - y0 + k, part[3] - y0 + k)
        light = enlarge_rows(soft, (soft.shape[1] * k, soft.shape[0] * k), rows)[:, k : k + x1 - x0]
        put_colours(out[part[1] : part[3], x0:x1], encode_bytes(np.ascontiguousarray(light)))
        yield Progress(0.5 + 0.5 * (part[3] - y0) / (y1 - y0))
    return EditResult(Picture(out))


def _reduce(ctx: EditContext, box: Box, k: int) -> Generator[Progress, None, Floats]:
    """Means over k×k blocks of a box: of weight times linear light, and of weight, (h/k + 2, w/k + 2, 4).

    A ring of empty blocks lies around them, so that what is enlarged later is interpolated up to the border.
    """
    x0, y0, x1, y1 = box
    height, width = ceil((y1 - y0) / k), ceil((x1 - x0) / k)
    small = np.zeros((height + 2, width + 2, 4), np.float32)
    rows = max(1, CACHED_PIXELS // (x1 - x0) // k)
    for top in range(0, height, rows):
        part = x0, y0 + top * k, x1, min(y1, y0 + (top + rows) * k)
        light, w = linear_light(colours(ctx.image, part)), weights(ctx, part)
        w = np.ones(light.shape[:2], np.float32) if w is None else w
        blocks = cv2.merge([times(light, w), w])
        below, right = -blocks.shape[0] % k, width * k - blocks.shape[1]
        blocks = cv2.copyMakeBorder(blocks, 0, below, 0, right, cv2.BORDER_CONSTANT)
        bottom = min(height, top + rows)
        means = cv2.resize(blocks, (width, bottom - top), interpolation=cv2.INTER_AREA)
        small[top + 1 : bottom + 1, 1:-1] = means
        yield Progress(0.4 * bottom / height)
    return small


def _soften(small: Floats, sigma: float) -> Generator[Progress, None, Floats]:
    """G_σ ∗ light / G_σ ∗ weight of what `_reduce` made, (h, w, 3)."""
    height, width = small.shape[:2]
    soft = np.empty((height, width, 3), np.float32)
    for part in cut((0, 0, width, height), *PART):
        read = grown(part, reach(sigma), (width, height))
        near = gaussian(small[read[1] : read[3], read[0] : read[2]], sigma)
        x0, y0, x1, y1 = part
        keep = near[y0 - read[1] : y1 - read[1], x0 - read[0] : x1 - read[0]]
        soft[y0:y1, x0:x1] = keep[..., :3] / np.maximum(keep[..., 3:], TINY)
        yield Progress(0.4 + 0.1 * y1 / height)
    return soft
