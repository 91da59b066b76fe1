"""A change made on a small copy, carried to the photo itself by what it did to colours.

edit = G(seen) + slopes·seen + rest: G, one map of colours for the whole picture, is fitted so that the majority of the
pixels decides and what was changed in one place does not spread (iteratively reweighted least squares, Holland and
Welsch 1977); near each pixel the slopes of a guided filter with a colour guide (He, Sun, Tang, ECCV 2010) follow what
G does not; the rest is new structure. G and the slopes are then applied to the photo's own pixels and only the rest is
enlarged, so that detail which the small copy never had appears as the edit would show it. Where the edit leaves the
small copy alone the photo is left alone, and where it has drawn something new the edit itself is enlarged. Which places
these are is tried one scale below, where the answer is known: the small copy takes the part of the photo, and where a
plain enlargement is nearer to its edit than what was carried over, nothing of the photo is to be seen.
`tools.enlarging` is the cheaper sibling, for changes that follow luma.

Does not know masks, models or how the small copy was made. Colours are coded 0…1, float32.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import cv2
import numpy as np
from PIL.ImageFilter import Color3DLUT

from sessions.values import Pixels
from tools.color import Doubles, from_bytes, times
from tools.cube import cube, through
from tools.enlarging import magnified, scaled
from tools.filters import apply_coefficients, box_mean, guided_coefficients
from tools.parts import Box
from tools.pixels import Floats

RADIUS = 2
"""Of the guided filter's window, in pixels of the small copy."""
EPS = 0.04**2
"""Variance of colour below which the edit is not taken to follow it."""
DEGREE = 3
"""Of the polynomial G − 1 in red, green and blue."""
RIDGE = 1e-5
"""How dearly, in mean squares, G departs from leaving colours alone."""
TOLERANCE = 0.03
"""A pixel that G misses by as much counts half."""
ALONE = (1 / 255, 3 / 255)
"""Up to the first a place counts as left alone, from the second on as changed."""
BELOW = 2
"""How much smaller the copies are on which it is tried what the photo may lend."""
NEAR = 5
"""Radius, in pixels of the small copy, over which errors are compared there."""
DOUBT = (0.5, 0.6)
"""Share of the error of what was carried over: up to the first it stands, from the second on the edit is enlarged."""
FAINT = 0.002
"""Errors of this size are no reason to do anything but carry over."""
ROUNDS = 12
SAMPLES = 1 << 13
"""Pixels that G is fitted to."""


@dataclass(frozen=True, eq=False)
class Change:
    """`colours` is G; `slopes` (h, w, 3) weigh the colours, for red, green and blue; `rest` and `edit` are (h, w, 3).

    `changed` and `anew` (h, w), 0…1: where there is a change at all, and where it shows nothing of what was there.
    """

    colours: Color3DLUT
    slopes: tuple[Floats, ...]
    rest: Floats
    edit: Floats
    changed: Floats
    anew: Floats


def change_of(seen: Pixels, edit: Pixels) -> Generator[None, None, Change]:
    """What takes a small copy (h, w, 3) to its edit; yields between its parts."""
    colours = colour_map(seen, edit)
    yield
    table = cube(colours)
    smaller = yield from followed(table, *(halved(pixels) for pixels in (seen, edit)))
    size = seen.shape[1], seen.shape[0]
    tried = carried_out(smaller, seen, (0, 0, *size), size)
    yield
    anew = drawn_anew(tried, magnified(smaller.edit, (0, 0, *size), size), from_bytes(edit))
    yield
    change = yield from followed(table, seen, edit)
    return replace(change, changed=changed(seen, edit), anew=anew)


