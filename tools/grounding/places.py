"""Places of a picture by name: "the top left", "the lower third", "the corners", "the bottom 20 %". Pure geometry.

Knows nothing of pictures: a place is a set of boxes in fractions, drawn at any size with hard edges.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from sessions.values import Pixels

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) as fractions, origin top left."""

EDGE = 0.1
"""How much of each side "the edges" take, unless a share is said."""
CORNER = 1 / 3
"""How much of each side "the top left corner" takes; "the top left" without "corner" is the whole quarter."""

SIDES = {
    "top": "top",
    "upper": "top",
    "uppermost": "top",
    "bottom": "bottom",
    "lower": "bottom",
    "lowermost": "bottom",
    "left": "left",
    "leftmost": "left",
    "right": "right",
    "rightmost": "right",
}
MIDDLE = {"middle", "center", "centre", "central"}
SHARES = {"half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "fifth": 1 / 5, "thirds": 1 / 3, "quarters": 1 / 4}
COUNTS = {"two": 2, "three": 3, "2": 2, "3": 3}
FILLERS = {
    "hand",
    "handed",
    "very",
    "most",
    "side",
    "part",
    "area",
    "region",
    "section",
    "end",
    "quadrant",
    "of",
    "percent",
    "%",
}


@dataclass(frozen=True)
class Place:
    """A part of the picture, or of something in it, as the union of boxes."""

    label: str
    boxes: tuple[Box, ...]


def place_of(words: list[str]) -> Place | None:
    """The place that these words name (articles already removed), or None if they are not all about places."""
    label = " ".join(words)
    rest, share = _share(words)
    sides = {SIDES[word] for word in rest if word in SIDES}
    if len(sides) == 2 and share == 1 / 4:
        share = 1 / 2  # "the upper left quarter" is a quarter of the picture, not of each side
    others = {word for word in rest if word not in SIDES} - FILLERS
    frame = {"edge", "edges", "border", "borders", "margin", "margins", "frame", "rim"}
    if {"top", "bottom"} <= sides or {"left", "right"} <= sides:
        return None
    if not sides and others and others <= frame:
        return Place(label, _frame(share or EDGE))
    if not sides and others == {"corners"}:
        return Place(label, tuple(_box({v, h}, share or CORNER) for v in ("top", "bottom") for h in ("left", "right")))
    if others <= MIDDLE and others:
        return Place(label, (_middle(sides, share),))
    if others <= frame | {"corner"} and sides:
        default = CORNER if "corner" in others else EDGE if others else 1 / 2
        return Place(label, (_box(sides, share or default),))
    return None


def draw(place: Place, size: tuple[int, int]) -> Pixels:
    """uint8 (H, W), 255 inside; `size` is (width, height). Box edges are rounded to whole pixels."""
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    for x0, y0, x1, y1 in place.boxes:
        mask[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)] = 255
    return mask


def _share(words: list[str]) -> tuple[list[str], float | None]:
    """The words without those of a share ("two thirds", "20 %"), and the share."""
    for i, word in enumerate(words):
        percent = re.fullmatch(r"(\d{1,2})(%?)", word)
        if percent and (percent[2] or words[i + 1 : i + 2] in (["percent"], ["%"])) and int(percent[1]) > 0:
            return words[:i] + words[i + 1 :], int(percent[1]) / 100
        if word in SHARES:
            many = COUNTS.get(words[i - 1], 0) if i else 0
            if word.endswith("s") and not many:
                return words, None
            share = SHARES[word] * (many or 1)
            return words[: i - bool(many)] + words[i + 1 :], share if share < 1 else None
    return words, None


def _box(sides: set[str], share: float) -> Box:
    return (
        1 - share if "right" in sides else 0.0,
        1 - share if "bottom" in sides else 0.0,
        share if "left" in sides else 1.0,
        share if "top" in sides else 1.0,
    )


def _middle(sides: set[str], share: float | None) -> Box:
    """ "the middle": the central half both ways; "the middle third": upright; "the middle left": a ninth."""
    near = (1 - (share or 1 / 2)) / 2
    if not sides:
        return (near, 0.0, 1 - near, 1.0) if share else (near, near, 1 - near, 1 - near)
    x0, y0, x1, y1 = _box(sides, 1 / 3)
    upright = sides & {"left", "right"}
    return (x0, 1 / 3, x1, 2 / 3) if upright else (1 / 3, y0, 2 / 3, y1)


def _frame(share: float) -> tuple[Box, ...]:
    return tuple(_box({side}, share) for side in ("top", "bottom", "left", "right"))
