"""MM-Inst as turns of the planner: the prompt that it will meet, and a call of a tool that follows the instruction.

    #1 photo <video><r_0>
    attached <video><r_1>
    at <r_0> on main: put the attached picture next to the reeds in this picture ASSISTANT:
    <step>instruct_pix2pix<base><r_0>{"instruction":"put a grey heron next to the reeds in this picture"}<gen><eop>

The call says in words what the planner sees and hears: that is how it reaches a tool that only reads. A tool that looks
at other pictures too is shown what is put in. Opens no file, and trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from agent.grammar import Written, WrittenStep
from agent.items import Item
from agent.prompt import BRIEF, Standing, Template, prompt
from agent.surface import TEXT
from agent.tokens import SLOTS, Vocabulary
from sessions.errors import PlanError
from tools.base import Tool
from training.dialogue_turns import BRANCH
from training.mm_inst import Instruction, Reference, Vector, key
from training.turns import Taught, answered

BASE = "this picture"
NOUNS = {"picture": "attached picture", "sound": "attached sound"}
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


class Untold(ValueError):
    """A record that no turn can be made of. What it says is a reason that many share: it is counted."""


@dataclass(frozen=True)
class Writing:
    """How turns are written: in which words, by which template, and the tools, which a template may list."""

    vocabulary: Vocabulary
    template: Template = BRIEF
    tools: tuple[Tool, ...] = ()


def instructed(one: Instruction, follower: Tool, writing: Writing, slots: Sequence[int] = range(SLOTS)) -> Taught:
    """Stage 5: the instruction said in a session that begins with its base, and one call of `follower`.

    `slots`: of the base and of what else is shown, in the order of the message. Untold where that cannot be.
    """
    shown = _shown(one)
    slot_of = dict(zip(shown, slots, strict=False))
    base, *others = slot_of
    names = _names({name: shown[name] for name in others})
    words = _words(one, lambda r: names[key(r.caption)])
    standing = Standing(base, BRANCH, words)
    h = torch.stack([_tensor(r.vector) for r in shown.values()])
    result = torch.full_like(h[0], torch.nan) if one.gen is None else _tensor(one.gen)
    added = [slot_of[name] for _, r in one.additions if (name := key(r.caption)) in others]
    written = Written((_step(one, follower, slot_of[base], added),))
    try:
        items = [_item(name, reference, name == base) for name, reference in shown.items()]
        asked = prompt(writing.vocabulary, writing.template, writing.tools, items, standing, slots)
        return answered(writing.vocabulary, asked, written, h, [result])
    except PlanError as error:
        raise Untold("it cannot be written as a message and a plan") from error


def _shown(one: Instruction) -> dict[str, Reference]:
    """The base, then what else the message shows, each once."""
    if not one.base.shown:
        raise Untold("there is no vector of its base")
    if one.base.kind != "picture":
        raise Untold("its base is a sound")
    base = key(one.base.caption)
    shown = {base: one.base} | {key(r.caption): r for r in one.references}
    if len(shown) > len(ORDINALS):
        raise Untold("it shows too much")
    return shown


def _names(others: Mapping[str, Reference]) -> dict[str, str]:
    """How a person calls what came with the message."""
    names: dict[str, str] = {}
    for kind, noun in NOUNS.items():
        mine = [name for name, reference in others.items() if reference.kind == kind]
        ordinals = ORDINALS if len(mine) > 1 else ("",)
        names |= {name: " ".join(f"the {nth} {noun}".split()) for name, nth in zip(mine, ordinals, strict=False)}
    return names


def _words(one: Instruction, name: Callable[[Reference], str]) -> str:
    """The message, its base called this picture, what has no vector by its caption, and all else by its `name`."""

    def word(piece: str | Reference) -> str:
        if isinstance(piece, str):
            return piece
        if key(piece.caption) == key(one.base.caption):
            return BASE
        return name(piece) if piece.shown else piece.caption

    said = " ".join("".join(word(piece) for piece in one.pieces).split())
    if not said:
        raise Untold("it says nothing")
    return said


def _step(one: Instruction, follower: Tool, base: int, added: Sequence[int]) -> WrittenStep:
    low, high = follower.subjects
    if len(added) < low:
        raise Untold("it shows too little")
    words = _words(one, lambda r: r.caption)
    if len(words) > TEXT:
        raise Untold("its instruction is longer than a plan can say")
    return WrittenStep(follower.name, base, tuple(added[:high]), args={instruction_of(follower): words})


@cache
def instruction_of(follower: Tool) -> str:
    """The argument that takes an instruction: the first one that is free text; PlanError where a tool has none."""
    for name, schema in follower.schema().get("properties", {}).items():
        if schema.get("type") == "string" and "enum" not in schema:
            return str(name)
    raise PlanError(f"{follower.name} takes no words, so it cannot follow an instruction.")


def _item(name: str, reference: Reference, base: bool) -> Item:
    if base:
        return Item(name, name, "picture", "upload", number=1)
    if reference.kind == "sound":
        return Item(name, name, "sound", "sound", "sound")
    return Item(name, name, "picture", "attached")


def _tensor(vector: Vector | None) -> Tensor:
    if vector is None:
        raise ValueError("what is shown has a vector")
    return torch.from_numpy(vector)
