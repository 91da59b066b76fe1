"""Pictures as grids of 512-pixel tiles: hashing, comparing, and the lossless tile codec.

Codec: PNG, zlib level 1, Huffman only, average filter (`python -m benchmarks.codec` measures the alternatives: the
smallest of those that keep a 12-megapixel photo far below its budget). Does not know files or the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property

import cv2
import numpy as np

from sessions.errors import BlobDamaged
from sessions.identity import picture_hash, tile_hash
from sessions.values import Mode, Picture, Pixels

TILE = 512
CODEC = "png"
_PNG = [
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY,
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_AVG,
]
_PNG_MASK = [
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_NONE,
]
"""Masks are mostly flat: runs, not single symbols, are what makes them small."""

_CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}


@dataclass(frozen=True)
class Tiled:
    """What identifies a picture: mode, size, and the pixel hashes of its tiles in row-major order."""

    mode: Mode
    width: int
    height: int
    tiles: tuple[str, ...]

    @cached_property
    def hash(self) -> str:
        return picture_hash(self.mode, self.width, self.height, self.tiles)


def grid(width: int, height: int) -> Iterator[tuple[slice, slice]]:
    """(rows, columns) of each tile, row-major; the last ones of a row or column may be smaller."""
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            yield slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))


def window(tiled: Tiled, box: tuple[int, int, int, int]) -> tuple[Tiled, tuple[slice, slice]]:
    """The tiles that meet a box (x0, y0, x1, y1; end exclusive) as a picture, and where in it the box lies."""
    x0, y0, x1, y1 = box
    left, top, across = x0 // TILE, y0 // TILE, -(-tiled.width // TILE)
    right, bottom = -(-x1 // TILE), -(-y1 // TILE)
    names = tuple(
        name for row in range(top, bottom) for name in tiled.tiles[row * across + left : row * across + right]
    )
    x, y = left * TILE, top * TILE
    size = min(right * TILE, tiled.width) - x, min(bottom * TILE, tiled.height) - y
    return Tiled(tiled.mode, *size, names), (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))


def cut(picture: Picture) -> Iterator[Pixels]:
    """The tiles of a picture, row-major, as views."""
    for rows, columns in grid(picture.width, picture.height):
        yield picture.pixels[rows, columns]


@cache
def workers() -> ThreadPoolExecutor:
    """Two threads: hashing, encoding and decoding release the interpreter lock."""
    return ThreadPoolExecutor(2, thread_name_prefix="tiles")


def measure(picture: Picture, like: tuple[Picture, Tiled] | None = None) -> Tiled:
    """Hash a picture's tiles; a tile equal to the one of `like` at its place is compared, not hashed again."""
    tiles = list(cut(picture))
    known: list[str | None] = [None] * len(tiles)
    if like is not None and like[0].pixels.shape == picture.pixels.shape:
        known = [
            name if np.array_equal(old, new) else None
            for old, new, name in zip(cut(like[0]), tiles, like[1].tiles, strict=True)
        ]
    fresh = iter(list(workers().map(tile_hash, [t for t, name in zip(tiles, known, strict=True) if name is None])))
    return Tiled(picture.mode, picture.width, picture.height, tuple(name or next(fresh) for name in known))


def encode(tile: Pixels) -> bytes:
    """One tile as an ordinary PNG file, lossless."""
    return cv2.imencode(".png", _swapped(tile), _PNG if tile.ndim == 3 else _PNG_MASK)[1].tobytes()


def decode(data: bytes, name: str) -> Pixels:
    """A tile's pixels, checked against its hash `name`; anything else is BlobDamaged."""
    try:
        raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        raw = None
    if raw is not None and raw.dtype == np.uint8:
        tile = _swapped(np.asarray(raw, np.uint8))
        if tile_hash(tile) == name:
            return tile
    raise BlobDamaged(f"stored pixels do not match their name {name[:12]}.", "Run: python -m sessions fsck")


def _swapped(tile: Pixels) -> Pixels:
    """RGB ↔ BGR, the order of OpenCV, so that a stored tile is an ordinary PNG to everybody else; contiguous."""
    if tile.ndim == 2:
        return np.ascontiguousarray(tile)
    return np.asarray(cv2.cvtColor(tile, cv2.COLOR_RGB2BGR if tile.shape[2] == 3 else cv2.COLOR_RGBA2BGRA), np.uint8)


def assemble(tiled: Tiled, parts: Iterator[Pixels]) -> Picture:
    """Put decoded tiles, in row-major order, together again."""
    channels = _CHANNELS[tiled.mode]
    shape = (tiled.height, tiled.width) if channels == 1 else (tiled.height, tiled.width, channels)
    pixels = np.empty(shape, np.uint8)
    for (rows, columns), tile in zip(grid(tiled.width, tiled.height), parts, strict=True):
        if pixels[rows, columns].shape != tile.shape:
            raise BlobDamaged("a stored tile has the wrong size.", "Run: python -m sessions fsck")
        pixels[rows, columns] = tile
    return Picture(pixels)
