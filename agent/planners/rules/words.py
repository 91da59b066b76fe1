"""Cuts a message into words: numbers, ratios, colours, quotations and marks are told apart, spelling is normalised.

Nothing here knows what a word means; `lexicon` and `items` do. Typing errors are mended by `spelling`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from agent.planners.rules import tables

Kind = Literal[
    "word", "number", "ratio", "size", "color", "hash", "ordinal", "quote", "mark", "symbol", "ref", "request"
]


@dataclass(frozen=True)
class Word:
    """One piece of a message. `text` is normalised, `message[start:stop]` is what was typed."""

    text: str
    kind: Kind
    start: int
    stop: int


_QUOTES = r"\"[^\"\n]+\"|“[^”\n]+[”\"]|„[^“”\n]+[“”]|«[^»\n]+»|‘[^’\n]+’(?!\w)|(?<!\w)'(?=\S).+?(?<=\S)'(?!\w)"
_NUMBER = r"\d+(?:[.,]\d+)?"
_PIECES = re.compile(
    rf"""(?P<quote>(?<!\d)(?:{_QUOTES}))
    |(?P<color>\#(?:[0-9a-f]{{6}}|[0-9a-f]{{3}})(?![0-9a-z]))
    |(?P<hash>\#\s?\d+)
    |(?P<ordinal>\d+(?:st|nd|rd|th)\b)
    |(?P<size>\d+\s?(?:px|pixels)?\s?[x×*]\s?\d+(?=\s?(?:px|pixels?\b|cm\b|in\b|\W|$)))
    |(?P<ratio>{_NUMBER}\s?:\s?{_NUMBER}(?![\d:]))
    |(?P<fraction>(?<![\d/])[1-9]/[1-9](?![\d/]))
    |(?P<number>(?:(?<![\w.)])(?:[+]|[−–-]\s?))?{_NUMBER}|(?<!\d)[.]\d+)
    |(?P<bw>\bb\s?[&/+]\s?w\b)
    |(?P<with>\bw/(?:o\b)?)
    |(?P<paper>\ba[0-6]\b)
    |(?P<word>[^\W\d_]+(?:['’´`][^\W\d_]+)*)
    |(?P<mark>\.{{2,}}|[,.;:!?…\n()/&+%°²$€£*=<>~"'_|-]|–|—|→|⇒|➜)
    |(?P<symbol>\S)""",
    re.VERBOSE | re.IGNORECASE,
)

_SPACELESS = {"bw", "with"}
_LEFT_OUT = {"-", "'", '"', "*", "~", "_", "="}
_SAME_AS = {"&": "and", "+": "and", "%": "percent", "°": "degrees", "…": ".", "–": "—", "|": ","}


_EMOJI = re.compile("[\u2600-\u27bf\u2b00-\u2bff\ufe0f\u200d\U0001f000-\U0001faff]|(?<!\\w)[:;=]-?[()DPp](?!\\w)|<3")
"""What only says how one feels."""
_LIST = re.compile(r"\s*[1a][.)]\s", re.IGNORECASE)
_BULLET = re.compile(r"(?:(?<=\s)|^)([1-9a-f])[.)](?=\s)")


def cut(message: str) -> list[Word]:
    """The words of a message in order. Hyphens inside a word part it; a dash between blanks is a mark."""
    words: list[Word] = []
    message = _EMOJI.sub(lambda found: ".".ljust(len(found.group())), message)
    if _LIST.match(message):
        message = _BULLET.sub(lambda found: " " * len(found[1]) + ". ", message)
    for found in _PIECES.finditer(message):
        words += _word(message, found)
    return words


def _word(message: str, found: re.Match[str]) -> list[Word]:
    kind, text = str(found.lastgroup), found.group().lower()
    start, stop = found.span()
    match kind:
        case "quote":
            return [Word(found.group()[1:-1].strip(), "quote", start, stop)]
        case "bw":
            return [Word("bw", "word", start, stop)]
        case "with":
            return [Word("without" if text.endswith("o") else "with", "word", start, stop)]
        case "paper":
            return [Word(text, "word", start, stop)]
        case "word":
            return [Word(piece, "word", start, stop) for piece in _plain(text)]
        case "mark":
            return _mark(message, text, start, stop)
        case "color":
            return [_hash_or_color(text, start, stop)]
        case "fraction":
            return [Word(str(int(text[0]) / int(text[2])), "number", start, stop)]
        case "number":
            text = re.sub(r"\s", "", text.replace("−", "-").replace("–", "-").replace(",", "."))
            return [Word(text, "number", start, stop)]
        case "size":
            return [Word(re.sub(r"[^\dx×*]", "", text).replace("×", "x").replace("*", "x"), "size", start, stop)]
        case _:
            return [Word(re.sub(r"\s", "", text), kind, start, stop)]  # type: ignore[arg-type]


def _hash_or_color(text: str, start: int, stop: int) -> Word:
    """`#123` is a version, `#333` and `#f00` are colours: nobody has 111 versions and means #111."""
    digits = text[1:]
    if len(digits) == 3 and digits.isdigit() and len(set(digits)) > 1:
        return Word(text, "hash", start, stop)
    full = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    return Word(f"#{full}", "color", start, stop)


def _mark(message: str, text: str, start: int, stop: int) -> list[Word]:
    spaced = message[max(0, start - 1) : start].strip() == "" and message[stop : stop + 1].strip() == ""
    if text == "-" and spaced:
        return [Word("—", "mark", start, stop)]
    if text in _LEFT_OUT:
        return []
    text = _SAME_AS.get(text[0], text[0])
    return [Word(text, "word" if text.isalpha() else "mark", start, stop)]


def _plain(text: str) -> list[str]:
    """One typed word → its normal spelling, which may be several words: don't → do not."""
    text = re.sub("[’´`]", "'", text)
    text = re.sub(r"(.)\1{2,}", r"\1\1", text)
    return expansions().get(text, text).split()


@cache
def expansions() -> dict[str, str]:
    """Other spellings → the usual ones."""
    return tables.keyed("spellings.txt")


def renamed(word: Word, text: str) -> list[Word]:
    """The same place in the message with other text; several words share the place."""
    return [replace(word, text=piece, kind="word") for piece in text.split()]
