"""replace_background: a plain colour or another picture behind the subject, whose soft edges lose the old background.

The region is what is replaced: the background, where none is named. The mask is read as a matte: a pixel of value m
shows (1 − m/255) of the subject, whose own colour there is estimated, so that no fringe of the old background stays.
What is see-through in the background, or in a soft edge, becomes opaque. The other picture covers the whole of this
one, its middle shown where the shapes differ; what is see-through in it is white.
Does not soften a hard mask, casts no shadow, and does not fit the light of the one picture to the other.
"""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from sessions.errors import BadArguments
from sessions.values import Picture, Pixels
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.matte import foreground, reach_of
from tools.parts import Box, colours, cut, grown
from tools.pixels import Color, Floats, mask_box, rgb_of

PART = 512


class Args(ToolArgs):
    """Which colour, where no picture is given."""

    color: Color | None = Field(None, description="The new background, #rrggbb; none where it is another picture.")


@tool("replace_background", args=Args, region="optional", usual="the background", subjects=(0, 1))
def replace_background(ctx: EditContext, args: Args) -> Edit:
    """Put a plain colour or another picture behind the subject, whose soft edges lose the old background's colour."""
    new = scene(ctx, args)
    mask = ctx.mask
    box = None if mask is None else mask_box(mask)
    if mask is None or box is None:
        return EditResult(ctx.image)
    out = ctx.image.pixels.copy()
    touched = np.where(mask > 0, 255, 0).astype(np.uint8)
    parts = list(cut(box, PART, PART))
    for done, part in enumerate(parts, start=1):
        behind(ctx.image, mask, part, new, out)
        yield Progress(done / len(parts))
    return EditResult(Picture(out), touched)


def scene(ctx: EditContext, args: Args) -> Pixels:
    """The new background: (H, W, 3), or one colour, (1, 1, 3)."""
    if bool(ctx.subjects) == (args.color is not None):
        raise BadArguments("A new background is either a colour or another picture.", "Name one of the two.")
    return (
        covering(ctx.subjects[0], ctx.image.size) if ctx.subjects else np.array([[rgb_of(args.color or "")]], np.uint8)
    )


def covering(picture: Picture, size: tuple[int, int]) -> Pixels:
    """(H, W, 3) the middle of a picture, as much of it as fits the shape of `size` (width, height), at that size."""
    (width, height), (w, h) = size, picture.size
    share = min(w / width, h / height)
    w, h = max(1, round(width * share)), max(1, round(height * share))
    left, top = (picture.width - w) // 2, (picture.height - h) // 2
    how = cv2.INTER_AREA if share > 1 else cv2.INTER_CUBIC
    middle = picture.pixels[top : top + h, left : left + w]
    return np.asarray(cv2.resize(on_white(middle), size, interpolation=how), np.uint8)


def on_white(pixels: Pixels) -> Pixels:
    """(h, w, 3) colours of any mode, on white where they are see-through."""
    if pixels.ndim == 2:
        return np.dstack([pixels] * 3)
    if pixels.shape[2] == 3:
        return np.ascontiguousarray(pixels)
    alpha = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def behind(picture: Picture, mask: Pixels, box: Box, new: Pixels, out: Pixels) -> None:
    """Write a box of the picture, with `new` (H, W, 3) or (1, 1, 3) where the mask is, into `out`."""
    x0, y0, x1, y1 = box
    m, here = mask[y0:y1, x0:x1], out[y0:y1, x0:x1]
    back = np.broadcast_to(new, (*mask.shape, 3))[y0:y1, x0:x1]
    soft = (m > 0) & (m < 255)
    here[m == 255, :3] = back[m == 255]
    here[m > 0, 3:] = 255
    if not soft.any():
        return
    reach = reach_of(picture.size)
    read = grown(box, 2 * reach, picture.size)
    a = opacity(picture, mask, read)
    keep = np.s_[y0 - read[1] : y1 - read[1], x0 - read[0] : x1 - read[0]]
    fore, share = foreground(colours(picture, read).astype(np.float32), a, reach)[keep], a[keep][..., None]
    here[soft, :3] = np.rint(share * fore + (1 - share) * back)[soft]


def opacity(picture: Picture, mask: Pixels, box: Box) -> Floats:
    """α, (h, w) 0…1: how much of each pixel of a box is subject."""
    x0, y0, x1, y1 = box
    a = 1 - mask[y0:y1, x0:x1].astype(np.float32) / np.float32(255)
    return a if picture.alpha is None else a * picture.alpha[y0:y1, x0:x1].astype(np.float32) / np.float32(255)
