"""Cuts the subject out of a photo: which of its pixels show it and how much, its size, and its own colours.

A picture that is see-through somewhere is a cut-out already. Pastes nothing; where it goes is the business of
`placing`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sessions.errors import BadArguments, Unsure
from sessions.values import Picture, Pixels, Region
from tools.matte import foreground, reach_of
from tools.parts import Box, grown
from tools.pixels import Floats, marked, mask_box, shrink

if TYPE_CHECKING:
    from tools.regions import Grounding

SUBJECT = "the subject"
SHOWN = 1024
"""Longer side, in pixels, of the picture that asks whether the right thing was found."""
CLEAR = 13
"""Up to this opacity nothing counts as subject: what a filter left on flat ground."""
SURROUNDINGS = 0.1
"""How much of its photo is taken along around the subject, in longer sides of the subject."""
TRIM = 1 / 450
"""In longer sides of the photo: how far the edge of a found matte is drawn in, as it lies within a pixel or two of the
true one on the copy where it was found, and a lost hair is seen less than a hair of the old background."""


@dataclass(frozen=True, eq=False)
class Cutout:
    """A photo, rgb (H, W, 3), its subject's opacity, matte (H, W), and the box around that. `drawn`: it came with it.

    With a matte that was drawn, the colours are the subject's own; with one that was found, the background's shine
    through where it is soft.
    """

    rgb: Pixels
    matte: Pixels
    box: Box
    drawn: bool

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the subject, in pixels of its photo."""
        x0, y0, x1, y1 = self.box
        return x1 - x0, y1 - y0

    @property
    def natural(self) -> float:
        """The subject's height as a fraction of its photo's."""
        return self.size[1] / int(self.matte.shape[0])

    @property
    def stands_cut(self) -> bool:
        """Whether the lower border of its photo cuts the subject off, as it does a portrait's."""
        return bool((self.matte[-1] > 127).mean() > 0.1)


def cut_out(photo: Picture, words: str | None, confirmed: bool) -> Generator[float, None, Cutout]:
    """The cut-out of what the words name, by default of the main subject; yields fractions.

    NotGrounded if it cannot be found. Unsure, with a picture of what was found, if that needs a look and `confirmed`
    is false.
    """
    from tools import regions  # pulls in scikit-image, which most messages need not wait for

    drawn = words is None and photo.alpha is not None and bool((photo.alpha < 255).any())
    if drawn:
        matte = np.asarray(photo.alpha)
    else:
        found = yield from regions.ground_steps(photo, Region(words=words or SUBJECT))
        if found.confidence < regions.SURE and not confirmed:
            raise _doubt(regions.rgb_of(photo), found, words or SUBJECT)
        matte = trimmed(found.mask)
    box = mask_box(matte)
    if box is None:
        raise BadArguments("The other picture is empty: all of it is see-through.", "Attach another one.")
    return Cutout(regions.rgb_of(photo), matte, box, drawn)


def _doubt(rgb: Pixels, found: Grounding, words: str) -> Unsure:
    small = Picture(shrink(rgb, SHOWN))
    return Unsure(
        f"I am not sure that this is {words} in the other picture; it is what I would put in.",
        "Say yes to use it, or attach a picture of it that is cut out already (a PNG with a see-through background).",
        found.confidence,
        shown=marked(small, shrink(found.mask, SHOWN)),
    )


def trimmed(matte: Pixels) -> Pixels:
    """A found matte, its edge drawn in by TRIM, and nothing of what a filter left on flat ground."""
    reach = max(1, round(TRIM * max(matte.shape)))
    drawn_in = cv2.erode(matte, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    return np.asarray(cv2.threshold(drawn_in, CLEAR, 0, cv2.THRESH_TOZERO)[1], np.uint8)


@dataclass(frozen=True, eq=False)
class Scaled:
    """A cut-out at the size it is to have, with some of its surroundings: rgb (h, w, 3), matte (h, w).

    `inner`: the box of the subject in it. With `drawn`, rgb is premultiplied: dark where the matte is low.
    """

    rgb: Pixels
    matte: Pixels
    inner: Box
    drawn: bool

    def paint(self, part: Box) -> tuple[Floats, Floats]:
        """(αF, α) in a box, (h, w, 3) in levels and (h, w, 1) 0…1: what is added to (1 − α) of a new background."""
        x0, y0, x1, y1 = part
        if (self.matte[y0:y1, x0:x1] == 255).all():
            return self.rgb[y0:y1, x0:x1].astype(np.float32), np.ones((y1 - y0, x1 - x0, 1), np.float32)
        reach = reach_of((self.inner[2] - self.inner[0], self.inner[3] - self.inner[1]))
        read = (x0, y0, x1, y1) if self.drawn else grown(part, 2 * reach, (self.matte.shape[1], self.matte.shape[0]))
        keep = np.s_[y0 - read[1] : y1 - read[1], x0 - read[0] : x1 - read[0]]
        rgb = self.rgb[read[1] : read[3], read[0] : read[2]].astype(np.float32)
        a = self.matte[read[1] : read[3], read[0] : read[2]].astype(np.float32) / np.float32(255)
        if self.drawn:
            return rgb, a[..., None]
        return (foreground(rgb, a, reach) * a[..., None])[keep], a[keep][..., None]


def scaled(cutout: Cutout, factor: float) -> Generator[None, None, Scaled]:
    """The cut-out enlarged or reduced, with surroundings as far as SURROUNDINGS of its size. Yields between planes."""
    size = (cutout.matte.shape[1], cutout.matte.shape[0])
    x0, y0, x1, y1 = grown(cutout.box, round(SURROUNDINGS * max(cutout.size)) + 2, size)
    rgb, matte = cutout.rgb[y0:y1, x0:x1], cutout.matte[y0:y1, x0:x1]
    if cutout.drawn:
        rgb = np.asarray(cv2.multiply(np.ascontiguousarray(rgb), cv2.merge([matte] * 3), scale=1 / 255), np.uint8)
        yield
    wanted = (max(1, round(factor * (x1 - x0))), max(1, round(factor * (y1 - y0))))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR  # a cubic would overshoot where rgb is premultiplied
    rgb = np.asarray(cv2.resize(rgb, wanted, interpolation=how), np.uint8)
    yield
    matte = np.asarray(cv2.resize(matte, wanted, interpolation=how), np.uint8)
    yield
    left, top = round(factor * (cutout.box[0] - x0)), round(factor * (cutout.box[1] - y0))
    inner = (left, top, left + max(1, int(factor * cutout.size[0])), top + max(1, int(factor * cutout.size[1])))
    rgb = within(rgb, inner) if cutout.drawn else rgb
    return Scaled(rgb, within(matte, inner), inner, cutout.drawn)


def within(plane: Pixels, box: Box) -> Pixels:
    """A plane in a box, 0 outside it."""
    x0, y0, x1, y1 = box
    out = np.zeros_like(plane)
    out[y0:y1, x0:x1] = plane[y0:y1, x0:x1]
    return out
