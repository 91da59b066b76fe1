"""Reads the words of a region into a small tree: places, colours, scenery, things, and what combines them.

Every word must be understood; one that is not makes the whole phrase a NotGrounded. Looks at no picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from sessions.errors import NotGrounded
from tools.grounding import words as known
from tools.grounding.places import Place, place_of

HINT = "Draw a box around it, or paint over it with the brush."

Kind = Literal["everything", "background", "subject", "person", "face", "eyes", "sky", "ground"]


PART_OF = (("face", "person"), ("eyes", "person"), ("eyes", "subject"))
"""Kinds of which the first is looked for alone when it is said to be of the second."""


@dataclass(frozen=True)
class Thing:
    """What is looked for by what it is. `word`: the noun that was said; `colour`: the colour it was said to have.

    `group`: several were named, or a plural.
    """

    kind: Kind
    word: str
    colour: str = ""
    group: bool = False


@dataclass(frozen=True)
class Coloured:
    """All that has this colour or tone. `noun`: what it was called, if it is a thing that only the colour can find."""

    colour: str
    noun: str = ""


@dataclass(frozen=True)
class Not:
    """Everything but `inner`."""

    inner: Phrase


@dataclass(frozen=True)
class Either:
    """All of `first` and all of `second`."""

    first: Phrase
    second: Phrase


@dataclass(frozen=True)
class Within:
    """What of `inner` lies in `outer`. A place as `inner` is a place of the box around `outer`."""

    inner: Phrase
    outer: Phrase


@dataclass(frozen=True)
class At:
    """`inner`, if it lies where `place` says: a check, not a cut."""

    inner: Phrase
    place: Place


Phrase = Thing | Coloured | Place | Not | Either | Within | At

_ALL = r"(?:everything|anything|all|the rest|(?:the )?whole (?:picture|image|photo))(?: else)?"
_BUT = r"(?:except|but|besides|apart from|other than|excluding|without|outside|that is not|that isn't|which is not)"
_EXCEPT = re.compile(rf"{_ALL} {_BUT}(?: for| of)? (.+)")
_OUTSIDE = re.compile(rf"(?:{_ALL} )?(?:not|outside|behind)(?: of)? (.+)")
_MINUS = re.compile(r"(.+?) (?:except|but not|without|excluding|minus|apart from|other than)(?: for)? (.+)")
_UNION = re.compile(r"(.+?) (?:, and|and|as well as|plus|&|,) (.+)")
_JOINED = re.compile(r"(.+?) (of|in|on|at|from) (.+)")
_LEADING = re.compile(r"^(?:(?:only|just|in|on|at|of|within|inside|over|to) )+")


def parse(text: str) -> Phrase:
    """The tree of a region's words; NotGrounded names the words that are not understood."""
    flat = " ".join(re.findall(r"[a-z]+(?:'[a-z]+)?|\d+%?|[,&%]", text.lower().replace("’", "'")))
    for compound, noun in known.COMPOUNDS.items():
        flat = re.sub(rf"\b{compound}\b", noun, flat)
    flat = flat.replace("black and white ", "")
    return _phrase(re.sub(r"'s\b", " 's", flat))


def _phrase(text: str) -> Phrase:
    text = _LEADING.sub("", text.strip(" ,"))
    if match := _EXCEPT.fullmatch(text) or _OUTSIDE.fullmatch(text):
        return Not(_phrase(match[1]))
    if match := _MINUS.fullmatch(text):
        return Within(Not(_phrase(match[2])), _phrase(match[1]))
    if match := _UNION.fullmatch(text):
        return _union(match[1], match[2])
    leaf = _leaf(text)
    if leaf is None and (match := _JOINED.fullmatch(text)):
        leaf = _joined(match[1], match[2], match[3])
    if leaf is None:
        leaf = _placed(text.split())
    if leaf is None:
        raise NotGrounded(f"“{text}” cannot be found in a picture by these words.", HINT)
    return leaf


def name(phrase: Phrase) -> str:
    """What was understood, in words: "everything but the sky"."""
    match phrase:
        case Place(label=label):
            return label
        case Thing(word=word, colour=colour):
            return f"{colour} {word}".strip()
        case Coloured(colour=colour, noun=noun):
            return f"{colour} {noun or 'parts'}"
        case Not(inner=inner):
            return f"everything but {_the(inner)}"
        case Either(first=first, second=second):
            return f"{name(first)} and {_the(second)}"
        case Within(inner=Not(inner=left_out), outer=outer):
            return f"{name(outer)} without {_the(left_out)}"
        case Within(inner=inner, outer=outer):
            return f"{name(inner)} of {_the(outer)}"
        case At(inner=inner, place=place):
            return f"{name(inner)} at the {place.label}"


