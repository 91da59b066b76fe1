"""What the planner asks of a language model: tokens and spliced embeddings in, hidden states and logits out.

Two implementations: `torch_llama` (transformers) and `llama_cpp` (GGUF), equal to 1e-4 on equal float32 weights. Knows
no tokenizer, prompt or grammar, and imports no network library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sessions.errors import NotFinite, TooLarge

Floats = NDArray[np.float32]

NOTHING: Mapping[int, Floats] = {}
CONTEXT = 8192
"""Positions of a conversation at most, however many the weights were made for: each costs memory from the beginning."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What a model says after a feed.

    `states`: float32 (len(read), width), after the final norm, at the positions that were to be read; `logits`: float32
    (vocabulary,), of what follows the last token.
    """

    states: Floats
    logits: Floats


class Thread(Protocol):
    """One conversation: the keys and values of everything fed so far. Not for two at a time."""

    @property
    def length(self) -> int:
        """Positions that are fed."""

    def feed(self, ids: Sequence[int], spliced: Mapping[int, Floats] = NOTHING, read: Sequence[int] = ()) -> Reading:
        """Go on with tokens; TooLarge where they do not fit into the context, which leaves everything as it was.

        `spliced`: float32 (width,) by offset into `ids`, each in the place of that token's own input embedding. `read`:
        offsets whose states are wanted.
        """

    def rewind(self, length: int) -> None:
        """Keep the first `length` positions and forget the rest."""


class Llm(Protocol):
    """A loaded model. `context`: positions of a thread at most; any number of threads may be open."""

    name: str
    width: int
    vocabulary: int
    context: int

    def embeddings(self, ids: Sequence[int]) -> Floats:
        """Rows of the input table, float32 (len(ids), width)."""

    def open(self) -> Thread:
        """A conversation of its own, empty."""


def reading(states: Floats, logits: Floats) -> Reading:
    """A reading of finite numbers; NotFinite for others."""
    if not (np.isfinite(states).all() and np.isfinite(logits).all()):
        raise NotFinite("The planner's numbers became infinite.", "Try again, or choose other weights for the planner.")
    return Reading(states, logits)


def require_room(length: int, more: int, context: int) -> None:
    """TooLarge where `more` positions after `length` are more than the context holds."""
    if length + more > context:
        raise TooLarge(
            f"This conversation is longer than the planner can read: {length + more} tokens, and it reads {context}.",
            "Say it in fewer words, or begin a new session.",
        )
