"""Which lossless codec for the tiles: seconds (two threads) and megabytes for 12 megapixels. `-m benchmarks.codec`.

Every candidate is checked to give the pixels back.
"""

from __future__ import annotations

import io
import time
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.measure import photo, report
from sessions.tiles import cut, workers
from sessions.values import Pixels

Codec = tuple[Callable[[Pixels], bytes], Callable[[bytes], Pixels]]


def _png(strategy: int, filters: int) -> Codec:
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, strategy, cv2.IMWRITE_PNG_FILTER, filters]
    return lambda tile: cv2.imencode(".png", tile, options)[1].tobytes(), _imdecode


def _imdecode(data: bytes) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)


def _webp(tile: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(tile).save(file, "WEBP", lossless=True, quality=0, method=0)
    return file.getvalue()


def _delta_deflate(tile: Pixels) -> bytes:
    """Rows and red/blue as differences, then Huffman only."""
    rows = np.diff(tile, axis=0, prepend=np.zeros_like(tile[:1]))
    planes = np.stack([rows[..., 0] - rows[..., 1], rows[..., 1], rows[..., 2] - rows[..., 1]])
    packer = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    return np.array(tile.shape[:2], "<u4").tobytes() + packer.compress(planes.tobytes()) + packer.flush()


def _delta_inflate(data: bytes) -> Pixels:
    height, width = np.frombuffer(data[:8], "<u4")
    planes = np.frombuffer(zlib.decompress(data[8:], -15), np.uint8).reshape(3, height, width)
    rows = np.stack([planes[0] + planes[1], planes[1], planes[2] + planes[1]], axis=-1)
    return np.asarray(np.cumsum(rows, axis=0, dtype=np.uint8))


CODECS: dict[str, Codec] = {
    "png huffman avg": _png(cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY, cv2.IMWRITE_PNG_FILTER_AVG),
    "png huffman sub": _png(cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY, cv2.IMWRITE_PNG_FILTER_SUB),
    "png huffman paeth": _png(cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY, cv2.IMWRITE_PNG_FILTER_PAETH),
    "png rle up": _png(cv2.IMWRITE_PNG_STRATEGY_RLE, cv2.IMWRITE_PNG_FILTER_UP),
    "png deflate sub": _png(cv2.IMWRITE_PNG_STRATEGY_DEFAULT, cv2.IMWRITE_PNG_FILTER_SUB),
    "webp lossless": (_webp, lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))),
    "delta huffman": (_delta_deflate, _delta_inflate),
}


def run() -> dict[str, Any]:
    """Every codec over the same tiles."""
    tiles = [np.ascontiguousarray(tile) for tile in cut(photo())]
    figures: dict[str, Any] = {}
    for name, (encode, decode) in CODECS.items():
        began = time.perf_counter()
        packed = list(workers().map(encode, tiles))
        took = time.perf_counter() - began
        began = time.perf_counter()
        unpacked = list(workers().map(decode, packed))
        back = time.perf_counter() - began
        if not all(np.array_equal(a, b) for a, b in zip(tiles, unpacked, strict=True)):
            raise SystemExit(f"{name} is not lossless")
        size = sum(map(len, packed)) / 1e6
        figures[name] = {"encode_s": round(took, 3), "decode_s": round(back, 3), "megabytes": round(size, 1)}
    return figures


if __name__ == "__main__":
    report(__doc__ or "", run)
