"""Whether a word is English at all: the words of `tables/english.txt`, their regular forms, and compounds of two of
them."""

from __future__ import annotations

from functools import cache

from agent.planners.rules import tables

_PLURALS = (
    ("ies", "y"),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("oes", "o"),
    ("ves", "f"),
    ("s", ""),
)
_COMPARED = (
    ("ier", "y"),
    ("iest", "y"),
    ("er", ""),
    ("est", ""),
    ("er", "e"),
    ("est", "e"),
    ("ger", "g"),
    ("ner", "n"),
    ("ter", "t"),
)
_PARTICIPLES = (("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e"), ("er", "e"), ("y", ""), ("y", "e"))


@cache
def _words() -> frozenset[str]:
    return frozenset(tables.text("english.txt").split())


def is_english(word: str) -> bool:
    """Whether the word, or its singular, is in the table."""
    return word in _words() or _stems(word, _PLURALS)


def could_be_english(word: str) -> bool:
    """The same for words that are only made of English ones: parked, lamppost."""
    word = word.removesuffix("'s").rstrip("'")
    return (
        is_english(word)
        or _stems(word, _PARTICIPLES + _COMPARED)
        or any(_compound(word, at) for at in range(3, len(word) - 3))
    )


def _stems(word: str, endings: tuple[tuple[str, str], ...]) -> bool:
    if word.endswith("ss"):
        return False
    return any(
        word.endswith(ending) and len(word) > len(ending) + 2 and word[: -len(ending)] + instead in _words()
        for ending, instead in endings
    )


def _compound(word: str, at: int) -> bool:
    return word[:at] in _words() and is_english(word[at:])
