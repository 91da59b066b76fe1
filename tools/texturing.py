"""Texture by numbers: cover B with pieces of A's texture, chosen by what both show there. Copies, never averages.

Hertzmann et al., "Image Analogies" (SIGGRAPH 2001), section 4.3, solved as Kwatra et al., "Texture Optimization for
Example-based Synthesis" (SIGGRAPH 2005) do: search for every patch the nearest one (`tools.patchmatch`) by the guides
and by the texture there now, let patches decide what pixels copy, repeat, from coarse to fine. A patch of texture is
described by its principal components.

Arrays are float32: textures (H, W, 3), guides (H, W, G) in units of colour, 0…1.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import cv2
import numpy as np

from tools.color import times
from tools.enlarging import scaled
from tools.parts import Box
from tools.patchmatch import Index, Matches, improve, matches
from tools.pixels import Floats

R = 4
"""Radius of a patch, in pixels."""
COMPONENTS = 16
"""Principal components that describe it."""
GUIDE = 2.0
"""Weight of a guide against the texture's spread, taken as 1."""
ROUNDS = (3, 6, 10)
"""Search-and-copy rounds at levels 0 (finest), 1, 2 (coarsest)."""
FIRST = 4
"""Rounds of search by the guides alone, to begin with."""


@dataclass(frozen=True, eq=False)
class Scale:
    """One level: A's texture, A's guides (both of A's size), and B's guides."""

    texture: Floats
    here: Floats
    there: Floats


