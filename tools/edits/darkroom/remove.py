"""remove: erases what the region marks and fills the hole with real pixels from around it.

The filling is `tools.patchfill`, its seams are hidden by `tools.seams`. Large holes are planned at a working size; the
plan, a map of which pixel copies which, is then carried out with the pixels of the photo itself, alpha included.

Every pixel of the mask above 0 is replaced wholly, a soft edge too, or a ghost of the object would remain. For the same
reason the hole is grown by a hair, GROW of the picture's longer side; the result's mask says so and fades over that
rim. Invents nothing that the picture does not show elsewhere: half a face stays half a face.
Uncuttable: OpenCV's inpainting, where the mask leaves no patch of 7×7 pixels free (tiny pictures, scattered dots).
"""

from __future__ import annotations

from collections.abc import Generator
from math import ceil, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from sessions.errors import BadArguments
from sessions.values import Picture, Pixels
from tools import patchfill
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.parts import Box, grown
from tools.pixels import Floats, mask_box, shrink
from tools.seams import seams, solve

Bools = NDArray[np.bool_]
Index = NDArray[np.int64]

GROW = 1 / 800
"""By how much of the longer side the hole is grown, but at least one pixel."""
MOST = 0.6
"""Share of the picture that may be hole."""
WORK_HOLE = 60_000
WORK_WINDOW = 1_500_000
"""Pixels of hole and of window at most at the working size, over all windows together and in each."""
MARGIN = 24
"""A window reaches as far beyond its hole as the hole is long, and at least so many pixels."""
CELL = 16
"""Windows start and end on multiples of so many pixels."""
PREVIEW = 384
"""Longer side, in pixels, of the pictures shown while it works."""
ROUNDS = 80
"""Rounds of the seams' solver."""
STRETCH = 50_000
"""Pixels carried out between two yields."""


class Args(ToolArgs):
    """Nothing to choose."""


@tool("remove", args=Args, region="required")
def remove(ctx: EditContext, args: Args) -> Edit:
    """Erase what the region marks and fill the hole with what surrounds it."""
    hole, mask = hole_of(ctx)
    out, rng = ctx.image.pixels.copy(), ctx.rng()
    boxes, shown = windows(hole), shrink(out[..., :3], PREVIEW)
    yield Progress(0.0)
    for i, (box, k) in enumerate(zip(boxes, factors(hole, boxes), strict=True)):
        done = 0.0
        for glimpse in fill(out, hole, box, k, rng):
            done, view = (glimpse.fraction, glimpse.picture) if glimpse else (done, None)
            yield Progress((i + done) / len(boxes), view if view is None else preview(shown, out, box, view))
    return EditResult(Picture(out), mask, facts={"filled": int(hole.sum())})


def hole_of(ctx: EditContext) -> tuple[Bools, Pixels]:
    """The grown hole (H, W), and the mask to composite with: 255 where it was asked, fading over the grown rim."""
    if ctx.mask is None or not ctx.mask.any():
        raise BadArguments("Nothing is marked in this picture.", "Say, box or brush what should go.")
    asked = (ctx.mask > 0).view(np.uint8)
    if asked.mean() > MOST:
        raise BadArguments(
            f"The marked part covers {asked.mean():.0%} of the picture; too little is left to fill it from.",
            f"Mark at most {MOST:.0%}, or crop the picture first.",
        )
    reach = max(1, round(max(asked.shape) * GROW))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    hole = cv2.dilate(asked, disc)
    mask = np.maximum(cv2.blur(hole * 255, (2 * reach + 1, 2 * reach + 1)), 1) * hole
    mask[asked > 0] = 255
    return hole.view(bool), mask.astype(np.uint8, copy=False)


