"""replace_background: a plain colour behind the subject, whose soft edges are freed of the old background's colour.

The region is what becomes the colour: the background, where none is named. The mask is read as a matte: a pixel of
value m shows (1 − m/255) of the subject, whose own colour there is estimated, so that no fringe of the old background
stays. What is see-through in the background, or in a soft edge, becomes opaque.
Does not soften a hard mask, and casts no shadow.
"""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Picture, Pixels
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.parts import Box, colours, cut, grown
from tools.pixels import Color, Floats, mask_box, rgb_of

PART = 512
REACH = 1 / 60
"""How far pure colours may lie from a soft pixel, in longer sides; soft edges of grounded masks are narrower."""
NEAR = 3
"""Radius in pixels of the second, finer estimate."""
TINY = np.float32(1e-4)


class Args(ToolArgs):
    """Which colour."""

    color: Color = Field(description="The new background, #rrggbb.")


@tool("replace_background", args=Args, region="optional", usual="the background")
def replace_background(ctx: EditContext, args: Args) -> Edit:
    """Put a plain colour behind the subject; the subject's soft edges lose the old background's colour."""
    mask = ctx.mask
    box = None if mask is None else mask_box(mask)
    if mask is None or box is None:
        return EditResult(ctx.image)
    out = ctx.image.pixels.copy()
    touched = np.where(mask > 0, 255, 0).astype(np.uint8)
    colour = np.array(rgb_of(args.color), np.float32)
    reach = max(2 * NEAR, round(REACH * max(ctx.image.size)))
    parts = list(cut(box, PART, PART))
    for done, part in enumerate(parts, start=1):
        behind(ctx.image, mask, part, colour, reach, out)
        yield Progress(done / len(parts))
    return EditResult(Picture(out), touched)


def behind(picture: Picture, mask: Pixels, box: Box, colour: Floats, reach: int, out: Pixels) -> None:
    """Write a box of the picture, with `colour` where the mask is, into `out`."""
    x0, y0, x1, y1 = box
    m, here = mask[y0:y1, x0:x1], out[y0:y1, x0:x1]
    soft = (m > 0) & (m < 255)
    here[m == 255, :3] = colour
    here[m > 0, 3:] = 255
    if not soft.any():
        return
    read = grown(box, 2 * reach, picture.size)
    a = opacity(picture, mask, read)
    keep = np.s_[y0 - read[1] : y1 - read[1], x0 - read[0] : x1 - read[0]]
    fore, share = foreground(colours(picture, read).astype(np.float32), a, reach)[keep], a[keep][..., None]
    here[soft, :3] = np.rint(share * fore + (1 - share) * colour)[soft]


def opacity(picture: Picture, mask: Pixels, box: Box) -> Floats:
    """α, (h, w) 0…1: how much of each pixel of a box is subject."""
    x0, y0, x1, y1 = box
    a = 1 - mask[y0:y1, x0:x1].astype(np.float32) / np.float32(255)
    return a if picture.alpha is None else a * picture.alpha[y0:y1, x0:x1].astype(np.float32) / np.float32(255)


def foreground(image: Floats, a: Floats, reach: int) -> Floats:
    """F of I = αF + (1 − α)B for each pixel: image (h, w, 3), levels; a (h, w), 0…1.

    F and B are first means over pure pixels within `reach`, then over pixels near, and in the end whatever of both
    explains I best: F = F̄ + α(I − αF̄ − (1 − α)B̄). Forte, Approximate Fast Foreground Colour Estimation, ICIP 2021.
    """
    alpha = a[..., None]
    fore = back = image
    for radius in (reach, NEAR):
        fore, back = _weighted(fore, alpha, radius), _weighted(back, 1 - alpha, radius)
        fore = fore + alpha * (image - alpha * fore - (1 - alpha) * back)
    return np.asarray(np.clip(fore, 0, 255), np.float32)


def _weighted(x: Floats, weight: Floats, radius: int) -> Floats:
    """Mean of x (h, w, 3) over a window, each pixel counting as its weight (h, w, 1)."""
    window = (2 * radius + 1, 2 * radius + 1)
    total = np.asarray(cv2.blur(weight, window), np.float32)[..., None]
    return np.asarray(cv2.blur(x * weight, window) / np.maximum(total, TINY), np.float32)
