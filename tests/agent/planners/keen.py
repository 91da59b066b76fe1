"""A language model that would rather edit than talk, and comes to an end; its numbers are its own otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.llm import NOTHING, Floats, Llm, Reading, Thread
from agent.tokens import ASK, CHAT, EOP, GEN, STEP, WHERE, Vocabulary


class Keen:
    """Another model, whose logits of steps and ends are raised, and of talk and places lowered."""

    def __init__(self, llm: Llm, vocabulary: Vocabulary) -> None:
        self._llm, self._raised = llm, np.zeros(llm.vocabulary, np.float32)
        ends = [number for number, piece in enumerate(vocabulary.pieces) if piece[:1] in (b'"', b"}", b"]")]
        self._raised[[*ends, vocabulary.ids[GEN], vocabulary.ids[STEP]]] = 2
        self._raised[vocabulary.ids[EOP]] = 4
        self._raised[[vocabulary.ids[name] for name in (ASK, CHAT, WHERE)]] = -9

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    def open(self) -> KeenThread:
        return KeenThread(self._llm.open(), self._raised)


@dataclass
class KeenThread:
    """A conversation with it."""

    thread: Thread
    raised: Floats

    @property
    def length(self) -> int:
        return self.thread.length

    def feed(self, ids: Sequence[int], spliced: Mapping[int, Floats] = NOTHING, read: Sequence[int] = ()) -> Reading:
        reading = self.thread.feed(ids, spliced, read)
        return Reading(reading.states, reading.logits + self.raised)

    def rewind(self, length: int) -> None:
        self.thread.rewind(length)
