"""What the planner sees and hears: an embedding for each item, made once for each content and kept.

What is looked at are small copies (`agent.sight`). What an embedding means is its encoder's: one that has seen nothing
but drawn scenes of the toybox is shown no photo, and 0 stands for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from agent import origins
from agent.items import Item
from agent.plan import Context
from agent.sight import Sight
from sessions.errors import BlobDamaged, BlobMissing, NotFound
from sessions.values import Json, Pixels
from tools import sounds
from tools.caches import Cache
from tools.sounds import Sound
from tools.weights import World

if TYPE_CHECKING:
    from tools.encoders import Encoder

K = TypeVar("K")
T = TypeVar("T")
Embedding = NDArray[np.float32]
REMEMBERED = 1024
"""How many embeddings are kept in memory; the others are a file each."""


class Perception:
    """Embeddings of items, float32 (D,), L2 norm 1. `cache`: where they lie between turns and processes. `world`: what
    pictures the encoder has seen."""

    def __init__(self, encoder: Encoder, cache: Cache, sight: Sight, world: World = "photos") -> None:
        self.encoder, self.world = encoder, world
        self._cache, self._sight = cache, sight
        self._recent: OrderedDict[tuple[str, str], Embedding] = OrderedDict()
        self._looks: OrderedDict[str, bool] = OrderedDict()

    def embeddings(self, session: str, items: Sequence[Item], unseen: Collection[str] = ()) -> NDArray[np.float32]:
        """(n, D). What is not known yet is looked at, or listened to, all of a kind at once.

        Zeros for what shall not be looked at (`unseen`, names of items), and for what the disk has lost or damaged: the
        rest of the session can be edited all the same.
        """
        shown = [item for item in items if item.name not in unseen]
        found = {item.content: self._known(item) for item in shown}
        new = {item.content: item for item in shown if found[item.content] is None}
        for item, h in self._perceived(session, list(new.values())):
            found[item.content] = h
            self._keep(item, h)
        nothing = np.zeros(self.encoder.width, np.float32)
        known = (None if item.name in unseen else found[item.content] for item in items)
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

    def photos(self, context: Context, items: Sequence[Item]) -> frozenset[str]:
        """The names of those items that are no drawn scenes of the toybox, nor made from such alone."""
        return origins.photos(context, items, lambda content: self._drawn(context.session, content))

    def _drawn(self, session: str, content: str) -> bool | None:
        """Whether what has this hash is a scene as it is drawn, or a sound; None where it cannot be read."""
        if content not in self._looks:
            try:
                self._looks[content] = self._sight.sounds(session, content) or self._sight.scene(session, content)
            except (BlobMissing, BlobDamaged, NotFound):
                return None
            _shorten(self._looks)
        return self._looks[content]

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
        _shorten(self._recent)


def _shorten(kept: OrderedDict[K, T]) -> None:
    """Let go of the oldest, where there is more than is remembered."""
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)


def _readable(items: Sequence[Item], read: Callable[[Item], T]) -> Iterator[tuple[Item, T]]:
    """Each item with what it holds; those are left out whose files are lost or damaged."""
    for item in items:
        try:
            found = read(item)
        except (BlobMissing, BlobDamaged):
            continue
        yield item, found
