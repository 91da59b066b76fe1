"""What the missing picture of an analogy shows, in a few words, as a chat model says that is shown the marked grid.

Any LangChain chat model will do that reads pictures; `PENTIMENTO_CHAT_MODEL=provider:model` names it. Never needed: the
person may say the words. One call cannot be interrupted. Decides nothing and keeps nothing.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from sessions.errors import BadArguments, ChatModelError
from sessions.values import Pixels
from tools import chat_models

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

SETTING = "PENTIMENTO_CHAT_MODEL"
WORDS, CANDIDATES = 5, 3
"""At most so many words each, and so many of them."""
REQUEST = f"""
You see two rows of pictures. In the first row, A was changed into A'. In the second row, B is to be changed in the same
way into B', which is still black. Work out what the change from A to A' is, then imagine B after it. Reply with
{CANDIDATES} short captions of the finished picture B', likeliest first, separated by commas. Each has at most {WORDS}
words and names what is seen, not the change. Reply with the captions alone.
"""
SAY_IT = "Say what the result should show in a few words: a sketch of a cat."


def named() -> str:
    """The model that the environment names, "" where it names none."""
    return os.environ.get(SETTING, "").strip()


def chat_model() -> BaseChatModel | None:
    """That model, or None. BadArguments where there is no such model."""
    name = named()
    if not name:
        return None
    try:
        return chat_models.opened(name)
    except ChatModelError as error:
        raise BadArguments(f"{SETTING}={error.message}", SAY_IT) from error


def describe(model: BaseChatModel, grid: Pixels) -> tuple[str, ...]:
    """Captions of B', likeliest first; grid: `grids.marked`, uint8 (H, W, 3). BadArguments where there are none."""
    from langchain_core.messages import HumanMessage

    request = HumanMessage([{"type": "text", "text": REQUEST}, chat_models.picture(grid)])
    try:
        reply = chat_models.asked(model, [request])
    except ChatModelError as error:  # the person can do without it
        raise BadArguments(error.message, SAY_IT) from error
    found = captions(str(reply.text))
    if not found:
        raise BadArguments("The chat model did not say what the result should show.", SAY_IT)
    return found


def captions(reply: str) -> tuple[str, ...]:
    """The captions of a reply: between commas or on lines, without numbers and quotes; longer ones are left out."""
    said = (re.sub(r"^\W*(\d+[.):]\W*)?|\W+$", "", part) for part in re.split(r"[,;\n]", reply))
    short = (" ".join(words) for one in said if 0 < len(words := one.split()) <= WORDS)
    return tuple(dict.fromkeys(short))[:CANDIDATES]
