"""Which token may come next in a plan, and what a finished one says. llguidance matches; plans are run elsewhere.

Of its mask only four things are taken away here: slots that no picture or sound stands in, those with sounds where the
tool of the step does not hear, <prev> before there is a step before, and <step> where there is no picture, or where the
longest step would not fit into what is left of the budget. A tool that hears takes pictures too. So from every state
that can be reached a legal end can be reached too, and every decode ends, and is read.

`read` knows the language and no more. What a tool's own validators refuse (a box turned inside out) is a matter of
`agent.turns.check_call`, which every plan passes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from agent.surface import LETTER, language
from agent.tokens import ASK, BASE, EOP, PREV, STEP, SUB, Vocabulary
from agent.written import Ref, Written, WrittenStep, parsed, said
from sessions.errors import PlanError
from tools.base import Tool

__all__ = ["Decoding", "Grammar", "Ref", "Written", "WrittenStep", "compiled", "read", "said"]

Mask = NDArray[np.bool_]

BUDGET = 2000
"""Tokens of a plan."""
SLICES = [f"{LETTER}{{1,3}}", f"{LETTER}{{1,10}}", f"{LETTER}{{1,30}}", f"{LETTER}+"]
"""Kinds of words that llguidance allows in one go inside a string, where a string may go on so far."""


class Grammar:
    """The plans over some tools in one vocabulary, compiled. Immutable: every decode begins with a copy.

    `tools`: those that a plan can call, by name. `left_out`: the others, of strangers mostly, and why. `longest_step`,
    `budget`: in tokens.
    """

    def __init__(self, vocabulary: Vocabulary, tools: Sequence[Tool], budget: int = BUDGET) -> None:
        self.vocabulary, self.budget = vocabulary, budget
        known = language(vocabulary, tools, budget - 1)
        self.longest_step, self.left_out = known.longest_step, known.left_out
        self.tools = {tool.name: tool for tool in tools if tool.name not in known.left_out}
        self._matcher = matcher_of(vocabulary, known.lark)

    def start(self, pictures: Collection[int], sounds: Collection[int] = ()) -> Decoding:
        """A plan not begun. `pictures`, `sounds`: the slots in which there is one; tools that hear take sounds."""
        return Decoding(self, self.matcher(), pictures, sounds)

    def matcher(self) -> LLMatcher:
        """llguidance's matcher at the beginning."""
        return self._matcher.deep_copy()


@lru_cache(maxsize=4)
def compiled(vocabulary: Vocabulary, tools: tuple[Tool, ...]) -> Grammar:
    """The grammar of these, compiled once."""
    return Grammar(vocabulary, tools)


def matcher_of(vocabulary: Vocabulary, lark: str) -> LLMatcher:
    """llguidance's matcher of a Lark grammar in a vocabulary; PlanError where the grammar is none."""
    matcher = LLMatcher(LLTokenizer(TokenizerWrapper(_Pieces(vocabulary)), slices=SLICES), lark, log_level=0)
    if matcher.is_error():
        raise PlanError(f"No grammar can be made of the tools: {matcher.get_error()[:200]}")
    return matcher


class _Pieces:
    """A vocabulary as llguidance wants to see one. It need not tokenize: no spelling of a text is forced."""

    bos_token_id = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.tokens = list(vocabulary.pieces)
        self.special_token_ids = sorted(vocabulary.special)
        self.eos_token_id = vocabulary.eos

    def __call__(self, text: str) -> list[int]:
        raise NotImplementedError(text)


class Decoding:
    """A plan being written, token by token.

    `expects`: whose reference comes next, of a step's base, of its other pictures, of a question's candidates; None
    where none does. `hears`: that of the step whose base is named. `left`: tokens of the budget that are left. `steps`:
    <step>s so far.
    """

    def __init__(
        self, grammar: Grammar, matcher: LLMatcher, pictures: Collection[int], sounds: Collection[int]
    ) -> None:
        self.grammar, self.left, self.steps, self.done = grammar, grammar.budget, 0, False
        self.expects: Literal["base", "sub", "asked"] | None = None
        self.hears = False
        self._matcher, self._asking = matcher, False
        self._pictures, self._all = sorted(pictures), sorted({*pictures, *sounds})
        self._begun: list[int] = []

    def mask(self) -> Mask:
        """What may come next, bool (vocabulary.size,); never empty until the plan is done."""
        size = self.grammar.vocabulary.size
        if self.done or self.expects:
            mask = np.zeros(size, np.bool_)
            mask[self._references()] = True
            return mask
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        mask = np.unpackbits(bits, count=size, bitorder="little").view(np.bool_)
        mask[self._shut()] = False
        return mask

    def consume(self, token: int) -> None:
        """Go on by one token; PlanError for one that may not come next."""
        wrong = token not in self._references() if self.done or self.expects else token in self._shut()
        if wrong or not self._takes(token):
            raise PlanError(f"The token {token} does not go on a plan.")
        self.left -= 1
        self._note(token)

    def _takes(self, token: int) -> bool:
        return 0 <= token < self.grammar.vocabulary.size and self._matcher.try_consume_tokens([token]) == 1

    def _note(self, token: int) -> None:
        ids = self.grammar.vocabulary.ids
        self.expects = None
        self.steps += token == ids[STEP]
        self._asking |= token == ids[ASK]
        self.done = token == ids[EOP]
        if token == ids[STEP]:
            self._begun = []
        elif token == ids[BASE]:
            self.expects = "asked" if self._asking else "base"
            self.hears = not self._asking and self.grammar.tools[self.grammar.vocabulary.decode(self._begun)].hears
        elif token == ids[SUB]:
            self.expects = "sub"
        else:
            self._begun.append(token)

    def _references(self) -> list[int]:
        """The references that may come now; none once the plan is done."""
        if self.expects is None:
            return []
        vocabulary = self.grammar.vocabulary
        live = self._all if self.expects == "sub" and self.hears else self._pictures
        slots = [vocabulary.slot(number) for number in live]
        return [vocabulary.ids[PREV], *slots] if self.steps > 1 else slots

    def _shut(self) -> list[int]:
        """Special tokens that the grammar may allow here, and the session or the budget does not."""
        ids, pictures = self.grammar.vocabulary.ids, self._pictures
        shut = [] if pictures and self.left > self.grammar.longest_step else [ids[STEP]]
        return [*shut, ids[BASE]] if self._asking and not pictures else shut


def read(grammar: Grammar, ids: Sequence[int]) -> Written:
    """What a plan says; PlanError for ids that are none in the grammar's language."""
    size = grammar.vocabulary.size
    if len(ids) > grammar.budget:
        raise PlanError(f"A plan has at most {grammar.budget} tokens, and this has {len(ids)}.")
    known = next((place for place, token in enumerate(ids) if not 0 <= token < size), len(ids))
    place = grammar.matcher().try_consume_tokens(list(ids[:known]))
    if place < len(ids):
        raise PlanError(f"This is no plan: its token {place} does not go on what was before it.")
    if not ids or ids[-1] != grammar.vocabulary.ids[EOP]:
        raise PlanError("This is no plan: it breaks off.")
    return parsed(grammar.vocabulary, ids)
