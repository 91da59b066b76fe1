"""Messages that are questions → what to answer. Requests in the form of a question ("could it be brighter?") are none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.planners.rules import replies
from agent.planners.rules.patterns import matches
from agent.planners.rules.words import Word

_REQUEST = re.compile(
    r"[.!;] (?:please |then |so )?(?:make|crop|blur|remove|turn|rotate|add|flip|undo|go back|sharpen|brighten|darken)\b"
)


def reply(words: Sequence[Word]) -> str | None:
    """The answer to a message that only asks something, or None."""
    text = " ".join(word.text for word in words)
    spoken = " ".join(word.text for word in words if word.kind != "mark")
    if not spoken or not matches("question", spoken) or matches("no question", spoken):
        return None
    return replies.QUESTION if "?" in text or not _REQUEST.search(text) else None
