"""Turn the picture clockwise by any angle. Finding the angle of a crooked photo is `straighten`."""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Geometry, Picture
from tools import geometry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool

LEVELLING = 15.0
"""Up to this many degrees from a quarter turn, someone is levelling a photo; beyond it, tilting a picture."""

_QUARTERS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class Args(ToolArgs):
    """`degrees` clockwise; negative turns to the left."""

    degrees: float = Field(default=90, ge=-360, le=360, description="degrees clockwise; negative turns to the left")


@tool("rotate", args=Args)
def rotate(ctx: EditContext, args: Args) -> Edit:
    """Turn the picture clockwise by some degrees.

    Quarter turns move pixels and change none. A turn within 15° of one levels a photo, and nobody wants empty corners
    in a photo: the result is the largest upright part of the same aspect without any (of 3:2 at 5°, sides shorter by
    11 %). A turn beyond that is meant to be seen, and cutting it would throw away up to two thirds of the picture: all
    of it stays, on a larger canvas. Its corners are transparent rather than white, because white could not be told
    from the photo's own white afterwards.
    """
    image = ctx.image
    if args.degrees % 90 == 0:
        yield Progress(0.0)
        turned, moved = _quarter(image, int(args.degrees) % 360)
    else:
        turned, moved = yield from _tilt(image, args.degrees)
    return EditResult(turned, geometry=moved)


def _quarter(image: Picture, degrees: int) -> tuple[Picture, Geometry]:
    """0, 90, 180 or 270 degrees clockwise, without loss."""
    code = _QUARTERS.get(degrees)
    out = image.pixels.copy() if code is None else cv2.rotate(image.pixels, code).astype(np.uint8, copy=False)
    turned = Picture(out)
    return turned, geometry.rotate(degrees, image.size, turned.size)


def _tilt(image: Picture, degrees: float) -> Generator[Progress, None, tuple[Picture, Geometry]]:
    """Any other angle: an upright part of it without empty corners, or all of it on a larger canvas."""
    quarters = round(degrees / 90)
    rest = degrees - 90 * quarters
    canvas = abs(rest) > LEVELLING
    if canvas:
        size = geometry.enclosing(image.size, degrees)
        geometry.check_size(*size)
    else:
        size = geometry.inscribed(image.size if quarters % 2 == 0 else image.size[::-1], rest)
    moved = geometry.rotate(degrees, image.size, size)
    turned = yield from geometry.resample(image, moved, size, canvas)
    return turned, moved
