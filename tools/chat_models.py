"""Chat models of others, through LangChain: opened by `provider:model`, asked, and their failures told in a sentence.

Knows no prompt and no plan. A provider's package is foreign code: whatever it raises leaves here as `ChatModelError`.
One call cannot be interrupted.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2

from sessions.errors import ChatModelError
from sessions.values import Json, Pixels

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable

LONGEST_REASON = 400
"""Characters of what a provider says of its failure."""
NONE_NEEDED = "PENTIMENTO_PLANNER=rules needs no chat model."


def opened(name: str) -> BaseChatModel:
    """The model `provider:model`; ChatModelError without such a model, or without its provider's package or key."""
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        raise ChatModelError(
            f"{name} cannot be used: LangChain is missing.", "pip install 'pentimento[neural]'"
        ) from error
    try:
        return init_chat_model(name)
    except ImportError as error:  # the provider's package, which LangChain names with the command
        raise ChatModelError(f"{name} cannot be used: {reason(error)}", NONE_NEEDED) from error
    except Exception as error:
        raise ChatModelError(f"{name} cannot be used: {reason(error)}", _next(name)) from error


def asked(model: Runnable[Any, Any], messages: Sequence[BaseMessage], name: str = "") -> Any:
    """What a model, or what was made of one, answers; ChatModelError where it does not."""
    try:
        return model.invoke(list(messages))
    except Exception as error:
        raise ChatModelError(f"The chat model could not be asked: {reason(error)}", _next(name)) from error


def structured(model: BaseChatModel, schema: Json) -> Runnable[Any, Any] | None:
    """The model bound to a schema, its answers whole beside what was parsed of them; None where it can only talk."""
    try:
        return model.with_structured_output(schema, include_raw=True)
    except Exception:  # noqa: BLE001  (providers raise what they like; words can be had of all)
        return None


def picture(pixels: Pixels, kind: str = "png") -> Json:
    """A picture (H, W, 3) as a content block; `kind`: png or jpeg."""
    data = cv2.imencode(f".{kind}", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
    return {"type": "image", "base64": base64.b64encode(data).decode(), "mime_type": f"image/{kind}"}


def reason(error: Exception) -> str:
    """What an exception says in its first paragraph, on one line, as a sentence."""
    said = " ".join(str(error).strip().partition("\n\n")[0].split()) or type(error).__name__
    said = said if len(said) <= LONGEST_REASON else f"{said[:LONGEST_REASON]}…"
    return said if said.endswith((".", "!", "?", "…")) else f"{said}."


def _next(name: str) -> str:
    """Where the key of a model's provider is looked for, mostly."""
    provider, named, _ = name.partition(":")
    return f"Is {provider.upper()}_API_KEY set, and the network there? {NONE_NEEDED}" if named else ""
