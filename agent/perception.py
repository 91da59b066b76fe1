"""What the planner sees and hears: an embedding for each item, made once for each content and kept.

What is looked at are small copies (`agent.sight`). What an embedding means is its encoder's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from agent.items import Item
from agent.sight import Sight
from sessions.errors import BlobDamaged, BlobMissing
from sessions.values import Json, Pixels
from tools import sounds
from tools.caches import Cache
from tools.diffusion import world
from tools.pixels import shrink
from tools.sounds import Sound

if TYPE_CHECKING:
    from tools.encoders import Encoder

T = TypeVar("T")
Embedding = NDArray[np.float32]
REMEMBERED = 1024
"""How many embeddings are kept in memory; the others are a file each."""


class Perception:
    """Embeddings of items, float32 (D,), L2 norm 1. `cache`: where they lie between turns and processes."""

    def __init__(self, encoder: Encoder, cache: Cache, sight: Sight) -> None:
        self.encoder = encoder
        self._cache, self._sight = cache, sight
        self._recent: OrderedDict[tuple[str, str], Embedding] = OrderedDict()

    def embeddings(self, session: str, items: Sequence[Item]) -> NDArray[np.float32]:
        """(n, D). What is not known yet is looked at, or listened to, all of a kind at once.

        Zeros for what the disk has lost or damaged: the rest of the session can be edited all the same.
        """
        found = {item.content: self._known(item) for item in items}
        new = {item.content: item for item in items if found[item.content] is None}
        for item, h in self._perceived(session, list(new.values())):
            found[item.content] = h
            self._keep(item, h)
        nothing = np.zeros(self.encoder.width, np.float32)
        known = (found[item.content] for item in items)
        rows = [nothing if h is None else h for h in known]
        return np.stack(rows) if rows else np.zeros((0, self.encoder.width), np.float32)

    def _perceived(self, session: str, new: Sequence[Item]) -> Iterator[tuple[Item, Embedding]]:
        """What can be read of these, pictures first."""

        def read(item: Item) -> Pixels:
            return self._sight.picture(session, item.content)

        def listened(item: Item) -> Sound:
            return sounds.read(self._sight.sound(session, item.content))

        seen = list(_readable([item for item in new if item.kind == "picture"], read))
        heard = list(_readable([item for item in new if item.kind == "sound"], listened))
        if seen:
            yield from zip([item for item, _ in seen], self.encoder.pictures([x for _, x in seen]), strict=True)
        if heard:
            yield from zip([item for item, _ in heard], self.encoder.sounds([x for _, x in heard]), strict=True)

    def photos(self, session: str, items: Sequence[Item]) -> bool:
        """Whether one of these came from outside and is no drawn scene of the toybox."""
        came = [item for item in items if item.role in ("upload", "attached")]
        looked = _readable(came, lambda item: shrink(self._sight.picture(session, item.content), world.SIDE))
        return any(not world.in_world(pixels) for _, pixels in looked)

    def _key(self, item: Item) -> Json:
        return {"kind": "embedding", "encoder": self.encoder.digest, "of": item.kind, "content": item.content}

    def _known(self, item: Item) -> Embedding | None:
        if (item.kind, item.content) not in self._recent:
            kept = self._cache.get(self._key(item))
            if kept is None:
                return None
            self._remember(item, kept["h"].numpy())
        return self._recent[item.kind, item.content]

    def _keep(self, item: Item, h: Embedding) -> None:
        import torch

        self._cache.put(self._key(item), {"h": torch.from_numpy(np.ascontiguousarray(h))})
        self._remember(item, h)

    def _remember(self, item: Item, h: Embedding) -> None:
        self._recent[item.kind, item.content] = h
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)


def _readable(items: Sequence[Item], read: Callable[[Item], T]) -> Iterator[tuple[Item, T]]:
    """Each item with what it holds; those are left out whose files are lost or damaged."""
    for item in items:
        try:
            found = read(item)
        except (BlobMissing, BlobDamaged):
            continue
        yield item, found