def halve(planes: Floats) -> Floats:
    """The next coarser level of (H, W, C), any C."""
    height, width = planes.shape[:2]
    size = ((width + 1) // 2, (height + 1) // 2)
    return np.dstack([cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in np.moveaxis(planes, 2, 0).copy()])


def patches(plane: Floats) -> Floats:
    """(H·W, (2R + 1)²): the patch around every pixel of (H, W)."""
    height, width = plane.shape
    padded = cv2.copyMakeBorder(plane, R, R, R, R, cv2.BORDER_REFLECT_101)
    side = range(2 * R + 1)
    return np.stack([padded[y : y + height, x : x + width].ravel() for y in side for x in side], axis=1)


def components(plane: Floats) -> Floats:
    """((2R + 1)², COMPONENTS): the texture's principal components, scaled so that all together spread by 1."""
    around = patches(plane)
    values, vectors = np.linalg.eigh(around.T @ around / np.float32(len(around)))
    return np.asarray(vectors[:, : -COMPONENTS - 1 : -1] / np.sqrt(max(values.sum(), 1e-12)), np.float32)


def described(guides: Floats, plane: Floats, basis: Floats) -> Floats:
    """(H, W, G + COMPONENTS) features for the search."""
    return np.dstack([guides * np.float32(GUIDE), (patches(plane) @ basis).reshape(*plane.shape, -1)])


def copied(field: Matches) -> Generator[None, None, Index]:
    """(h, w) the place each pixel copies: what the best-matching patch over it wants."""
    height, width = field.known.shape[:2]
    h, w = field.source.shape
    y, x = np.divmod(np.pad(field.source, R), width)
    cost = np.pad(field.cost, R, constant_values=np.inf)
    best, out = np.full((h, w), np.inf, np.float32), field.source.copy()
    for dy in range(-R, R + 1):
        for dx in range(-R, R + 1):
            patch = np.s_[R + dy : R + dy + h, R + dx : R + dx + w]
            sy, sx, c = y[patch] - dy, x[patch] - dx, cost[patch]
            wins = (c < best) & (sy >= 0) & (sy < height) & (sx >= 0) & (sx < width)
            best[wins], out[wins] = c[wins], (sy * width + sx)[wins]
        yield
    return out


def enlarged(source: Index, coarse: Scale, fine: Scale) -> Index:
    """The field at the next finer level: places doubled."""
    (height, width), (h, w) = fine.here.shape[:2], fine.there.shape[:2]
    y, x = np.mgrid[:h, :w]
    sy, sx = np.divmod(source[y // 2, x // 2], coarse.here.shape[1])
    places: Index = np.minimum(2 * sy + y % 2, height - 1) * width + np.minimum(2 * sx + x % 2, width - 1)
    return places


def begun(scale: Scale, rng: np.random.Generator) -> Generator[None, None, Matches]:
    """The field at the coarsest level, by the guides alone."""
    places = rng.integers(0, scale.here.shape[0] * scale.here.shape[1], scale.there.shape[:2])
    field = matches(scale.here, scale.there, places)
    for _ in range(FIRST):
        yield from improve(field, rng)
    return field


def settle(scale: Scale, field: Matches, rounds: int, rng: np.random.Generator) -> Generator[None, None, Matches]:
    """Copy by the field as it is and search anew, `rounds` times."""
    plane = scale.texture.mean(2)
    basis = components(plane)
    yield
    known = described(scale.here, plane, basis)
    yield
    for _ in range(rounds):
        places = yield from copied(field)
        field = matches(known, described(scale.there, plane.ravel()[places], basis), field.source)
        yield
        yield from improve(field, rng)
    return field


def texture(finest: Scale, rng: np.random.Generator) -> Generator[None, None, Index]:
    """(h, w) which place of A each pixel of B takes its texture from; h, w of `finest.there`."""
    scales = [finest]
    while len(scales) < len(ROUNDS):
        scales.append(Scale(*(halve(p) for p in (scales[-1].texture, scales[-1].here, scales[-1].there))))
        yield
    field = yield from begun(scales[-1], rng)
    for level in reversed(range(len(scales))):
        if level < len(scales) - 1:
            source = enlarged(field.source, scales[level + 1], scales[level])
            field = matches(scales[level].here, scales[level].there, source)
        field = yield from settle(scales[level], field, ROUNDS[level], rng)
    return (yield from copied(field))


@dataclass(frozen=True, eq=False)
class SourceMap:
    """Which place of a small A, `y`, `x` (h, w), each pixel of a small B copies.

    grid: the small A's (height, width); sheet: its texture at any size, (H, W, 3), from which pieces are cut.
    """

    y: Floats
    x: Floats
    grid: tuple[int, int]
    sheet: Floats


def source_map(source: Index, grid: tuple[int, int], sheet: Floats) -> SourceMap:
    y, x = np.divmod(source, grid[1])
    return SourceMap(y.astype(np.float32), x.astype(np.float32), grid, sheet)


def laid(sources: SourceMap, box: Box, size: tuple[int, int]) -> Floats:
    """The texture in a box of a B of `size` (width, height), (h, w, 3).

    Each pixel lies between four of the small B, which vote by nearness: where they copy from one place it is an exact
    copy of the sheet, between two pieces a fade.
    """
    x0, y0, x1, y1 = box
    h, w = sources.y.shape
    y, x = scaled(y0, y1, h / size[1])[:, None], scaled(x0, x1, w / size[0])[None]
    out = np.zeros((y1 - y0, x1 - x0, 3), np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            cy, cx = np.floor(y) + dy, np.floor(x) + dx
            nearness: Floats = (1 - np.abs(y - cy)) * (1 - np.abs(x - cx))
            out += times(piece(sources, (y, x), (np.clip(cy, 0, h - 1), np.clip(cx, 0, w - 1))), nearness)
    return out


def piece(sources: SourceMap, at: tuple[Floats, Floats], cell: tuple[Floats, Floats]) -> Floats:
    """The sheet's colours at places (y, x) of the small B, if they copy from where the pixels `cell` of it copy."""
    inside = cell[0].astype(np.intp), cell[1].astype(np.intp)
    sheet, (height, width) = sources.sheet, sources.grid
    zoom = sheet.shape[0] / height, sheet.shape[1] / width
    y = (sources.y[inside] + (at[0] - cell[0]) + 0.5) * np.float32(zoom[0]) - 0.5
    x = (sources.x[inside] + (at[1] - cell[1]) + 0.5) * np.float32(zoom[1]) - 0.5
    return np.asarray(cv2.remap(sheet, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101), np.float32)
