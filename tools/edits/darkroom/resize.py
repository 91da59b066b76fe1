"""Change the picture's size in pixels. Nothing is cut off; for another shape without distortion there is `crop`."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sessions.errors import BadArguments
from sessions.values import Picture, Pixels
from tools import geometry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.geometry import MAX_SIDE, Size, is_opaque, premultiply, unpremultiply
from tools.pixels import bands


class Args(ToolArgs):
    """`width` and `height` in pixels: one alone keeps the aspect, both are taken exactly. Or `scale`, 0.5 = half."""

    width: int | None = Field(default=None, ge=1, le=MAX_SIDE, description="new width in pixels")
    height: int | None = Field(default=None, ge=1, le=MAX_SIDE, description="new height in pixels")
    scale: float | None = Field(default=None, gt=0, le=64, description="new size as a multiple of the old, 0.5 = half")

    @model_validator(mode="after")
    def _one_way(self) -> Args:
        sides = self.width is not None or self.height is not None
        if sides and self.scale is not None:
            raise ValueError("give either a scale or a width and height, not both")
        if not sides and self.scale is None:
            raise ValueError("give a width, a height or a scale")
        return self


@tool("resize", args=Args)
def resize(ctx: EditContext, args: Args) -> Edit:
    """Make the picture larger or smaller, in pixels.

    A side that shrinks is averaged over areas (no moiré), one that grows is interpolated by cubics. Each of the two
    library calls takes below 200 ms at 64 megapixels and is not cut; the way to and from premultiplied alpha is.
    """
    image = ctx.image
    width, height = size = _size(image.size, args)
    geometry.check_size(width, height)
    yield Progress(0.0)
    opaque = is_opaque(image)
    source: NDArray[Any] = image.pixels if opaque else premultiply(image.pixels)
    smaller = (min(width, image.width), min(height, image.height))
    # OpenCV averages areas only where no side grows, so a picture that grows one way takes both steps.
    shrunk: NDArray[Any] = (
        cv2.resize(source, smaller, interpolation=cv2.INTER_AREA) if smaller != image.size else source
    )
    yield Progress(0.5)
    out: NDArray[Any] = cv2.resize(shrunk, size, interpolation=cv2.INTER_CUBIC) if size != smaller else shrunk
    pixels = (yield from _straight(out)) if not opaque else out.copy() if out is image.pixels else out
    return EditResult(Picture(pixels), geometry=geometry.scale(width / image.width, height / image.height))


def _straight(p: NDArray[np.uint16]) -> Generator[Progress, None, Pixels]:
    """Premultiplied (H, W, 4) back to straight alpha, band by band."""
    out = np.empty(p.shape, np.uint8)
    for rows, _, _ in bands(*p.shape[:2]):
        yield Progress(0.5 + 0.5 * rows.start / len(p))
        out[rows] = unpremultiply(p[rows])
    return out


def _size(old: Size, args: Args) -> Size:
    """The new size; a side that was not given follows from the aspect and is at least one pixel."""
    if args.scale is not None:
        if max(old) * args.scale < 0.5:
            raise BadArguments("Nothing would be left of the picture at this scale.", "Ask for a larger scale.")
        return max(1, round(old[0] * args.scale)), max(1, round(old[1] * args.scale))
    if args.height is None and args.width is not None:
        return args.width, max(1, round(old[1] * args.width / old[0]))
    if args.width is None and args.height is not None:
        return max(1, round(old[0] * args.height / old[1])), args.height
    return args.width or 1, args.height or 1
