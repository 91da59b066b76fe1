"""What stands before a request and only leads to it: "my grandson says you can …", "for privacy reasons I need …".

The words that lead are left out of the message before it is cut into segments; what they lead to is read as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.planners.rules.lexicon import lexicon
from agent.planners.rules.nounphrases import ARTICLES
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word, renamed

_SAYING = frozenset(listed("reports what was said"))
_LEADING = frozenset(listed("leads to what is asked for"))
_WANTING = {"wants", "wanted", "prefers"}
"""What somebody wants is wanted of us: "my wife wants it brighter"."""
_STATING = {"says", "said", "thinks", "believes", "reckons", "feels", "complains", "claims", "insists"}
_FURTHEST = 5


def without_lead(words: Sequence[Word]) -> list[Word]:
    """The words without a lead at their start or after a full stop; "little more" is a little more."""
    words, out = _in_full(_preferred(words)), list[Word]()
    at = 0
    while at < len(words):
        fresh = not out or out[-1].kind == "mark" or words[at].kind == "mark" or out[-1].text in {"also", "and", "so"}
        skipped = _lead(words, at) if fresh else 0
        if skipped and words[at + skipped].text in _WANTING:
            out += renamed(words[at + skipped], "i want")
            skipped += 1
        elif not skipped:
            out.append(words[at])
        at += skipped or 1
    return out


_BEFORE_RATHER = {"please", "but", "and", "or", "no", "would", "then", "ok", "okay", "well", "hmm"}


def _preferred(words: Sequence[Word]) -> list[Word]:
    """ "Rather sepia than black and white" → "sepia rather than black and white"."""
    for at, word in enumerate(words):
        before = words[at - 1] if at else None
        if word.text != "rather" or not (before is None or before.kind == "mark" or before.text in _BEFORE_RATHER):
            continue
        for than in range(at + 2, len(words)):
            if words[than].kind == "mark":
                break
            if words[than].text == "than" and words[than - 1].text not in {"rather", "more", "less"}:
                kept = [word] if before is not None and before.text == "would" else []
                other = renamed(words[than], "rather than")
                return [*words[:at], *kept, *words[at + 1 : than], *other, *words[than + 1 :]]
    return list(words)


def _in_full(words: Sequence[Word]) -> list[Word]:
    """ "(A) little more contrast", "sepia rather than black and white" (instead of it)."""
    out: list[Word] = []
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else None
        entry = lexicon().longest([other.text for other in words[at + 1 :]]) if following is not None else None
        compared = entry is not None and (
            entry.kind == "direction" or (entry.kind == "head" and entry.value.form == "comparative")
        )
        if word.text == "little" and compared and (not out or out[-1].text not in {"a", "very", "the"}):
            out.append(replace(word, text="a"))
        if word.text == "minus" and following is not None and following.kind == "number" and not _counted(out):
            continue
        if word.kind == "number" and at and words[at - 1].text == "minus" and not _counted(out):
            word = replace(word, text=f"-{word.text}")
        if (
            word.text == "x"
            and following is not None
            and following.kind == "number"
            and (not out or out[-1].kind != "number")
        ):
            continue
        if (
            out
            and out[-1].kind == "number"
            and at > 1
            and words[at - 2].text == "x"
            and (at < 3 or words[at - 3].kind != "number")
        ):
            out.append(replace(word, text="times", kind="word", start=out[-1].stop, stop=out[-1].stop))
        if word.text == "than" and out and out[-1].text == "rather" and len(out) > 1:
            out[-1:] = renamed(word, "instead of")
            continue
        out.append(word)
    return out


def _counted(words: Sequence[Word]) -> bool:
    return bool(words) and words[-1].kind == "number"


def _lead(words: Sequence[Word], at: int) -> int:
    """How many words only lead to what follows."""
    texts = [word.text if word.kind in {"word", "number", "ordinal"} else f"<{word.kind}>" for word in words]
    if words[at].text in {"→", "⇒", "➜", ">"} and at + 1 < len(words) and words[at + 1].kind == "color":
        return 1
    if texts[at] == "like" and _is_amount(words, at + 1):
        return 1
    return _reported(texts, at) or _purpose(texts, at)


def _is_amount(words: Sequence[Word], at: int) -> bool:
    """ "(Cooler, like) by 25 %", "(more, like) a lot"."""
    if at >= len(words):
        return False
    entry = lexicon().longest([word.text for word in words[at:]])
    told = entry is not None and entry.kind == "degree" and _ends_or_compares(words, at + len(entry.words))
    told |= entry is not None and entry.kind == "direction"
    told |= entry is not None and entry.kind == "head" and entry.value.form == "comparative"
    return told or words[at].kind in {"number", "ratio", "size"} or words[at].text == "by"


def _ends_or_compares(words: Sequence[Word], at: int) -> bool:
    """Whether nothing follows a degree, or what it measures: "(like) way brighter"."""
    entry = lexicon().longest([word.text for word in words[at:]]) if at < len(words) else None
    return at >= len(words) or (entry is not None and entry.kind == "head" and entry.value.form == "comparative")


def _reported(texts: Sequence[str], at: int) -> int:
    """ "My wife thinks (that)", "the client asked me to": somebody, and a verb of saying."""
    if texts[at] not in ARTICLES:
        return 0
    stop = next((stop for stop in range(at + 2, min(at + 5, len(texts))) if texts[stop] in _SAYING), 0)
    if not stop or stop + 1 == len(texts):
        return 0
    for length in range(4, 0, -1):
        if " ".join(texts[stop + 1 : stop + 1 + length]) in _LEADING and texts[stop] not in _WANTING | {"needs"}:
            return stop + 1 + length - at
    if texts[stop] in _STATING and texts[stop + 1] in ARTICLES | {"it", "this", "that"}:
        return stop + 1 - at
    if texts[stop] not in _WANTING:
        return 0
    return stop + 3 - at if texts[stop + 1 : stop + 3] in (["you", "to"], ["us", "to"], ["me", "to"]) else stop - at


def _purpose(texts: Sequence[str], at: int) -> int:
    """ "For figure 3", "for the website": where a request of its own follows at once."""
    if texts[at] != "for" or texts[at + 1 : at + 2] in (["me"], ["now"], ["the"]):
        return 0
    for stop in range(at + 2, min(at + _FURTHEST, len(texts))):
        if texts[stop] in ARTICLES or texts[stop].startswith("<"):
            return 0
        entry = lexicon().longest(texts[stop:])
        if entry is not None and entry.kind == "fill" and " ".join(entry.words).startswith(("i ", "we ", "please")):
            return stop - at
    return 0
