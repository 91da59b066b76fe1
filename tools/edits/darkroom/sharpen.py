"""sharpen: crisper detail in brightness only, without halos and without sharpening noise. Does not undo real blur."""

from __future__ import annotations

from math import ceil, hypot

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Pixels
from tools.base import Edit, EditContext, ToolArgs, tool
from tools.parts import Box, edit_parts, unchanged
from tools.pixels import Floats

STRENGTH = 2.0
"""Detail added at amount 1, as a multiple of what the picture has."""
FLOOR = 2.0
"""Detail of less than this many levels counts as noise and is left nearly as it is."""
OVERSHOOT = 0.15
"""How far an edge may pass the brightest and darkest pixel near it, as a share of what is added."""
PART = 1024, 512


class Args(ToolArgs):
    """How much."""

    amount: float = Field(default=0.4, ge=0, le=1, description="0 changes nothing, 1 is strong.")


@tool("sharpen", args=Args, region="optional")
def sharpen(ctx: EditContext, args: Args) -> Edit:
    """Make fine detail crisper."""
    if args.amount == 0:
        return (yield from unchanged(ctx))
    sigma = max(0.7, hypot(*ctx.image.size) / 3000)

    def change(rgb: Pixels, box: Box) -> Pixels:
        grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        added = detail(grey, sigma, STRENGTH * args.amount)
        return np.asarray(cv2.add(rgb, cv2.merge([added, added, added]), dtype=cv2.CV_8U), dtype=np.uint8)

    return (yield from edit_parts(ctx, change, reach(sigma), PART))


def reach(sigma: float) -> int:
    """How many pixels away from a pixel `detail` looks."""
    return ceil(3 * sigma)


def detail(grey: Pixels, sigma: float, strength: float) -> Floats:
    """What to add to each channel, in levels, (h, w): an unsharp mask with coring and a limit.

    d = grey − G_σ ∗ grey. Its small part is mostly noise: strength · d · d² / (d² + FLOOR²) is added. What then lies
    beyond the brightest or darkest pixel within 1.5σ is cut to its share OVERSHOOT, so that edges get no halo.
    """
    side = 2 * reach(sigma) + 1
    g = grey.astype(np.float32)
    d = g - cv2.GaussianBlur(g, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)
    d2 = d * d
    sharp = g + np.float32(strength) * d * d2 / (d2 + np.float32(FLOOR**2))
    near = np.ones((2 * ceil(1.5 * sigma) + 1,) * 2, np.uint8)
    low, high = cv2.erode(grey, near).astype(np.float32), cv2.dilate(grey, near).astype(np.float32)
    limited = np.clip(sharp, low, high)
    return np.asarray(limited + np.float32(OVERSHOOT) * (sharp - limited) - g, dtype=np.float32)
