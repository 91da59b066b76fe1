"""analogy: does to a photo B what was done from a picture A to A', a change seen and not told.

What can be told from a pixel's surroundings (colours, relief, outlines) is learnt (`tools.imitation`); what cannot
(strokes, grain) is copied in pieces (`tools.texturing`): Hertzmann et al., "Image Analogies" (SIGGRAPH 2001).
Both work on copies of at most SIDE pixels; the change is enlarged to the photo's size (`tools.enlarging`), texture at
the size that it has relative to A.

Does not move anything: A' must show what A shows, where A shows it. It knows neither places nor objects: a caption is
not repeated, and of a vignette only what it does to the colours is.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

import cv2
import numpy as np
from pydantic import Field

from sessions.errors import BadArguments
from sessions.values import Picture, Pixels
from tools.base import Edit, EditContext, Progress, ToolArgs, tool
from tools.color import from_bytes, to_bytes
from tools.enlarging import LUMA, carried_out, change_of
from tools.filters import box_mean
from tools.imitation import ROWS, Told, imitate
from tools.parts import CACHED_PIXELS, Box, edit_parts, unchanged
from tools.pixels import Floats, bands, shrink
from tools.texturing import Scale, SourceMap, laid, source_map, texture

SIDE = 384
"""Longer side, in pixels, of the copies that are compared."""
SHEET = 1536
"""The same of the copy of A' from which texture is cut."""
EVEN = (0.74, 0.79)
"""Evenness of what is left untold: below it is the regression's failure at outlines, above it is texture."""
NEAR = 20
"""Radius of nearby, in pixels."""
FAINT = 1 / 255
"""Texture that spreads less is not worth copying."""
BLURS = (1.5, 5.0)
"""Scales in pixels at which what pictures show guides the texture."""

FOREIGN = 0.4
"""Share of its large shapes: if more is untold, A' is another view. Flips have 0.43 or more, vignettes up to 0.34."""
FLAT = 0.08
"""Large shapes that spread less count as so much: strokes all over may leave none."""
SAME_PLACES = "Choose two pictures that show the same things in the same places, before and after the change."
STEPS = 800
"""About how often the search for texture yields."""

T = TypeVar("T")


class Args(ToolArgs):
    """How strongly."""

    amount: float = Field(default=1.0, ge=0, le=1, description="How strongly: 0 nothing … 1 as in the example.")


