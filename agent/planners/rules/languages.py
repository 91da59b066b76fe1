"""Tells messages in other languages from English, and holds one sentence of refusal for each of the most used ones.

The script decides where it can; among languages in Latin letters (and between neighbours that share a script) a few
common words do. Nothing is translated, and nothing in another language is ever acted upon.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from agent.planners.rules import tables
from agent.planners.rules.tables import listed


@dataclass(frozen=True)
class Language:
    """`refusal` in the language itself; `marks`: words or letters that only it has among its neighbours."""

    script: str
    refusal: str
    marks: str = ""


SCRIPTS: dict[str, str] = {
    "Cyrillic": "\u0400-\u052f",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff",
    "Hebrew": "\u0590-\u05ff\ufb1d-\ufb4f",
    "Devanagari": "\u0900-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Gurmukhi": "\u0a00-\u0a7f",
    "Gujarati": "\u0a80-\u0aff",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Kannada": "\u0c80-\u0cff",
    "Malayalam": "\u0d00-\u0d7f",
    "Sinhala": "\u0d80-\u0dff",
    "Thai": "\u0e00-\u0e7f",
    "Burmese": "\u1000-\u109f",
    "Georgian": "\u10a0-\u10ff",
    "Ethiopic": "\u1200-\u137f",
    "Khmer": "\u1780-\u17ff",
    "Armenian": "\u0530-\u058f",
    "Hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "Kana": "\u3040-\u30ff",
    "Han": "\u3400-\u4dbf\u4e00-\u9fff",
}


@cache
def languages() -> tuple[Language, ...]:
    """All languages of `tables/languages.txt`, in its order."""
    return tuple(Language(script, lines[0], " ".join(lines[1:])) for script, lines in tables.blocks("languages.txt"))


_ENGLISH = frozenset(listed("English among neighbours"))
_LETTERS = re.compile(r"(?<![\w#])[^\W\d_]+(?:['’][^\W\d_]+)*(?!\w)")


def refusal(text: str) -> str | None:
    """The refusal in the message's own language, or None for what may be English. `text` is without quotations."""
    script = _script(text)
    if script == "Latin":
        return _latin(text)
    if script is None:
        return None
    of_script = [language for language in languages() if language.script == script]
    return _marked(of_script, text).refusal


def refuses(sentence: str | None) -> bool:
    """Whether a sentence is the refusal of some language."""
    return any(language.refusal == sentence for language in languages())


def _script(text: str) -> str | None:
    """The script of most letters; kana settle Japanese even where most signs are Chinese ones."""
    counts = {name: len(re.findall(f"[{ranges}]", text)) for name, ranges in SCRIPTS.items()}
    latin = len(re.findall("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]", text))
    most = max(counts, key=lambda name: counts[name])
    if counts[most] * 2 <= latin:
        return "Latin" if latin else None
    return "Kana" if counts["Kana"] and most == "Han" else most


def _marked(languages: Sequence[Language], text: str) -> Language:
    """The neighbour whose words or letters occur; the first one where none do."""
    words = set(_LETTERS.findall(text.lower()))

    def score(language: Language) -> int:
        marks = language.marks.split()
        return sum(mark in words for mark in marks) + sum(
            letter in text for letter in (marks[0] if len(marks) == 1 else "")
        )

    return max(languages, key=score)


def _latin(text: str) -> str | None:
    words = [word.replace("’", "'") for word in _LETTERS.findall(text.lower())]
    english = sum(word in _ENGLISH for word in words)
    best, hits = None, 0
    for language in languages():
        if language.script == "Latin":
            marks = set(language.marks.split())
            count = sum(word in marks for word in words)
            if count > hits:
                best, hits = language, count
    foreign = any(ord(letter) > 0xBF for letter in text if letter.isalpha())
    enough = hits >= 2 or (hits == 1 and (foreign or len(words) <= 2) and not english)
    if best is None or not enough or hits <= english:
        return None
    return best.refusal