def _the(phrase: Phrase) -> str:
    said = name(phrase)
    return said if said.startswith("everything") else f"the {said}"


def _bare(text: str) -> list[str]:
    return [word for word in text.split() if word not in known.ARTICLES]


def _leaf(text: str) -> Phrase | None:
    """A phrase without "of", "and" or "but"; None if a word of it is not known."""
    words = _bare(text) or text.split()[-1:]
    if not words:
        return None
    if place := place_of(words):
        return place
    colours = [known.COLOURS.get(word) or known.TONES.get(word) for word in words]
    if colours[0] and words != ["light"] and all(word in known.PARTS for word in words[1:]):
        return Coloured(colours[0])
    if len(words) > 1 and colours[-1] and " ".join(words[:-1]) in known.EVERYTHING:
        return Coloured(colours[-1])
    if words[0] in known.PEOPLE | known.ANIMALS and words[1:2] == ["'s"]:
        return _leaf(" ".join(words[2:]))
    return _thing(words, colours)


def _placed(words: list[str]) -> Phrase | None:
    """ "cat top left"."""
    for i in range(1, len(words)):
        place, inner = place_of(_bare(" ".join(words[i:]))), _leaf(" ".join(words[:i]))
        if place and isinstance(inner, Thing):
            return At(inner, place)
    return None


def _thing(words: list[str], colours: list[str | None]) -> Phrase | None:
    """Adjectives and a noun."""
    said = [colour for colour, word in zip(colours[:-1], words, strict=False) if word not in known.PRAISE]
    if len(said) > 1 or None in said:
        return None
    colour, noun = (said[0] or "") if said else "", words[-1]
    one = known.singular(noun)
    kind = _kind(one)
    if kind is not None:
        return Thing(kind, noun, colour, group=one != noun)
    return Coloured(colour, noun) if colour else None


def _kind(noun: str) -> Kind | None:
    lists: tuple[tuple[Kind, frozenset[str] | dict[str, tuple[str, ...]]], ...] = (
        ("everything", known.EVERYTHING),
        ("background", known.BACKGROUND),
        ("sky", known.SKY),
        ("face", known.FACES),
        ("eyes", known.EYES),
        ("ground", known.GROUND),
        ("person", known.PEOPLE),
        ("subject", known.SUBJECTS),
    )
    return next((kind for kind, nouns in lists if noun in nouns), None)


def _union(left: str, right: str) -> Phrase:
    """Both; but two names of subjects are one group, as a picture has one place that draws the eye."""
    names = [_bare(part)[-1:] for part in (left, right)]
    if any(name and name[0] in known.COMPANIONS for name in names):
        first, second = (_subject(part) for part in (left, right))
    else:
        first, second = _phrase(left), _phrase(right)
    if isinstance(first, Thing) and isinstance(second, Thing) and {first.kind, second.kind} <= {"person", "subject"}:
        kind: Kind = "person" if "person" in (first.kind, second.kind) else "subject"
        return Thing(kind, f"{first.word} and {second.word}", first.colour or second.colour, group=True)
    return Either(first, second)


def _subject(text: str) -> Phrase:
    words = _bare(text)
    return Thing("subject", words[-1]) if words and words[-1] in known.COMPANIONS else _phrase(text)


def _joined(first: str, preposition: str, second: str) -> Phrase | None:
    """ "A of B" and the like; None if they do not fit together."""
    inner = _leaf(first)
    if preposition == "of" and isinstance(inner, Thing) and known.singular(inner.word) in known.CONTAINERS:
        return inner
    outer = _leaf(second) or _phrase(second)
    if preposition == "of" and _bare(first)[-1:] and _bare(first)[-1] in known.MEASURES:
        return outer
    if isinstance(outer, Thing) and outer.kind == "everything":
        return inner
    if isinstance(inner, Place) or (isinstance(inner, Coloured) and not inner.noun):
        return Within(inner, outer)
    if isinstance(inner, Thing) and isinstance(outer, Place):
        return At(inner, outer)
    if isinstance(inner, Thing) and isinstance(outer, Thing):
        if (inner.kind, outer.kind) in PART_OF or (preposition == "on" and outer.kind == "ground"):
            return inner
        if preposition == "in" and (inner.kind, outer.kind) == ("sky", "background"):
            return inner
    return None
