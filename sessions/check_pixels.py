"""Checking what a session's pictures and sounds are made of: files, tiles, pictures, assets. Changes nothing.

Every file is hashed again and every tile decoded where its row says it lies; both, because a file may be sound and its
row wrong. What it finds damaged it leaves in the `Look`, for the revisions that stand on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, get_args

from sqlalchemy import Row, and_, select
from sqlalchemy.orm import aliased

from sessions import schema
from sessions.errors import PentimentoError
from sessions.findings import AT, Fault, Look, Problem, Word
from sessions.store import Store
from sessions.tiles import CODEC, Tiled, decode, workers
from sessions.values import AssetKind

_IMAGES = ("image", "mask", "subject")

_a, _original, _picture = schema.assets, aliased(schema.assets), schema.pictures
_TILES = select(schema.tiles).where(schema.tiles.c.session == AT).order_by(schema.tiles.c.blob, schema.tiles.c.offset)
_PICTURES = select(_picture).where(_picture.c.session == AT)
_ASSETS = (
    select(
        _a,
        _original.c.sha256.label("original_found"),
        _picture.c.width.label("picture_width"),
        _picture.c.height.label("picture_height"),
    )
    .outerjoin(
        _original,
        and_(_original.c.session == _a.c.session, _original.c.sha256 == _a.c.original, _original.c.kind == "original"),
    )
    .outerjoin(_picture, and_(_picture.c.session == _a.c.session, _picture.c.hash == _a.c.sha256))
    .where(_a.c.session == AT)
)


def check_pixels(look: Look) -> Iterator[Problem]:
    """Files and tiles first, then the pictures made of them, then the assets."""
    yield from _packs(look)
    yield from _pictures(look)
    yield from _assets(look)


def file_fault(store: Store, session: str, name: str) -> Word | None:
    """What is wrong with a file that is named by its hash."""
    try:
        with store.files.path(store.blobs.name(session, name)).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return "missing"
    return None if found == name else "mismatch"


_FILE_SAYS: dict[Word, str] = {
    "missing": "the file is not there or cannot be read",
    "mismatch": "the file is not what its name says",
}


def _packs(look: Look) -> Iterator[Problem]:
    for blob, group in groupby(look.rows(_TILES), key=lambda row: row.blob):
        places = list(group)
        word = file_fault(look.store, look.session, blob)
        if word is not None:
            yield look.problem((word, _FILE_SAYS[word]), "file", blob)
        for place, sound in zip(places, sound_tiles(look.store, look.session, places), strict=True):
            if not sound:
                look.tiles[place.hash] = word or "mismatch"
                if word is None:
                    yield look.problem(("mismatch", "its file holds no such tile there"), "tile", place.hash)
            elif place.codec != CODEC:
                yield look.problem(("mismatch", "it is not stored as its record says"), "tile", place.hash)


def sound_tiles(store: Store, session: str, places: Sequence[Row[Any]]) -> list[bool]:
    """Whether each tile can be decoded from where its row says it lies, and is what its name says."""

    def sound(place: Row[Any]) -> bool:
        try:
            decode(store.files.get(store.blobs.name(session, place.blob), place.offset, place.length), place.hash)
        except (PentimentoError, TypeError, MemoryError):  # a damaged row may ask for anything
            return False
        return True

    return list(workers().map(sound, places))


def _pictures(look: Look) -> Iterator[Problem]:
    for row in look.rows(_PICTURES):
        names = tuple(row.tiles[i : i + 32].hex() for i in range(0, len(row.tiles), 32))
        unknown = len(set(names) - set(look.store.known(look.connection, look.session, list(set(names)))))
        bad = [look.tiles[name] for name in names if name in look.tiles]
        if Tiled(row.mode, row.width, row.height, names).hash != row.hash:
            look.pictures[row.hash] = "mismatch", "the record of its picture is not what its name says"
            yield look.problem(look.pictures[row.hash], "picture", row.hash)
        elif unknown:
            look.pictures[row.hash] = "missing", f"{unknown} tiles of its picture have no record"
            yield look.problem(look.pictures[row.hash], "picture", row.hash)
        elif bad:
            look.pictures[row.hash] = bad[0], f"{len(bad)} tiles of its picture cannot be read"


def _assets(look: Look) -> Iterator[Problem]:
    for row in look.rows(_ASSETS):
        for fault in _asset(look, row):
            yield look.problem(fault, "asset", f"{row.kind} {row.sha256}")


def _asset(look: Look, row: Row[Any]) -> Iterator[Fault]:
    if row.original is not None and row.original_found is None:
        yield "dangling", "the file it was made of has no record"
    if row.kind in _IMAGES:
        if row.picture_width is None:
            yield "dangling", "its picture has no record"
        elif (row.width, row.height) != (row.picture_width, row.picture_height):
            yield "mismatch", "its size is not its picture's"
        if row.sha256 in look.pictures:
            yield look.pictures[row.sha256]
    elif row.kind not in get_args(AssetKind):
        yield "mismatch", "its kind is unknown"
    elif word := file_fault(look.store, look.session, row.sha256):
        yield word, _FILE_SAYS[word]
    source = look.store.files.path(look.store.blobs.name(look.session, row.original or row.sha256))
    if source.is_file() and source.stat().st_size != row.bytes:
        yield "mismatch", "the file it was made of has another length"
    yield from readable(row.facts, dict)


def readable(text: str, kind: type) -> Iterator[Fault]:
    """A fault where a column does not hold JSON of a kind."""
    try:
        if isinstance(json.loads(text), kind):
            return
    except (ValueError, TypeError):
        pass
    yield "mismatch", "what is recorded with it cannot be read"
