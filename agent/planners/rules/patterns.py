"""Sentence patterns of `tables/patterns.txt`, in a small notation, matched against whole phrases.

    (a|b c)  one of      [a]  perhaps      <name>  a part defined under "let name"      *  after ) or >: any number of
    times {slot}   any words, captured      {slot=name}  a part, captured      ...  any words

A pattern explains its text from the first word to the last or not at all. What a match means is said elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from agent.planners.rules import tables

_TOKENS = re.compile(r"\{\w+(?:=\w+)?\}|<\w+>\*?|\.\.\.|\)\*|[()\[\]|]|[^\s()\[\]|<>{}]+")
_ANY = r"(?: \S+)+?"
_NO_NAME = (
    r"(?:and|then|from|but|here|off|for|to|of|out|with|please|now|at|where|that|this|in|on|based|using|again|instead"
    r"|before|after|as|called|named|or|it|new|i|the|a|my)"
)
_BUILT_IN = {
    "ed": r" \S+ed",
    "bare_name": rf"(?: (?!{_NO_NAME}\b)\S+){{1,2}}?",
    "owner": r" \S+'s?(?= )",
    "name": r"(?: (?!(?:and|then|from|but|so|because)\b)\S+){1,5}?",
    "phrase": r"(?: (?!(?:and|but|then|so|from|,)(?!\S))\S+){1,8}?",
    "number": r" \d+",
    "hash": r" #\d+",
    "decimal": r" \d+(?:\.\d+)?",
    "size": r" \d+x\d+",
    "nth": r" \d+(?:st|nd|rd|th)",
}


def match(name: str, text: str) -> dict[str, str] | None:
    """The captured slots of the first pattern under `name` that explains all of `text`, or None."""
    return next(every_match(name, text), None)


def every_match(name: str, text: str) -> Iterator[dict[str, str]]:
    """The captured slots of each pattern under `name` that explains all of `text`."""
    for pattern in _compiled(name):
        found = pattern.fullmatch(f" {text}")
        if found:
            yield {slot: said.strip() for slot, said in found.groupdict().items() if said}


def cut_out(name: str, text: str) -> tuple[str, dict[str, str] | None]:
    """The text without a stretch of it that a pattern under `name` explains, and its slots; None where none does."""
    for pattern in _compiled(name):
        found = re.search(f"{pattern.pattern}(?= |$)", f" {text}")
        if found:
            slots = {slot: said.strip() for slot, said in found.groupdict().items() if said}
            return f"{found.string[: found.start()]}{found.string[found.end() :]}".strip(), slots
    return text, None


def matches(name: str, text: str) -> bool:
    return match(name, text) is not None


@cache
def _compiled(name: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(_regex(line)) for line in _blocks()[name])


@cache
def _blocks() -> dict[str, list[str]]:
    return dict(tables.blocks("patterns.txt"))


def _regex(line: str) -> str:
    """The notation as a regular expression in which every word brings the blank before it."""
    return "".join(_piece(token) for token in _TOKENS.findall(line))


def _piece(token: str) -> str:
    match token:
        case "(" | "[":
            return "(?:"
        case ")":
            return ")"
        case ")*":
            return ")*"
        case "]":
            return ")?"
        case "|":
            return "|"
        case "...":
            return _ANY
    if token.startswith("{"):
        slot, _, part = token[1:-1].partition("=")
        return f"(?P<{slot}>{_part(part) if part else _ANY})"
    if token.startswith("<"):
        return _part(token.strip("<>*")) + ("*" if token.endswith("*") else "")
    return " " + re.escape(token)


@cache
def _part(name: str) -> str:
    if name in _BUILT_IN:
        return f"(?:{_BUILT_IN[name]})"
    return f"(?:{'|'.join(_regex(line) for line in _blocks()[f'let {name}'])})"


def names() -> Iterator[str]:
    """All blocks that are not parts."""
    yield from (name for name in _blocks() if not name.startswith("let "))
