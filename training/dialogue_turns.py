"""Toybox dialogues as turns of the planner: the same prompt and the same language that it will meet, with the truth.

Slots are dealt out anew for every dialogue, so that their names mean nothing. Draws no dialogue and trains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.grammar import Ref, Written, said
from agent.heads import ROLES
from agent.items import Item
from agent.prompt import BRIEF, Prompt, Standing, Template, prompt
from agent.tokens import BASE, GEN, SUB, Vocabulary
from toybox.dialogues import Dialogue
from training.lessons import Lesson
from training.turns import Taught

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


def page(dialogue: Dialogue, vocabulary: Vocabulary, slots: Sequence[int], template: Template = BRIEF) -> Prompt:
    """The prompt of a dialogue; `slots` in the order in which items are shown."""
    standing = Standing(None if dialogue.head is None else str(dialogue.head), BRANCH, dialogue.message)
    return prompt(vocabulary, template, (), items(dialogue), standing, slots)


def taught(lesson: Lesson, vocabulary: Vocabulary, slots: Sequence[int]) -> Taught:
    """The prompt and the true reply, with all that is to be read out of it."""
    dialogue = lesson.dialogue
    asked = page(dialogue, vocabulary, slots)
    shown = order(dialogue)
    slot_of = {place: slots[row] for row, place in enumerate(shown)}
    reply = said(vocabulary, renamed(dialogue.written, slot_of))
    begins, ids = len(asked.ids), [*asked.ids, *reply]
    row_of = {vocabulary.slot(slots[row]): row for row in range(len(shown))}
    kinds = [dialogue.items[place].kind for place in shown]
    pictures = tuple(row for row, kind in enumerate(kinds) if kind == "picture")
    refs = []
    for position in range(begins, len(ids) - 1):
        if ids[position] in (vocabulary.ids[BASE], vocabulary.ids[SUB]) and ids[position + 1] in row_of:
            row = row_of[ids[position + 1]]
            refs.append((position, row, pictures if kinds[row] == "picture" else tuple(range(len(shown)))))
    gens = [position for position in range(begins, len(ids)) if ids[position] == vocabulary.ids[GEN]]
    known = [(at, h) for at, h in zip(gens, lesson.results, strict=True) if not h.isnan().any()]
    row_at = {slots[row]: row for row in range(len(shown))}
    return Taught(
        ids=tuple(ids),
        begins=begins,
        h=lesson.seen[shown],
        roles=tuple(ROLES.index(item.role) for item in items(dialogue)),
        slots=tuple(vocabulary.slot(slots[row]) for row in range(len(shown))),
        spliced={position: row_at[slot] for position, slot in asked.spliced.items()},
        marks=tuple(asked.marks[slots[row]] for row in range(len(shown))),
        refs=tuple(refs),
        gens=tuple(known),
    )


def renamed(written: Written, names: Mapping[int, int]) -> Written:
    """A plan whose references have other numbers: of slots instead of places, or back."""

    def name(ref: Ref) -> Ref:
        return names[ref] if isinstance(ref, int) else ref

    steps = tuple(
        replace(step, base=name(step.base), subjects=tuple(name(ref) for ref in step.subjects))
        for step in written.steps
    )
    return replace(written, steps=steps, candidates=tuple(name(ref) for ref in written.candidates))
