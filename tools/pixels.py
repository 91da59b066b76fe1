"""Small pure functions on pixel arrays that several tools share: bands, colours, compositing.

No tool lives here and nothing here decides what to edit. Arrays are uint8 sRGB unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from sessions.values import Picture, Pixels

Floats = NDArray[np.float32]

BAND_PIXELS = 1_000_000
"""How many pixels a tool works on between two yields; keeps 12-megapixel photos below 200 ms a yield."""


def bands(height: int, width: int, halo: int = 0, pixels: int = BAND_PIXELS) -> Iterator[tuple[slice, slice, slice]]:
    """Cut a picture into horizontal bands of about `pixels` pixels.

    Yields (out, read, keep): write rows `out` of the result; read rows `read` of the source, which are `out` and up to
    `halo` rows above and below; `keep` are the rows of the processed band that belong to `out`. A filter whose support
    is at most `halo` gives the same result as without cutting.
    """
    rows = max(1, pixels // max(1, width))
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        first, last = max(0, top - halo), min(height, bottom + halo)
        yield slice(top, bottom), slice(first, last), slice(top - first, bottom - first)


def with_alpha(rgb: Pixels, like: Picture) -> Picture:
    """The colour planes `rgb` (H, W, 3) with the alpha plane of `like`, if it has one."""
    if like.alpha is None:
        return Picture(rgb)
    return Picture(np.dstack([rgb, like.alpha]))


def mask_box(mask: Pixels) -> tuple[int, int, int, int] | None:
    """(x0, y0, x1, y1) in pixels of what is not zero in a mask, end exclusive; None where all is zero."""
    ys = np.flatnonzero(mask.any(axis=1))
    if ys.size == 0:
        return None
    xs = np.flatnonzero(mask.any(axis=0))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def composite(base: Picture, edit: Picture, mask: Pixels) -> Picture:
    """`edit` where `mask` is 255, `base` bit for bit where it is 0, a linear mix between. Sizes and modes must agree.

    out = (base·(255 − mask) + edit·mask) / 255, rounded to nearest. Only the soft edge is computed, the rest is copied.
    """
    out = base.pixels.copy()
    cv2.copyTo(edit.pixels, (mask == 255).view(np.uint8), out)
    soft = np.flatnonzero((mask > 0) & (mask < 255))
    flat, channels = out.reshape(-1, out.shape[-1]), out.shape[-1]
    weight = mask.reshape(-1)[soft].astype(np.uint16)[:, None]
    below = base.pixels.reshape(-1, channels)[soft]
    above = edit.pixels.reshape(-1, channels)[soft]
    flat[soft] = (below * (255 - weight) + above * weight + 127) // 255
    return Picture(out)


def marked(picture: Picture, mask: Pixels) -> Picture:
    """The picture with a mask shown on it: grey and dim outside, an orange line around what is inside."""
    grey = cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2GRAY) // 2
    out = np.where((mask >= 128)[..., None], picture.rgb, grey[..., None]).astype(np.uint8)
    outline, _ = cv2.findContours((mask >= 128).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(out, outline, -1, (255, 120, 0), max(1, max(picture.size) // 400))
    return Picture(out)


def shrink(pixels: Pixels, longest: int) -> Pixels:
    """A copy whose longer side is at most `longest`, by area averaging; smaller pictures come back as they are."""
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def parse_color(value: Any) -> str:
    """`#rgb` or `#rrggbb` in any case → lower-case `#rrggbb`; anything else is a ValueError."""
    text = str(value).strip().lower()
    digits = text.removeprefix("#")
    if not text.startswith("#") or len(digits) not in (3, 6) or not set(digits) <= set("0123456789abcdef"):
        raise ValueError("a colour is written #rrggbb")
    return "#" + ("".join(d * 2 for d in digits) if len(digits) == 3 else digits)


Color = Annotated[str, Field(pattern="^#([0-9A-Fa-f]{3}){1,2}$"), BeforeValidator(parse_color)]
"""A tool argument that is a colour, `#rrggbb`."""


def rgb_of(color: str) -> tuple[int, int, int]:
    """`#rrggbb` → (r, g, b), each 0…255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
