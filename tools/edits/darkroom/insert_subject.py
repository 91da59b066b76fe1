"""insert_subject: cuts something out of another photo and puts it into this one.

Its soft edge is freed of the old background's colour. Blended in, it also keeps its gradients and takes on the light of
the place: Poisson blending (`tools.poisson`) inside its outline, only that the change is limited, and that the matte
mixes both and not the outline. A picture with a see-through background is put in as it is.
A region on the step is a frame that it is fitted into. The result's mask is where it was put, and nothing else changes.
Draws no shadow, turns nothing, and puts nothing behind anything. Uncuttable: what `tools.regions` names, above
all the first graph cut.
"""

from __future__ import annotations

from collections.abc import Generator
from math import sqrt
from typing import Literal, TypeVar

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Picture, Pixels
from tools import placing
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.cutouts import Cutout, Scaled, cut_out, scaled
from tools.parts import Box, colours, cut
from tools.pixels import Floats, mask_box
from tools.poisson import membrane

PART = 512
WORK = 200_000
"""Pixels on which the membrane is found; it is smooth, and is enlarged from there."""
LEAN = 60.0
"""How far blending may change a colour, in levels (a distance in RGB): what comes out of daylight would turn black at
night."""
FAINT = 13
"""Opacity up to which a pixel counts as surroundings."""
NEAR = 2
"""Pixels at the working size from which the colours around a cut-out are taken."""
BLENDED = 0.85
"""The progress at which pasting begins."""
STRIDE = 0.1
"""How much of what is left of a search's progress each of its steps is counted as, their number not being known."""

T = TypeVar("T")


class Args(ToolArgs):
    """What, where, how large, and how its edge meets the photo."""

    subject: str | None = Field(
        None, max_length=200, description='What to cut out of the other photo, in words ("the cat"); its main subject.'
    )
    at: str | None = Field(
        None, max_length=200, description='Where: "bottom right", "on the table", "next to the cup"; the middle.'
    )
    scale: float | None = Field(
        None, gt=0, le=1, description="Its height as a fraction of this photo's; as it is in its own, if that fits."
    )
    blend: Literal["none", "poisson"] = Field(
        "none", description='"poisson": its light and colours follow those of the place.'
    )


@tool("insert_subject", args=Args, region="optional", subjects=(1, 1))
def insert_subject(ctx: EditContext, args: Args) -> Edit:
    """Put something from another photo into this one: what, where, how large, blended in or not."""
    cutout = yield from _told(cut_out(ctx.subjects[0], args.subject, ctx.confirmed), 0.0, 0.4)
    frame = None if ctx.mask is None else mask_box(ctx.mask)
    if frame is not None:
        where = placing.inside(frame)
    else:
        where = yield from _told(placing.spot(ctx.image, args.at, cutout.stands_cut), 0.4, 0.6)
    thing = yield from _told(scaled(cutout, factor(cutout, where, args.scale, ctx.image.size)), 0.6, 0.65)
    x0, y0, x1, y1 = thing.inner
    left, top = placing.corner(where, (x1 - x0, y1 - y0), ctx.image.size)
    corner = (left - x0, top - y0)
    e = None if args.blend == "none" else (yield from _told(lean(ctx.image, thing, corner), 0.65, BLENDED))
    return (yield from pasted(ctx.image, thing, corner, e))


def _told(steps: Generator[float | None, None, T], first: float, last: float) -> Generator[Progress, None, T]:
    """Steps of a search as progress, from `first` towards `last`."""
    at = first
    try:
        while True:
            next(steps)
            at += STRIDE * (last - at)
            yield Progress(at)
    except StopIteration as end:
        result: T = end.value
        return result


def factor(cutout: Cutout, where: placing.Spot, scale: float | None, size: tuple[int, int]) -> float:
    """By how much the cut-out is enlarged: to the height that was said, or to its natural share where there is room."""
    w, h = cutout.size
    height = (cutout.natural if scale is None else scale) * size[1]
    room = where.room if scale is None else size
    return min(height / h, room[0] / w, room[1] / h)


def overlap(picture: Picture, thing: Scaled, corner: tuple[int, int]) -> Box:
    """The box of `thing` that lies in the picture when its top left corner is at `corner`, in pixels of the thing."""
    (x, y), (h, w) = corner, thing.matte.shape
    return max(0, -x), max(0, -y), min(w, picture.width - x), min(h, picture.height - y)


