"""What the missing picture of an analogy shows, in a few words, as a chat model says that is shown the marked grid.

Any LangChain chat model will do that reads pictures; `PENTIMENTO_CHAT_MODEL=provider:model` names it. Never needed: the
person may say the words. One call cannot be interrupted. Decides nothing and keeps nothing.
"""

from __future__ import annotations

import base64
import os
import re
from typing import TYPE_CHECKING

import cv2

from sessions.errors import BadArguments
from sessions.values import Pixels

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
        from langchain.chat_models import init_chat_model

        return init_chat_model(name)
    except (ImportError, ValueError) as error:
        raise BadArguments(f"{SETTING}={name} cannot be used: {error}", SAY_IT) from error


def describe(model: BaseChatModel, grid: Pixels) -> tuple[str, ...]:
    """Captions of B', likeliest first; grid: `grids.marked`, uint8 (H, W, 3). BadArguments where there are none."""
    from langchain_core.messages import HumanMessage

    picture = {"type": "image", "base64": png(grid), "mime_type": "image/png"}
    try:
        reply = model.invoke([HumanMessage([{"type": "text", "text": REQUEST}, picture])])
    except Exception as error:  # a chat model is foreign code, and the person can do without it
        raise BadArguments(f"The chat model could not be asked: {error}", SAY_IT) from error
    found = captions(str(reply.text))
    if not found:
        raise BadArguments("The chat model did not say what the result should show.", SAY_IT)
    return found


def captions(reply: str) -> tuple[str, ...]:
    """The captions of a reply: between commas or on lines, without numbers and quotes; longer ones are left out."""
    said = (re.sub(r"^\W*(\d+[.):]\W*)?|\W+$", "", part) for part in re.split(r"[,;\n]", reply))
    short = (" ".join(words) for one in said if 0 < len(words := one.split()) <= WORDS)
    return tuple(dict.fromkeys(short))[:CANDIDATES]


def png(rgb: Pixels) -> str:
    """A picture (H, W, 3) as PNG, in base64."""
    return base64.b64encode(cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()).decode()
