"""Finds the words that are to be written on the picture where they are not in quotation marks.

"write Happy Birthday at the top", "text: Fresh bread. bottom, white", "a caption that says Hello", "copyright sign
and my name Lena". The found words become a quotation in the list of words, as typed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.planners.rules.lexicon import colors, lexicon
from agent.planners.rules.places import place_at
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word

_SAYING = {"says", "say", "saying", "reads", "reading", "write", "stamp"}
_NAMING = {
    "text",
    "caption",
    "title",
    "label",
    "watermark",
    "headline",
    "subtitle",
    "heading",
    "slogan",
    "words",
    "word",
    "message",
    "line",
    "name",
    "date",
    "quote",
    "initials",
}
_WITH = {"with", "as", "saying"}
_NOT_FIRST = frozenset(listed("begins no inscription"))
_LEADING_IN = {"in", "at", "on", "to", "across", "along", "near", "over", "using", "with", "below", "above", "into"}
_ENDING = {"then", "where", "please", "thanks", "afterwards"}
_SIZES = {"small", "tiny", "big", "large", "bold", "huge"}
_LONGEST = 120


def quoted(message: str, words: Sequence[Word]) -> list[Word]:
    """The words, with an unquoted inscription made a quotation."""
    if any(word.kind == "quote" for word in words):
        return list(words)
    if found := _in_capitals(message, words):
        return _replaced(message, words, *found)
    for first, lead in _leads(words):
        stop = _end(words, first)
        said = message[words[first].start : words[stop - 1].stop] if stop > first else ""
        if said and len(said) <= _LONGEST and _is_inscription(words[first], said, lead):
            return _replaced(message, words, first, stop)
    return list(words)


_PUTTING = {"put", "add", "stick", "slap", "place", "print", "stamp", "write"}


def _in_capitals(message: str, words: Sequence[Word]) -> tuple[int, int] | None:
    """ "Put REX on the bottom left", "BEACH DAY 2025 in big letters on top", "put 2019 bottom right": [first, stop)."""
    starts = [0, *(at + 1 for at, word in enumerate(words[:-1]) if word.text in _PUTTING)]
    return next((found for first in reversed(starts) if (found := _capitals_at(message, words, first))), None)


def _capitals_at(message: str, words: Sequence[Word], first: int) -> tuple[int, int] | None:
    typed = [message[word.start : word.stop] for word in words]
    stop = first
    while stop < len(words) and (
        _is_capital(typed[stop]) or (words[stop].kind == "number" and not _is_amount(words, stop))
    ):
        stop += 1
    run = typed[first:stop]
    if not run or stop == len(words) or not any(letter.islower() for letter in message[words[stop].start :]):
        return None
    entry = lexicon().longest([word.text for word in words[first:]])
    effect = entry is not None and entry.kind in {"head", "history", "make", "direction", "fix", "change"}
    lettered = any(_is_capital(piece) for piece in run)
    year = first > 0 and len(run) == 1 and len(run[0]) == 4
    if effect or not (lettered or year):
        return None
    texts = [word.text for word in words]
    comma = texts[stop] == ","
    return (first, stop) if _says_where(texts, stop + comma) else None


def _is_capital(typed: str) -> bool:
    return typed.isalpha() and typed.isupper() and len(typed) > 1


def _is_amount(words: Sequence[Word], at: int) -> bool:
    return at + 1 < len(words) and words[at + 1].text in {"percent", "px", "pixels", "degrees", "stops", "x"}


def _says_where(texts: Sequence[str], at: int) -> bool:
    """Whether a place, "on it" or a size of letters follows."""
    rest = texts[at + 1 :] if texts[at] in _LEADING_IN else texts[at:]
    there = rest[:1] in (["it"], ["top"], ["this"]) or rest[:2] in (
        ["the", "picture"],
        ["the", "photo"],
        ["the", "image"],
    )
    entry = lexicon().longest(texts[at:]) or (lexicon().longest(rest) if rest else None)
    sized = entry is not None and entry.kind == "size"
    return bool(rest) and (there or sized or place_at(rest, 0) is not None)


def _leads(words: Sequence[Word]) -> Iterator[tuple[int, str]]:
    """(where an inscription may begin, the word that leads to it): "write", "says", "text:", "label it with",
    "name"."""
    for at, word in enumerate(words):
        following = at + 1
        if word.text == "©":
            yield at, ":"
        if (
            word.text == ":"
            and at + 1 < len(words)
            and any(
                before.text in {"write", "caption", "label", "text", "title", "heading", "name", "slogan", "words"}
                for before in words[max(0, at - 12) : at]
            )
        ):
            yield at + 1, ":"
        if word.text not in _SAYING | _NAMING:
            continue
        if following < len(words) and words[following].text == "please":
            following += 1
        marked = following < len(words) and words[following].text in {":", ","}
        following += marked
        if (
            following + 1 < len(words)
            and words[following].text in {"it", "this"}
            and words[following + 1].text in _WITH
        ):
            yield following + 2, "write"
        if following < len(words):
            yield following, ":" if marked and words[following - 1].text == ":" else word.text


def _end(words: Sequence[Word], first: int) -> int:
    """Where the inscription stops: at a mark, a place, a colour, or what goes on."""
    texts = [word.text for word in words]
    for at in range(first, len(words)):
        word = words[at]
        if word.kind == "mark" and word.text in {".", ";", "!", "?", "—", "\n", ")"} and not _abbreviates(words, at):
            return at
        if word.text == "," and (at == first or _says_how(texts, at + 1)):
            return at
        sized = (
            word.text in _SIZES and at + 1 < len(words) and (_goes_on(texts, at + 1) or texts[at + 1] in _LEADING_IN)
        )
        if at > first and (word.text in _ENDING or sized or _goes_on(texts, at)):
            return at
    return len(words)


def _says_how(texts: Sequence[str], at: int) -> bool:
    """Whether a place, a colour, a size or another request follows a comma."""
    entry = lexicon().longest(texts[at:])
    sized = texts[at : at + 1] and texts[at] in _SIZES
    told = sized or (
        entry is not None and (entry.kind in {"size", "color", "degree", "make", "add"} or entry.kind == "head")
    )
    return told or place_at(texts, at) is not None or _goes_on(texts, at) or texts[at : at + 1] == ["then"]


def _abbreviates(words: Sequence[Word], at: int) -> bool:
    """The dots of "J.R."."""
    before = words[at - 1]
    following = words[at + 1] if at + 1 < len(words) else None
    if following is not None and (following.start == words[at].stop or following.kind == "number"):
        return words[at].text == "."
    return (
        words[at].text == "."
        and before.stop - before.start == 1
        and before.kind == "word"
        and before.stop == words[at].start
    )


def _goes_on(texts: Sequence[str], at: int) -> bool:
    """Whether the words from here say where, in which colour, or what else."""
    first = at + 1 if texts[at] in _LEADING_IN else at
    while (
        first > at
        and first < len(texts)
        and texts[first] in {"the", "a", "my", "this", "big", "small", "large", "tiny", "bold", "very"}
    ):
        first += 1
    if first >= len(texts):
        return False
    place = place_at(texts, first)
    if place is not None and (first > at or place[1] - first > 1 or place[1] == len(texts)):
        return True
    if first > at:
        return texts[first] in colors() or texts[first] in {"it", "picture", "photo", "image", "letters"}
    entry = lexicon().longest(texts[at:])
    verb = entry is not None and (
        entry.kind in {"make", "add", "insert"} or (entry.kind == "head" and entry.value.form == "verb")
    )
    if (
        verb
        and texts[at + 1 : at + 2]
        and texts[at + 1] in {"the", "a", "an", "it", "this", "image", "photo", "picture"}
    ):
        return True
    if texts[at] == "and" and at + 1 < len(texts):
        entry = lexicon().longest(texts[at + 1 :])
        return entry is not None and entry.kind in {"make", "head"}
    return False


def _is_inscription(first: Word, said: str, lead: str) -> bool:
    """After a colon anything, after "write" nearly anything, after a noun only what begins like an inscription."""
    if lead == ":":
        return True
    if lead == "say" and first.kind == "number":
        return False
    capital = not said[0].islower()
    if first.text in _NOT_FIRST and not (capital and len(first.text) > 2 and lead in _SAYING):
        return False
    return capital or lead in _SAYING - {"stamp"}


def _replaced(message: str, words: Sequence[Word], first: int, stop: int) -> list[Word]:
    """The words with the inscription as one quotation; a copyright sign before it belongs to it."""
    text = message[words[first].start : words[stop - 1].stop].strip()
    before = list(words[:first])
    sign = next(
        (
            i
            for i in range(len(before) - 1)
            if before[i].text == "copyright" and before[i + 1].text in {"sign", "symbol"}
        ),
        None,
    )
    if sign is not None:
        text, before = f"© {text}", before[:sign]
    text = text.lstrip("(").strip()
    return [*before, Word(text, "quote", words[first].start, words[stop - 1].stop), *words[stop:]]
