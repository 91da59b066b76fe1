"""Finds in a message the phrases that name a version, and makes each of them one word.

"make #2 brighter", "try the square crop in sepia", "the version before the black and white": only phrases that speak of a
version as such count, and only where they resolve; what they resolve to is said by `references`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.plan import Context
from agent.planners.rules.numbers import CARDINALS, ORDINALS
from agent.planners.rules.references import NOUN, PICTURE, Reference, described, resolve
from agent.planners.rules.words import Word

_LONGEST = 10
_ORDINALS = "|".join(ORDINALS)
_NUMBER = rf"(?:\d+|{'|'.join(CARDINALS)})"
_THE = r"(?:the |my |that |our |your )"
_WHICH = rf"(?:right |just |immediately )?(?:before|after|with|without|where|that (?:has|is|was)) .+"
_NAMES = re.compile(
    rf"{_THE}?(?:(?:{NOUN}|{PICTURE}|number) )?#\d+|"
    rf"{_THE}?(?:version|revision|number) {_NUMBER}|step {_NUMBER}|"
    rf"{_THE}(?:very )?(?:original|untouched|unedited|unmodified|initial)(?: (?:{NOUN}|{PICTURE}|upload))?|"
    rf"{_THE}(?:{_ORDINALS}|previous|penultimate|second to last|next to last|third to last|latest|last|other) (?:{NOUN}|{PICTURE})|"
    rf"{_THE}?(?:version|one|state|point|way it was|how it was|how it looked|revision) {_WHICH}|"
    rf"(?:before|how it was before|as it was before|the way it was before) .+|"
    rf"{_THE}(?:\w+ ){{1,4}}(?:version|one|branch|variant|edit|revision)(?: {_WHICH})?|"
    rf"{_THE}\w+ {PICTURE}|"
    r"the \w+ crop"
)
_OPENERS = {"the", "my", "that", "our", "your", "version", "revision", "number", "step", "before", "how", "as", "one", "state", "point", *ORDINALS}
_BACK = {"to", "from", "with"}


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
        text, meant, stop = mention
        found[text] = meant
        out.append(Word(text, "ref", words[at].start, words[stop - 1].stop))
        at = stop
    return out, found


def _mention(words: Sequence[Word], at: int, context: Context) -> tuple[str, Reference, int] | None:
    """The longest phrase at `at` that names a version, what it means, and where it stops."""
    first = words[at]
    if first.kind != "hash" and first.text not in _OPENERS:
        return None
    if first.text == "before" and (at == 0 or words[at - 1].text not in _BACK):
        return None
    stop = at
    while stop < len(words) and words[stop].kind in {"word", "hash", "number", "ordinal"} and stop - at < _LONGEST:
        stop += 1
    for end in range(stop, at, -1):
        text = " ".join(word.text for word in words[at:end])
        if _NAMES.fullmatch(text) and not _counts(words, end) and (meant := _meant(text, context)):
            return text, meant, end
    return None


def _counts(words: Sequence[Word], end: int) -> bool:
    """Whether a number at the end is an amount: "step 20 percent"."""
    return end < len(words) and words[end].text in {"percent", "px", "degrees", "times", "stops", "points", "by", "x"}


def _meant(text: str, context: Context) -> Reference | None:
    if text.endswith(" crop"):
        steps = [step for step in described(text, context) if step.tool == "crop"]
        return Reference(tuple(steps)) if steps else None
    if re.fullmatch(rf"(?:the|my|that) {PICTURE}", text):
        return None
    return resolve(text, context)
