"""Approximate nearest neighbours of every pixel of one picture among those of another. Knows features, not colours.

Barnes, Shechtman, Finkelstein, Goldman, "PatchMatch" (SIGGRAPH 2009) in parallel form: every pixel at once looks at
what its neighbours at jumps of 8, 4, 2, 1 pixels have found ("jump flooding", Rong and Tan 2006), then at random
places in windows that shrink around what it has. What a pixel's surroundings look like is the caller's `features`.
`tools.patchfill` has a search of its own, because a hole's patches must also be kept apart from what they may copy.

Arrays: features are (H, W, D) float32; a place is a flat index p = y·W + x into the known picture.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.pixels import Floats

Index = NDArray[np.int64]

JUMPS = (8, 4, 2, 1)
STAY = 0.3
"""A random candidate must be better by this share: neighbours keep copying from one place (κ of Image Analogies)."""


@dataclass(eq=False)
class Matches:
    """The field while it is searched: `source` (h, w), each pixel's place in the known picture, and what it costs."""

    known: Floats
    wanted: Floats
    source: Index
    cost: Floats

    def offer(self, who: tuple[slice, slice], y: Index, x: Index, stay: float = 0.0) -> None:
        """Let a window of pixels take the places (y, x) where these exist and are nearer."""
        height, width, depth = self.known.shape
        source, cost = self.source[who], self.cost[who]
        place = np.clip(y, 0, height - 1) * width + np.clip(x, 0, width - 1)
        worth = (y >= 0) & (y < height) & (x >= 0) & (x < width) & (place != source)
        place = place[worth]
        found = distance(self.known.reshape(-1, depth)[place], self.wanted[who][worth])
        better = found * (1 + stay) < cost[worth]
        worth[worth] = better
        source[worth], cost[worth] = place[better], found[better]


def distance(a: Floats, b: Floats) -> Floats:
    """(n,) squared distances of the rows of a and b, (n, D)."""
    d = a - b
    return np.asarray(np.einsum("ij,ij->i", d, d), np.float32)


def matches(known: Floats, wanted: Floats, source: Index) -> Matches:
    """A field to start from: known (H, W, D), wanted (h, w, D), source (h, w)."""
    depth = known.shape[2]
    cost = distance(known.reshape(-1, depth)[source.ravel()], wanted.reshape(-1, depth))
    return Matches(known, wanted, source.copy(), cost.reshape(source.shape))


def improve(field: Matches, rng: np.random.Generator) -> Generator[None, None, None]:
    """One round: propagation, then random search. Costs never rise; yields between its small steps."""
    height, width = field.known.shape[:2]
    for jump in JUMPS:
        for dy, dx in ((0, jump), (jump, 0), (0, -jump), (-jump, 0)):
            here, there = window(dy, dx)
            y, x = np.divmod(field.source[there], width)
            field.offer(here, y + dy, x + dx)
            yield
    everywhere = (slice(None), slice(None))
    reach = max(height, width)
    while reach >= 1:
        y, x = np.divmod(field.source, width)
        jitter = rng.integers(-reach, reach + 1, (2, *field.source.shape))
        field.offer(everywhere, y + jitter[0], x + jitter[1], STAY)
        reach //= 2
        yield


def window(dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that have a neighbour (dy, dx) before them, and those neighbours."""
    rows, columns = _pair(dy), _pair(dx)
    return (rows[0], columns[0]), (rows[1], columns[1])


def _pair(by: int) -> tuple[slice, slice]:
    if by == 0:
        return slice(None), slice(None)
    return (slice(by, None), slice(None, -by)) if by > 0 else (slice(None, by), slice(-by, None))
