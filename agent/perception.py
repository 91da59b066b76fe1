"""What the planner sees and hears: an embedding for each item, made once for each content and kept.

What is looked at are small copies (`agent.sight`). What an embedding means is its encoder's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.items import Item
from agent.sight import Sight
from sessions.values import Json
from tools import sounds
from tools.caches import Cache

if TYPE_CHECKING:
    from tools.encoders import Encoder

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
        """(n, D). What is not known yet is looked at, or listened to, all of a kind at once."""
        found = {item.content: self._known(item) for item in items}
        new = {item.content: item for item in items if found[item.content] is None}
        seen = [item for item in new.values() if item.kind == "picture"]
        heard = [item for item in new.values() if item.kind == "sound"]
        made = (
            list(self.encoder.pictures([self._sight.picture(session, item.content) for item in seen])) if seen else []
        )
        made += (
            list(self.encoder.sounds([sounds.read(self._sight.sound(session, item.content)) for item in heard]))
            if heard
            else []
        )
        for item, h in zip([*seen, *heard], made, strict=True):
            found[item.content] = h
            self._keep(item, h)
        rows = [found[item.content] for item in items]
        return np.stack([row for row in rows if row is not None]) if rows else np.zeros((0, self.encoder.width), "f4")

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
