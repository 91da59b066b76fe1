"""What a pair of pictures shall show: a caption, an instruction, the caption afterwards (arXiv 2211.09800, 3.1.1).

From the toybox's grammar, from a file (the published set's field names are known too), or completed by a chat model
where the paper fine-tuned GPT-3. Draws nothing, and judges no content: the authors' filter of it was a service.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from sessions.errors import Damaged, NotFound
from toybox.edits import Add, Move, random_edit
from toybox.scenes import Scene, random_scene
from toybox.words import caption, instruction
from training.mm_inst_writing import LONGEST, answered, parsed

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

CHANGES = (
    *("the colour of something", "what something is made of", "a thing is added", "a thing goes", "the place"),
    *("a thing becomes another one", "the weather", "the season", "the time of day", "the artistic style"),
    *("the mood", "somebody's age, clothes or expression", "an animal becomes another one"),
)
"""What may change; one is drawn for each question, since a chat model asked the same always answers the same."""
TRIES = 2
"""Questions of a caption before it is left out."""
TASK = """You write training data for an assistant that edits pictures.
This is the description of a picture: {caption}
Somebody wants something in it changed; this time: {change}.
Write what they would say to the assistant, and the description of the picture afterwards. Words that the change leaves
alone stay as they are.
Answer with one JSON object and nothing else: {{"instruction": "...", "edited": "..."}}"""


class Triple(BaseModel):
    """A caption, how a change is asked for, and the caption afterwards; the last two may be still to write."""

    model_config = ConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True)

    caption: str = Field(min_length=1, validation_alias=AliasChoices("caption", "input"))
    instruction: str = Field(default="", validation_alias=AliasChoices("instruction", "edit"))
    edited: str = Field(default="", validation_alias=AliasChoices("edited", "output"))

    @property
    def whole(self) -> bool:
        """Whether nothing is to be written."""
        return bool(self.instruction and self.edited)


class Reply(BaseModel):
    """What the chat model must give back."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    instruction: str = Field(min_length=1, max_length=LONGEST)
    edited: str = Field(min_length=1, max_length=LONGEST)


def same(one: str, other: str) -> bool:
    """Whether two captions are equal but for case, spaces and . ! ?"""
    plain = [" ".join(re.sub(r"[.!?]", " ", text).lower().split()) for text in (one, other)]
    return plain[0] == plain[1]


def toybox(item: int, seed: int) -> Triple:
    """The toybox's triple of this number."""
    return exact(item, seed)[2]


def exact(item: int, seed: int) -> tuple[Scene, Scene, Triple]:
    """The same with the scenes before and after; places are said where an edit is about them, else now and then."""
    rng = np.random.default_rng((11, seed, item))
    scene = random_scene(rng)
    edit = random_edit(rng, scene)
    then, places = edit.apply(scene), isinstance(edit, Add | Move) or bool(rng.random() < 0.3)
    before, after = (caption(one, places=places) for one in (scene, then))
    return scene, then, Triple(caption=before, instruction=instruction(rng, edit), edited=after)


def read(path: Path) -> tuple[Triple, ...]:
    """Triples of a .json (a list) or .jsonl, or captions alone, a line each, of any other file."""
    try:
        text = path.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.strip()]
        if path.suffix == ".json":
            told = json.loads(text)
        elif path.suffix == ".jsonl":
            told = [json.loads(line) for line in lines]
        else:
            told = [{"caption": line} for line in lines]
        if not isinstance(told, list):
            raise ValueError("it is no list")
        return tuple(Triple.model_validate(one) for one in told)
    except FileNotFoundError as error:
        raise NotFound(f"There is no {path}.", "--triples names a file, or toybox.") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise Damaged(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"{path} cannot be read: {error}.") from error


def completed(model: BaseChatModel, triples: Sequence[Triple], refused: Counter[str], first: int) -> list[Triple]:
    """The triples with what was missing written by a chat model; those that it could not write are left out.

    refused: counts its useless replies by reason. first: the number of the first triple, on which what is asked hangs.
    ChatModelError where the model does not answer.
    """
    found = (
        one if one.whole else _written(model, one.caption, refused, item) for item, one in enumerate(triples, first)
    )
    return [one for one in found if one is not None]


def _written(model: BaseChatModel, said: str, refused: Counter[str], item: int) -> Triple | None:
    rng = np.random.default_rng((12, item))
    for _ in range(TRIES):
        change = CHANGES[int(rng.integers(len(CHANGES)))]
        try:
            reply = parsed(answered(model, TASK.format(caption=said, change=change)), Reply)
            if same(reply.edited, said):
                raise ValueError("its result is its caption")
            return Triple(caption=said, instruction=reply.instruction, edited=reply.edited)
        except ValueError as error:
            refused[str(error)] += 1
    return None
