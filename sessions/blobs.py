"""Blob files of a session: packs of encoded tiles, originals, sounds. A file's name is the sha256 of its content.

One revision adds at most one pack, which holds only the tiles its session does not have yet: one file, one fsync. Which
tile lies where is the database's to know. Nothing is ever overwritten; only `upkeep.gc` removes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sessions.errors import BlobDamaged, BlobMissing
from sessions.files import Files
from sessions.identity import bytes_hash
from sessions.tiles import decode, encode, workers
from sessions.values import Pixels


@dataclass(frozen=True)
class Place:
    """Where an encoded tile lies."""

    tile: str
    blob: str
    offset: int
    length: int


class Blobs:
    """The blob folder: `blobs/<session>/<sha256>`."""

    def __init__(self, files: Files) -> None:
        self.files = files

    @staticmethod
    def name(session: str, blob: str) -> str:
        return f"blobs/{session}/{blob}"

    def put(self, session: str, data: bytes) -> str:
        """Keep bytes durably; returns their sha256."""
        blob = bytes_hash(data)
        self.files.put(self.name(session, blob), data)
        return blob

    def get(self, session: str, blob: str) -> bytes:
        """Bytes by their sha256, checked; BlobMissing or BlobDamaged otherwise."""
        data = self.files.get(self.name(session, blob))
        if bytes_hash(data) != blob:
            raise BlobDamaged(f"a stored file does not match its name {blob[:12]}.", "Run: python -m sessions fsck")
        return data

    def must_stand(self, session: str, blob: str) -> None:
        """Raise BlobMissing for a file that is not there: `gc` may have taken it before anything named it."""
        if not self.files.path(self.name(session, blob)).is_file():
            raise BlobMissing("What was written for this has been swept away meanwhile.", "Send it again.")

    def put_tiles(self, session: str, tiles: dict[str, Pixels]) -> list[Place]:
        """Encode tiles on two threads into one durable pack; returns where each lies."""
        if not tiles:
            return []
        encoded = list(workers().map(encode, tiles.values()))
        blob = self.put(session, b"".join(encoded))
        places, offset = [], 0
        for tile, data in zip(tiles, encoded, strict=True):
            places.append(Place(tile, blob, offset, len(data)))
            offset += len(data)
        return places

    def get_tiles(self, session: str, places: Iterable[Place]) -> Iterator[Pixels]:
        """Decoded tiles in the order asked for, each checked against its hash."""

        def load(place: Place) -> Pixels:
            name = self.name(session, place.blob)
            return decode(self.files.get(name, place.offset, place.length), place.tile)

        yield from workers().map(load, places)
