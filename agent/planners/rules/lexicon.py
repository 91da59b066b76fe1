"""The dictionary: phrases of one or more words → what they mean, looked up longest first.

The words are in `tables/`: `edits.txt` (what edits are called), `grammar.txt` (courtesy, amounts, directions, small
words), `nouns.txt`, `colors.txt`. Nothing is decided about a message here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from agent.planners.rules import tables

Form = Literal["verb", "noun", "adjective", "comparative", "flaw"]


@dataclass(frozen=True)
class Head:
    """A phrase that asks for a tool. `verb`: blur; `noun`: contrast, wants "more" or "less"; `adjective`: dark, asked
    for or complained of; `comparative`: darker; `flaw`: crooked, what the tool mends. `args` of adjust are signs."""

    tool: str
    form: Form = "verb"
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One phrase: its words, the kind of thing it is, and its value."""

    words: tuple[str, ...]
    kind: str
    value: Any = None


@dataclass(frozen=True)
class Lexicon:
    """Entries by their first word, longer phrases first; `words` are all single words that occur."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    words: frozenset[str] = frozenset()

    def longest(self, words: Sequence[str]) -> Entry | None:
        """The longest phrase that `words` begin with."""
        for entry in self.entries.get(words[0], ()) if words else ():
            if tuple(words[: len(entry.words)]) == entry.words:
                return entry
        return None

    def single(self, word: str) -> Entry | None:
        """What the word means when it stands alone."""
        return next((entry for entry in self.entries.get(word, ()) if len(entry.words) == 1), None)


@cache
def lexicon() -> Lexicon:
    """All tables, built once. Of two entries with the same words the first table's counts."""
    entries: dict[str, list[Entry]] = {}
    seen: set[tuple[str, ...]] = set()
    for entry in _entries():
        if entry.words not in seen:
            seen.add(entry.words)
            entries.setdefault(entry.words[0], []).append(entry)
    for group in entries.values():
        group.sort(key=lambda entry: -len(entry.words))
    return Lexicon(entries, frozenset(word for words in seen for word in words))


@cache
def colors() -> dict[str, str]:
    """Names of colours → #rrggbb."""
    return tables.keyed("colors.txt")


@cache
def nouns(heading: str) -> frozenset[str]:
    """One list of `nouns.txt`."""
    return frozenset(" ".join(dict(tables.blocks("nouns.txt"))[heading]).split())


def _entries() -> Iterator[Entry]:
    for heading, lines in tables.blocks("edits.txt"):
        yield from (
            Entry(words, "head", _head(heading)) for phrase in tables.phrases(lines) for words in _worse(phrase)
        )
    for heading, lines in tables.blocks("edits.txt"):
        if (head := _head(heading)).form == "verb":
            yield from (Entry(words, "head", head) for phrase in tables.phrases(lines) for words in _forms(phrase))
    for heading, lines in tables.blocks("grammar.txt"):
        kind, _, value = heading.partition(" = ")
        yield from (Entry(phrase, kind, _value(value)) for phrase in tables.phrases(lines))
    yield from (Entry(tuple(name.split()), "color", value) for name, value in colors().items())
    yield from (Entry((word,), "noun") for word in nouns("noun"))
    yield from (Entry((word,), "adjective") for word in nouns("adjective"))


def _worse(phrase: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """too blue, way too blue, a bit too blue, …: the phrase, and one of "too" with what may stand before it."""
    yield phrase
    if phrase[0] == "too":
        yield from ((*said.split(), *phrase) for said in tables.listed("worsens"))


def _head(heading: str) -> Head:
    """ "adjust noun contrast=1" → Head."""
    tool, form, *args = heading.split()
    return Head(tool, form, {name: _value(value) for name, _, value in (arg.partition("=") for arg in args)})  # type: ignore[arg-type]


def _value(text: str) -> str | int | float | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        return float(text) if text.replace(".", "", 1).isdigit() else text


_IRREGULAR = {
    "get": "gets got getting", "take": "takes took taken taking", "cut": "cuts cutting", "make": "makes made making",
    "lose": "loses losing", "write": "writes wrote written writing", "do": "does did done doing", "put": "puts putting",
    "bring": "brings brought bringing", "spin": "spins spun spinning", "blow": "blows blew blown blowing",
    "rid": "ridding", "light": "lights lit lighting", "mat": "matted matting",
    "level": "levels leveled levelled leveling levelling",
    "label": "labels labeled labelled labeling labelling",
}  # fmt: skip
_DOUBLING = frozenset(tables.listed("doubles its last letter"))


def _forms(phrase: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A verb's phrase with -s, -ed and -ing: crops, cropped, cropping."""
    yield from ((word, *phrase[1:]) for word in inflected(phrase[0])[1:])


def inflected(verb: str) -> tuple[str, ...]:
    """blur → blur, blurs, blurred, blurring; resize → resize, resizes, resized, resizing."""
    if verb in _IRREGULAR:
        return (verb, *_IRREGULAR[verb].split())
    if verb.endswith("e"):
        return verb, verb + "s", verb + "d", verb[:-1] + "ing"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb, verb[:-1] + "ies", verb[:-1] + "ied", verb + "ing"
    plural = verb + ("es" if verb.endswith(("sh", "ss", "x", "ch")) else "s")
    stem = verb + verb[-1] if verb in _DOUBLING else verb
    return verb, plural, stem + "ed", stem + "ing"
