"""Put a plain border around the picture, which grows by it; the picture itself is not covered or scaled."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Picture
from tools import geometry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.pixels import Color, rgb_of


class Args(ToolArgs):
    """`width` is a fraction of the picture's shorter side; `color` is #rrggbb."""

    width: float = Field(default=0.05, gt=0, le=0.5, description="width, as a fraction of the shorter side")
    color: Color = Field(default="#ffffff", description="colour, #rrggbb")


@tool("border", args=Args)
def border(ctx: EditContext, args: Args) -> Edit:
    """Put a border of one colour around the picture.

    At least one pixel wide, the same on all four sides, opaque where the picture has transparency.
    """
    yield Progress(0.0)
    image = ctx.image
    n = max(1, round(args.width * min(image.size)))
    geometry.check_size(image.width + 2 * n, image.height + 2 * n)
    color = (*rgb_of(args.color), 255)
    out = cv2.copyMakeBorder(image.pixels, n, n, n, n, cv2.BORDER_CONSTANT, value=color)
    return EditResult(Picture(out.astype(np.uint8, copy=False)), geometry=geometry.crop(-n, -n))
