"""The persons that faces belong to: how people sit below their faces, brought to the edges of the picture.

Does not find the faces, and sees no legs beside the torso: who lies or bends far aside is found in part.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np

from tools.grounding.cuts import Bools, iou, tidy
from tools.grounding.faces import Face
from tools.grounding.spread import spread
from tools.grounding.superpixels import superpixels
from tools.grounding.view import Found, View
from tools.pixels import Floats

COUNT = 600
"""Superpixels; more than for things of any kind, as hair and hands are narrow."""
BUILDS = (0.8, 1.0, 1.25)
"""How broad the torso is taken to be, in turn."""
TRUSTS = ((1.5, 1.0), (2.0, 2.0))
"""`colour` and `smooth` of `spread`, in turn."""
SURE = 0.6
"""Share of a superpixel in what is surely inside from which it is fixed there."""
SLOPE, BIAS = 1.52, -0.57
"""IoU to expect of an agreement, by regression over the 32 photos of ECSSD whose subjects are the persons of the faces
found in them (correlation .76; from .75 on, 20 photos have a mean IoU of .85, the least .6)."""


def persons(view: View, faces: Sequence[Face]) -> Generator[float, None, Found]:
    """All persons with these faces, (h, w) on `small`. Yields fractions."""
    shape = view.small.shape[:2]
    guesses = [np.max([one.person(shape, build) for one in faces], axis=0) for build in BUILDS]
    return (yield from agreed(view, guesses, np.any([one.oval(shape) for one in faces], axis=0)))


def agreed(view: View, guesses: Sequence[Floats], inside: Bools) -> Generator[float, None, Found]:
    """What several guesses of the same thing, each (h, w) 0…1, lead to in the mean; the more alike, the surer.

    `inside`: (h, w) what is surely part of it. Yields fractions.
    """
    s = superpixels(view.small, COUNT)
    fixed = np.where(s.mean(view.clear_small) > 0.5, -1, np.where(s.mean(inside) > SURE, 1, 0))
    total, found = np.zeros(s.n), list[Bools]()
    for guess in guesses:
        for colour, smooth in TRUSTS:
            x = spread(s, s.mean(guess), fixed, colour=colour, smooth=smooth)
            total += x
            found.append(s.paint(x > 0.5))
            yield len(found) / (len(guesses) * len(TRUSTS))
    alike = float(np.mean([iou(one, other) for i, one in enumerate(found) for other in found[:i]]))
    return Found(tidy(s.paint(total > 0.5 * len(found))), min(1.0, max(0.0, BIAS + SLOPE * alike)))
