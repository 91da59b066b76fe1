"""Messages that are questions → what to answer. Requests in the form of a question ("could it be brighter?") are
none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.planners.rules import replies
from agent.planners.rules.patterns import matches
from agent.planners.rules.words import Word

_MORE = re.compile(r"[.!?;]+ (?!(?:thanks|thank|please|thx|cheers|ta)\b)\w+(?: [^.!?;]+)?$")
"""A sentence behind another: it may ask for something, and the question before it is a remark."""


def reply(words: Sequence[Word]) -> str | None:
    """The answer to a message that only asks something, or None."""
    text = " ".join(word.text for word in words)
    spoken = " ".join(word.text for word in words if word.kind != "mark")
    if not spoken or not matches("question", spoken) or matches("no question", spoken):
        return None
    behind = _MORE.search(text.rstrip(" .!?;"))
    return replies.QUESTION if behind is None or matches("question", behind.group().lstrip(".!?; ")) else None
