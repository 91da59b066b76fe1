"""Cut a window out of the picture: of an aspect, a known shape, a box, or around a region. Never enlarges.

Where an aspect leaves a choice, the window goes to what catches the eye; this file says how that is measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator
from functools import cache
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from sessions.errors import BadArguments
from sessions.values import Picture, Pixels
from tools import geometry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.geometry import Size
from tools.pixels import Floats, mask_box, shrink

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, end exclusive."""

Preset = Literal[
    "square", "portrait", "landscape", "widescreen", "cinema", "panorama", "instagram", "story", "banner",
    "photo", "a4", "letter", "passport",
]  # fmt: skip

PRESETS: dict[Preset, tuple[float, float]] = {
    "square": (1, 1),
    "portrait": (4, 5),
    "landscape": (3, 2),
    "widescreen": (16, 9),
    "cinema": (2.39, 1),
    "panorama": (2, 1),
    "instagram": (4, 5),
    "story": (9, 16),
    "banner": (3, 1),
    "photo": (3, 2),
    "a4": (297, 210),
    "letter": (11, 8.5),
    "passport": (35, 45),
}
EITHER_WAY: frozenset[Preset] = frozenset({"photo", "a4", "letter"})
"""Paper is turned to suit the picture; the other shapes are what their names say."""

MARGIN = 0.06
"""Room around a region, as a fraction of its longer side."""

_SIDE = 256
_PRIOR = 0.5
_WORTH = 0.02


_ASPECT = r"^[0-9]{1,5}(\.[0-9]{1,2})?:[0-9]{1,5}(\.[0-9]{1,2})?$"


def _aspect(value: Any) -> str:
    """A plain sentence where pydantic would quote a regular expression."""
    text = str(value).replace(" ", "")
    if not re.match(_ASPECT, text) or 0 in map(float, text.split(":")):
        raise ValueError("an aspect is written width:height, such as 16:9")
    return text


