"""Plans in the ordinary words of a model that has no tokens for them: `do:crop on [#2]{"aspect":"1:1"}`.

Its vocabulary is lent ids for <step>, <base> … (`agent.tokens.lent`), so that grammar, mask and reader are those of
every plan. The model meets none of these ids: it is fed what they are spelt as, and how likely one is it says of the
spelling. At each place where a plan can go on in several ways their first bytes differ, in whatever words a model has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.grammar import Decoding
from agent.llm import NOTHING, Floats, Reading, Thread
from agent.surface import CANDIDATES
from agent.tokens import ASK, BASE, CHAT, EOP, GEN, PREV, STEP, SUB, WHERE, Vocabulary
from tools.base import Tool

MARKS = {
    STEP: "do:", BASE: " on", SUB: ",", WHERE: " where=", GEN: "\n", ASK: "ask:", CHAT: "say:", EOP: "end",
    PREV: " [prev]",
}  # fmt: skip


class Spelling:
    """What stands for each lent id, among pictures of some names. `names`: slot → `#2`."""

    def __init__(self, vocabulary: Vocabulary, names: Mapping[int, str]) -> None:
        self.vocabulary = vocabulary
        self.marks = {vocabulary.ids[mark]: vocabulary.encode(text) for mark, text in MARKS.items()}
        called = {vocabulary.slot(slot): vocabulary.encode(f" [{name}]") for slot, name in names.items()}
        self.refs = {vocabulary.ids[PREV]: self.marks[vocabulary.ids[PREV]], **called}
        self._spelt = self.marks | called

    def of(self, ids: Iterable[int]) -> list[int]:
        """The model's own ids for those of a plan."""
        return [token for one in ids for token in self._spelt.get(one, (one,))]

    def extra(self, tools: Iterable[Tool]) -> int:
        """Tokens that a step, or a question, may take beyond those that the grammar counts."""
        ids, ref = self.vocabulary.ids, max(map(len, self.refs.values()))
        once = sum(len(self.marks[ids[mark]]) for mark in (STEP, BASE, WHERE, GEN)) + ref
        others = max((tool.subjects[1] for tool in tools), default=0) * (len(self.marks[ids[SUB]]) + ref)
        return max(once + others, len(self.marks[ids[ASK]]) + CANDIDATES * (len(self.marks[ids[BASE]]) + ref))


class Spelt:
    """Implements `agent.llm.Thread` for one plan: takes its ids, and gives logits for lent ids too.

    Of a mark, those of its first token. Of a reference, log p of its spelling up to where no other goes on as it does:
    so far the model is asked, and what it read is forgotten again. The budget of `decoding` pays for all that is fed.
    """

    def __init__(self, thread: Thread, spelling: Spelling, decoding: Decoding) -> None:
        self._thread, self._spelling, self._decoding = thread, spelling, decoding
        ids = spelling.vocabulary.ids
        self._before_refs = (ids[BASE], ids[SUB])

    @property
    def length(self) -> int:
        """Positions that are fed."""
        return self._thread.length

    def rewind(self, length: int) -> None:
        """Keep the first `length` positions and forget the rest."""
        self._thread.rewind(length)

    def feed(self, ids: Sequence[int], spliced: Mapping[int, Floats] = NOTHING, read: Sequence[int] = ()) -> Reading:
        """As `Thread.feed`, of one id of a plan."""
        spelt = self._spelling.of(ids)
        self._decoding.left -= len(spelt) - len(ids)
        reading = self._thread.feed(spelt, spliced, [len(spelt) - 1 for _ in read])
        return Reading(reading.states, self.logits(reading.logits, refs=ids[-1] in self._before_refs))

    def logits(self, logits: Floats, refs: bool = False) -> Floats:
        """The model's own with those of lent ids behind; of references only where one comes next."""
        vocabulary = self._spelling.vocabulary
        whole = np.full(vocabulary.size, -np.inf, np.float32)
        whole[: len(logits)] = logits
        for token, spelt in self._spelling.marks.items():
            whole[token] = logits[spelt[0]]
        eop, ends = vocabulary.ids[EOP], logits[list(vocabulary.ends)]
        whole[eop] = max(whole[eop], ends.max())  # a model may have its own way of saying that it is done
        if refs:
            for token, log_p in self._weighed(self._spelling.refs, logits, 0).items():
                whole[token] = log_p
        return whole

    def _weighed(self, refs: Mapping[int, Sequence[int]], logits: Floats, done: int) -> dict[int, float]:
        """log p of each reference behind `done` tokens that all share, where `logits` are of what follows."""
        parts: defaultdict[int, dict[int, Sequence[int]]] = defaultdict(dict)
        for token, spelt in refs.items():
            parts[spelt[done]][token] = spelt
        log_p, found = _log_softmax(logits), dict[int, float]()
        for following, those in parts.items():
            below = self._beyond(following, those, logits, done + 1)
            found |= {token: float(log_p[following]) + more for token, more in below.items()}
        return found

    def _beyond(self, token: int, refs: Mapping[int, Sequence[int]], logits: Floats, done: int) -> dict[int, float]:
        """The same behind one more token, which is fed only where it leaves a choice."""
        if len(refs) == 1:
            return dict.fromkeys(refs, 0.0)
        before = self._thread.length
        found = self._weighed(refs, self._thread.feed([token]).logits, done)
        self._thread.rewind(before)
        return found


def _log_softmax(logits: Floats) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max()
    whole: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum())
    return whole