def followed(table: Color3DLUT, seen: Pixels, edit: Pixels) -> Generator[None, None, Change]:
    """The change as G and slopes, everywhere."""
    guide, after = from_bytes(seen), from_bytes(edit)
    left = after - from_bytes(through(table, seen))
    slopes = []
    for c in range(3):
        a, b = guided_coefficients(guide, np.ascontiguousarray(left[..., c]), RADIUS, EPS)
        left[..., c] -= apply_coefficients(a, np.zeros_like(b), guide)
        slopes.append(a)
        yield
    everywhere = np.ones(seen.shape[:2], np.float32)
    return Change(table, tuple(slopes), left, after, everywhere, 0 * everywhere)


def halved(pixels: Pixels) -> Pixels:
    """A smaller copy, at least one pixel large."""
    size = max(1, pixels.shape[1] // BELOW), max(1, pixels.shape[0] // BELOW)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def drawn_anew(tried: Floats, enlarged: Floats, edit: Floats) -> Floats:
    """(h, w), 0…1: where a plain enlargement (h, w, 3) is nearer to the edit than what was carried over."""
    errors = [box_mean(((guess - edit) ** 2).mean(2, dtype=np.float32), NEAR) for guess in (tried, enlarged)]
    share = errors[0] / (errors[0] + errors[1] + np.float32(FAINT**2))
    return box_mean(np.clip((share - DOUBT[0]) / (DOUBT[1] - DOUBT[0]), 0, 1).astype(np.float32), RADIUS)


def carried_out(change: Change, photo: Pixels, box: Box, size: tuple[int, int]) -> Floats:
    """The edit of a box of the photo, whose whole is `size` (width, height); photo: its colours in the box."""
    x0, y0, x1, y1 = box
    height, width = change.changed.shape
    at = np.meshgrid(scaled(x0, x1, width / size[0]), scaled(y0, y1, height / size[1]))

    def enlarged(planes: Floats) -> Floats:
        return np.asarray(cv2.remap(planes, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)

    colours = from_bytes(photo)
    step = from_bytes(through(change.colours, photo)) - colours + magnified(change.rest, box, size)
    for c, slope in enumerate(change.slopes):
        followed = enlarged(slope) * colours
        step[..., c] += followed[..., 0] + followed[..., 1] + followed[..., 2]
    anew = enlarged(change.anew)
    if anew.any():
        step += times(magnified(change.edit, box, size) - colours - step, anew)
    return colours + times(step, enlarged(change.changed))


def changed(seen: Pixels, edit: Pixels) -> Floats:
    """(h, w), 0…1: whether anything was changed near."""
    window = np.ones((2 * RADIUS + 1, 2 * RADIUS + 1), np.uint8)
    most = np.asarray(cv2.dilate(cv2.absdiff(seen, edit).max(2), window), np.uint8)
    return box_mean(np.clip((from_bytes(most) - ALONE[0]) / (ALONE[1] - ALONE[0]), 0, 1), RADIUS)


def colour_map(seen: Pixels, edit: Pixels) -> Callable[[Doubles], Doubles]:
    """G: what most of the pixels (h, w, 3) follow; colours (n, 3) → colours (n, 3)."""
    step = max(1, seen.shape[0] * seen.shape[1] // SAMPLES)
    before, after = (pixels.reshape(-1, 3)[::step] / 255 for pixels in (seen, edit))
    terms, change = monomials(before), after - before
    ridge = RIDGE * np.diag([0.0, *[1.0] * (terms.shape[1] - 1)])
    weights, found = np.ones(len(terms)), np.zeros((terms.shape[1], 3))
    for _ in range(ROUNDS):
        weighted = terms * (weights / weights.sum())[:, None]
        found = np.linalg.solve(weighted.T @ terms + ridge, weighted.T @ change)
        weights = 1 / (TOLERANCE**2 + ((change - terms @ found) ** 2).sum(1))
    return lambda colours: colours + monomials(colours) @ found


def monomials(colours: Doubles) -> Doubles:
    """(n, 3) → (n, 20): 1, r, g, b, r², rg … b³."""
    powers = [p for degree in range(DEGREE + 1) for p in combinations_with_replacement(range(3), degree)]
    return np.stack([colours[:, list(p)].prod(1) for p in powers], axis=1)
