"""The main subject of a picture: several graph cuts from different seeds, and the one that promises most.

How much it promises, the intersection over union to expect, is read off what can be measured without knowing the
truth, above all how far the cuts agree. Does not know what the subject is.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sessions.values import Pixels
from tools.grounding.cuts import IN, MAYBE_IN, MAYBE_OUT, OUT, Bools, cut, cut_steps, iou, narrowed, tidy
from tools.grounding.faces import Face
from tools.grounding.persons import persons
from tools.grounding.view import Found, View

FRAME = 0.06
"""Width of the frame taken for background, in shorter sides."""
ITERATIONS = 4
Plane = NDArray[np.floating[Any]]

BAND = 0.04
"""How far the final cut may move the edge, in longer sides."""
LEAST, MOST = 0.002, 0.98
"""Shares of the picture that a subject can have."""

CUT_OUT = 0.98
"""Confidence in a see-through background."""

# Linear regression of the IoU with the truth on `measures`, over the cuts of 500 photos of ECSSD (see `saliency`).
WEIGHTS = {"agreement": 0.707, "log size": 0.119, "size": -0.522, "same colours": -0.222}
BIAS = 0.584


def subject(view: View, elsewhere: Bools, faces: Sequence[Face] = ()) -> Generator[float, None, Found | None]:
    """The main subject, (h, w) on `small`, or None where nothing stands out; with faces, the persons they belong to.

    `elsewhere`: (h, w) what is known to be something else, such as the sky. Yields fractions.
    """
    clear = view.clear_small
    if clear.any() and framed(clear):
        return Found(~clear, CUT_OUT)
    if faces:
        return (yield from persons(view, faces))
    known = clear | view.unfocused
    cuts: list[Bools] = []
    wanted = seeds(view)
    for done, labels in enumerate(wanted, start=1):
        labels[known] = OUT
        cuts.append(tidy(cut(view.flat, labels, ITERATIONS) & ~elsewhere))
        yield done / len(wanted)
    cuts = [mask for mask in cuts if LEAST <= mask.mean() <= MOST]
    promises = [promise(view, i, cuts) for i in range(len(cuts))]
    if not promises or max(promises) <= 0:
        return None
    best = int(np.argmax(promises))
    return Found(cuts[best], min(promises[best], 1.0))


def framed(clear: Bools) -> bool:
    """Whether most of the border is see-through, so that what is not is a cut-out."""
    return bool(np.mean([line.mean() for line in (clear[0], clear[-1], clear[:, 0], clear[:, -1])]) > 0.5)


def seeds(view: View) -> list[Pixels]:
    """Where to start cuts from, each (h, w): what is salient, in several ways, and what is merely no border."""
    s, (height, width) = view.superpixels, view.superpixels.shape
    salient, contrast = s.paint(view.saliency.subject), s.paint(view.saliency.contrast)
    frame = np.ones((height, width), bool)
    edge = max(2, round(FRAME * min(height, width)))
    frame[edge:-edge, edge:-edge] = False
    sides_and_top = frame.copy()
    sides_and_top[edge:, edge:-edge] = False
    y, x = np.mgrid[:height, :width] + 0.5
    starts = [
        np.where(upper(salient), MAYBE_IN, np.where(frame, OUT, MAYBE_OUT)),
        np.where(salient > 0.8, IN, np.where((salient > 0.1) & ~frame, MAYBE_IN, OUT)),
        np.where(upper(contrast), MAYBE_IN, MAYBE_OUT),
        np.where(frame, OUT, MAYBE_IN),
        np.where(sides_and_top, OUT, MAYBE_IN),
        np.where(np.hypot((x / width - 0.5) / 0.35, (y / height - 0.5) / 0.38) < 1, MAYBE_IN, MAYBE_OUT),
        np.where(np.hypot(x / width - 0.5, y / height - 0.5) < 0.48, MAYBE_IN, MAYBE_OUT),
    ]
    return [labels.astype(np.uint8) for labels in starts]


def refined(view: View, mask: Bools) -> Generator[float, None, Bools]:
    """A mask on `small`, its edge cut anew on `large`. Yields fractions."""
    large = view.enlarged(mask)
    labels = narrowed(large, max(2, round(BAND * max(large.shape))))
    labels[view.clear] = OUT
    for inside in cut_steps(view.flat_large, labels, 2):
        large = inside
        yield 0.5
    return tidy(large)


def upper(plane: Plane) -> Bools:
    """(h, w) where a plane of 0…1 lies above its threshold of Otsu."""
    levels = (np.clip(plane, 0, 1) * 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)
    return np.asarray(levels > threshold)


def promise(view: View, which: int, cuts: list[Bools]) -> float:
    """The IoU to expect of one of the cuts."""
    found = measures(view, which, cuts)
    return BIAS + sum(WEIGHTS[name] * found[name] for name in WEIGHTS)


def measures(view: View, which: int, cuts: list[Bools]) -> dict[str, float]:
    """What can be said of a cut without knowing the truth."""
    mask = cuts[which]
    size = float(mask.mean())
    others = [iou(mask, other) for i, other in enumerate(cuts) if i != which]
    return {
        "agreement": float(np.mean(others)) if others else 0.0,
        "log size": float(np.log(size)),
        "size": size,
        "same colours": overlap(view.colours, mask, ~mask),
    }


def overlap(colours: NDArray[np.intp], a: Bools, b: Bools) -> float:
    """Bhattacharyya coefficient of the colour histograms of two places, 0 nothing alike … 1 the same."""
    if not a.any() or not b.any():
        return 1.0
    bins = int(colours.max()) + 1
    p, q = (np.bincount(colours[place], minlength=bins) / place.sum() for place in (a, b))
    return float(np.sqrt(p * q).sum())
