"""Cuts a message into segments at marks and joining words, and notes in which order they are meant.

"Crop it, but before that straighten it", "after cropping, blur", "blur it first": the words that order are taken out
and become the segment's place. What a segment asks for is read elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, cast

from agent.planners.rules import tables
from agent.planners.rules.lexicon import lexicon
from agent.planners.rules.words import Word, cut

Joint = Literal["start", "and", "comma", "sentence", "colon", "then", "but", "reason", "with"]
Place = Literal["", "before previous", "before all", "before next", "after next", "last"]


@dataclass(frozen=True)
class Segment:
    """Some words, how they follow what was before, and where in the order they belong if not here."""

    words: tuple[Word, ...]
    joint: Joint = "start"
    place: Place = ""

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


_MARKS: dict[str, Joint] = {
    ",": "comma",
    "(": "comma",
    ")": "comma",
    "/": "and",
    ":": "colon",
    "<": "comma",
    ">": "then",
    "→": "then",
    "⇒": "then",
    "➜": "then",
}

_TAILS: dict[tuple[str, ...], Place] = {
    ("first",): "before previous",
    ("first", "of", "all"): "before previous",
    ("beforehand",): "before previous",
    ("at", "the", "end"): "last",
    ("in", "the", "end"): "last",
    ("at", "the", "very", "end"): "last",
    ("right", "at", "the", "end"): "last",
    ("in", "the", "very", "end"): "last",
    ("at", "last"): "last",
    ("as", "the", "last", "step"): "last",
    ("as", "a", "last", "step"): "last",
    ("last",): "last",
}
_OPENERS = {
    ("first",),
    ("firstly",),
    ("first", "of", "all"),
    ("to", "begin", "with"),
    ("to", "start", "with"),
    ("start", "by"),
    ("first", "off"),
    ("begin", "by"),
    ("first", "up"),
    ("step", "one"),
    ("start", "with"),
}
_LEADS_ON = frozenset(tables.listed("leads on")) | {"you", "we", "i", "have"}
_KEPT = {"without", "except", "instead"}


@cache
def _joints() -> dict[tuple[str, ...], str]:
    plain = {phrase: kind for kind, lines in tables.blocks("joints.txt") for phrase in tables.phrases(lines)}
    before = {phrase: kind for phrase, kind in plain.items() if kind == "before previous"}
    return {(link, *phrase): kind for phrase, kind in before.items() for link in ("but", "and")} | plain


def clauses(text: str) -> list[str]:
    """A message's requests, one by one, in their order."""
    found = [segment.text.strip() for segment in split(cut(text))]
    return [clause for clause in found if clause] or [text]


def split(words: Sequence[Word]) -> list[Segment]:
    """The segments in the order in which they were said."""
    segments: list[Segment] = []
    joint: Joint = "start"
    place: Place = ""
    run: list[Word] = []
    at = 0

    def close() -> None:
        nonlocal run, joint, place
        if run:
            segments.append(Segment(tuple(run), joint, place))
        elif place == "before previous" and segments and not segments[-1].place:
            segments[-1] = replace(segments[-1], place=place)
        run, place = [], ""

    fixed = _fixed(words)
    while at < len(words):
        found = None if at in fixed else _joint(words, at, bool(run))
        if found is None:
            run.append(words[at])
            at += 1
            continue
        kind, length = found
        if segments and run and not place and kind == "before previous" and _ends_here(run, words, at, length):
            place = "before previous"
            close()
            joint, at = "comma", at + length
            continue
        if run or kind == "sentence":
            close()
            joint = "comma"
        joint, place = _joined(kind, joint, place)
        if words[at].text in _KEPT:
            run.append(words[at])
        at += length
    if not run and place in {"before next", "after next"}:
        run = [words[-1]]
    close()
    whole = [trimmed for i, segment in enumerate(segments) if (trimmed := _trimmed(segment, i)).words]
    return [part for segment in whole for part in _parted(segment)]


