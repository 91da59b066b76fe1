"""Instructions in the manner of MM-Inst, written by a chat model: what it is given, what it must give back.

For each record a category is drawn, and captions of what there is: pictures, sounds, music. The model writes how a
person would ask for the change, and what is seen afterwards. What does not name exactly what it was given is refused
and counted, never mended. Opens no model (`tools.chat_models`) and embeds nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from numpy.random import Generator
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.chat_models import asked
from training.mm_inst import Record, Turn, bare, key

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Model = TypeVar("Model", bound=BaseModel)
Kind = Literal["picture", "sound", "music"]
LONGEST = 300
"""Characters of an instruction, and of a caption."""


@dataclass(frozen=True)
class Category:
    """`task`: what is asked for. `given`: what the instruction names, the base first. `added`: which are seen later."""

    task: str
    given: tuple[Kind, ...]
    added: tuple[int, ...]
    example: str


CATEGORIES = {
    "sound into picture": Category(
        "put what is heard into the base picture", ("picture", "sound"), (1,),
        "let whatever makes [a horse neighing] stand in [an empty meadow at dawn]",
    ),
    "picture into picture": Category(
        "put what another picture shows into the base picture", ("picture", "picture"), (1,),
        "place [a clay teapot] on the bench of [a winter garden]",
    ),
    "several objects": Category(
        "put the subjects of two other pictures into the base picture", ("picture", "picture", "picture"), (1, 2),
        "in [a quiet harbour] I want both [a rowing boat] and [a pelican]",
    ),
    "replace by picture": Category(
        "replace something in the base picture by what another picture shows", ("picture", "picture"), (1,),
        "swap the lamp in [a reading corner] for [a paper lantern]",
    ),
    "replace by sound": Category(
        "replace something in the base picture by what is heard", ("picture", "sound"), (1,),
        "the car in [a village street] should be what you hear in [hooves on stone]",
    ),
    "replace by text": Category(
        "replace something in the base picture by something that is said in words", ("picture",), (),
        "turn the fence in [a farm in spring] into a stone wall",
    ),
    "remove": Category(
        "remove something from the base picture", ("picture",), (),
        "take the bicycle out of [a canal with houses]",
    ),
    "restyle": Category(
        "give the base picture the style of another picture", ("picture", "picture"), (),
        "paint [a view from my window] in the manner of [a woodcut of waves]",
    ),
    "fit to music": Category(
        "make the base picture fit the mood of a piece of music", ("picture", "music"), (),
        "let [a mountain lake] feel like [a slow cello in minor]",
    ),
    "add and remove": Category(
        "remove something from the base picture and put in what another picture shows", ("picture", "picture"), (1,),
        "without the table, but with [an old piano], please: [a bright loft]",
    ),
}  # fmt: skip
TASK = """You write training data for an assistant that edits pictures.
Write one instruction of a person who wants to {task}.
{given}
Name each of these exactly once, by its caption in square brackets, letter for letter; bracket nothing else.
Vary how people say such things. Of another record, for other captions: {example}
Answer with one JSON object and nothing else:
{{"instruction": "...", "reply": "a short sentence that says what will be done",
"result": "a caption of the picture afterwards", "added": [{added}]}}"""


class Reply(BaseModel):
    """What the model must give back."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    instruction: str = Field(min_length=1, max_length=LONGEST)
    reply: str = Field(min_length=1, max_length=LONGEST, pattern=r"^[^\[\]]+$")
    result: str = Field(min_length=1, max_length=LONGEST)
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class Harvest:
    """The records, and how many replies were refused for which reason."""

    records: tuple[Record, ...]
    refused: Mapping[str, int]


def write(
    model: BaseChatModel, captions: Mapping[Kind, Sequence[str]], count: int, rng: Generator, tries: int | None = None
) -> Harvest:
    """`count` records, over all categories that the captions allow, or as many as come of `tries` replies.

    ChatModelError where the model does not answer; ValueError for captions that allow no category.
    """
    records: list[Record] = []
    refused: Counter[str] = Counter()
    for _ in range(2 * count if tries is None else tries):
        if len(records) == count:
            break
        category, given = drawn(captions, rng)
        try:
            records.append(record(category, given, answered(model, prompt(category, given))))
        except ValueError as error:
            refused[str(error)] += 1
    return Harvest(tuple(records), dict(refused))


def drawn(captions: Mapping[Kind, Sequence[str]], rng: Generator) -> tuple[Category, tuple[str, ...]]:
    """A category, each equally likely, and what it is about, no two the same."""
    fits = [c for c in CATEGORIES.values() if all(len(captions.get(k, ())) >= c.given.count(k) for k in c.given)]
    if not fits:
        raise ValueError("These captions allow no category; there must be at least one picture.")
    category = fits[int(rng.integers(len(fits)))]
    order = {kind: iter(rng.permutation(len(captions[kind]))) for kind in set(category.given)}
    return category, tuple(captions[kind][int(next(order[kind]))] for kind in category.given)


def prompt(category: Category, given: Sequence[str]) -> str:
    """What the model is asked."""
    others = zip(category.given[1:], given[1:], strict=True)
    listed = [f"Base picture: [{bare(given[0])}]", *(f"Other {kind}: [{bare(caption)}]" for kind, caption in others)]
    added = ", ".join(f'"a name in one to three words for what [{bare(given[i])}] is"' for i in category.added)
    return TASK.format(task=category.task, given="\n".join(listed), example=category.example, added=added)


def answered(model: BaseChatModel, question: str) -> str:
    """What a chat model replies; ChatModelError where it does not."""
    from langchain_core.messages import HumanMessage

    return str(asked(model, [HumanMessage(question)]).text)


def record(category: Category, given: Sequence[str], answer: str) -> Record:
    """The record of a reply; ValueError with the reason where it is not what was asked for."""
    reply = parsed(answer, Reply)
    _check(reply, category, given)
    names = [f"[{bare(caption)}]" for caption in given]
    added = tuple((name, names[i]) for name, i in zip(reply.added, category.added, strict=True))
    told = (Turn(speaker="human", value=reply.instruction), Turn(speaker="gpt", value=reply.reply))
    return Record(base=names[0], result=f"[{bare(reply.result)}]", added=added, conversations=told)


def parsed(answer: str, kind: type[Model]) -> Model:
    """The one JSON object of a reply, whatever stands around it; ValueError with the reason where it is none."""
    found = list(_objects(answer))
    if len(found) != 1:
        raise ValueError(f"{'no' if not found else 'more than one'} JSON object")
    try:
        return kind.model_validate(found[0])
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['type']}") from None


def _objects(text: str) -> Iterator[object]:
    decoder, at = json.JSONDecoder(), 0
    while (start := text.find("{", at)) >= 0:
        try:
            value, at = decoder.raw_decode(text, start)
            yield value
        except (ValueError, RecursionError):
            at = start + 1


def _check(reply: Reply, category: Category, given: Sequence[str]) -> None:
    """That it names what was given, each once, says what is added, and changes something."""
    named = sorted(re.findall(r"\[([^\[\]]+)\]", reply.instruction))
    if named != sorted(bare(caption) for caption in given):
        raise ValueError("it does not name exactly what was given")
    if len(reply.added) != len(category.added) or not all(0 < len(name.split()) <= 3 for name in reply.added):
        raise ValueError("it does not name what is added")
    if not key(bare(reply.result)) or re.search(r"[\[\]]", bare(reply.result)):
        raise ValueError("its result is no caption")
    if key(bare(reply.result)) == key(bare(given[0])):
        raise ValueError("its result is its base")
