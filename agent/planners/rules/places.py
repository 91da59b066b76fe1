"""Places of the picture in words: "top left", "the lower third", "right two thirds", "the middle" → one spelling of
each.

Where a place is in pixels is the business of `tools.regions`.
"""

from __future__ import annotations

from collections.abc import Sequence

_VERTICAL = {"top": "top", "upper": "top", "bottom": "bottom", "lower": "bottom", "uppermost": "top"}
_HORIZONTAL = {
    "left": "left",
    "right": "right",
    "lefthand": "left",
    "righthand": "right",
    "leftmost": "left",
    "rightmost": "right",
}
_MIDDLE = {"middle": "middle", "center": "middle", "central": "middle", "centered": "middle"}
_SHARES = {"half": "half", "third": "third", "quarter": "quarter", "edge": "edge", "strip": "edge"}
_PLAIN = {"corner", "side", "part", "area", "portion", "section", "margin", "region", "bit"}
_FRACTIONS = {("two", "thirds"): "two thirds", ("three", "quarters"): "three quarters"}
_DETS = {"the", "its", "very", "far", "dead", "extreme", "a"}


def place_at(words: Sequence[str], at: int) -> tuple[str, int] | None:
    """The place that begins at `at` in its usual spelling, and where it stops. Left and right alone may be
    directions."""
    start = at
    while at < len(words) and (words[at] in _DETS or words[at : at + 2] in (["up", "top"], ["down", "bottom"])):
        at += 1
    fraction, at = _fraction(words, at)
    found, at = _direction(words, at)
    if not found:
        return None
    late, at = _fraction(words, at)
    share = fraction or late
    if at < len(words) and words[at] in _SHARES and not share:
        share, at = _SHARES[words[at]], at + 1
    elif at < len(words) and words[at] in _PLAIN:
        at += 1
    if words[at - 1] in _HORIZONTAL and at - start == 1:
        return None
    return " ".join(part for part in (*found, share) if part), at


def _direction(words: Sequence[str], at: int) -> tuple[list[str], int]:
    """["top", "left"], ["middle"], ["left"] or [] and where it stops."""
    found: list[str] = []
    for names in (_MIDDLE, _VERTICAL, _HORIZONTAL, _MIDDLE):
        if at < len(words) and words[at] in names and "middle" not in found:
            word = names[words[at]]
            if word != "middle" or not found:
                found.append(word)
            at += 1
            if words[at : at + 1] == ["hand"]:
                at += 1
    return found, at


def _fraction(words: Sequence[str], at: int) -> tuple[str, int]:
    fraction = _FRACTIONS.get(tuple(words[at : at + 2]))  # type: ignore[arg-type]
    if fraction is None:
        return "", at
    return fraction, at + 3 if words[at + 2 : at + 4] in (["of", "the"], ["on", "the"]) else at + 2