def _ends_here(run: Sequence[Word], words: Sequence[Word], at: int, length: int) -> bool:
    """Whether "before that" belongs to what was said right before it: "(write …,) mirror it before that, so that …".

    Else something of its own must follow: "crop it, but before that straighten it".
    """
    if words[at].text in {"but", "and", "only", "though"} or _courtesy([word.text for word in run]) == len(run):
        return False
    rest = [word.text for word in words[at + length :]]
    polite = _courtesy(rest) if rest[:1] in (["please"], ["thanks"], ["thank"]) else 0
    stop = at + length + polite
    return stop == len(words) or words[stop].kind == "mark" or _joint(words, stop, True) is not None


def _parted(segment: Segment) -> list[Segment]:
    """ "(After) cropping put a border": what comes before, and the request."""
    if segment.place not in {"before next", "after next"}:
        return [segment]
    for at in range(1, len(segment.words) - 1):
        entry = lexicon().longest([word.text for word in segment.words[at:]])
        verb = entry is not None and (
            entry.kind in {"make", "add", "insert"}
            or entry.words == ("please",)
            or (entry.kind == "head" and entry.value.form == "verb" and not entry.words[0].endswith(("ing", "ed")))
        )
        if verb and segment.words[at - 1].text not in _LEADS_ON and not _describes(segment.words[at - 1]):
            return [replace(segment, words=segment.words[:at]), Segment(segment.words[at:], "comma")]
    return [segment]


def _describes(word: Word) -> bool:
    """Whether what follows is a noun: "(adding) a gray border"."""
    entry = lexicon().single(word.text)
    if entry is not None and entry.kind == "head":
        return entry.value.form in {"adjective", "flaw"}
    return word.kind in {"color", "number"} or (entry is not None and entry.kind in {"color", "degree", "adjective"})


def _fixed(words: Sequence[Word]) -> set[int]:
    """Places inside phrases that only look joined: black and white, left and right, big and bold."""
    texts = [word.text if word.kind == "word" else "" for word in words]
    found: set[int] = set()
    for at in range(len(words)):
        entry = lexicon().longest(texts[at:])
        if entry is not None and entry.words[0] == "without" and entry.kind == "head":
            found.add(at)
        if (
            entry is not None
            and entry.kind != "fill"
            and {"and", "with", "before", "after", "but", "except"} & set(entry.words[1:])
        ):
            found |= set(range(at + 1, at + len(entry.words)))
    return found


def _joined(kind: str, joint: Joint, place: Place) -> tuple[Joint, Place]:
    """The strongest joint of several in a row, and the place if one of them names it."""
    if kind in {"before previous", "before all", "before next", "after next"}:
        return ("and" if joint == "start" else joint), kind  # type: ignore[return-value]
    strength: list[Joint] = ["start", "comma", "and", "with", "but", "colon", "sentence", "then", "reason"]
    return max(joint, strength[strength.index(cast(Joint, kind))], key=strength.index), place


def _joint(words: Sequence[Word], at: int, running: bool) -> tuple[str, int] | None:
    """What joins here, and how many words say it."""
    word = words[at]
    if word.kind == "mark":
        following = words[at + 1].text if at + 1 < len(words) else ""
        spelled = (word.text == "," and at and words[at - 1].text == "pop") or (
            word.text == "—" and following == "just"
        )
        if word.text == "—" and following in {"by", "in", "on", "at", "with", "only", "a", "to"}:
            return "comma", 1
        return "colon" if spelled else _MARKS.get(word.text, "sentence"), 1
    if word.kind != "word":
        return None
    for length in range(min(6, len(words) - at), 0, -1):
        kind = _joints().get(tuple(w.text for w in words[at : at + length]))
        if kind is not None:
            return _unless(words, at, length, kind, running)
    if word.text == "than" and not running and words[at + 1 : at + 2]:
        return "then", 1
    if word.text == "so" and running and _starts_request(words[at + 1 :]):
        return "and", 1
    if word.text == "so" and running and _tells_result(words[at + 1 :]):
        return "reason", 1
    if word.text in _KEPT:
        return ("but", 1) if running and words[at + 1 : at + 2] else None
    if word.text == "by" and running and _spells_out(words[at + 1 :]):
        return ("colon", 1) if len(words) > at + 2 else ("and", 2)
    if word.text == "like" and running and _starts_request(words[at + 1 :]) and words[at + 1].text != "it":
        return "colon", 1
    if word.text == "with" and running:
        return "with", 1
    return None


