"""A command without the courtesy around it: "hmm, could you please undo that, thanks" → "undo that"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.planners.rules.clause import Clause
from agent.planners.rules.idioms import gathered
from agent.planners.rules.items import Item
from agent.planners.rules.patterns import match
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word


def texts(words: Sequence[Word]) -> tuple[str, ...]:
    """The ways to take the words of a command, the barest first: a pattern may want what is courtesy elsewhere."""
    telling = [item for item in Clause.of(words).items if not _polite(item, words)]
    from_there = _text(words[telling[0].start :] if telling else words)
    found = (stripped(words), _text(gathered(words)), _text(words), from_there)
    bare = (said["rest"] for text in found if (said := match("interjected", text)))
    return tuple(dict.fromkeys([*found, *bare]))


_MEANT = frozenset(listed("means something in commands"))
"""Courtesy elsewhere, but part of what a command says."""


def stripped(words: Sequence[Word]) -> str:
    """The words without courtesy around them: "could you please undo that, thanks" → "undo that"."""
    telling = [item for item in Clause.of(words).items if not _polite(item, words)]
    if not telling:
        return ""
    text = _text(gathered(words[telling[0].start : telling[-1].stop]))
    return re.sub(r"\b(?:for me|please|kindly|just|now|simply|for us) (?=\w)", "", text)


def _text(words: Sequence[Word]) -> str:
    """The words without marks; "test2", typed as one, stays one name."""
    said = [word for word in words if word.kind != "mark"]
    out = ""
    for i, word in enumerate(said):
        name = word.kind == "number" and i > 1 and said[i - 1].stop == word.start and said[i - 2].text in _NAMING
        out += word.text if name else f" {word.text}"
    return out.strip()


_NAMING = {"called", "named", "it", "titled", "branch", "name", "into", "one"}


def _polite(item: Item, words: Sequence[Word]) -> bool:
    return item.kind == "fill" and words[item.start].text not in _MEANT
