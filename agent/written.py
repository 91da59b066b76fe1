"""A plan as a model writes it: its values, how it is said in tokens, and what tokens say. Checks no grammar.

STEP{1..8} <eop>  or  <ask> STRING (<base> REF){0..4} <eop>  or  <chat> STRING <eop>
STEP: <step> NAME <base> REF (<sub> REF)* [<where> STRING] ARGS <gen>      REF: <prev> or <r_0> … <r_63>
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, Literal

from agent.tokens import ASK, BASE, CHAT, EOP, GEN, PREV, SLOTS, STEP, SUB, WHERE, Vocabulary
from sessions.errors import PlanError
from sessions.values import Json
from tools import registry
from tools.base import Tool

Ref = int | Literal["prev"]
"""A slot's number, or the result of the step before."""

DECIMALS = 3
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class WrittenStep:
    """One call. `where`: the region in words."""

    tool: str
    base: Ref
    subjects: tuple[Ref, ...] = ()
    where: str | None = None
    args: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """Steps, or a question with the pictures that it is about, or a reply."""

    steps: tuple[WrittenStep, ...] = ()
    ask: str | None = None
    candidates: tuple[Ref, ...] = ()
    chat: str | None = None


def said(vocabulary: Vocabulary, written: Written) -> list[int]:
    """The ids of a plan, arguments in the order of their tool's schema; `agent.grammar.read` gives the plan back.

    PlanError where the language has no words for it: other tools or arguments than there are, letters that cannot be
    shown, more than three decimals. How much of each there may be is looked at by `read`.
    """
    ids = vocabulary.ids
    if written.chat is not None:
        return [ids[CHAT], *vocabulary.encode(dumped(_sayable(written.chat))), ids[EOP]]
    if written.ask is not None:
        shown = [token for ref in written.candidates for token in (ids[BASE], _id(vocabulary, ref))]
        return [ids[ASK], *vocabulary.encode(dumped(_sayable(written.ask))), *shown, ids[EOP]]
    return [token for step in written.steps for token in _said(vocabulary, step)] + [ids[EOP]]


def _said(vocabulary: Vocabulary, step: WrittenStep) -> list[int]:
    ids, order = vocabulary.ids, _order(registry.get(step.tool))
    strange = sorted(step.args.keys() - set(order))
    if strange:
        raise PlanError(f"{step.tool} has no argument {strange[0]}.")
    if step.where == "":
        raise PlanError("A region is named in words, and these are none.")
    place = "" if step.where is None else dumped(_sayable(step.where))
    args = dumped({name: _sayable(step.args[name]) for name in order if name in step.args})
    head = [ids[STEP], *vocabulary.encode(step.tool), ids[BASE], _id(vocabulary, step.base)]
    subjects = [token for ref in step.subjects for token in (ids[SUB], _id(vocabulary, ref))]
    return [*head, *subjects, *([ids[WHERE]] if place else []), *vocabulary.encode(place + args), ids[GEN]]


@cache
def _order(tool: Tool) -> tuple[str, ...]:
    """A tool's arguments as its schema has them. Asking pydantic takes a millisecond, and training asks often."""
    return tuple(tool.schema().get("properties", {}))


def _id(vocabulary: Vocabulary, ref: Ref) -> int:
    if ref == "prev":
        return vocabulary.ids[PREV]
    if not 0 <= ref < SLOTS:
        raise PlanError(f"A plan can point at {SLOTS} pictures, and at none with the number {ref}.")
    return vocabulary.slot(ref)


def _sayable(value: Any) -> Any:
    """The value as JSON writes it shortest, 1 and not 1.0."""
    if isinstance(value, list | tuple):
        return [_sayable(one) for one in value]
    if isinstance(value, float):
        if round(value, DECIMALS) != value:
            raise PlanError(f"{value} has more than {DECIMALS} decimals.")
        return int(value) if value.is_integer() else value
    if isinstance(value, str) and _HIDDEN.search(value):
        raise PlanError(f"{value!r} holds letters that cannot be shown.")
    return value


def dumped(value: Any) -> str:
    """JSON without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


Mark = tuple[str, str]
"""A special token, and the text up to the next one."""


def parsed(vocabulary: Vocabulary, ids: Sequence[int]) -> Written:
    """What the ids of a plan say; they have passed the grammar. PlanError where its first step follows on another."""
    (kind, text), *rest = marks = _marks(vocabulary, ids)
    if kind == CHAT:
        return Written(chat=json.loads(text))
    if kind == ASK:
        return Written(ask=json.loads(text), candidates=tuple(_ref(name) for name, _ in rest[1::2]))
    steps = tuple(_step(step) for step in _steps(marks))
    if "prev" in (steps[0].base, *steps[0].subjects):
        raise PlanError("The first step of a plan has nothing before it.")
    return Written(steps)


def _marks(vocabulary: Vocabulary, ids: Sequence[int]) -> list[Mark]:
    """The plan in parts; <eop> left out."""
    starts = [place for place, token in enumerate(ids) if token in vocabulary.special]
    return [
        (vocabulary.decode(ids[start : start + 1]), vocabulary.decode(ids[start + 1 : end]))
        for start, end in pairwise(starts)
    ]


def _steps(marks: list[Mark]) -> Iterator[list[Mark]]:
    """The marks of each step, <gen> left out."""
    starts = [place for place, (name, _) in enumerate(marks) if name == STEP]
    for start, end in zip(starts, [*starts[1:], len(marks)], strict=True):
        yield marks[start : end - 1]


def _step(marks: list[Mark]) -> WrittenStep:
    """<step>, <base> and its reference, <sub> and its references, perhaps <where>; arguments stand behind the last."""
    name, where, text = marks[0][1], None, marks[-1][1]
    if marks[-1][0] == WHERE:
        where, end = json.JSONDecoder().raw_decode(text)
        marks, text = marks[:-1], text[end:]
    base, *subjects = (_ref(reference) for reference, _ in marks[2::2])
    return WrittenStep(name, base, tuple(subjects), where, json.loads(text))


def _ref(name: str) -> Ref:
    return "prev" if name == PREV else int(name[3:-1])
