"""A cup apart from the saucer that it stands on: the shape that the outline of both gives away, as a guess.

Needs a saucer seen from above whose lower edge is free, and a rim that rises above it. Leaves handles out.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.grounding.cuts import Bools

Points = NDArray[np.floating[Any]]

THIN = 0.03
"""Width of spoons and the like, in longer sides."""
ON, ABOVE = 0.04, 1.06
"""How near to the saucer's ellipse an outline is its own, and from where on it is the cup's; 1 is the ellipse."""
FEWEST = 12
"""Points of an outline that an ellipse is fitted to."""
ROUNDS = 5
HEIGHT, FOOT = 0.6, 0.55
"""Of a cup: height over width, and width of the foot over that of the rim."""


def cup(mask: Bools) -> Bools | None:
    """The cup in a mask (h, w) of cup and saucer, or None where they have not that shape.

    The saucer is the ellipse through the lower outline; as its flatness b/a is the sine of the angle at which it is
    seen, so is that of the rim, an ellipse through the outline above it, and the foot lies below the rim by the height
    times the cosine.
    """
    thin = max(3, round(THIN * max(mask.shape))) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thin, thin))
    plain = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    lines, _ = cv2.findContours(plain, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not lines:
        return None
    outline = max(lines, key=len)[:, 0].astype(np.float64)
    saucer = _saucer(outline)
    if saucer is None:
        return None
    middle, flatness, distance = saucer
    above = outline[(distance > ABOVE) & (outline[:, 1] < middle)]
    if len(above) < FEWEST or not 0 < flatness < 1:
        return None
    (x, y), a = _circle(above / (1, flatness))
    rim, drop = (x, y * flatness), 2 * a * HEIGHT * float(np.sqrt(1 - flatness**2))
    points = np.concatenate([_ellipse(rim, a, flatness), _ellipse((rim[0], rim[1] + drop), FOOT * a, flatness)])
    shape = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(shape, cv2.convexHull(np.rint(points).astype(np.int32)), (1.0,))
    found = (shape > 0) & mask
    return found if found.any() else None


def _saucer(outline: Points) -> tuple[float, float, Points] | None:
    """Height of its middle, flatness b/a, and for each point of the outline (n, 2) its distance, 1 on the ellipse."""
    points = outline[outline[:, 1] > outline[:, 1].mean()]
    found = None
    for _ in range(ROUNDS):
        if len(points) < FEWEST:
            return None
        (x, y), axes, angle = cv2.fitEllipse(points.astype(np.float32))
        if min(axes) <= 0:
            return None
        c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        dx, dy = (outline - (x, y)).T
        distance = np.hypot((c * dx + s * dy) / (axes[0] / 2), (c * dy - s * dx) / (axes[1] / 2))
        points = outline[np.abs(distance - 1) < ON]
        found = y, min(axes) / max(axes), distance
    return found


def _circle(points: Points) -> tuple[tuple[float, float], float]:
    """Centre and radius of the circle through (n, 2) points, those that fit worst left out (Kåsa's least squares)."""
    x = y = radius = 0.0
    for _ in range(ROUNDS):
        system = np.column_stack([2 * points, np.ones(len(points))])
        x, y, rest = (float(value) for value in np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0])
        radius = float(np.sqrt(max(0.0, rest + x * x + y * y)))
        off = np.abs(np.hypot(*(points - (x, y)).T) - radius)
        points = points[off <= max(float(np.quantile(off, 0.85)), 0.02 * radius)]
    return (x, y), radius


def _ellipse(centre: tuple[float, float], a: float, flatness: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, 72)
    return np.column_stack([centre[0] + a * np.cos(angle), centre[1] + a * flatness * np.sin(angle)])