def _spells_out(words: Sequence[Word]) -> bool:
    """ "(Make the sky bluer by) cooling it"."""
    entry = lexicon().longest([word.text for word in words])
    return entry is not None and entry.words[0].endswith("ing") and entry.kind in {"make", "head", "add", "direction"}


_RESULTING = frozenset(tables.listed("comes of it"))
_NAME_AT_MOST = 3


def _tells_result(words: Sequence[Word]) -> bool:
    """ "(Blur the background so) Rex stands out", "so kitty can be seen": a name, and what becomes of it."""
    for at, word in enumerate(words[: _NAME_AT_MOST + 1]):
        if at and word.text in _RESULTING:
            return True
        entry = lexicon().single(word.text)
        if word.kind != "word" or (entry is not None and entry.kind not in {"noun", "adjective"}):
            return False
    return False


def _starts_request(words: Sequence[Word]) -> bool:
    """ "… so please crop it", "… so make it wider"."""
    entry = lexicon().longest([word.text for word in words])
    if entry is None:
        return bool(words) and words[0].kind in {"number", "size", "ratio"}
    return (
        entry.kind in {"make", "add", "change", "direction"}
        or (entry.kind == "fill" and len(entry.words) > 1)
        or entry.words == ("please",)
        or (entry.kind == "head" and entry.value.form == "verb")
    )


def _unless(words: Sequence[Word], at: int, length: int, kind: str, running: bool) -> tuple[str, int] | None:
    """Joining words that are something else here: "next to", "second version", "third", "before and after"."""
    following = words[at + length].text if at + length < len(words) else ""
    first = words[at].text
    closed = at + length == len(words) or words[at + length].kind == "mark" or following in {"and", "but", "then"}
    if kind == "reason" and closed:
        return None
    if kind == "reason" and first == "so" and following in {"need", "want", "would", "please"}:
        return "and", 1
    if (first == "next" and following == "to") or (first in {"second", "third"} and running):
        return None
    if first in {"second", "third"} and following and length == 1:
        return (
            ("then", length) if following not in {"version", "one", "picture", "photo", "image", "to", "of"} else None
        )
    if kind == "before next" and first == "once" and running:
        return None
    if kind == "before next" and running and words[at + length : at + length + 1] == []:
        return "and", length
    if first == "after" and following == "all" and length == 1:
        return None
    if first in {"since", "while", "yet"} and not running and not following:
        return None
    return kind, length


def _courtesy(texts: Sequence[str]) -> int:
    """How many words at the head are mere courtesy: "could you"."""
    at = 0
    while at < len(texts) and (entry := lexicon().longest(texts[at:])) is not None and entry.kind == "fill":
        at += len(entry.words)
    return at


_NAMING = {"version", "one", "picture", "photo", "image", "upload", "step"}


def _trimmed(segment: Segment, index: int) -> Segment:
    """Without "first" at its head (perhaps behind courtesy) or tail, which say where it belongs."""
    texts = tuple(word.text for word in segment.words)
    for lead in {0, _courtesy(texts)}:
        for opener in sorted(_OPENERS, key=len, reverse=True):
            stop = lead + len(opener)
            if texts[lead:stop] != opener or texts[stop : stop + 1] in {(name,) for name in _NAMING}:
                continue
            place: Place = segment.place or ("before all" if index and segment.joint in {"but"} else "")
            return replace(segment, words=(*segment.words[:lead], *segment.words[stop:]), place=place)
    for tail, place in _TAILS.items():
        if len(texts) > len(tail) and texts[-len(tail) :] == tail and not segment.place:
            return replace(segment, words=segment.words[: -len(tail)], place=place if index or place == "last" else "")
    return segment
