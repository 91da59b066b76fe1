"""vignette: darker or brighter corners, as a lens makes them. Always around the middle of the picture; no colour."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Pixels
from tools.base import Edit, EditContext, ToolArgs, tool
from tools.color import encode_bytes, extremes, linear_light, times
from tools.parts import Box, edit_parts, unchanged
from tools.pixels import Floats

STOPS = 2.5
"""Loss of light in the very corner at amount 1, in stops."""


class Args(ToolArgs):
    """How much."""

    amount: float = Field(
        default=0.5, ge=-1, le=1, description="Positive darkens the corners, negative brightens them."
    )


@tool("vignette", args=Args)
def vignette(ctx: EditContext, args: Args) -> Edit:
    """Darken the corners (or brighten them) so that the eye stays in the picture."""
    if args.amount == 0:
        return (yield from unchanged(ctx))

    def change(rgb: Pixels, box: Box) -> Pixels:
        light = linear_light(rgb)
        gain = falloff(box, ctx.image.size, args.amount)
        if args.amount < 0:
            gain = gain / (1 + (gain - 1) * extremes(light)[1])  # bright things roll off
        return encode_bytes(times(light, gain))

    return (yield from edit_parts(ctx, change))


def falloff(box: Box, size: tuple[int, int], amount: float) -> Floats:
    """Gain in linear light for the pixels (h, w) of a box of a picture of `size` (width, height).

    (1 + r⁴)^(−STOPS·amount), r the distance from the middle in half diagonals: 1 in the middle, 2^(−STOPS·amount) in
    the corner. Flatter in the middle than a lens's own (1 + r²)^−2 (the cos⁴ law), so that the subject keeps its light.
    """
    x0, y0, x1, y1 = box
    width, height = size
    x = (np.arange(x0, x1) + 0.5 - width / 2).astype(np.float32)
    y = (np.arange(y0, y1) + 0.5 - height / 2).astype(np.float32)
    r2 = (x * x + (y * y)[:, None]) / np.float32((width * width + height * height) / 4)
    return np.asarray(cv2.pow(1 + r2 * r2, -STOPS * amount), dtype=np.float32)
