"""Noun phrases: "the lamp post behind her head", "cat's fur", "the two mugs on the left and the plate".

The only place where words may stand that the planner does not know, and only with an article, as the object of
"remove", or beside a known noun. What follows must be something that cannot belong to the phrase. Nothing is grounded
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.planners.rules.english import could_be_english
from agent.planners.rules.lexicon import Entry, colors, lexicon, nouns
from agent.planners.rules.numbers import CARDINALS, is_part
from agent.planners.rules.places import place_at
from agent.planners.rules.tables import listed

EATERS = frozenset(listed("brings what is put there"))
"""After these, "with" and "in" bring what is put there, and not a part of the phrase."""

ARTICLES = frozenset(listed("article"))
PERSONS = {"her", "him", "me", "us", "them", "you"}

_ATTACHING = frozenset(listed("attaches to a noun"))
_ATTACHING_LONG = (
    "in front of",
    "next to",
    "to the left of",
    "to the right of",
    "close to",
    "on top of",
    "left of",
    "right of",
)
_RELATIVE = {"that", "which", "who"}
_NOUNS = nouns("noun")
_ADJECTIVES = nouns("adjective") | {
    "thin",
    "thick",
    "wide",
    "high",
    "low",
    "bold",
    "light",
    "deep",
    "heavy",
    "fine",
    "faint",
}
_ABSTRACT = nouns("not in photos") - _NOUNS
_VERBS = frozenset(listed("verb that ends a noun phrase"))
_LOOSE = {"all", "any", "some", "every", "each", "both"}
_ADVERBS = frozenset(listed("adverb"))
_MOODS = {"feeling", "feel", "look", "vibe", "vibes", "mood", "tone", "tones", "effect", "style", "atmosphere"}
_COMPARED = {"darker", "brighter", "lighter", "smaller", "bigger", "larger", "taller", "shorter"}
_CANS = {"trash", "garbage", "tin", "spray", "soda", "beer", "watering", "rubbish", "paint", "coke"}
_PARTICIPLES = set(
    """parked dressed hung placed painted printed written stuck lying sitting standing hanging mounted located seated
    left attached glued taped stamped scribbled drawn pinned planted stacked scattered reflected covered tied""".split()
)
_MODALS = {"can", "could", "would", "should", "may", "might"}
_MOST_UNKNOWN = 2


@dataclass(frozen=True)
class Thing:
    """What a noun phrase names. `words` without its article; `prep`: the preposition before it; `parts`: "X and Y".

    `whole`: it is the picture itself ("my street photo": words are "my street"). `vague`: a "thing". `abstract`:
    nothing a photo shows. `known`: its last word is in the tables. `inner`: what the same words mean as an effect
    ("the shadows", "the border").
    """

    words: str
    prep: str = ""
    article: str = ""
    whole: bool = False
    vague: bool = False
    abstract: bool = False
    known: bool = True
    parts: tuple[str, ...] = ()
    inner: Entry | None = None

    @property
    def is_property(self) -> bool:
        """Whether it names a property of the picture ("the contrast"), which no region can be."""
        if self.inner is None or self.inner.kind != "head":
            return False
        head = self.inner.value
        return head.tool in {"adjust", "denoise", "sharpen"} and not set(head.args) & {"highlights", "shadows"}


def noun_phrase(texts: Sequence[str], at: int, wants: str, greedy: bool) -> tuple[Thing, int] | None:
    """The phrase that begins at `at`, perhaps with its preposition, and where it stops.

    `wants`: the tool whose verb stands right before. `greedy`: "with" may belong to the phrase.
    """
    start, prep = _preposition(texts, at)
    found = _simple(texts, start, wants)
    if found is None:
        return None
    thing, stop = found
    if thing.whole and texts[stop : stop + 1] == ["of"]:
        shown = _object(texts, stop + 1)
        stop = shown or stop
    if not thing.whole and not _stands_alone(thing, wants):
        thing, stop = _attachments(texts, thing, stop, wants, greedy)
        thing, stop = _coordination(texts, thing, stop)
    return replace(thing, prep=prep), stop


def _stands_alone(thing: Thing, wants: str) -> bool:
    """An effect takes no attachments: "the brightness of the sand" is about the sand; "remove the text at the top" is
    not."""
    if thing.inner is None or thing.inner.kind != "head":
        return False
    head = thing.inner.value
    objects = head.tool in {"text", "border", "vignette", "straighten"} or set(head.args) & {"highlights", "shadows"}
    return not (wants and objects)


def _preposition(texts: Sequence[str], at: int) -> tuple[int, str]:
    entry = lexicon().longest(texts[at:])
    if entry is not None and entry.kind == "prep":
        return at + len(entry.words), " ".join(entry.words)
    return at, ""


def _simple(texts: Sequence[str], at: int, wants: str = "") -> tuple[Thing, int] | None:
    """Article, adjectives, nouns."""
    start = at
    while at < len(texts) and (
        texts[at] in ARTICLES or (texts[at] == "of" and texts[at - 1] in {"all", "both", "some"})
    ):
        at += 1
    article = " ".join(texts[start:at])
    stop, classes = _body(texts, at, compared=article in {"the", "that", "this", "those", "these"})
    if not classes or classes[-1] not in {"noun", "unknown", "whole", "vague", "effect"}:
        return None
    if not article and wants == "remove" and classes == ["unknown"] and texts[at].endswith("s"):
        classes = ["noun"]
    unknown = classes.count("unknown")
    if unknown > _MOST_UNKNOWN or (unknown and not set(article.split()) - _LOOSE):
        return None
    body = texts[at:stop]
    if body == ["one"] and article in {"this", "that"}:
        return None
    if not article and texts[stop : stop + 1] and texts[stop] in _MOODS:
        return None
    if not article and len(body) == 1 and body[0] in colors() and at and texts[at - 1] == "in":
        return None
    entry = lexicon().longest(body)
    if entry is not None and entry.kind == "whole" and entry.value == "picture" and len(entry.words) == len(body) > 1:
        return Thing("", article=article, whole=True, parts=("",)), stop
    inner = _inner(body)
    toned = body[-1] in {"tone", "tones"} and len(body) > 1 and body[-2] not in _NOUNS
    thing = Thing(
        " ".join(body if classes[-1] != "whole" else body[:-1]),
        article=article,
        whole=classes[-1] == "whole",
        vague=classes[-1] == "vague" and "noun" not in classes,
        known=classes[-1] != "unknown",
        abstract=toned
        or bool(_ABSTRACT & set(body))
        or body[-2:] in (["red", "eye"], ["red", "eyes"])
        or (inner is None and _names_effect(body[-1])),
        parts=(" ".join(body),),
        inner=inner,
    )
    return thing, stop


def _body(texts: Sequence[str], at: int, compared: bool) -> tuple[int, list[str]]:
    """Where the run of adjectives and nouns ends, and the class of each word. `compared`: "the bigger one" may
    follow."""
    classes: list[str] = []
    while at < len(texts):
        if texts[at] == "can" and classes[-1:] == ["noun"] and texts[at - 1] in _CANS and set(texts[:at]) & _MODALS:
            classes.append("noun")
            at += 1
            continue
        run = _run(texts, at, named=any(c != "adjective" for c in classes))
        if run is not None:
            if run[0] == "stop":
                break
            classes += [run[0]] * run[1]
            at += run[1]
            continue
        kind = "adjective" if compared and texts[at] in _COMPARED and not classes else _class(texts[at])
        kind = "noun" if texts[at] == "can" and classes[-1:] == ["noun"] and texts[at - 1] in _CANS else kind
        kind = "stop" if texts[at] == "back" and classes[-1:] == ["effect"] else kind
        if kind == "stop" and _is_name(texts, at):
            kind = "unknown"
        named = any(c in {"noun", "unknown", "whole", "vague", "effect"} for c in classes)
        after_effect = kind == "unknown" and classes[-1:] == ["effect"]
        if kind == "stop" or (named and kind == "adjective") or classes[-1:] == ["whole"] or after_effect:
            break
        if kind == "whole" and named and classes[-1] == "effect":
            break
        classes.append(kind)
        at += 1
    while classes and classes[-1] == "adjective":
        classes.pop()
        at -= 1
    return at, classes


def _is_name(texts: Sequence[str], at: int) -> bool:
    """A word that is in no list, right before a noun: a make, a breed, a place."""
    word = texts[at]
    strange = word.isalpha() and len(word) > 2 and lexicon().single(word) is None and not could_be_english(word)
    return strange and texts[at + 1 : at + 2] != [] and texts[at + 1] in _NOUNS


def _run(texts: Sequence[str], at: int, named: bool) -> tuple[str, int] | None:
    """The class of a phrase of several words that stands here: light blue, dark corners, out of focus."""
    entry = lexicon().longest(texts[at:])
    if entry is None or len(entry.words) == 1:
        return None
    if entry.kind == "color" and not named:
        return "adjective", len(entry.words)
    if entry.kind == "head" and entry.value.form == "noun" and entry.value.tool not in {"remove", "auto"}:
        return "effect", len(entry.words)
    if entry.kind == "head" and entry.value.form in {"adjective", "flaw"} and not named:
        return "adjective", len(entry.words)
    return None if entry.kind == "whole" else ("stop", 1)


def _class(word: str) -> str:
    if word.endswith(("'s", "s'")):
        return "adjective"
    if word in _VERBS or word in _ADVERBS:
        return "stop"
    if word in _NOUNS:
        return "noun"
    if word in _ADJECTIVES:
        return "adjective"
    entry = lexicon().single(word)
    if entry is None:
        named = not word.endswith("ly") and word not in CARDINALS and could_be_english(word)
        return "unknown" if named else "stop"
    if entry.kind == "head" and entry.value.tool in {"remove", "auto"}:
        return "stop"
    if entry.kind == "head" and entry.value.form in {"noun", "adjective", "flaw"}:
        return "effect" if entry.value.form == "noun" else "adjective"
    if entry.kind == "whole" and entry.value == "picture":
        return "whole"
    return {"vague": "vague", "color": "adjective"}.get(entry.kind, "stop")


def _inner(body: Sequence[str]) -> Entry | None:
    """What the phrase means as an effect: all of it, or its last words after words of degree or colour."""
    for first in range(len(body) if body[-1] != "smudge" else 0):
        entry = lexicon().longest(body[first:])
        if entry is None or len(entry.words) != len(body) - first:
            continue
        if entry.kind == "head" and (first == 0 or _is_noun(entry)) and _leads(body[:first], _is_painted(entry)):
            return entry
    return None


def _names_effect(word: str) -> bool:
    """A border or a contrast with words before it that explain nothing is no part of the photo."""
    entry = lexicon().single(word)
    return (
        entry is not None
        and entry.kind == "head"
        and _is_noun(entry)
        and word not in {"shadow", "shadows", "lights", "highlights", "smudge", "smudges"}
    )


def _is_painted(entry: Entry) -> bool:
    return entry.value.tool in {"border", "text", "vignette", "crop", "monochrome"}


def _is_noun(entry: Entry) -> bool:
    """Border, blur and the like are verbs in the lexicon, but nouns after an adjective."""
    return entry.value.form == "noun" or entry.value.tool in {
        "border",
        "vignette",
        "text",
        "blur",
        "crop",
        "flip",
        "sharpen",
    }


def _leads(words: Sequence[str], colored: bool) -> bool:
    """Words that may stand before an effect: a thin white border, a slight blur; but there is no white contrast."""
    at = 0
    while at < len(words):
        entry = lexicon().longest(words[at:])
        if entry is None or entry.kind not in {"degree", "color", "adjective", "head", "fill", "direction"}:
            return False
        if entry.kind == "color" and not colored:
            return False
        at += len(entry.words)
    return True


def _attachments(texts: Sequence[str], thing: Thing, at: int, wants: str, greedy: bool) -> tuple[Thing, int]:
    """What says which one: "behind her head", "that is parked on the left", "top left"; "in the photo" says nothing."""
    while at < len(texts):
        found = _attachment(texts, at, wants, greedy)
        if found is None:
            break
        said, at = found
        if said and said not in {"present", "visible", "shown", "seen"}:
            words = f"{thing.words} {said}"
            vague = thing.vague and thing.words in {"something", "anything", "someone", "somebody"}
            thing = replace(thing, words=words, parts=(words,), vague=vague, inner=None)
    return thing, at


def _attachment(texts: Sequence[str], at: int, wants: str, greedy: bool) -> tuple[str, int] | None:
    start = at
    if (texts[at] in _RELATIVE and texts[at + 1 : at + 2] and texts[at + 1] in {"is", "are", "was", "were"}) or (
        texts[at] in _RELATIVE
        and at + 2 < len(texts)
        and texts[at + 1].endswith("s")
        and could_be_english(texts[at + 1])
    ):
        at += 2
    if at < len(texts) and texts[at].endswith("ing") and _class(texts[at]) in {"unknown", "adjective"}:
        at += 1
        held = _simple(texts, at)
        if held is not None and held[0].article:
            return " ".join(texts[start : held[1]]), held[1]
        return " ".join(texts[start:at]), at
    if at + 1 < len(texts) and texts[at] in _PARTICIPLES and _attaching(texts, at + 1, wants, greedy):
        at += 1
    place = place_at(texts, at + 1 if at > start and texts[at] in _ATTACHING else at)
    if place is not None and place[1] - at > 1 and texts[at] not in ARTICLES:
        return " ".join(texts[start : place[1]]), place[1]
    prep = _attaching(texts, at, wants, greedy)
    if not prep:
        return None
    if texts[at : at + 3] == ["on", "top", "of"] and _whole(texts, at + 3) is not None:
        return "on top", _whole(texts, at + 3) or at
    stop = _object(texts, at + prep)
    if stop is None:
        whole = _whole(texts, at + prep)
        return ("", whole) if whole is not None else None
    words = list(texts[start:stop])
    return " ".join(["on", *words[1:]] if words[0] == "from" else words), stop


def _attaching(texts: Sequence[str], at: int, wants: str, greedy: bool) -> int:
    """How many words the preposition at `at` has; 0 where none is there that attaches."""
    rest = " ".join(texts[at : at + 4]) + " "
    for long in _ATTACHING_LONG:
        if rest.startswith(long + " "):
            return len(long.split())
    if at < len(texts) and texts[at] == "with":
        return int(greedy and bool(wants))
    if texts[at : at + 1] == ["by"] and is_part(texts[at:]):
        return 0
    return int(at < len(texts) and texts[at] in _ATTACHING and (texts[at] != "from" or wants == "remove"))


def _object(texts: Sequence[str], at: int) -> int | None:
    """Where the object of a preposition stops: a place, a thing with an article or known, or a person."""
    place = place_at(texts, at)
    if place is not None:
        return place[1]
    found = _simple(texts, at)
    if found is not None and not found[0].whole and (found[0].inner is None or not _is_noun(found[0].inner)):
        return found[1]
    if texts[at : at + 1] and texts[at] in PERSONS and texts[at - 1] != "between":
        return at + 1
    return None


def _whole(texts: Sequence[str], at: int) -> int | None:
    """Where "the picture", "this old photo" or "it" stops, if that is what stands here."""
    found = _simple(texts, at)
    if found is not None and found[0].whole:
        return found[1]
    return at + 1 if texts[at : at + 1] == ["it"] else None


def _coordination(texts: Sequence[str], thing: Thing, at: int) -> tuple[Thing, int]:
    """ "… and the plate": further parts."""
    while at < len(texts) and texts[at] == "and":
        found = _simple(texts, at + 1)
        if found is None or found[0].whole or found[0].inner is not None:
            break
        other, stop = _attachments(texts, found[0], found[1], "remove", greedy=False)
        article = f"{other.article} " if other.article else ""
        thing = replace(
            thing, words=f"{thing.words} and {article}{other.words}", parts=(*thing.parts, *other.parts), inner=None
        )
        at = stop
    return thing, at
