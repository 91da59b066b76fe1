"""Words of one clause → items: the phrases of the lexicon, quantities, places, colours, quotations and noun phrases.

Every word ends up in exactly one item; what nothing knows becomes an item `unknown`. No meaning is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.planners.rules.lexicon import Entry, Head, lexicon, nouns
from agent.planners.rules.nounphrases import EATERS, Thing, noun_phrase
from agent.planners.rules.numbers import quantity_at
from agent.planners.rules.places import place_at
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word


@dataclass(frozen=True)
class Item:
    """A kind of thing, its value, and the words [start, stop) of the clause that say it."""

    kind: str
    value: Any
    start: int
    stop: int


_DIMS = {
    "wide": "width",
    "high": "height",
    "tall": "height",
    "p": "height",
    "across": "width",
    "w": "width",
    "h": "height",
}
_PLACING = {
    "in",
    "on",
    "at",
    "to",
    "of",
    "from",
    "off",
    "across",
    "over",
    "along",
    "toward",
    "towards",
    "around",
    "near",
}
_ITSELF = {"quote": "quote", "color": "color", "ratio": "ratio", "size": "pixels", "ref": "ref", "hash": "ref"}


def scan(words: Sequence[Word]) -> list[Item]:
    """All items of a clause, in order."""
    items: list[Item] = []
    at = 0
    while at < len(words):
        item = _next(words, at, items)
        items.append(item)
        at = item.stop
    items = [_also(item, after, words) for item, after in zip(items, [*items[1:], None], strict=False)]
    return [part for item, after in zip(items, [*items[1:], None], strict=False) for part in _more(item, after, words)]


_OUT_OF_ALL = {"way", "much", "far"}
"""Before "too" they say that it is in excess wherever it stands."""


def _also(item: Item, after: Item | None, words: Sequence[Word]) -> Item:
    """ "Brighten it a touch too", "the sky too, by 10 %": with nothing to measure behind it, "too" is "also", and what
    stands before it says how much."""
    texts = [word.text for word in words[item.start : item.stop]]
    if item.kind != "too" or texts[-1] != "too" or not item.start or texts[0] in _OUT_OF_ALL or _measures(after, words):
        return item
    entry = lexicon().longest(texts[:-1])
    said = entry is not None and entry.kind == "degree"
    return replace(item, kind="degree", value=entry.value) if entry and said else replace(item, kind="fill")


_ALSO_BEFORE = frozenset(listed("after too that means also"))


def _measures(after: Item | None, words: Sequence[Word]) -> bool:
    """Whether what follows "too" can be in excess: "too dark", "too nice", but not "too, please" or "too a bit"."""
    return after is not None and words[after.start].text not in _ALSO_BEFORE and after.kind != "quantity"


def _more(item: Item, after: Item | None, words: Sequence[Word]) -> list[Item]:
    """ "Much more vivid": how much, and that it is more; "much vivid" would complain."""
    last = item.stop - 1
    described = after is not None and after.kind == "head" and after.value.form in {"adjective", "flaw"}
    if item.kind != "degree" or last == item.start or words[last].text != "more" or not described:
        return [item]
    return [replace(item, stop=last), Item("direction", 1, last, item.stop)]


def _next(words: Sequence[Word], at: int, before: Sequence[Item]) -> Item:
    """The longest of what may begin here; a noun phrase wins a tie where the verb before it wants an object."""
    word = words[at]
    if word.kind in _ITSELF:
        return Item(_ITSELF[word.kind], word.text, at, at + 1)
    if before and before[-1].kind == "quantity" and word.text in _DIMS:
        return Item("dim", _DIMS[word.text], at, at + 1)
    texts = _texts(words)
    phrase = _phrase(texts, at)
    found = [phrase, _quantity(words, at), _place(texts, at), _thing(words, at, before)]
    compared = before and before[-1].kind == "head" and before[-1].value.form in {"comparative", "adjective"}
    if phrase is not None and (phrase.kind in {"noun", "adjective"} or (phrase.kind == "color" and compared)):
        found = [*found[1:], phrase]
    best = max((item for item in found if item), key=lambda item: item.stop, default=None)
    return best or Item("unknown", word.text, at, at + 1)


def _phrase(texts: Sequence[str], at: int) -> Item | None:
    entry = lexicon().longest(texts[at:])
    if entry is None:
        return None
    value = " ".join(entry.words) if entry.value is None else entry.value
    return Item(entry.kind, value, at, at + len(entry.words))


def _quantity(words: Sequence[Word], at: int) -> Item | None:
    found = quantity_at(words, at)
    if found is None or _cuts_phrase(_texts(words), at, found[1]):
        return None
    return Item("quantity", found[0], at, found[1])


def _cuts_phrase(texts: Sequence[str], at: int, stop: int) -> bool:
    """ "By a quarter" in "by a quarter turn"."""
    inside = ((first, lexicon().longest(texts[first:])) for first in range(at + 1, stop))
    return any(
        entry is not None and entry.kind == "head" and first + len(entry.words) > stop for first, entry in inside
    )


def _place(texts: Sequence[str], at: int) -> Item | None:
    """A place, with the preposition before it."""
    first = at + 1 if texts[at] in _PLACING and at + 1 < len(texts) else at
    found = place_at(texts, first)
    return found and Item("place", found[0], at, found[1])


def _texts(words: Sequence[Word]) -> list[str]:
    """What may be part of a phrase; quotations and the like may not."""
    return [word.text if word.kind in {"word", "number", "ordinal"} else f"<{word.kind}>" for word in words]


def _thing(words: Sequence[Word], at: int, before: Sequence[Item]) -> Item | None:
    texts = _texts(words)
    wants = _wants_object(before)
    entry = lexicon().longest(texts[at:])
    if (
        entry is not None
        and entry.kind == "head"
        and len(entry.words) > 1
        and not (wants or _goes_on(texts, at, entry))
    ):
        return None
    found = noun_phrase(texts, at, wants, greedy=not any(text in EATERS for text in texts[:at]))
    if found is None:
        return None
    thing, stop = found
    amount = quantity_at(words, at + len(thing.prep.split())) if thing.prep else None
    if amount is not None and amount[1] >= stop:
        return None
    if (
        thing.words == "light"
        and stop < len(texts)
        and (following := lexicon().longest(texts[stop:]))
        and following.kind == "head"
    ):
        return None
    if thing.inner is not None and not wants and _is_effect(thing.inner) and not _is_zone(thing, before):
        return None
    return Item("thing", thing, at, stop)


def _goes_on(texts: Sequence[str], at: int, entry: Entry) -> bool:
    """ "The date" in "the date stamp": the effect is only the first part of a thing."""
    stop = at + len(entry.words)
    return entry.words[0] == "the" and stop < len(texts) and texts[stop] in nouns("noun")


def _wants_object(before: Sequence[Item]) -> str:
    """The tool of the verb right before, where that verb takes a thing: remove, blur, sharpen, denoise, crop."""
    for item in reversed(before):
        if item.kind == "head" and isinstance(item.value, Head):
            return item.value.tool if item.value.form == "verb" and item.value.tool in OBJECTS else ""
        if item.kind not in {"det", "fill", "degree", "direction", "only", "prep"}:
            return ""
    return ""


def _is_zone(thing: Thing, before: Sequence[Item]) -> bool:
    """ "Less noise in the dark parts": where, because what is already said."""
    value = thing.inner.value if thing.inner is not None else None
    zones = isinstance(value, Head) and set(value.args) & {"highlights", "shadows"}
    return bool(thing.prep and zones and any(item.kind == "head" for item in before))


OBJECTS = {"remove", "blur", "sharpen", "denoise", "crop"}


def _is_effect(entry: Entry) -> bool:
    return entry.kind in {"head", "degree", "direction", "shape", "color"}
