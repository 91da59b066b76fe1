"""The tiles of a bundle before any decoder sees them: each is a PNG of the plain form that `tiles.encode` writes.

One colour depth, no interlacing, no chunk but the needed ones, and exactly as many pixel bytes as the header says, so
that a small tile cannot become a large one. Whether the pixels are those of the tile's name is `fsck`'s to say.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from sqlalchemy import Connection, select

from sessions import schema
from sessions.bundle_rows import damaged
from sessions.errors import BlobMissing
from sessions.store import Store
from sessions.tiles import TILE, grid

Shape = tuple[int, int, int]
"""Height, width, channels."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 6: 4}
_MODES = {"L": 1, "RGB": 3, "RGBA": 4}
_PORTION = {"yield_per": 200}


def check_tiles(store: Store, session: str) -> None:
    """Raise Refused where a tile is not of our form, or a picture is not covered by its tiles."""
    with store.database.read() as connection:
        shapes = dict(_shapes(store, connection, session))
        pictures = select(schema.pictures).where(schema.pictures.c.session == session)
        for row in connection.execute(pictures, execution_options=_PORTION):
            names = [row.tiles[i : i + 32] for i in range(0, len(row.tiles), 32)]
            channels = _MODES[row.mode]
            wanted = [(y.stop - y.start, x.stop - x.start, channels) for y, x in grid(row.width, row.height)]
            if [shapes.get(name) for name in names] != wanted:
                raise damaged(f"the tiles of picture {row.hash[:12]} do not cover it")


def _shapes(store: Store, connection: Connection, session: str) -> Iterator[tuple[bytes, Shape]]:
    t = schema.tiles.c
    places = select(t.hash, t.blob, t.offset, t.length).where(t.session == session).order_by(t.blob, t.offset)
    for place in connection.execute(places, execution_options=_PORTION):
        try:
            data = store.files.get(store.blobs.name(session, place.blob), place.offset, place.length)
            yield bytes.fromhex(place.hash), png_shape(data)
        except (BlobMissing, ValueError, struct.error, zlib.error):
            raise damaged(f"tile {place.hash[:12]} is not one of ours") from None


def png_shape(data: bytes) -> Shape:
    """The shape of a tile's PNG, all of it walked through; ValueError, struct.error or zlib.error otherwise."""
    if data[:8] != _SIGNATURE:
        raise ValueError("not a PNG")
    chunks, here = [], 8
    while here < len(data):
        size, kind = struct.unpack_from(">I4s", data, here)
        (found,) = struct.unpack_from(">I", data, here + 8 + size)
        if zlib.crc32(data[here + 4 : here + 8 + size]) != found:
            raise ValueError("a chunk does not match its checksum")
        chunks.append((kind, data[here + 8 : here + 8 + size]))
        here += 12 + size
    (first, header), *middle, (last, nothing) = chunks
    if first != b"IHDR" or last != b"IEND" or nothing or {kind for kind, _ in middle} != {b"IDAT"}:
        raise ValueError("chunks that do not belong there")
    return _filled(header, b"".join(part for _, part in middle))


def _filled(header: bytes, packed: bytes) -> Shape:
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", header)
    if depth != 8 or colour not in _CHANNELS or any(rest) or not (1 <= width <= TILE and 1 <= height <= TILE):
        raise ValueError("not the form of a tile")
    channels = _CHANNELS[colour]
    row = 1 + width * channels
    unpacking = zlib.decompressobj()
    raw = unpacking.decompress(packed, row * height + 1)
    if len(raw) != row * height or not unpacking.eof or unpacking.unused_data or set(raw[::row]) - set(range(5)):
        raise ValueError("more or fewer pixels than the header says")
    return height, width, channels
