"""Finds in a message the phrases that name a version, and makes each of them one word.

"make #2 brighter", "try the square crop in sepia", "the version before the black and white": only phrases that speak
of a version as such count, and only where they resolve; what they resolve to is said by `references`.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.plan import Context
from agent.planners.rules.numbers import ORDINALS
from agent.planners.rules.patterns import matches
from agent.planners.rules.references import Reference, described, resolve, shared
from agent.planners.rules.words import Word

_LONGEST = 10
_OPENERS = {
    "the",
    "my",
    "that",
    "our",
    "your",
    "version",
    "revision",
    "number",
    "step",
    "before",
    "how",
    "as",
    "one",
    "state",
    "original",
    "point",
}
_LEADING_TO = {"to", "from", "with", "of", "in", "on", "at"}
_DEGREES = {
    "a",
    "slightly",
    "more",
    "less",
    "much",
    "somewhat",
    "even",
    "brighter",
    "darker",
    "warmer",
    "cooler",
    "sharper",
}
_UNITS = {"percent", "px", "degrees", "times", "stops", "points", "by", "x"}
_QUALIFIERS = {"without", "before", "after", "where", "that"}


def mark(words: Sequence[Word], context: Context) -> tuple[list[Word], dict[str, Reference]]:
    """The words with each phrase that names a version made one word of kind `ref`; what each of those means."""
    found: dict[str, Reference] = {}
    out: list[Word] = []
    at = 0
    while at < len(words):
        mention = _mention(words, at, context)
        if mention is None:
            out.append(words[at])
            at += 1
            continue
        text, meant, stop = _described_twice(words, mention, context)
        found[text] = meant
        out.append(Word(text, "ref", words[at].start, words[stop - 1].stop))
        at = stop
    return out, found


_LINKS = {"from", "at", "in", "being", "namely", ",", "(", ")", "—"}
_TURNED = {"it", "the", "this"}


def _described_twice(
    words: Sequence[Word], mention: tuple[str, Reference, int], context: Context
) -> tuple[str, Reference, int]:
    """ "The square crop (#2)", "the colour version #3", "the warm one, before it went grey": one version in two
    phrases."""
    text, meant, stop = mention
    at = stop
    while at < len(words) and words[at].text in _LINKS:
        at += 1
    if at + 1 < len(words) and words[at].text == "before" and words[at + 1].text in {"it", "the"}:
        second = _longest(words, at, context)
        open_end = second is not None and second[2] < len(words) and words[second[2]].kind != "mark"
        second = None if words[at + 1].text == "the" and open_end else second
    else:
        second = _mention(words, at, context) if at < len(words) else None
    both = second and shared(meant, second[1], context)
    if second is None or both is None or (meant.branch is not None and second[1].branch is not None):
        return mention
    stop = second[2] + (words[second[2] : second[2] + 1] != [] and words[second[2]].text == ")")
    return f"{text} {second[0]}", both, stop


def _mention(words: Sequence[Word], at: int, context: Context) -> tuple[str, Reference, int] | None:
    """The longest phrase at `at` that names a version, what it means, and where it stops."""
    branch = _branch_alone(words, at, context)
    if branch is not None:
        return words[at].text, branch, at + 1
    return _longest(words, at, context) if _may_open(words, at) else None


def _longest(words: Sequence[Word], at: int, context: Context) -> tuple[str, Reference, int] | None:
    stop = at
    while stop < len(words) and words[stop].kind in {"word", "hash", "number", "ordinal"} and stop - at < _LONGEST:
        stop += 1
    if at and words[at - 1].text == "from" and [word.text for word in words[at : at + 2]] == ["the", "crop"]:
        steps = [step for step in described("crop", context) if step.tool == "crop"]
        return ("the crop", Reference(tuple(steps)), at + 2) if len(steps) == 1 else None
    for end in range(stop, at, -1):
        text = " ".join(word.text for word in words[at:end])
        if not _goes_on(words, end) and matches("speaks of a version", text) and (meant := _meant(text, context)):
            return text, meant, end
    return None


def _branch_alone(words: Sequence[Word], at: int, context: Context) -> Reference | None:
    """ "On sepia, …", "… from sepia", "make sepia a bit cooler": a branch by its mere name."""
    if at == 0:
        return None
    before, after = words[at - 1].text, words[at + 1].text if at + 1 < len(words) else ""
    pauses = not after or words[at + 1].kind == "mark"
    given = words[0].text in {"add", "apply", "put"} and before in {"to", "on"} and pauses
    leads = at == 1 and before in {"on", "from", "in"} and pauses
    source = before == "from" and (pauses or after in {"in", "and", "but", "into", "onto", "here", "too", "please"})
    if not leads and not source and not given and not (at == 1 and before == "make" and after in _DEGREES):
        return None
    meant = resolve(words[at].text, context)
    return meant if meant is not None and meant.branch is not None else None


def _may_open(words: Sequence[Word], at: int) -> bool:
    """ "Before" and "step" speak of versions only after "to", "from" and the like: "step 2: blur" is no version."""
    if at and words[at - 1].text in {"a", "an", "another", "new"}:
        return False
    word = words[at]
    if at > 1 and (words[at - 2].text, words[at - 1].text) == ("instead", "of"):
        return False
    if word.text == "original":
        return at == 0 and len(words) > 1 and words[1].text in {"in", "but", "with"}
    if word.text in {"before", "step"}:
        return at > 0 and words[at - 1].text in _LEADING_TO
    return word.kind == "hash" or word.text in _OPENERS or word.text in ORDINALS


def _goes_on(words: Sequence[Word], end: int) -> bool:
    """Whether a number at the end is an amount, or more is said of the version than was understood."""
    if words[end - 1].kind in {"number", "hash"} and end < len(words) and words[end].text == "by":
        return words[end - 1].kind != "hash" and words[end - 2].text not in {"version", "revision", "number"}
    return end < len(words) and words[end].text in _UNITS | _QUALIFIERS


def _meant(text: str, context: Context) -> Reference | None:
    if text.endswith(" crop"):
        steps = [step for step in described(text, context) if step.tool == "crop"]
        return Reference(tuple(steps)) if steps else None
    return resolve(text, context)
