"""A conversation that is read again and again: only what has changed since the last reading is fed.

The prompt of a turn mostly begins as that of the turn before. Its keys, values and the states that were read stay; what
is fed in between (the plan, token by token) is forgotten at the next reading. Knows nothing of what the tokens mean.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np

from agent.llm import NOTHING, Floats, Llm, Reading, Thread


class Prefix:
    """A thread, what it was last given to read, and the states that were read there.

    `fed`: how many positions the last reading had to feed.
    """

    def __init__(self, thread: Thread) -> None:
        self.fed = 0
        self._thread = thread
        self._ids: list[int] = []
        self._spliced: dict[int, Floats] = {}
        self._states: dict[int, Floats] = {}

    @property
    def length(self) -> int:
        """Positions that are fed, those after the prompt included."""
        return self._thread.length

    def read(self, ids: Sequence[int], spliced: Mapping[int, Floats], marks: Sequence[int]) -> tuple[Floats, Floats]:
        """The states at `marks`, float32 (len(marks), width), and the logits of what follows; offsets into `ids`.

        `ids` and `spliced` are the whole prompt, which must not be empty; TooLarge where it does not fit.
        """
        kept = self._common(ids, spliced, marks)
        self._keep(kept)
        missing = sorted({mark for mark in marks if mark >= kept})
        rows = {offset - kept: row for offset, row in spliced.items() if offset >= kept}
        reading = self._thread.feed(ids[kept:], rows, [mark - kept for mark in missing])
        self.fed = len(ids) - kept
        self._ids = list(ids)
        self._spliced = dict(spliced)
        self._states |= dict(zip(missing, reading.states, strict=True))
        states = np.array([self._states[mark] for mark in marks], np.float32)
        return states.reshape(len(marks), reading.states.shape[1]), reading.logits

    def feed(self, ids: Sequence[int], spliced: Mapping[int, Floats] = NOTHING, read: Sequence[int] = ()) -> Reading:
        """Go on after the prompt, as `Thread.feed`; the next reading forgets it."""
        return self._thread.feed(ids, spliced, read)

    def rewind(self, length: int) -> None:
        """Keep the first `length` positions, the prompt's among them in any case."""
        self._thread.rewind(max(length, len(self._ids)))

    def _common(self, ids: Sequence[int], spliced: Mapping[int, Floats], marks: Sequence[int]) -> int:
        """How many positions need not be fed again; the last is, since the logits come from it."""
        unread = [mark for mark in marks if mark not in self._states]
        ends = [len(ids) - 1, len(self._ids), self._thread.length, *unread]
        for offset in range(min(ends)):
            if ids[offset] != self._ids[offset] or not _same(spliced.get(offset), self._spliced.get(offset)):
                return offset
        return min(ends)

    def _keep(self, length: int) -> None:
        """Forget from `length` on, here first: what a feed that fails leaves behind is never taken for the prompt."""
        self._ids = self._ids[:length]
        self._spliced = {offset: row for offset, row in self._spliced.items() if offset < length}
        self._states = {offset: state for offset, state in self._states.items() if offset < length}
        self._thread.rewind(length)


class Conversations:
    """What was read of each session, of those that were spoken to last."""

    def __init__(self, llm: Llm, most: int = 2) -> None:
        self._llm, self._most = llm, most
        self._threads: OrderedDict[str, Prefix] = OrderedDict()

    def of(self, session: str) -> Prefix:
        """The session's own; the one that was longest unused makes room for a new one."""
        if session not in self._threads:
            while len(self._threads) >= self._most:
                self._threads.popitem(last=False)
            self._threads[session] = Prefix(self._llm.open())
        self._threads.move_to_end(session)
        return self._threads[session]


def _same(one: Floats | None, other: Floats | None) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or np.array_equal(one, other)
