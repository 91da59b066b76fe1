"""Small judgements about a stretch of words: whether a request may begin here, whether something is only half said."""

from __future__ import annotations

from collections.abc import Sequence

from agent.planners.rules import idioms
from agent.planners.rules.clause import Clause
from agent.planners.rules.lexicon import lexicon
from agent.planners.rules.segments import Segment
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word

_SUBSTANCE = frozenset(listed("kind of substance"))


_TOLD = {
    "made",
    "makes",
    "turned",
    "turns",
    "gave",
    "gives",
    "got",
    "gets",
    "had",
    "brought",
    "pulled",
    "became",
    "took",
}
"""Forms that tell what happened: no request begins with them."""


def may_follow_remark(words: Sequence[Word], at: int) -> bool:
    """Whether a request may begin here, right behind a remark."""
    entry = lexicon().longest([word.text for word in words[at:]])
    if entry is None:
        return False
    if words[at].text in _TOLD:
        return False
    return (
        words[at].text == "it"
        or entry.kind in {"make", "fill", "add"}
        or (entry.kind == "head" and entry.value.form == "verb")
    )


def half_said(segment: Segment) -> bool:
    """Known words only, but no request: "change it", "the background", "20 %"."""
    clause = idioms.settled(Clause.of(segment.words))
    left = clause.unexplained()
    if not left:
        return True
    if clause.has("make", "add", "be") or len(left) > 2 or len(segment.words) > 4:
        return False
    strange = any(item.kind == "thing" and (item.value.abstract or not item.value.known) for item in left)
    return all(item.kind in _SUBSTANCE for item in left) and not strange
