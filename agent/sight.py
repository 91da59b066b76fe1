"""What a planner may look at and hear: small copies of a session's pictures, and its sounds, when it asks for them.

They come through the store, so only one's own. Planners are given this when they are made, so that a `Context` stays
plain values. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from agent import others
from agent.encoding import on_white
from sessions.errors import StorageError
from sessions.store import Store
from sessions.values import Pixels, Revision
from tools.diffusion import world
from tools.pixels import shrink

SIDE = 512
"""Longest side of what a planner is shown, in pixels."""
KEPT = 64
"""How many small copies stay in memory, at most 0.8 MB each."""


class Sight:
    """One owner's pictures as planners see them; safe for several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.picture = lru_cache(KEPT)(self._picture)

    def _picture(self, session: str, content: str) -> Pixels:
        """A picture by the hash of its pixels: uint8 (h, w, 3), longer side ≤ SIDE, what is transparent shows white."""
        return shrink(on_white(self._store.picture(session, content)).rgb, SIDE)

    def drawn(self, session: str, revisions: Iterable[Revision], sent: Iterable[str] = ()) -> bool:
        """Whether a session, of which these are the revisions, began with drawn scenes of the toybox alone, and what is
        `sent` now, hashes of pictures, is such too.

        A picture that is lost began as nobody knows what.
        """
        began = [revision for revision in revisions if not revision.parents]
        if not began or any((revision.width, revision.height) != (world.SIDE, world.SIDE) for revision in began):
            return False
        try:
            return all(self.scene(session, image) for image in [*(revision.image for revision in began), *sent])
        except StorageError:
            return False

    def scene(self, session: str, content: str) -> bool:
        """Whether a picture is a scene of the toybox, of the size in which they are drawn."""
        pixels = self.picture(session, content)
        return pixels.shape[:2] == (world.SIDE, world.SIDE) and world.in_world(pixels)

    def sounds(self, session: str, content: str) -> bool:
        """Whether what has this hash is an attached sound."""
        return others.is_sound(self._store, session, content)

    def sound(self, session: str, content: str) -> bytes:
        """A sound by its hash, as it is kept: FLAC, mono or stereo, at most a minute."""
        return self._store.asset_bytes(session, content)
