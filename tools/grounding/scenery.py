"""Sky and ground: what lies at the top and at the bottom of a picture, grown from its border and cut.

Knows sky by place, colour and smoothness, ground by place alone. Does not tell a road from a floor, or sky from a pale
wall that looks like it.
"""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np

from tools.grounding.cuts import IN, MAYBE_IN, MAYBE_OUT, OUT, Bools, cut, iou
from tools.grounding.superpixels import Indices, Values, geodesic
from tools.grounding.view import Found, View

TOP = 0.03
"""How far below the top border sky must begin, as a share of the height; some photos have a dark rim."""
SKY_LIKE = 0.3
NOISE = 4.0
"""Lab distance between neighbours that still is one surface."""
NEAR, FAR = 8.0, 22.0
"""Two lengths of path, in Lab units, to which sky is grown; the cuts from both should agree."""
SURE_SKY = 0.55
"""Mean likelihood of what is nearly always sky."""


def sky(view: View) -> Generator[float, None, Found | None]:
    """The sky, or None where the top border looks like none. Yields fractions.

    Seeds are the superpixels at the top that look like sky; they grow along paths of slowly changing colour, so that a
    sunset's gradient is followed, and two cuts from shorter and longer paths are compared.
    """
    s = view.superpixels
    likely = sky_likeness(view)
    row = s.labels[min(len(s.labels) - 1, max(1, round(TOP * len(s.labels))))]
    seeds = np.unique(row)[likely[np.unique(row)] > SKY_LIKE]
    if not seeds.size:
        return None
    rough = roughness(view)
    path = geodesic(np.maximum(s.colour_distance - NOISE, 0) + rough + rough[:, None], s.neighbours, seeds).min(axis=0)
    opposite = np.zeros(s.shape, bool)
    opposite[-max(2, s.shape[0] // 25) :] = True
    found: list[Bools] = []
    for reach in (NEAR, FAR):
        found.append(_grown(view, path, seeds, reach, opposite))
        yield 0.3 * len(found)
    if not found[-1].any():
        return None
    return Found(found[-1], iou(*found) * min(1.0, s.paint(likely)[found[-1]].mean() / SURE_SKY))


def ground(view: View, taken: Bools) -> Generator[float, None, Found | None]:
    """What the picture stands on, grown from its bottom border around what is `taken`, (h, w). Yields fractions.

    None if that leaves nothing.
    """
    s = view.superpixels
    row = np.unique(s.labels[-max(1, round(TOP * len(s.labels)))])
    seeds = row[s.mean(taken)[row] < 0.5]
    if not seeds.size:
        return None
    linked = s.neighbours & ~np.logical_or.outer(*[s.mean(taken) > 0.5] * 2)
    path = geodesic(np.maximum(s.colour_distance - NOISE, 0), linked, seeds).min(axis=0)
    found: list[Bools] = []
    for reach in (NEAR, FAR):
        found.append(_grown(view, path, seeds, reach, taken) & ~taken)
        yield 0.3 * len(found)
    return Found(found[-1], iou(*found))


def sky_likeness(view: View) -> Values:
    """(n,) 0…1 from colour (blue, or pale and light) and smoothness alone."""
    light, a, b = view.superpixels.colour.T
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    blue = (hue > 200) & (hue < 315) & (chroma > 4)
    pale = np.clip((light - 45) / 30, 0, 1) * np.where(chroma < 14, 1, 0.5)
    return np.asarray(np.where(blue, 1, pale) * np.exp(-roughness(view) / 1.5))


def roughness(view: View) -> Values:
    """(n,) mean fine detail of the lightness, L 0…100, single strong edges counting little."""
    light = np.ascontiguousarray(view.superpixels.lab[..., 0])
    detail = np.abs(light - cv2.GaussianBlur(light, (0, 0), 1.5))
    return view.superpixels.mean(np.minimum(detail, 4))


def _grown(view: View, path: Values, seeds: Indices, reach: float, not_here: Bools) -> Bools:
    """The cut from all that a path of length `reach` leads to; of `not_here`, (h, w), only that can be part of it."""
    s = view.superpixels
    length = s.paint(path)
    labels = np.where(length < reach, MAYBE_IN, MAYBE_OUT).astype(np.uint8)
    labels[np.isin(s.labels, seeds)] = IN
    labels[(not_here & (length >= reach)) | (length > 3 * reach)] = OUT
    return cut(view.flat, labels, 3)
