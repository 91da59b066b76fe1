"""The drift meter: how far a picture has come from the photo that its line began with, measured at full resolution.

Two numbers. `changed`: the mean difference of the colours, 0…1. `detail`: the energy of the finest structures against
the photo's, 1 where none was lost or made up. A wish changes a picture too, so neither is an error by itself; what
melts over many turns shows in `detail`. Looks at up to nine windows, not at every pixel; changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from sessions.errors import EditError, NotFound
from sessions.store import Store
from sessions.values import IDENTITY, Geometry, Json, Picture, Pixels, Revision
from tools import geometry

FACT = "drift"
WINDOW = 256
"""The side of a window, in pixels: the middle of a stored tile, so that one tile is read for it."""
TILE = 512
ACROSS = 3
"""At most so many windows across, and so many down."""
FLAT = 1.0
"""Mean squared Laplacian below which there is no structure to compare."""

KEPT = 16
"""Windows of photos that stay in memory, each with its tile."""

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Sums:
    """What the windows add up to: pixels seen, their difference, and the energy of their structures in both."""

    pixels: int = 0
    apart: float = 0.0
    before: float = 0.0
    after: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.pixels + other.pixels, self.apart + other.apart, self.before + other.before, self.after + other.after
        )


@dataclass(frozen=True)
class _Photo:
    """The photo that the line began with. `image`: its pixels' name; `size`: (width, height)."""

    store: Store
    session: str
    image: str
    size: tuple[int, int]

    def window(self, box: Box) -> tuple[Picture, int, int]:
        """What lies in a box, cut to the photo, and where its left top corner is; at least one pixel."""
        width, height = self.size
        x0, y0 = min(max(box[0], 0), width - 1), min(max(box[1], 0), height - 1)
        x1, y1 = max(x0 + 1, min(box[2], width)), max(y0 + 1, min(box[3], height))
        return _kept(self.store, self.session, self.image, (x0, y0, x1, y1)), x0, y0


@lru_cache(maxsize=KEPT)
def _kept(store: Store, session: str, image: str, box: Box) -> Picture:
    """`Store.window`: step after step is compared with the same photo."""
    return store.window(session, image, box)


def measured(store: Store, parent: Revision, picture: Picture, moved: Geometry) -> Json:
    """The meter's fact for a picture made from `parent`, its pixels `moved`; {} where no photo is known to begin with.

    `since`: the photo's pixels; `frame`: where they lie in this picture, if not where they lay. `detail` is left out
    where the picture was scaled, or has no structure.
    """
    known = parent.facts.get(FACT) or ({"since": parent.image} if not parent.parents else {})
    if not known:
        return {}
    frame = geometry.compose(tuple(known.get("frame", IDENTITY)), moved)
    try:
        photo = _Photo(store, parent.session, known["since"], store.size(parent.session, known["since"]))
        sums = sum((_compared(photo, picture, box, frame) for box in _windows(picture)), Sums())
    except (NotFound, EditError):  # an imported history may name a photo that it does not hold, or a frame that is flat
        return {}
    if not sums.pixels:
        return {}
    fact: Json = {"since": known["since"], "changed": round(sums.apart / sums.pixels / 255, 4)}
    if frame != IDENTITY:
        fact["frame"] = list(frame)
    if _keeps_scale(frame) and sums.before > FLAT * sums.pixels:
        fact["detail"] = round(sums.after / sums.before, 3)
    return {FACT: fact}


def _windows(picture: Picture) -> Iterator[Box]:
    """The middles of up to nine tiles, evenly spread; of a picture within one tile, all of it."""
    width, height = picture.size
    if max(width, height) <= TILE:
        yield 0, 0, width, height
        return
    for top in _starts(height):
        for left in _starts(width):
            yield left, top, min(left + WINDOW, width), min(top + WINDOW, height)


def _starts(length: int) -> list[int]:
    tiles = max(1, length // TILE)
    chosen = np.unique(np.linspace(0, tiles - 1, min(tiles, ACROSS)).round().astype(int))
    return [min(int(tile) * TILE + (TILE - WINDOW) // 2, max(0, length - WINDOW)) for tile in chosen]


def _compared(photo: _Photo, picture: Picture, box: Box, frame: Geometry) -> Sums:
    """One window of the picture against the same place of the photo."""
    x0, y0, x1, y1 = box
    corners = np.array([(x0, y0), (x1, y0), (x0, y1), (x1, y1)], np.float64)
    corners = geometry.warp_points(corners, geometry.invert(frame))
    (left, top), (right, bottom) = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
    there, left, top = photo.window((int(left), int(top), int(right), int(bottom)))
    onto = geometry.compose(geometry.compose(geometry.crop(-left, -top), frame), geometry.crop(x0, y0))
    whole = np.full(there.pixels.shape[:2], 255, np.uint8)
    before, seen = (_warped(plane, onto, (x1 - x0, y1 - y0)) for plane in (there.rgb, whole))
    here = picture.rgb[y0:y1, x0:x1]
    inside = cv2.erode(seen, np.ones((3, 3), np.uint8)) == 255
    return Sums(
        int(inside.sum()),
        float(cv2.absdiff(before, here).mean(axis=2)[inside].sum()),
        float(_energy(before)[inside].sum()),
        float(_energy(here)[inside].sum()),
    )


def _warped(plane: Pixels, onto: Geometry, size: tuple[int, int]) -> Pixels:
    """Pixels along a geometry onto a canvas of `size`; black where nothing came to lie."""
    if onto == IDENTITY and plane.shape[:2] == size[::-1]:
        return plane
    half = geometry.crop(-0.5, -0.5)  # OpenCV counts from the middle of the first pixel
    m = geometry.matrix(geometry.compose(geometry.compose(half, onto), geometry.invert(half)))
    return cv2.warpPerspective(plane, m, size, flags=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _energy(rgb: Pixels) -> NDArray[np.float32]:
    """The squared Laplacian of the luma at each pixel."""
    luma = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.square(cv2.Laplacian(luma, cv2.CV_32F))


def _keeps_scale(frame: Geometry) -> bool:
    """Whether a pixel of the photo is as large as one of the picture."""
    m = geometry.matrix(frame)[:2, :2]
    return bool(np.isclose(abs(np.linalg.det(m)), 1.0, atol=1e-3))
