"""Whether a picture belongs to the toybox, the small world of drawn scenes that the starter weights have seen.

Anything else they would only smear, so tools refuse it. Two looks at the pixels, no network: a drawing is recognised by
its frame, a drawing that has been through the autoencoder by frame, flat areas and colour. The limits are calibrated
on scenes, on scenes decoded up to three times, and on photos and random crops of them (tests/toybox/test_in_world.py).
What the same weights have made needs no look: of what the autoencoder alone has decoded one in eleven fails, most of
them grey or brown. Says nothing about whether an edit will succeed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sessions.errors import OutsideWorld
from sessions.values import Pixels

SIDE = 64
"""Of a scene, in pixels."""
BORDER = 2
"""Pixels at each side that show background in every scene."""
DRAWN, DECODED = 1.0, 9.5
"""Largest mean deviation of the frame from bands of one colour a row, in levels: as drawn, and as decoded."""
FLAT, COLOURED, FILLED = 0.42, 70.0, 0.015
"""A decoded scene has at least this share of equal neighbours, pixels of at least this saturation, and objects on at
least this share of the picture."""
OBJECT = 25
"""An object's pixel is further than this from its row's background, in levels."""


@dataclass(frozen=True)
class Look:
    """frame: mean deviation from bands, in levels. flat: share of neighbours in a row within 2 levels. colour: the 99th
    percentile of max − min over the channels. filled: share of pixels that are no background."""

    frame: float
    flat: float
    colour: float
    filled: float


def look(rgb: Pixels) -> Look:
    """What counts, of a picture (h, w, 3) of the model's size."""
    values = rgb.astype(np.float32)
    n = BORDER
    bands = np.median(np.concatenate([values[:, :n], values[:, -n:]], 1), 1, keepdims=True)
    away = abs(values - bands).max(-1)
    frame = np.concatenate([away[:, :n].ravel(), away[:, -n:].ravel(), away[:n].ravel(), away[-n:].ravel()])
    flat = abs(np.diff(values, axis=1)).max(-1) <= 2
    colour = np.percentile(np.ptp(values, -1), 99)
    return Look(float(frame.mean()), float(flat.mean()), float(colour), float((away > OBJECT).mean()))


def in_world(rgb: Pixels) -> bool:
    """Whether a picture (h, w, 3) of the model's size is a toybox scene, drawn or decoded."""
    seen = look(rgb)
    if seen.frame <= DRAWN:
        return True
    return seen.frame <= DECODED and seen.flat >= FLAT and seen.colour >= COLOURED and seen.filled >= FILLED


def require(rgb: Pixels, command: str) -> None:
    """OutsideWorld, with the command that helps, for a picture that the starter weights know nothing of."""
    if not in_world(rgb):
        raise OutsideWorld(
            "The small weights that come with Pentimento know drawn toybox scenes only; this is no such picture.",
            f"For photos: `{command}`.",
        )