Aspect = Annotated[str, Field(pattern=_ASPECT), BeforeValidator(_aspect)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Args(ToolArgs):
    """One of `aspect`, `box` and `preset`; or none of them, or a shape, together with a region."""

    aspect: Aspect | None = Field(default=None, description="width:height, such as 16:9")
    box: tuple[Fraction, Fraction, Fraction, Fraction] | None = Field(
        default=None, description="left, top, right, bottom as fractions of the picture"
    )
    preset: Preset | None = Field(default=None, description="a shape by its name")

    @model_validator(mode="after")
    def _one_way(self) -> Args:
        if sum(given is not None for given in (self.aspect, self.box, self.preset)) > 1:
            raise ValueError("give only one of an aspect, a box and a preset")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError("a box is left, top, right, bottom, and must have some width and height")
        return self


@tool("crop", args=Args, region="optional")
def crop(ctx: EditContext, args: Args) -> Edit:
    """Cut the picture to an aspect, a known shape, a box, or around a part of it.

    With a region: its bounding box with a little room, or the smallest window of the aspect around it. Without: the
    largest window of the aspect, placed by `place`. Finding faces for that takes below 100 ms and cannot be cut.
    """
    yield Progress(0.0)
    image = ctx.image
    if args.box is not None:
        if ctx.mask is not None:
            raise BadArguments("A box and a region were both given to crop to.", "Say only one of them.")
        window = _in_pixels(args.box, image.size)
    elif ctx.mask is not None:
        window = around(ctx.mask, args)
    elif args.aspect is None and args.preset is None:
        raise BadArguments("Crop to what?", "Say a shape such as 16:9 or square, or name the part to keep.")
    else:
        window = yield from _largest(image, _ratio(args, image.size))
    x0, y0, x1, y1 = window
    fractions = [round(v / side, 4) for v, side in zip(window, image.size * 2, strict=True)]
    return EditResult(
        Picture(image.pixels[y0:y1, x0:x1].copy()), geometry=geometry.crop(x0, y0), facts={"box": fractions}
    )


def _in_pixels(box: tuple[float, float, float, float], size: Size) -> Box:
    """A box of fractions to the nearest pixels, at least one wide and high."""
    (x0, y0, x1, y1), (width, height) = box, size
    left, top = min(width - 1, round(x0 * width)), min(height - 1, round(y0 * height))
    return left, top, max(left + 1, round(x1 * width)), max(top + 1, round(y1 * height))


def _ratio(args: Args, like: Size) -> float:
    """Width over height of the window asked for; paper lies or stands as `like` does."""
    if args.preset is None:
        width, height = (float(v) for v in (args.aspect or "1:1").split(":"))
        return width / height
    width, height = PRESETS[args.preset]
    if args.preset in EITHER_WAY and like[0] < like[1]:
        width, height = height, width
    return width / height


def around(mask: Pixels, args: Args) -> Box:
    """The window around what is at least half inside a mask (H, W), of the aspect asked for where there is one.

    A region too wide or too high for the aspect is cut evenly on both sides by the largest window there is.
    """
    height, width = mask.shape
    box = mask_box(np.where(mask >= 128, mask, 0).astype(np.uint8)) or mask_box(mask)
    if box is None:
        raise BadArguments("There is nothing in the region to crop to.", "Name or mark another part of the picture.")
    x0, y0, x1, y1 = box
    room = math.ceil(MARGIN * max(x1 - x0, y1 - y0))
    if args.aspect is None and args.preset is None:
        return max(0, x0 - room), max(0, y0 - room), min(width, x1 + room), min(height, y1 + room)
    w, h = min(width, x1 - x0 + 2 * room), min(height, y1 - y0 + 2 * room)
    ratio = _ratio(args, (w, h))
    most = largest((width, height), ratio)
    w, h = min(most[0], math.ceil(max(w, h * ratio))), min(most[1], math.ceil(max(h, w / ratio)))
    left = min(max(0, (x0 + x1 - w) // 2), width - w)
    top = min(max(0, (y0 + y1 - h) // 2), height - h)
    return left, top, left + w, top + h


def largest(size: Size, ratio: float) -> Size:
    """The largest window of a ratio (width over height) that a picture of `size` holds, at least one pixel each way."""
    width, height = size
    if width > height * ratio:
        return max(1, min(width, round(height * ratio))), height
    return width, max(1, min(height, round(width / ratio)))


def _largest(image: Picture, ratio: float) -> Generator[Progress, None, Box]:
    """The largest window of a ratio, where it shows most of what catches the eye."""
    w, h = largest(image.size, ratio)
    if (w, h) == image.size:
        return 0, 0, w, h
    small = shrink(image.pixels, _SIDE)
    yield Progress(0.2)
    seen = salience(small)
    yield Progress(0.5)
    heads = faces(np.ascontiguousarray(small[..., :3]))
    # A face is worth twice all else: a portrait without its head is no portrait.
    eye = seen if heads is None else seen + 2 * heads
    if w < image.width:
        left = round(place(eye.sum(axis=0), w / image.width) * image.width)
        left = min(left, image.width - w)
        return left, 0, left + w, h
    top = round(place(eye.sum(axis=1), h / image.height) * image.height)
    top = min(top, image.height - h)
    return 0, top, w, top + h


def salience(pixels: Pixels) -> Floats:
    """How much each pixel of a small picture (H, W, 3 or 4) stands out: (H, W), summing to 1, or 0 if all are alike.

    Distance in Lab of the slightly blurred pixel from the mean colour (Achanta et al., Frequency-tuned salient region
    detection, CVPR 2009, eq. 4), less its own mean, so that grass and sky count for nothing; times alpha.
    """
    lab = cv2.cvtColor(pixels[..., :3].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    s = np.linalg.norm(cv2.GaussianBlur(lab, (0, 0), 1.5) - lab.mean(axis=(0, 1)), axis=2)
    s = np.maximum(s - s.mean(), 0)
    if pixels.shape[2] == 4:
        s = s * (pixels[..., 3] / 255)
    out: Floats = (s / max(float(s.sum()), 1e-6)).astype(np.float32)
    return out


def faces(rgb: Pixels) -> Floats | None:
    """Where the heads of people are in a small picture (H, W, 3): (H, W) summing to 1, or None where none is seen.

    A cascade of local binary patterns (the one scikit-image carries) finds faces from the front; those below half the
    area of the largest are mostly mistakes and do not count. A head is its face with half as much room above.
    """
    height, width = rgb.shape[:2]
    if min(height, width) < 32:
        return None
    found = _cascade().detect_multi_scale(
        img=rgb, scale_factor=1.2, step_ratio=1, min_size=(24, 24), max_size=(height, width), min_neighbor_number=4
    )
    out = np.zeros((height, width), np.float32)
    for face in found:
        side, x, y = face["width"], face["c"], face["r"]
        if side**2 >= 0.5 * max(f["width"] for f in found) ** 2:
            out[max(0, y - side // 2) : y + side + side // 4, max(0, x - side // 4) : x + side + side // 4] = 1
    return out / out.sum() if found else None


@cache
def _cascade() -> Any:
    # Imported here: scipy, which comes along, would double the time the command line takes to start.
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())  # type: ignore[no-untyped-call]


def place(p: Floats, length: float) -> float:
    """Where a window of `length` starts along a side whose salience is p (N,), both fractions: centred, or pulled.

    Half of what counts is a bell around the middle of the picture, half is p; the window takes the place o where it
    holds most, what is near its own middle counting more: max Σₓ m(x)·(1 − u²), u = −1…1 across the window. It stays
    centred where moving would win less than 2 %, and it may only go where it holds as much of p as the centred one does
    and, if something stands out in the very middle and fits into it, as much of that.
    """
    n = len(p)
    size = min(n, max(1, round(length * n)))
    x = (np.arange(n) + 0.5) / n
    bell = np.exp(-0.5 * ((x - 0.5) / 0.2) ** 2)
    m = _PRIOR * bell / bell.sum() + (1 - _PRIOR) * p / max(float(p.sum()), 1e-6)
    u = (np.arange(size) + 0.5) / size * 2 - 1
    score = np.correlate(m, 1 - u**2)  # (n − size + 1,)
    held = np.correlate(p, np.ones(size))
    centre = (n - size) // 2
    allowed = held >= held[centre] - 1e-6
    first, last = _middle(p, size)
    if first < last:
        start = np.arange(n - size + 1)
        allowed &= (start <= max(first, centre)) & (start + size >= min(last, centre + size))
    best = int(np.argmax(np.where(allowed, score, -1)))
    return best / n if score[best] > (1 + _WORTH) * score[centre] else (1 - length) / 2


def _middle(p: Floats, size: int) -> tuple[int, int]:
    """First and end of the widest run of p (N,) that holds the middle, fits into `size` and stands out from its sides.

    That is, it lies above a twentieth, a tenth, a fifth or two fifths of the highest p; first = end where none does.
    """
    middle = len(p) // 2
    smooth = cv2.blur(p.astype(np.float32)[None], (2 * (len(p) // 64) + 1, 1))[0]
    for height in (0.05, 0.1, 0.2, 0.4):
        below = np.flatnonzero(smooth <= height * smooth.max())
        first = int(below[below < middle].max(initial=-1)) + 1
        last = int(below[below >= middle].min(initial=len(p)))
        if middle < last and last - first <= size:
            return first, last
    return middle, middle
