"""Analogist's grid: four tiles, A A' above B B', that an inpainting network is shown and of which it draws the last.

Geometry of Gu et al., "Analogist" (arXiv 2405.10316) and its code: a white canvas of 2g × 2g pixels, tiles a little
smaller than g, the last one black. The marked grid is what a chat model is shown. Knows no network and no photo's size.
"""

from __future__ import annotations

import cv2
import numpy as np

from sessions.values import Pixels

FRAME = 2
"""p: white pixels around the tiles and between them."""
RED = (230, 0, 0)
LETTERS = (("A", "A'"), ("B", "B'"))
BOX = 36 / 256
"""Side of a letter's black box, in parts of g."""


def tile_side(g: int) -> int:
    """Pixels along a tile: 253 of g = 256."""
    return int(g - 1.5 * FRAME)


def offsets(g: int) -> tuple[int, int]:
    """Where the first and the second tile begin, along a side: 2 and 257 of g = 256."""
    return FRAME, g + FRAME - 1


def laid(a: Pixels, changed: Pixels, b: Pixels) -> Pixels:
    """The grid (2g, 2g, 3) of A, A' and B, each (t, t, 3); the place of B' is black."""
    side = len(a)
    g = int(side + 1.5 * FRAME)
    canvas = np.full((2 * g, 2 * g, 3), 255, np.uint8)
    tiles = (a, changed, b, np.zeros_like(a))
    for tile, (y, x) in zip(tiles, ((y, x) for y in offsets(g) for x in offsets(g)), strict=True):
        canvas[y : y + side, x : x + side] = tile
    return canvas


def begun(grid: Pixels) -> Pixels:
    """I': the bottom left quadrant, frame and all, in the bottom right one too, where drawing begins from it."""
    g = len(grid) // 2
    out = grid.copy()
    out[g:, g:] = grid[g:, :g]
    return out


def hidden(side: int) -> Pixels:
    """The mask (side, side) of what is to be drawn: 1 in the bottom right quadrant, else 0."""
    mask = np.zeros((side, side), np.uint8)
    mask[side // 2 :, side // 2 :] = 1
    return mask


def drawn(grid: Pixels) -> Pixels:
    """B' (t, t, 3) of a finished grid, at the place in its quadrant where the tile left of it lies in its own."""
    g = len(grid) // 2
    (left, top), side = offsets(g), tile_side(g)
    return grid[top : top + side, g + left : g + left + side]


def marked(grid: Pixels) -> Pixels:
    """A copy with the tiles' letters in their corners and arrows from A to A' and from B to B'."""
    out = grid.copy()
    g = len(grid) // 2
    box, reach = round(BOX * g), g // 10
    for y, row in zip(offsets(g), LETTERS, strict=True):
        for x, letter in zip(offsets(g), row, strict=True):
            out[y : y + box, x : x + box] = 0
            at = (x + box // 6, y + 3 * box // 4)
            cv2.putText(out, letter, at, (255, 255, 255), cv2.FontFace("sans"), 2 * box // 3, 800)
        middle = y + tile_side(g) // 2
        cv2.arrowedLine(out, (g - reach, middle), (g + reach, middle), RED, max(1, g // 64), tipLength=0.35)
    return out
