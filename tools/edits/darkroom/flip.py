"""Mirror the picture. Every pixel is kept as it is; nothing is interpolated."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Picture
from tools import geometry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool


class Args(ToolArgs):
    """`horizontal` swaps left and right, as a mirror does; `vertical` swaps top and bottom."""

    axis: geometry.Axis = Field(
        default="horizontal", description="horizontal swaps left and right, vertical top and bottom"
    )


@tool("flip", args=Args)
def flip(ctx: EditContext, args: Args) -> Edit:
    """Mirror the picture left to right or top to bottom."""
    yield Progress(0.0)
    out = cv2.flip(ctx.image.pixels, 1 if args.axis == "horizontal" else 0)
    return EditResult(Picture(out.astype(np.uint8, copy=False)), geometry=geometry.flip(args.axis, ctx.image.size))