@tool("analogy", args=Args, region="optional", subjects=(2, 2))
def analogy(ctx: EditContext, args: Args) -> Edit:
    """Do to the picture what was done from one example picture to the other."""
    check_same_view(*ctx.subjects)
    if args.amount == 0:
        return (yield from unchanged(ctx))
    side = min(SIDE, *(max(picture.size) for picture in (*ctx.subjects, ctx.image)))
    yield Progress(0.0)
    a = seen(ctx.subjects[0], side)
    changed = resized(seen(ctx.subjects[1], side), a)
    yield Progress(0.0)
    b, rng = seen(ctx.image, side), ctx.rng()
    told = yield from paced(imitate(a, changed, b, rng), 0.0, 0.3, (3 * a.size + b.size) // (3 * ROWS))
    check_told(changed, told.a)
    change = change_of(b, told.b, told.colours)
    yield Progress(0.3, Picture(to_bytes(told.b)))
    sources = yield from paced(texture_sources(ctx, (a, changed, b), told, rng), 0.3, 0.8, STEPS)

    def full_size(rgb: Pixels, box: Box) -> Pixels:
        out = carried_out(change, from_bytes(rgb), box, ctx.image.size)
        if sources is not None:
            out += laid(sources, box, ctx.image.size)
        return np.asarray(cv2.addWeighted(to_bytes(out), args.amount, rgb, 1 - args.amount, 0.0), np.uint8)

    parts = ctx.image.width * ctx.image.height // CACHED_PIXELS
    return (yield from paced(edit_parts(ctx, full_size), 0.8, 1.0, parts))


def texture_sources(
    ctx: EditContext, small: tuple[Floats, Floats, Floats], told: Told, rng: np.random.Generator
) -> Generator[None, None, SourceMap | None]:
    """Where B takes its texture from; None where A' has none. small: A, A' and B."""
    a, changed, b = small
    left = changed - told.a
    left -= smooth(left)
    share = evenness(left)
    if share * left.std() <= FAINT:
        return None
    source = yield from texture(Scale(left, guides(a, told.a), guides(b, told.b)), rng)
    big = seen(ctx.subjects[0], min(SHEET, max(ctx.subjects[1].size)))
    yield
    sheet = resized(seen(ctx.subjects[1], SHEET), big)
    yield
    height, width = big.shape[:2]
    change = change_of(a, changed - left, told.colours)
    for rows, _, _ in bands(height, width, pixels=CACHED_PIXELS):
        sheet[rows] -= carried_out(change, big[rows], (0, rows.start, width, rows.stop), (width, height))
        yield
    return source_map(source, a.shape[:2], share * sheet)


def check_same_view(a: Picture, changed: Picture) -> None:
    """BadArguments unless the two are of one shape, rounding after a resize aside."""
    scale = a.width / changed.width
    if abs(changed.height * scale - a.height) > 1 + scale / 2:
        raise BadArguments(
            f"The example's second picture ({changed.width} × {changed.height}) has another shape than its first "
            f"({a.width} × {a.height}): it was cropped, turned or framed.",
            SAME_PLACES,
        )


def check_told(changed: Floats, told: Floats) -> None:
    """BadArguments where the large shapes of A' do not follow from A."""
    shapes, missed = smooth(changed), smooth(changed - told)
    if np.sqrt((missed**2).mean()) > FOREIGN * max(float((shapes - shapes.mean((0, 1))).std()), FLAT):
        raise BadArguments(
            "The example's second picture does not show what its first one shows, or not in the same places.",
            SAME_PLACES,
        )


def seen(picture: Picture, side: int) -> Floats:
    """A small copy as it looks on grey."""
    small = from_bytes(shrink(picture.pixels, side))
    if picture.alpha is None:
        return small
    return small[..., 3:] * small[..., :3] + (1 - small[..., 3:]) * np.float32(0.5)


def resized(planes: Floats, like: Floats) -> Floats:
    """The size of another, (h, w, 3); no more than a rounding larger."""
    return np.asarray(cv2.resize(planes, like.shape[1::-1], interpolation=cv2.INTER_AREA), np.float32)


def smooth(planes: Floats) -> Floats:
    """What there is of large shapes, (h, w, 3)."""
    return np.asarray(cv2.GaussianBlur(planes, (0, 0), BLURS[1]), np.float32)


def evenness(left: Floats) -> float:
    """0…1, how much what was left untold (h, w, 3) is texture, as strong in all of a place, and not failure at edges.

    The measure is mean |x| / √mean x² nearby, averaged by energy: 0.9 for waves, 0.8 for noise, less for lone outlines.
    """
    plane = left.mean(2)
    power = box_mean(plane * plane, NEAR) + np.float32(1e-9)
    even = float((box_mean(np.abs(plane), NEAR) * np.sqrt(power)).sum() / power.sum())
    return min(1.0, max(0.0, (even - EVEN[0]) / (EVEN[1] - EVEN[0])))


def guides(rgb: Floats, told: Floats) -> Floats:
    """(h, w, 3): what decides which texture goes where: luma at two scales, and what the change makes of it."""
    fine, coarse = (np.asarray(cv2.GaussianBlur(rgb @ LUMA, (0, 0), sigma), np.float32) for sigma in BLURS)
    return np.dstack([fine, coarse, cv2.GaussianBlur(told @ LUMA, (0, 0), BLURS[0])])


def paced(work: Generator[object, None, T], start: float, end: float, steps: int) -> Generator[Progress, None, T]:
    """The progress, from `start` to `end`, of work that yields about so many times."""
    done = 0
    while True:
        try:
            next(work)
        except StopIteration as finished:
            result: T = finished.value
            return result
        done += 1
        yield Progress(start + (end - start) * min(1.0, done / max(1, steps)))
