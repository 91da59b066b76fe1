"""Toybox dialogues as turns of the planner: the same prompt and the same language that it will meet, with the truth.

Slots are dealt out anew for every dialogue, so that their names mean nothing. Draws no dialogue and trains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.grammar import Ref, Written
from agent.items import Item
from agent.prompt import BRIEF, Prompt, Standing, Template, prompt
from agent.tokens import Vocabulary
from tools.base import Tool
from toybox.dialogues import Dialogue
from training.lessons import Lesson
from training.turns import Taught, answered

BRANCH = "main"


def items(dialogue: Dialogue) -> list[Item]:
    """A dialogue's items as a planner is shown them; attachments last, as they come with the message."""
    return [_item(dialogue, place) for place in order(dialogue)]


def order(dialogue: Dialogue) -> list[int]:
    """The places of a dialogue's items, in the order in which they are shown."""
    sent = set(dialogue.attachments)
    return [i for i in range(len(dialogue.items)) if i not in sent] + list(dialogue.attachments)


def _item(dialogue: Dialogue, place: int) -> Item:
    item = dialogue.items[place]
    attached = place in dialogue.attachments
    if item.kind == "sound":
        return Item(str(place), str(place), "sound", "sound", "sound")
    if attached:
        return Item(str(place), str(place), "picture", "attached")
    return Item(
        name=str(place),
        content=str(place),
        kind="picture",
        role="upload" if item.parent is None else "result",
        done=item.tool or "photo",
        words=item.made_by or "",
        parent=None if item.parent is None else str(item.parent),
        number=place + 1,
    )


def page(
    dialogue: Dialogue,
    vocabulary: Vocabulary,
    slots: Sequence[int],
    template: Template = BRIEF,
    tools: Sequence[Tool] = (),
) -> Prompt:
    """The prompt of a dialogue; `slots` in the order in which items are shown. `tools`: as the template lists them."""
    standing = Standing(None if dialogue.head is None else str(dialogue.head), BRANCH, dialogue.message)
    return prompt(vocabulary, template, tools, items(dialogue), standing, slots)


def taught(
    lesson: Lesson,
    vocabulary: Vocabulary,
    slots: Sequence[int],
    template: Template = BRIEF,
    tools: Sequence[Tool] = (),
) -> Taught:
    """The prompt and the true reply, with all that is to be read out of it."""
    shown = order(lesson.dialogue)
    asked = page(lesson.dialogue, vocabulary, slots, template, tools)
    written = renamed(lesson.dialogue.written, dict(zip(shown, slots, strict=False)))
    return answered(vocabulary, asked, written, lesson.seen[shown], lesson.results)


def renamed(written: Written, names: Mapping[int, int]) -> Written:
    """A plan whose references have other numbers: of slots instead of places, or back."""

    def name(ref: Ref) -> Ref:
        return names[ref] if isinstance(ref, int) else ref

    steps = tuple(
        replace(step, base=name(step.base), subjects=tuple(name(ref) for ref in step.subjects))
        for step in written.steps
    )
    return replace(written, steps=steps, candidates=tuple(name(ref) for ref in written.candidates))
