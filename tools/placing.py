"""Where something is put into a picture: "top left", "on the table", "next to the cup", or a box to fit into.

Words of things are looked for by `tools.regions`. Knows no pixels of what is put there, only its size.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

import cv2
import numpy as np

from sessions.errors import BadArguments
from sessions.values import Picture, Pixels, Region
from tools.grounding import words as known
from tools.grounding.places import place_of
from tools.parts import Box
from tools.pixels import mask_box, shrink

MARGIN = 0.03
"""Distance from the picture's border, in shorter sides."""
LARGEST = 0.6
"""Of the picture's height and width: how much something may take of either where its size is not said."""
SEEN = 256
"""Longer side, in pixels, of the copy on which room is looked for."""
OVERLAP = 0.05
"""How far something stands in what it stands on, in heights of that."""

_BESIDE = "next to|beside|alongside|by|near|close to"
_LEFT, _RIGHT = "(?:to the )?left of|on the left (?:side )?of", "(?:to the )?right of|on the right (?:side )?of"
_THING = re.compile(
    rf"(?:(?P<beside>{_BESIDE})|(?P<left>{_LEFT})|(?P<right>{_RIGHT})|(?P<above>above)"
    r"|(?P<below>below|under|underneath|beneath)|(?P<on>on top of|on|onto|upon)"
    r"|(?P<over>over|in front of|in|into|inside|at|across)) (?P<thing>.+)"
)


@dataclass(frozen=True)
class Spot:
    """The point (x, y) of the picture, in pixels, on which a point of the thing comes to lie: (ax, ay), in fractions of
    its box. `room`: (width, height) that there is for it."""

    x: float
    y: float
    ax: float
    ay: float
    room: tuple[float, float]


def spot(picture: Picture, at: str | None, stands_cut: bool) -> Generator[float, None, Spot]:
    """Where `at` is. BadArguments for words that are no place, NotGrounded for a thing that cannot be found.

    `stands_cut`: it was cut off by the lower border of its photo, so that it is put on this one's where no height is
    said. Yields fractions.
    """
    words = " ".join((at or "").lower().split())
    side = _side(words, picture.size, stands_cut)
    if side is not None:
        return side
    named = _THING.fullmatch(words)
    if named is None:
        raise BadArguments(
            f"“{at}” is no place that I know.", 'Say for example "bottom right", "on the table" or "next to the cup".'
        )
    from tools import regions  # pulls in scikit-image, which plain places need not wait for

    found = yield from regions.ground_steps(picture, Region(words=named["thing"]))
    how = next(name for name, said in named.groupdict().items() if said and name != "thing")
    return _at_thing(how, named["thing"], found.mask)


def _side(words: str, size: tuple[int, int], stands_cut: bool) -> Spot | None:
    """A place of the picture itself, its middle where nothing is said."""
    plain = [w for w in words.split() if w not in {"the", "in", "at", "on", "to", "into", "a"}]
    place = place_of({"": ["middle"], "corner": ["bottom", "right"]}.get(" ".join(plain), plain))
    if place is None:
        return None
    (width, height), (x0, y0, x1, y1) = size, place.boxes[0]
    ax, ay = _end(x0, x1), _end(y0, y1)
    margin = MARGIN * min(size)
    foot = height if stands_cut and ay == 0.5 and (not plain or ax != 0.5) else None
    x, y = margin + ax * (width - 2 * margin), margin + ay * (height - 2 * margin)
    return Spot(x, y if foot is None else foot, ax, ay if foot is None else 1.0, (LARGEST * width, LARGEST * height))


def _end(low: float, high: float) -> float:
    """0 for what touches the low end alone, 1 for the high end, 0.5 for the middle or all of it."""
    return 0.5 if (low > 0) == (high < 1) else float(low > 0)


def _at_thing(how: str, thing: str, mask: Pixels) -> Spot:
    """Beside, above, on or over what a mask shows."""
    x0, y0, x1, y1 = mask_box(mask) or (0, 0, mask.shape[1], mask.shape[0])
    cx = (x0 + x1) / 2
    height, width = mask.shape
    whole = (LARGEST * width, LARGEST * height)
    if how == "beside":
        how = "left" if x0 > width - x1 else "right"
    match how:
        case "left":
            return Spot(x0, y1, 1.0, 1.0, (max(x0, width / 20), whole[1]))
        case "right":
            return Spot(x1, y1, 0.0, 1.0, (max(width - x1, width / 20), whole[1]))
        case "above":
            return Spot(cx, y0, 0.5, 1.0, (whole[0], max(y0, height / 20)))
        case "below":
            return Spot(cx, y1, 0.5, 0.0, (whole[0], max(height - y1, height / 20)))
        case "on" if thing.split()[-1] not in known.GROUND:
            return Spot(cx, y0 + OVERLAP * (y1 - y0), 0.5, 1.0, (whole[0], max(y0, height / 20)))
        case "on":
            x, y, r = roomiest(mask)
            return Spot(x, y + r / 2, 0.5, 1.0, whole)
        case _:
            x, y, r = roomiest(mask)
            return Spot(x, y, 0.5, 0.5, (min(whole[0], 2 * r), min(whole[1], 2 * r)))


def roomiest(mask: Pixels) -> tuple[float, float, float]:
    """(x, y, r) of the largest circle within a mask and the picture, in pixels."""
    small = shrink(mask, SEEN)
    away = cv2.distanceTransform(np.pad((small > 127).view(np.uint8), 1), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(away.argmax()), away.shape)
    factor = mask.shape[0] / small.shape[0]
    return (float(x) - 0.5) * factor, (float(y) - 0.5) * factor, float(away[y, x]) * factor


def inside(box: Box) -> Spot:
    """The middle of a box, of which all may be filled."""
    x0, y0, x1, y1 = box
    return Spot((x0 + x1) / 2, (y0 + y1) / 2, 0.5, 0.5, (x1 - x0, y1 - y0))


def corner(where: Spot, size: tuple[float, float], picture: tuple[int, int]) -> tuple[int, int]:
    """(x, y) of the top left corner of a thing of some size (width, height) at a spot, moved into the picture."""
    x, y = where.x - where.ax * size[0], where.y - where.ay * size[1]
    return round(max(0, min(x, picture[0] - size[0]))), round(max(0, min(y, picture[1] - size[1])))
