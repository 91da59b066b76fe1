"""Which token may come next in a plan, and what a finished one says. llguidance matches; plans are run elsewhere.

Of its mask only three things are taken away here: slots that no picture or sound stands in, <prev> before there is a
step before, and <step> where the longest step would not fit into what is left of the budget. So from every state that
can be reached a legal end can be reached too, and every decode ends, and is read.

`read` knows the language and no more. What a tool's own validators refuse (a box turned inside out) is a matter of
`agent.planning.check_call`, which every plan passes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from agent.surface import LETTER, dumped, language
from agent.tokens import ASK, BASE, CHAT, EOP, GEN, PREV, STEP, SUB, WHERE, Vocabulary
from sessions.errors import PlanError
from sessions.values import Json
from tools.base import Tool
from tools.registry import registered

Ref = int | Literal["prev"]
"""A slot's number, or the result of the step before."""
Mask = NDArray[np.bool_]

BUDGET = 2000
"""Tokens of a plan."""
SLICES = [f"{LETTER}{{1,3}}", f"{LETTER}{{1,10}}", f"{LETTER}{{1,30}}", f"{LETTER}+"]
"""Kinds of words that llguidance allows in one go inside a string, where a string may go on so far."""


@dataclass(frozen=True)
class WrittenStep:
    """One call as the model writes it. `where`: the region in words."""

    tool: str
    base: Ref
    subjects: tuple[Ref, ...] = ()
    where: str | None = None
    args: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """A plan as the model writes it: steps, or a question with the pictures it is about, or a reply."""

    steps: tuple[WrittenStep, ...] = ()
    ask: str | None = None
    candidates: tuple[Ref, ...] = ()
    chat: str | None = None


class Grammar:
    """The plans over some tools in one vocabulary, compiled. Immutable: every decode begins with a copy."""

    def __init__(self, vocabulary: Vocabulary, tools: Sequence[Tool], budget: int = BUDGET) -> None:
        self.vocabulary, self.budget = vocabulary, budget
        self.tools = {tool.name: tool for tool in tools}
        lark, self.longest_step = language(vocabulary, tools, budget - 1)
        self._matcher = LLMatcher(LLTokenizer(TokenizerWrapper(_Pieces(vocabulary)), slices=SLICES), lark, log_level=0)
        if self._matcher.is_error():
            raise PlanError(f"No grammar can be made of the tools: {self._matcher.get_error()[:200]}")

    def start(self, pictures: Collection[int], sounds: Collection[int] = ()) -> Decoding:
        """A plan not begun. `pictures`, `sounds`: the slots in which there is one; a base takes pictures only."""
        return Decoding(self, self.matcher(), pictures, sounds)

    def matcher(self) -> LLMatcher:
        """llguidance's matcher at the beginning."""
        return self._matcher.deep_copy()


@lru_cache(maxsize=4)
def compiled(vocabulary: Vocabulary, tools: tuple[Tool, ...]) -> Grammar:
    """The grammar of these, compiled once."""
    return Grammar(vocabulary, tools)


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
    where none does. `left`: tokens of the budget that are left. `steps`: <step>s so far.
    """

    def __init__(
        self, grammar: Grammar, matcher: LLMatcher, pictures: Collection[int], sounds: Collection[int]
    ) -> None:
        self.grammar, self.left, self.steps, self.done = grammar, grammar.budget, 0, False
        self.expects: Literal["base", "sub", "asked"] | None = None
        self._matcher, self._asking = matcher, False
        self._live = {"base": sorted(pictures), "sub": sorted({*pictures, *sounds}), "asked": sorted(pictures)}

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
        return 0 <= token < self.grammar.vocabulary.size and self._matcher.consume_token(token)

    def _note(self, token: int) -> None:
        ids = self.grammar.vocabulary.ids
        self.expects = None
        self.steps += token == ids[STEP]
        self._asking |= token == ids[ASK]
        self.done = token == ids[EOP]
        if token == ids[BASE]:
            self.expects = "asked" if self._asking else "base"
        elif token == ids[SUB]:
            self.expects = "sub"

    def _references(self) -> list[int]:
        """The references that may come now; none once the plan is done."""
        if self.expects is None:
            return []
        vocabulary = self.grammar.vocabulary
        slots = [vocabulary.slot(number) for number in self._live[self.expects]]
        return [vocabulary.ids[PREV], *slots] if self.steps > 1 else slots

    def _shut(self) -> list[int]:
        """Special tokens that the grammar may allow here, and the session or the budget does not."""
        ids, pictures = self.grammar.vocabulary.ids, self._live["base"]
        shut = [] if pictures and self.left > self.grammar.longest_step else [ids[STEP]]
        return [*shut, ids[BASE]] if self._asking and not pictures else shut


def read(grammar: Grammar, ids: Sequence[int]) -> Written:
    """What a plan says; PlanError for ids that are none in the grammar's language."""
    size = grammar.vocabulary.size
    if len(ids) > grammar.budget:
        raise PlanError(f"A plan has at most {grammar.budget} tokens, and this has {len(ids)}.")
    matcher = grammar.matcher()
    for place, token in enumerate(ids):
        if not 0 <= token < size or not matcher.consume_token(token):
            raise PlanError(f"This is no plan: its token {place} does not go on what was before it.")
    if not ids or ids[-1] != grammar.vocabulary.ids[EOP]:
        raise PlanError("This is no plan: it breaks off.")
    return _written(_marks(grammar.vocabulary, ids))


