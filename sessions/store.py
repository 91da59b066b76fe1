"""The store: sessions, their pictures and assets, and the appending of revisions. One owner per `Store`.

Writing is always blob first, then one transaction: `keep` makes pixels durable, `append` makes them history. What moves
heads without new pixels is in `moves`, what reads the graph in `history`, what holds turns in `turns`.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, select

from sessions import schema
from sessions.blobs import Blobs, Place
from sessions.database import Database
from sessions.errors import BlobDamaged, BlobMissing, NotFound
from sessions.files import Files, storage_errors
from sessions.identity import new_id
from sessions.rows import (
    OWNED,
    REVISION,
    asset_of,
    dumps,
    insert_new,
    no_revision,
    no_session,
    now,
    revision_of,
    session_of,
    touch,
)
from sessions.tiles import CODEC, Tiled, assemble, cut, measure, window
from sessions.values import Asset, Picture, Pixels, Revision, Session
from sessions.words import clean_name

_ROUND = 300
"""How many hashes one statement asks for; below every engine's limit of variables."""

_KNOWN_TILES = select(schema.tiles.c.hash).where(
    schema.tiles.c.session == bindparam("session"), schema.tiles.c.hash.in_(bindparam("hashes", expanding=True))
)
_PLACES = select(schema.tiles).where(
    schema.tiles.c.session == bindparam("session"), schema.tiles.c.hash.in_(bindparam("hashes", expanding=True)), OWNED
)
_MY_SESSION = select(schema.sessions.c.id).where(
    schema.sessions.c.id == bindparam("session"), schema.sessions.c.owner == bindparam("owner")
)
_PICTURE = select(schema.pictures).where(
    schema.pictures.c.session == bindparam("session"), schema.pictures.c.hash == bindparam("hash"), OWNED
)


@dataclass(frozen=True)
class Kept:
    """A picture (and its mask) whose pixels are durable but not yet history."""

    image: Tiled
    mask: Tiled | None
    places: tuple[Place, ...]

    @property
    def bytes(self) -> int:
        """How much was written for it."""
        return sum(place.length for place in self.places)