def pasted(picture: Picture, thing: Scaled, corner: tuple[int, int], e: Floats | None = None) -> Edit:
    """The thing over the picture: α(F + e) + (1 − α)B. e (h, w, 3), of any size, is stretched over the thing."""
    out = picture.pixels.copy()
    mask = np.zeros(out.shape[:2], np.uint8)
    parts = list(cut(overlap(picture, thing, corner), PART, PART))
    for done, part in enumerate(parts, start=1):
        x0, y0, x1, y1 = part
        if thing.matte[y0:y1, x0:x1].any():
            above, a = thing.paint(part)
            if e is not None:
                above = np.clip(above + a * stretched(e, thing, part), 0, 255 * a)
            there = np.s_[y0 + corner[1] : y1 + corner[1], x0 + corner[0] : x1 + corner[0]]
            over(out[there], above, a)
            mask[there] = np.where(thing.matte[y0:y1, x0:x1] > 0, 255, 0)
        yield Progress(BLENDED + (1 - BLENDED) * done / len(parts))
    return EditResult(Picture(out), mask)


def stretched(e: Floats, thing: Scaled, part: Box) -> Floats:
    """What of e (h, w, 3), enlarged over the whole thing, falls on a box of it."""
    (h, w), (height, width), (x0, y0, x1, y1) = e.shape[:2], thing.matte.shape, part
    sx, sy = w / width, h / height
    to_e = np.array([[sx, 0, (x0 + 0.5) * sx - 0.5], [0, sy, (y0 + 0.5) * sy - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(e, to_e, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def over(below: Pixels, above: Floats, a: Floats) -> None:
    """Porter and Duff's "over", written into `below` (h, w, 3 or 4): above (h, w, 3) is premultiplied, a (h, w, 1)."""
    b = below[..., 3:].astype(np.float32) / 255 if below.shape[2] == 4 else np.float32(1)
    opacity = a + (1 - a) * b
    colour = above + (1 - a) * b * below[..., :3]
    below[..., :3] = np.rint(np.clip(colour / np.maximum(opacity, np.float32(1e-3)), 0, 255))
    if below.shape[2] == 4:
        below[..., 3:] = np.rint(255 * opacity)


def lean(picture: Picture, thing: Scaled, corner: tuple[int, int]) -> Generator[None, None, Floats]:
    """e, (h, w, 3) at a working size: how the thing's colours change so that it stands to its new surroundings as it
    did to its old ones, no further than LEAN."""
    height, width = thing.matte.shape
    k = max(1.0, sqrt(height * width / WORK))
    size = (max(1, round(width / k)), max(1, round(height / k)))
    yield
    there = under(picture, thing, corner, size)
    yield
    here = surroundings(thing, size)
    yield
    place = reduced(thing.matte, size) > FAINT
    e = yield from membrane(there - here, np.asarray(place))
    far = np.maximum(np.linalg.norm(e, axis=2, keepdims=True), 1e-3) / LEAN
    return np.asarray(np.tanh(far) / far * e, np.float32)


def under(picture: Picture, thing: Scaled, corner: tuple[int, int], size: tuple[int, int]) -> Floats:
    """The picture's colours where the thing comes to lie, at some size (w, h); beyond its border, that goes on."""
    x0, y0, x1, y1 = overlap(picture, thing, corner)
    here = colours(picture, (x0 + corner[0], y0 + corner[1], x1 + corner[0], y1 + corner[1]))
    height, width = thing.matte.shape
    around = cv2.copyMakeBorder(here, y0, height - y1, x0, width - x1, cv2.BORDER_REPLICATE)
    return reduced(np.asarray(around, np.uint8), size)


def surroundings(thing: Scaled, size: tuple[int, int]) -> Floats:
    """The thing in its photo, at some size (w, h); around one that came cut out, its own colours go on."""
    rgb = reduced(thing.rgb, size)
    if not thing.drawn:
        return rgb
    window = (2 * NEAR + 1, 2 * NEAR + 1)
    a = cv2.blur(reduced(thing.matte, size), window)
    return np.asarray(255 * cv2.blur(rgb, window) / np.maximum(a, 1)[..., None], np.float32)


def reduced(x: Pixels, size: tuple[int, int]) -> Floats:
    """Pixels at a smaller size, by means."""
    return np.asarray(cv2.resize(x, size, interpolation=cv2.INTER_AREA), np.float32)
