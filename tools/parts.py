"""Runs a colour change over a picture part by part, inside the region's box only, yielding progress in between.

For tools whose result at a pixel depends on a neighbourhood of known reach. Does not composite: outside the mask but
inside its box pixels may change, the executor puts them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from sessions.values import Picture, Pixels
from tools.base import Edit, EditContext, EditResult, Progress
from tools.pixels import mask_box

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, end exclusive."""

Change = Callable[[Pixels, Box], Pixels]
"""(colours of a box of the picture, uint8 (h, w, 3), and that box) → new colours, uint8 (h, w, 3)."""

CACHED_PIXELS = 1 << 18
"""Pixels of a part whose float32 planes stay in the cache: some 5 ms of work."""

# Freed at once, it raises glibc's dynamic thresholds (mallopt(3), M_MMAP_THRESHOLD), so that memory a part frees is not
# returned and faulted in anew for the next part: the tone tools need a quarter of the time. Elsewhere it does nothing.
np.empty(30 << 20, np.uint8)


def region_box(ctx: EditContext) -> Box | None:
    """The box to work on: that of the mask, the whole picture without one, None where the mask is empty."""
    return (0, 0, *ctx.image.size) if ctx.mask is None else mask_box(ctx.mask)


def unchanged(ctx: EditContext) -> Edit:
    """The edit that leaves the picture as it is, bit for bit."""
    yield Progress(1.0)
    return EditResult(ctx.image)


def edit_parts(ctx: EditContext, change: Change, halo: int = 0, part: tuple[int, int] | None = None) -> Edit:
    """Every pixel of the region's box through `change`, a part at a time; alpha and all else are kept.

    `change` is given up to `halo` further pixels on each side where the picture has them, so that a filter of that
    reach gives the same result as without cutting. `part` is (width, height) in pixels; without it bands of the full
    width and about CACHED_PIXELS pixels. Parts without a pixel of the mask are passed over.
    """
    box = region_box(ctx)
    if box is None:
        return (yield from unchanged(ctx))
    width, height = part or (box[2] - box[0], max(1, CACHED_PIXELS // (box[2] - box[0])))
    parts = list(cut(box, width, height))
    out = ctx.image.pixels.copy()
    for done, (x0, y0, x1, y1) in enumerate(parts, start=1):
        if ctx.mask is None or ctx.mask[y0:y1, x0:x1].any():
            read = grown((x0, y0, x1, y1), halo, ctx.image.size)
            changed = change(colours(ctx.image, read), read)
            left, top = x0 - read[0], y0 - read[1]
            put_colours(out[y0:y1, x0:x1], changed[top : top + y1 - y0, left : left + x1 - x0])
        yield Progress(done / len(parts))
    return EditResult(Picture(out))


def cut(box: Box, width: int, height: int) -> Iterator[Box]:
    """Boxes of at most width × height that tile a box, row by row."""
    x0, y0, x1, y1 = box
    for top in range(y0, y1, height):
        for left in range(x0, x1, width):
            yield left, top, min(x1, left + width), min(y1, top + height)


def grown(box: Box, by: int, size: tuple[int, int]) -> Box:
    """A box with `by` more pixels on each side, cut to a picture of `size` (width, height)."""
    x0, y0, x1, y1 = box
    return max(0, x0 - by), max(0, y0 - by), min(size[0], x1 + by), min(size[1], y1 + by)


def colours(picture: Picture, box: Box) -> Pixels:
    """The colour planes inside a box, contiguous, (h, w, 3)."""
    x0, y0, x1, y1 = box
    inside = picture.pixels[y0:y1, x0:x1]
    if picture.mode == "RGBA":
        return np.asarray(cv2.cvtColor(inside, cv2.COLOR_RGBA2RGB), dtype=np.uint8)
    return np.ascontiguousarray(inside)


def put_colours(out: Pixels, rgb: Pixels) -> None:
    """Write colour planes (h, w, 3) into a view (h, w, 3 or 4) of a new picture, leaving its alpha."""
    if out.shape[2] == 4:
        cv2.mixChannels([np.ascontiguousarray(rgb)], [out], [0, 0, 1, 1, 2, 2])  # six times faster than numpy here
    else:
        out[...] = rgb