class Store:
    """One owner's view of the data folder. Safe to use from several threads and processes."""

    def __init__(self, home: Path, url: str = "", owner: str = "local", files: Files | None = None) -> None:
        self.home = home.absolute()
        self.owner = owner
        self.files = files or Files(self.home)
        with storage_errors():
            self.files.make_folder(self.home)
        self.database = Database(url or f"sqlite:///{self.home / 'sessions.db'}")
        self.blobs = Blobs(self.files)

    def of(self, owner: str) -> Store:
        """Another owner's view of the same data folder, over the same connections."""
        other = copy(self)
        other.owner = owner
        return other

    def close(self) -> None:
        self.database.close()

    # Sessions

    def create_session(self, name: str, request_id: str | None = None) -> Session:
        """A new, empty session; a resent request_id gives the one it made before."""
        row = {
            "id": new_id(),
            "owner": self.owner,
            "name": clean_name(name),
            "seq": 0,
            "request_id": request_id or new_id(),
            "created_at": now(),
            "touched_at": now(),
        }
        sessions = schema.sessions
        with self.database.write() as connection:
            insert_new(connection, sessions, [row])
            mine = select(sessions).where(sessions.c.owner == self.owner, sessions.c.request_id == row["request_id"])
            return session_of(connection.execute(mine).one())

    def requested(self, request_id: str) -> Session | None:
        """The session that a request made, if it was ever made."""
        sessions = schema.sessions
        mine = select(sessions).where(sessions.c.owner == self.owner, sessions.c.request_id == request_id)
        with self.database.read() as connection:
            row = connection.execute(mine).first()
        return session_of(row) if row is not None else None

    def sessions(self, limit: int = 50, before: str | None = None) -> list[Session]:
        """One's sessions, last touched first; `before` is the `touched_at` to continue from."""
        sessions = schema.sessions
        statement = select(sessions).where(sessions.c.owner == self.owner)
        if before is not None:
            statement = statement.where(sessions.c.touched_at < before)
        statement = statement.order_by(sessions.c.touched_at.desc()).limit(limit)
        with self.database.read() as connection:
            return [session_of(row) for row in connection.execute(statement)]

    def session(self, prefix: str) -> Session:
        """One session by id or by the beginning of its id (at least four characters), if that fits one only."""
        sessions = schema.sessions
        text = prefix.lower()
        if len(text) < 4 or not set(text) <= set("0123456789abcdef"):
            raise no_session()
        statement = select(sessions).where(sessions.c.owner == self.owner, sessions.c.id.startswith(text)).limit(2)
        with self.database.read() as connection:
            rows = connection.execute(statement).all()
        if len(rows) != 1:
            raise no_session()
        return session_of(rows[0])

    # Pixels

    def keep(
        self, session: str, image: Picture, mask: Pixels | None = None, like: tuple[Picture, Tiled] | None = None
    ) -> Kept:
        """Make pixels durable: only tiles the session does not have are encoded and written, all in one file.

        `like` is a picture whose tiles are known (the base): equal tiles are not even hashed again.
        """
        pictures = [(image, measure(image, like))]
        if mask is not None:
            shape = Picture(mask)
            pictures.append((shape, measure(shape)))
        tiles = {
            name: tile for picture, tiled in pictures for name, tile in zip(tiled.tiles, cut(picture), strict=True)
        }
        with self.database.read() as connection:
            self._must_be_mine(connection, session)
            known = set(self.known(connection, session, list(tiles)))
        places = self.blobs.put_tiles(session, {name: tile for name, tile in tiles.items() if name not in known})
        return Kept(pictures[0][1], pictures[1][1] if mask is not None else None, tuple(places))

    def picture(self, session: str, image: str) -> Picture:
        """The pixels of a picture hash, every tile checked; BlobMissing, BlobDamaged or NotFound otherwise."""
        return self.picture_and_tiles(session, image)[0]

    def picture_and_tiles(self, session: str, image: str) -> tuple[Picture, Tiled]:
        """The pixels, and the tile hashes that make the next `keep` cheap."""
        tiled, places = self._record(session, image)
        return assemble(tiled, self.blobs.get_tiles(session, [places[name] for name in tiled.tiles])), tiled

    def size(self, session: str, image: str) -> tuple[int, int]:
        """(width, height) of a picture."""
        tiled, _ = self._record(session, image)
        return tiled.width, tiled.height

    def window(self, session: str, image: str, box: tuple[int, int, int, int]) -> Picture:
        """What of a picture lies in a box (x0, y0, x1, y1) of its pixels; no other tiles are read."""
        tiled, places = self._record(session, image)
        part, inside = window(tiled, box)
        read = assemble(part, self.blobs.get_tiles(session, [places[name] for name in part.tiles]))
        return Picture(read.pixels[inside])

    def _record(self, session: str, image: str) -> tuple[Tiled, dict[str, Place]]:
        """The tiles of a picture, and where each lies."""
        with self.database.read() as connection:
            row = connection.execute(_PICTURE, self.mine(session) | {"hash": image}).first()
            if row is None:
                raise no_revision()
            names = [row.tiles[i : i + 32].hex() for i in range(0, len(row.tiles), 32)]
            places = {place.tile: place for place in self._places(connection, session, names)}
        tiled = Tiled(row.mode, row.width, row.height, tuple(names))
        if tiled.hash != image:
            raise BlobDamaged("the record of a picture does not match its name.", "Run: python -m sessions fsck")
        if missing := set(names) - set(places):
            raise BlobMissing(f"{len(missing)} tiles of a picture are not recorded.", "Run: python -m sessions fsck")
        return tiled, places

    def _must_be_mine(self, connection: Connection, session: str) -> None:
        """Before a file is written: only sessions of one's own, which exist, have folders."""
        if connection.execute(_MY_SESSION, self.mine(session)).first() is None:
            raise no_session()

    def known(self, connection: Connection, session: str, hashes: list[str]) -> Iterator[str]:
        for i in range(0, len(hashes), _ROUND):
            part = {"session": session, "hashes": hashes[i : i + _ROUND]}
            yield from connection.execute(_KNOWN_TILES, part).scalars()

    def _places(self, connection: Connection, session: str, hashes: list[str]) -> Iterator[Place]:
        unique = list(dict.fromkeys(hashes))
        for i in range(0, len(unique), _ROUND):
            part = self.mine(session) | {"hashes": unique[i : i + _ROUND]}
            for row in connection.execute(_PLACES, part):
                yield Place(row.hash, row.blob, row.offset, row.length)

    # Assets

    def add_asset(self, session: str, asset: Asset, original: bytes, kept: Kept | None, audio: bytes | None) -> Asset:
        """Record what came through the door: its canonical form and the uploaded bytes, kept opaque."""
        with self.database.read() as connection:
            self._must_be_mine(connection, session)
        name = self.blobs.put(session, original)
        if audio is not None:
            self.blobs.put(session, audio)
        common = {"session": session, "name": asset.name, "facts": dumps(asset.facts), "created_at": now()}
        shape = {"width": asset.width, "height": asset.height, "seconds": asset.seconds}
        rows = [
            common
            | shape
            | {
                "sha256": asset.sha256,
                "kind": asset.kind,
                "media_type": asset.media_type,
                "bytes": asset.bytes,
                "original": name,
            },
            common
            | shape
            | {
                "sha256": name,
                "kind": "original",
                "media_type": asset.media_type,
                "bytes": len(original),
                "original": None,
            },
        ]
        with self.database.write() as connection:
            touch(connection, session, self.owner)
            for blob in (name, *([asset.sha256] if audio is not None else [])):
                self.blobs.must_stand(session, blob)
            if kept is not None:
                self.insert_pixels(connection, session, kept)
            insert_new(connection, schema.assets, rows)
        return self.asset(session, asset.sha256)

    def asset(self, session: str, sha256: str) -> Asset:
        """An asset by its hash (the canonical form where both it and its original have the same)."""
        assets = schema.assets
        statement = (
            select(assets)
            .where(assets.c.session == session, assets.c.sha256 == sha256, OWNED)
            .order_by(assets.c.kind == "original")
        )
        with self.database.read() as connection:
            row = connection.execute(statement, self.mine(session)).first()
        if row is None:
            raise NotFound("There is no such picture or sound in this session.")
        return asset_of(row, self.owner)

    def asset_bytes(self, session: str, sha256: str) -> bytes:
        """The bytes of an original or a sound, checked."""
        asset = self.asset(session, sha256)
        return self.blobs.get(session, asset.sha256)

    def revision(self, session: str, revision: str) -> Revision:
        """One revision by its full id."""
        with self.database.read() as connection:
            row = connection.execute(REVISION, self.mine(session) | {"id": revision}).first()
        if row is None:
            raise no_revision()
        return revision_of(row)

    # Parts of other modules' work

    def mine(self, session: str) -> dict[str, Any]:
        return {"session": session, "owner": self.owner}

    def insert_pixels(self, connection: Connection, session: str, kept: Kept) -> None:
        """Record kept pixels. The caller holds the session by `touch`, as `gc` does while it removes."""
        for blob in {place.blob for place in kept.places}:
            self.blobs.must_stand(session, blob)
        places = [
            {"session": session, "hash": p.tile, "blob": p.blob, "offset": p.offset, "length": p.length, "codec": CODEC}
            for p in kept.places
        ]
        insert_new(connection, schema.tiles, places)
        names = list({tile for tiled in (kept.image, kept.mask) if tiled is not None for tile in tiled.tiles})
        if set(names) - set(self.known(connection, session, names)):  # forgotten by a repair since they were kept
            raise BlobMissing("What was written for this is not there any more.", "Send it again.")
        pictures = [
            {
                "session": session,
                "hash": tiled.hash,
                "mode": tiled.mode,
                "width": tiled.width,
                "height": tiled.height,
                "tiles": bytes.fromhex("".join(tiled.tiles)),
            }
            for tiled in (kept.image, kept.mask)
            if tiled is not None
        ]
        insert_new(connection, schema.pictures, pictures)