def windows(hole: Bools) -> list[Box]:
    """Boxes to work in, one for each hole or group of near holes, none overlapping another."""
    height, width = hole.shape
    padded = np.pad(hole, ((0, -height % CELL), (0, -width % CELL)))
    cells = np.asarray(padded.reshape(padded.shape[0] // CELL, CELL, -1, CELL).any(axis=(1, 3)))
    boxes = [tight(hole, box) for box in components(cells)]
    boxes = [grown(b, max(MARGIN, b[2] - b[0], b[3] - b[1]), (width, height)) for b in boxes]
    while True:
        cells[...] = False
        for x0, y0, x1, y1 in boxes:
            cells[y0 // CELL : -(-y1 // CELL), x0 // CELL : -(-x1 // CELL)] = True
        merged = [(x0, y0, min(x1, width), min(y1, height)) for x0, y0, x1, y1 in components(cells)]
        if len(merged) == len(boxes):
            return merged
        boxes = merged


def components(cells: Bools) -> list[Box]:
    """The box, in pixels, of each connected group of cells."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(cells.astype(np.uint8))
    return [(x * CELL, y * CELL, (x + w) * CELL, (y + h) * CELL) for x, y, w, h, _ in stats[1:].tolist()]


def tight(hole: Bools, box: Box) -> Box:
    """The box of the hole inside a box."""
    x0, y0, x1, y1 = box
    found = mask_box(hole[y0:y1, x0:x1].view(np.uint8))
    return box if found is None else (x0 + found[0], y0 + found[1], x0 + found[2], y0 + found[3])


def factors(hole: Bools, boxes: list[Box]) -> list[int]:
    """By how much each window is reduced for planning, so that all of it is done in seconds."""
    counts = [int(hole[y0:y1, x0:x1].sum()) for x0, y0, x1, y1 in boxes]
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes]
    small = [n for n in counts if n <= WORK_HOLE / len(boxes)]
    each = (WORK_HOLE - sum(small)) / max(1, len(boxes) - len(small))
    return [
        max(1, ceil(sqrt(a / WORK_WINDOW)), 1 if n <= WORK_HOLE / len(boxes) else ceil(sqrt(n / each)))
        for n, a in zip(counts, areas, strict=True)
    ]


def fill(
    out: Pixels, hole: Bools, box: Box, k: int, rng: np.random.Generator
) -> Generator[patchfill.Glimpse | None, None, None]:
    """Fill the holes inside a box of `out` (H, W, 3 or 4), planned at 1/k of its size; yields the done share."""
    x0, y0, x1, y1 = box
    window, part = out[y0:y1, x0:x1], hole[y0:y1, x0:x1]
    rgb = seen(window)
    small, gap = reduced(rgb, part, k)
    yield patchfill.Glimpse(0.0)
    if patchfill.room(gap) == 0:
        window[part] = inpainted(window, part)[part]
        return
    plan = yield from patchfill.complete(small, gap, rng)
    e = np.zeros((*gap.shape, 3), np.float32)
    e[gap] = yield from solve(seams(small.astype(np.float32), gap, plan), ROUNDS)
    plan = np.where(gap, plan.reshape(gap.shape), -1)
    pixels = np.flatnonzero(part)
    for some in np.array_split(pixels, 1 + pixels.size // STRETCH):
        y, x = np.divmod(some, part.shape[1])
        window[y, x] = np.clip(np.rint(carried_out(window, (y, x), plan, e, k)), 0, 255)
        yield None


def seen(window: Pixels) -> Pixels:
    """(h, w, 3) colours as they look on grey where the picture is transparent."""
    if window.shape[2] == 3:
        return window
    weight = window[..., 3:].astype(np.float32) / 255
    return np.rint(window[..., :3] * weight + 128 * (1 - weight)).astype(np.uint8)


def reduced(rgb: Pixels, part: Bools, k: int) -> tuple[Pixels, Bools]:
    """Colours and hole at 1/k of the size, by means of k×k pixels; one pixel of hole makes all of them hole."""
    if k == 1:
        return rgb, part
    height, width = part.shape
    border = (0, -height % k, 0, -width % k)
    padded = cv2.copyMakeBorder(rgb, *border, cv2.BORDER_REPLICATE)
    gap = cv2.copyMakeBorder(part.view(np.uint8), *border, cv2.BORDER_REPLICATE)
    gap = gap.reshape(gap.shape[0] // k, k, -1, k).max(axis=(1, 3))
    small = cv2.resize(padded, gap.shape[::-1], interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False), gap.view(bool)


def carried_out(window: Pixels, at: tuple[Index, Index], plan: Index, e: Floats, k: int) -> Floats:
    """(n, C) what the pixels (y, x) of a window (H, W, C) become by a plan (h, w) and its seams' correction (h, w, 3).

    The plan's pixels vote with the weights of the quadratic B-spline: where neighbours copy from one place this is an
    exact copy, between two pieces it is a fade of some 2k pixels. A plan of -1, outside the small hole, has no vote.
    """
    (height, width), (h, w) = window.shape[:2], plan.shape
    y, x = at
    total = np.zeros((y.size, window.shape[2]), np.float32)
    weights = np.zeros((y.size, 1), np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            cy, cx = np.clip(y // k + dy, 0, h - 1), np.clip(x // k + dx, 0, w - 1)
            sy, sx = np.divmod(plan[cy, cx], w)
            sy, sx = y + (sy - cy) * k, x + (sx - cx) * k
            usable = (plan[cy, cx] >= 0) & (sy >= 0) & (sx >= 0) & (sy < h * k) & (sx < w * k)
            sy, sx = np.clip(sy, 0, height - 1), np.clip(sx, 0, width - 1)
            usable &= plan[sy // k, sx // k] < 0
            weight = (spline(y, k, dy) * spline(x, k, dx) * usable)[:, None]
            total += weight * window[sy, sx]
            total[:, :3] += weight * e[cy, cx]
            weights += weight
    return total / weights


def spline(at: Index, k: int, d: int) -> Floats:
    """The quadratic B-spline's weight of the cell `d` further, cells being k long, for pixels `at`."""
    t = ((at % k + 0.5) / k - 0.5).astype(np.float32)
    return 0.75 - t * t if d == 0 else 0.5 * (0.5 + d * t) ** 2


def inpainted(window: Pixels, part: Bools) -> Pixels:
    """Where there is no patch to copy: Telea's method, for colours and alpha."""
    rgb = cv2.inpaint(np.ascontiguousarray(window[..., :3]), part.view(np.uint8), 3, cv2.INPAINT_TELEA)
    if window.shape[2] == 3:
        return np.asarray(rgb, np.uint8)
    return np.dstack(
        [rgb, cv2.inpaint(np.ascontiguousarray(window[..., 3]), part.view(np.uint8), 3, cv2.INPAINT_TELEA)]
    )


def preview(shown: Pixels, out: Pixels, box: Box, view: Pixels) -> Picture:
    """A copy of the small picture `shown` of `out`, with a window as it looks now."""
    shown = shown.copy()
    scale = np.array(shown.shape[1::-1] * 2) / (out.shape[1::-1] * 2)
    x0, y0, x1, y1 = np.rint(box * scale).astype(int)
    if x1 > x0 and y1 > y0:
        shown[y0:y1, x0:x1] = cv2.resize(view, (int(x1 - x0), int(y1 - y0)), interpolation=cv2.INTER_AREA)
    return Picture(shown)