Mark = tuple[str, str]
"""A special token, and the text up to the next one."""


def _marks(vocabulary: Vocabulary, ids: Sequence[int]) -> list[Mark]:
    """The plan in parts; <eop> left out."""
    starts = [place for place, token in enumerate(ids) if token in vocabulary.special]
    ends = [*starts[1:], len(ids)]
    return [
        (vocabulary.decode(ids[start : start + 1]), vocabulary.decode(ids[start + 1 : end]))
        for start, end in zip(starts, ends, strict=True)
    ][:-1]


def _written(marks: list[Mark]) -> Written:
    kind, text = marks[0]
    if kind == CHAT:
        return Written(chat=json.loads(text))
    if kind == ASK:
        return Written(ask=json.loads(text), candidates=tuple(_ref(name) for name, _ in marks[2::2]))
    steps = tuple(_step(step) for step in _steps(marks))
    if steps[0].base == "prev" or "prev" in steps[0].subjects:
        raise PlanError("The first step has nothing before it.")
    return Written(steps)


def _steps(marks: list[Mark]) -> Iterator[list[Mark]]:
    """The marks of each step, <gen> left out."""
    starts = [place for place, (name, _) in enumerate(marks) if name == STEP]
    for start, end in zip(starts, [*starts[1:], len(marks)], strict=True):
        yield marks[start : end - 1]


def _step(marks: list[Mark]) -> WrittenStep:
    """<step>, <base>, a reference, pairs of <sub> and a reference, and perhaps <where>; arguments behind the last."""
    name, where, text = marks[0][1], None, marks[-1][1]
    if marks[-1][0] == WHERE:
        where, end = json.JSONDecoder().raw_decode(text)
        marks, text = marks[:-1], text[end:]
    base, *subjects = (_ref(reference) for reference, _ in marks[2::2])
    return WrittenStep(name, base, tuple(subjects), where, json.loads(text))


def _ref(name: str) -> Ref:
    return "prev" if name == PREV else int(name[3:-1])


def said(vocabulary: Vocabulary, written: Written) -> list[int]:
    """The ids of a plan, with arguments in the order of its tool's schema; `read` gives the plan back.

    PlanError where the language has no words for it: control characters, or more than three decimals.
    """
    ids = vocabulary.ids
    if written.chat is not None:
        return [ids[CHAT], *vocabulary.encode(_json(written.chat)), ids[EOP]]
    if written.ask is not None:
        shown = [token for ref in written.candidates for token in (ids[BASE], _id(vocabulary, ref))]
        return [ids[ASK], *vocabulary.encode(_json(written.ask)), *shown, ids[EOP]]
    return [token for step in written.steps for token in _said(vocabulary, step)] + [ids[EOP]]


def _said(vocabulary: Vocabulary, step: WrittenStep) -> list[int]:
    ids, order = vocabulary.ids, list(registered()[step.tool].schema().get("properties", {}))
    subjects = [token for ref in step.subjects for token in (ids[SUB], _id(vocabulary, ref))]
    where = [] if step.where is None else [ids[WHERE]]
    text = "" if step.where is None else _json(step.where)
    args = _json({name: step.args[name] for name in sorted(step.args, key=order.index)})
    head = [ids[STEP], *vocabulary.encode(step.tool), ids[BASE], _id(vocabulary, step.base)]
    return [*head, *subjects, *where, *vocabulary.encode(text + args), ids[GEN]]


def _id(vocabulary: Vocabulary, ref: Ref) -> int:
    return vocabulary.ids[PREV] if ref == "prev" else vocabulary.slot(ref)


def _json(value: object) -> str:
    return dumped(value)
