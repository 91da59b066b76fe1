"""The language of plans as one Lark grammar: what the tools declare, made finite, in the words of llguidance.

A step is its tool's name, its pictures, perhaps a place in words, and its arguments as one JSON object without blanks,
in the order of the tool's schema. Strings have at most TEXT characters, none of them a control character; numbers lie
in their bounds and have at most three decimals; lists are as long as the schema allows, at most ITEMS. An argument that
may be null is left out instead. Compiles nothing: `agent.grammar` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer

from agent.numerals import numbers
from agent.plan import MAX_STEPS
from agent.tokens import ASK, BASE, CHAT, EOP, GEN, PREV, SLOTS, STEP, SUB, WHERE, Vocabulary
from agent.written import dumped
from sessions.errors import PlanError
from sessions.values import Json
from tools.base import Tool

TEXT = 120
"""Characters of a string."""
STEP_TEXT = 1200
"""Bytes that all strings of one step may take together, as UTF-8: with more strings, each is shorter."""
WIDEST = 4
"""Bytes of a character, at most; `\\"` and `\\\\` have two."""
ITEMS = 8
"""Items of a list, where its schema sets no fewer."""
CANDIDATES = 4
"""Pictures that a question may show."""
LETTER = r'[^"\\\x00-\x1f\x7f-\x9f]'
"""A character that stands in a string as itself: all but quotes, backslashes and what nobody can see (Unicode's Cc)."""


@dataclass(frozen=True)
class Piece:
    """A Lark expression, and the bytes of the longest text that it matches."""

    lark: str
    longest: int


def literal(text: str) -> Piece:
    return Piece(dumped(text), len(text.encode()))


def regex(pattern: str, longest: int) -> Piece:
    return Piece(f"/{pattern}/", longest)


def row(pieces: Iterable[Piece]) -> Piece:
    """One after the other."""
    parts = list(pieces)
    return Piece(" ".join(p.lark for p in parts), sum(p.longest for p in parts))


def choice(pieces: Iterable[Piece]) -> Piece:
    """One of them."""
    parts = list(pieces)
    return Piece(f"({' | '.join(p.lark for p in parts)})", max(p.longest for p in parts))


def maybe(piece: Piece) -> Piece:
    return Piece(f"({piece.lark})?", piece.longest)


NOTHING = Piece('""', 0)


@dataclass(frozen=True)
class Language:
    """`lark`: the grammar. `longest_step`: in tokens. `left_out`: tools that no plan can call, and why."""

    lark: str
    longest_step: int
    left_out: Mapping[str, str]


def language(vocabulary: Vocabulary, tools: Sequence[Tool], room: int) -> Language:
    """The plans over these tools, but those whose arguments cannot be written, or take more than `room` tokens."""
    ids = vocabulary.ids
    mark = {name: f"<[{number}]>" for name, number in ids.items()}
    slots = ",".join(str(vocabulary.slot(number)) for number in range(SLOTS))
    plans = [f"{mark[ASK]} TEXT ({mark[BASE]} slot){{0,{CANDIDATES}}} {mark[EOP]}", f"{mark[CHAT]} TEXT {mark[EOP]}"]
    rules = ['%llguidance {"no_forcing": true}', f"TEXT: {string(TEXT).lark}"]
    rules += [f"slot: <[{slots}]>", f"ref: <[{ids[PREV]},{slots}]>"]
    sizes: dict[int, int] = {}
    left_out: dict[str, str] = {}
    for number, tool in enumerate(tools):
        try:
            call, sizes[number] = _call(tool, mark, number, room)
            rules += call
        except PlanError as error:
            left_out[tool.name] = error.message
    if sizes:
        rules.append(f"step: {mark[STEP]} ({' | '.join(f'call{number}' for number in sizes)}) {mark[GEN]}")
        plans.append(f"step{{1,{MAX_STEPS}}} {mark[EOP]}")
    lark = "\n".join([*rules, f"start: {' | '.join(plans)}", ""])
    return Language(lark, max(sizes.values(), default=0), left_out)


def _call(tool: Tool, mark: Mapping[str, str], number: int, room: int) -> tuple[list[str], int]:
    """The rules of a step between <step> and <gen>, and the tokens of the longest one: a byte takes one at most."""
    schema, (low, high), where = inlined(tool.schema(), tool.schema(), tool.name), tool.subjects, tool.region != "none"
    text = min(TEXT, STEP_TEXT // max(1, WIDEST * (texts(schema, schema) + where)))
    arguments = Arguments(tool.name, schema, text, f"T{number}")
    args = arguments.piece(schema)
    subjects = f"({mark[SUB]} ref){{{low},{high}}}" if high else ""
    place = f"{mark[WHERE]} WHERE{number}"
    place = {"none": "", "optional": f"({place})?", "required": place}[tool.region]
    rules = [f"call{number}: {dumped(tool.name)} {mark[BASE]} ref {subjects} {place} ARGS{number}"]
    rules += [*arguments.rules, f"ARGS{number}: {args.lark}", f"WHERE{number}: {string(text, 1).lark}"]
    size = 4 + len(tool.name.encode()) + 2 * high + args.longest + (1 + string(text).longest if where else 0)
    if size > room:
        raise PlanError(f"{tool.name} has so many arguments that no plan has room for a call of it.")
    return rules, size


def string(most: int, least: int = 0) -> Piece:
    """A JSON string of so many characters."""
    return row([literal('"'), regex(f'({LETTER}|\\\\["\\\\]){{{least},{most}}}', WIDEST * most), literal('"')])


def texts(schema: Json, root: Json) -> int:
    """How many free strings a value of this schema may hold at most."""
    return _texts(inlined(schema, root, "a tool"))


def _texts(schema: Json) -> int:
    if "enum" in schema or "const" in schema:
        return 0
    branches = _branches(schema)
    if branches:
        return max(_texts(branch) for branch in branches)
    if schema.get("type") == "array":
        return sum(_texts(item) for item in items(schema))
    return int(schema.get("type") == "string") + sum(_texts(value) for value in schema.get("properties", {}).values())


def _branches(schema: Json) -> list[Json]:
    """What a value may be one of, null left out; empty where there is no choice."""
    if isinstance(schema.get("type"), list):
        return [schema | {"type": kind} for kind in schema["type"] if kind != "null"]
    return [branch for branch in schema.get("anyOf") or schema.get("oneOf") or () if branch.get("type") != "null"]


def items(schema: Json) -> list[Json]:
    """The schemas of the items of the longest list."""
    first = list(schema.get("prefixItems", ()))
    most = min(schema.get("maxItems", ITEMS), max(ITEMS, len(first)))
    rest = schema.get("items")
    return first + [rest] * (most - len(first)) if isinstance(rest, dict) else first


def inlined(value: Any, root: Json, tool: str, within: tuple[str, ...] = ()) -> Any:
    """The schema with what it refers to in place; PlanError where something holds itself, and so has no end."""
    if isinstance(value, list):
        return [inlined(one, root, tool, within) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("$ref"), str):
        name = value["$ref"].removeprefix("#/$defs/")
        if name in within or name not in root.get("$defs", {}):
            raise PlanError(f"{tool} takes an argument that no plan can hold: {name}.")
        return inlined(root["$defs"][name], root, tool, (*within, name))
    return {name: inlined(one, root, tool, within) for name, one in value.items() if name != "$defs"}


@dataclass(frozen=True)
class Arguments:
    """Writes the schema `root` of a tool as Lark terminals, with strings of at most `text` characters.

    `rules`: those that were needed on the way; their names begin with `prefix`.
    """

    tool: str
    root: Json
    text: int
    prefix: str
    rules: list[str] = field(default_factory=list)

    def _named(self, piece: Piece) -> Piece:
        name = f"{self.prefix}X{len(self.rules)}"
        self.rules.append(f"{name}: {piece.lark}")
        return Piece(name, piece.longest)

    def piece(self, schema: Json) -> Piece:
        """The JSON texts of a schema; PlanError for one that is not understood."""
        return self._piece(inlined(schema, self.root, self.tool))

    def _piece(self, schema: Json) -> Piece:
        if "const" in schema or "enum" in schema:
            return choice(literal(dumped(value)) for value in schema.get("enum", [schema.get("const")]))
        branches = _branches(schema)
        if branches:
            return choice(self._piece(branch) for branch in branches)
        kinds: dict[str, Callable[[Json], Piece]] = {
            "object": self._object, "array": self._list, "string": self._string, "boolean": _boolean,
            "integer": self._number, "number": self._number,
        }  # fmt: skip
        kind = str(schema.get("type"))
        if kind not in kinds:
            raise PlanError(f"{self.tool} takes an argument of a kind that no plan can hold: {dumped(schema)}.")
        return kinds[kind](schema)

    def _object(self, schema: Json) -> Piece:
        """The properties in their order, each behind a comma where one came before it."""
        pairs = [
            (self._named(row([literal(f"{dumped(name)}:"), self._piece(value)])), name in schema.get("required", ()))
            for name, value in schema.get("properties", {}).items()
        ]
        first, later = NOTHING, NOTHING
        for pair, required in reversed(pairs):
            comma, begun = row([literal(","), pair]), row([pair, later])
            first = begun if required else self._named(choice([begun, first]))
            later = self._named(row([comma if required else maybe(comma), later]))
        return row([literal("{"), first, literal("}")])

    def _list(self, schema: Json) -> Piece:
        every = [self._piece(item) for item in items(schema)]
        least = max(schema.get("minItems", 0), len(schema.get("prefixItems", ())))
        if least > len(every):
            raise PlanError(f"{self.tool} wants a longer list than a plan has room for.")
        inner = NOTHING
        for place in reversed(range(len(every))):
            item = row([literal(","), every[place]] if place else [every[0]])
            inner = row([item, inner]) if place < least else maybe(row([item, inner]))
        return row([literal("["), inner, literal("]")])

    def _string(self, schema: Json) -> Piece:
        most = min(self.text, schema.get("maxLength", self.text))
        least = schema.get("minLength", 0)
        if least > most:
            raise PlanError(f"{self.tool} wants longer words than a plan has room for.")
        if "pattern" not in schema:
            return string(most, least)
        inner = f"/{LETTER}{{{least},{most}}}/ & /{_whole(schema['pattern'])}/"
        if not possible(inner):
            raise PlanError(f"{self.tool} wants words of a pattern that no plan can be held to: {schema['pattern']}")
        return row([literal('"'), Piece(f"({inner})", WIDEST * most), literal('"')])

    def _number(self, schema: Json) -> Piece:
        found = numbers(schema)
        if found is None:
            raise PlanError(f"{self.tool} wants a number that needs more than three decimals: {dumped(schema)}.")
        return regex(*found)


def _whole(pattern: str) -> str:
    """A JSON Schema pattern, which may match anywhere, as one that matches the whole text, in Lark's slashes."""
    start = "" if pattern.startswith("^") else "(?s:.*)"
    end = "" if pattern.endswith("$") and not pattern.endswith(r"\$") else "(?s:.*)"
    inner = pattern.removeprefix("^") if not start else pattern
    inner = inner[:-1] if not end else inner
    return re.sub(r"(?<!\\)/", r"\/", f"{start}({inner}){end}")


@lru_cache(maxsize=256)
def possible(text: str) -> bool:
    """Whether a terminal of a Lark grammar can be matched, and by anything: not every pattern of Python's is one."""
    matcher = LLMatcher(LLTokenizer("byte"), f"start: T\nT: {text}\n", log_level=0)
    if matcher.is_error() or matcher.is_accepting():
        return not matcher.is_error()
    bytes_ = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")[:256]
    return bool(bytes_.any())


def _boolean(_schema: Json) -> Piece:
    return choice([literal("true"), literal("false")])
