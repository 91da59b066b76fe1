"""What a sound is understood as: the nearest of some short captions, by the encoder that hears it.

Said only where one encoder puts sounds and words into one space, in words that it has met, and never in a session of
photos by one that knows drawn scenes only. It is a choice among those captions: its cosine says how near the best is,
nothing says that it is right. Loads weights: not for a thread that somebody waits for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from agent.items import Item
from agent.perception import Embedding, Perception
from agent.sight import Sight
from sessions import history
from sessions.store import Store
from tools.encoders import ROLE
from tools.shelf import Shelf
from tools.weights import World

if TYPE_CHECKING:
    from tools.encoders.imagebind import ImageBindEncoder

_SHAPES = ("disc", "square", "triangle", "star", "ring", "cross")
_COLOURS = ("red", "yellow", "green", "blue", "purple", "pink", "brown")


def _whole(state: str) -> tuple[str, ...]:
    return tuple(f"a {shape}, {state}" for shape in _SHAPES)


_DRAWN = {
    **{f"a {shape}": (f"a {shape}", *(f"a {colour} {shape}" for colour in _COLOURS)) for shape in _SHAPES},
    **{colour: tuple(f"a {colour} {shape}" for shape in _SHAPES) for colour in ("red", "blue")},
    **{state: _whole(state) for state in ("night", "sepia", "grey")},
    **{"warm light": _whole("warm"), "cool light": _whole("cool"), "a comic": _whole("comic")},
    **{"rain": _whole("rainy"), "snow": _whole("snowy"), "fog": _whole("foggy")},
}
_EVERYDAY = (
    *("rain", "thunder", "wind", "sea waves", "a stream", "a crackling fire", "footsteps", "a clock ticking"),
    *("a dog barking", "a cat meowing", "birds singing", "crickets", "a rooster", "a horse", "cows", "frogs"),
    *("a person talking", "a person singing", "laughter", "applause", "a crowd", "a baby crying", "children playing"),
    *("a car", "a train", "an aeroplane", "a siren", "a motorcycle", "church bells", "a door", "breaking glass"),
    *("a piano", "a guitar", "a violin", "a flute", "drums", "an orchestra", "electronic music", "a bell", "silence"),
)
BANKS: Mapping[World, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"toybox": _DRAWN, "photos": {said: (said,) for said in _EVERYDAY}}
)
"""Words for people → captions that agree in nothing else, of which the mean counts (Radford et al., arXiv 2103.00020,
section 3.1.4). By what the encoder has seen."""


@dataclass(frozen=True)
class Heard:
    """The nearest of `among` captions and its cosine."""

    words: str
    cosine: float
    among: int

    def __str__(self) -> str:
        return f"heard as: {self.words} ({self.cosine:.2f}, nearest of {self.among})"


def heard(there: Shelf, store: Store, session: str, sha256: str) -> Heard | None:
    """What a session's sound is understood as; None where the best encoder on the shelf has no words for it.

    MissingWeights where there is none, or nothing that runs it. Embeddings are kept in the shelf's cache.
    """
    entry = next(iter(there.taken(ROLE)), None)
    sight = Sight(store)
    if (
        entry is not None
        and entry.world == "toybox"
        and not sight.drawn(session, history.graph(store, session).revisions)
    ):
        return None
    encoder = there.encoder(entry.digest if entry else "")
    from tools.encoders.imagebind import ImageBindEncoder  # brings torch, which is there by now

    if entry is None or not isinstance(encoder, ImageBindEncoder) or encoder.words is None:
        return None
    [sound] = Perception(encoder, there.cache, sight).embeddings(session, [_item(sha256)])
    if not sound.any():
        return None  # lost or damaged
    bank = BANKS[entry.world]
    cosines = _captions(there, encoder, tuple(bank.values())) @ sound
    best = int(cosines.argmax())
    return Heard(tuple(bank)[best], float(cosines[best]), len(bank))


def _captions(there: Shelf, encoder: ImageBindEncoder, said: tuple[tuple[str, ...], ...]) -> Embedding:
    """(n, D), the mean direction of each group of captions, read once by these weights."""
    import torch

    def read() -> dict[str, torch.Tensor]:
        all_of_them = encoder.texts([caption for group in said for caption in group])
        ends = np.cumsum([len(group) for group in said])[:-1]
        means = np.stack([rows.mean(0) for rows in np.split(all_of_them, ends)])
        return {"h": torch.from_numpy(means / np.linalg.norm(means, axis=1, keepdims=True))}

    key = {"kind": "captions", "encoder": encoder.digest, "said": [list(group) for group in said]}
    kept: Embedding = there.cache.tensors(key, read)["h"].numpy()
    return kept


def _item(sha256: str) -> Item:
    return Item(sha256, sha256, "sound", "sound", "sound")
