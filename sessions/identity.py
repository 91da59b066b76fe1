"""Names that are hashes: canonical JSON, tiles, pictures, revisions, seeds. Computes only; stores nothing.

A revision's id is `r1:` + sha256 of canonical JSON {parents, step, geometry, image, mask}. Session, owner, message,
time and made_with take no part, so that export, import and replay keep ids and `fsck` can recompute every one of them.
The prefix names the canonical form, so that it can change one day.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sessions.values import Geometry, Pixels, Step

REVISION_PREFIX = "r1:"


def canonical(value: Any) -> bytes:
    """One byte string per JSON value: sorted keys, no blanks, UTF-8, shortest float form; NaN is a ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def bytes_hash(data: bytes) -> str:
    """sha256 of bytes, hex: the name of a blob file, an original, a sound."""
    return hashlib.sha256(data).hexdigest()


def tile_hash(tile: Pixels) -> str:
    """sha256, hex, over the tile's shape and its uint8 values in row-major order."""
    digest = hashlib.sha256(repr(tile.shape).encode())
    digest.update(np.ascontiguousarray(tile).data)
    return digest.hexdigest()


def picture_hash(mode: str, width: int, height: int, tiles: Iterable[str]) -> str:
    """sha256, hex, over mode, size and the pixel hashes of the tiles in row-major order."""
    digest = hashlib.sha256(f"{mode} {width}x{height}\n".encode())
    for tile in tiles:
        digest.update(bytes.fromhex(tile))
    return digest.hexdigest()


def revision_id(parents: Sequence[str], step: Step | None, geometry: Geometry, image: str, mask: str | None) -> str:
    """The revision's id, from what it is and nothing else."""
    content = {
        "parents": list(parents),
        "step": step.to_json() if step else None,
        "geometry": [float(x) for x in geometry],
        "image": image,
        "mask": mask,
    }
    return REVISION_PREFIX + hashlib.sha256(canonical(content)).hexdigest()


def seed_for(request_id: str, index: int) -> int:
    """The seed of step `index` of a request when none was given, the same in every retry: 0 … 2^48 − 1."""
    return int.from_bytes(hashlib.sha256(canonical([request_id, index])).digest()[:6], "big")


def new_id() -> str:
    """128 random bits, hex: sessions, messages, requests."""
    return secrets.token_hex(16)
