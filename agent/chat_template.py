"""A model's own chat template: what stands before a person's message, and between it and the model's reply.

Templates are Jinja and come with foreign weights: they are rendered once, in a sandbox, with a placeholder for the
message. So no word of a person ever passes through one, and what is text of the template may hold special tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.prompt import SYSTEM
from agent.tokens import Vocabulary
from sessions.errors import BadWeights

PLACEHOLDER = "the-message-6d1f"
NAMES = ("bos_token", "eos_token")
FAILS = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)
"""What a template, which is somebody's program, may raise besides Jinja's own."""


@dataclass(frozen=True)
class Frame:
    """What surrounds the one message of a chat. The blank that a template has before the message is the message's."""

    before: str
    after: str


VICUNA = Frame(f" {SYSTEM} USER:", " ASSISTANT:")
"""Vicuna v1.1's, for models that bring none."""


def frame(template: str, tokens: Mapping[str, str]) -> Frame:
    """What a template writes around a message. `tokens`: `bos_token` and `eos_token`; BadWeights for one that fails."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = _refused
    said = {"messages": [{"role": "user", "content": PLACEHOLDER}], "add_generation_prompt": True}
    try:
        before, after = environment.from_string(template).render(**said, **tokens).split(PLACEHOLDER)
    except (TemplateError, *FAILS) as error:
        raise BadWeights(f"The model's chat template cannot be used: {str(error)[:200]}.") from None
    return Frame(before.rstrip(" "), after)


def _refused(why: str) -> None:
    raise ValueError(why)


def of_folder(folder: Path) -> Frame:
    """The frame of a model's folder, as the Hub has them."""
    told = _config(folder)
    alone = folder / "chat_template.jinja"
    template = alone.read_text("utf-8") if alone.is_file() else told.get("chat_template")
    if isinstance(template, list):  # several by name
        named = {
            one["name"]: one["template"] for one in template if isinstance(one, dict) and {"name", "template"} <= {*one}
        }
        template = named.get("default")
    return frame(template, {name: _token(told.get(name)) for name in NAMES}) if isinstance(template, str) else VICUNA


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    try:
        told = json.loads(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise BadWeights(f"{path} cannot be read: {error}.") from None
    return told if isinstance(told, dict) else {}


def _token(said: Any) -> str:
    """A token as it is written, however the file says it."""
    text = said.get("content", "") if isinstance(said, dict) else said
    return text if isinstance(text, str) else ""


def ids(vocabulary: Vocabulary, text: str) -> list[int]:
    """The ids of a template's text: what it writes as special tokens are those."""
    special = {vocabulary.pieces[token].decode("utf-8", "replace"): token for token in sorted(vocabulary.special)}
    special.pop("", None)
    pattern = "|".join(re.escape(name) for name in sorted(special, key=len, reverse=True))
    parts = re.split(f"({pattern})", text)
    return [one for part in parts for one in ([special[part]] if part in special else vocabulary.encode(part))]


def begun(vocabulary: Vocabulary, text: str) -> list[int]:
    """The same of what begins a prompt: behind the token that begins every prompt, where there is one."""
    found = ids(vocabulary, text)
    first = [] if vocabulary.first is None or found[:1] == [vocabulary.first] else [vocabulary.first]
    return [*first, *found]
