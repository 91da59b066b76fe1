"""What a stage is taught from, as batches of turns: the toybox's lessons, or MM-Inst's records. Trains nothing.

A turn is a function of its place and the step, so a run that goes on sees what it would have seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from agent.tokens import SLOTS
from sessions.errors import Damaged, NotFound
from tools.base import Tool
from toybox.dialogues import Dialogue, Item
from toybox.joint import told
from toybox.words import caption
from training.dialogue_turns import taught
from training.encoder_scenes import true_of
from training.lessons import Lesson
from training.loop import generator
from training.mm_inst import INDEXES, Media, Record, augmented, captions, instruction, key, sifted
from training.mm_inst_turns import Untold, Writing, instructed
from training.stages import Stage, described, drawn, drawn_from
from training.turns import Batch, Taught, batch

NEAR = 4
"""A batch is drawn from so many batches of turns of about one length, so that little is padding."""
PICTURES = ("upload", "result", "attached")
"""The roles that a picture may have; in the first stages any of them."""


@dataclass(frozen=True, eq=False)
class Course:
    """`turn(place, step)`; `lengths`: about how long that of each place is; `skipped`: of records, by the reason."""

    turn: Callable[[int, int], Taught]
    lengths: Sequence[int]
    skipped: Mapping[str, int] = field(default_factory=dict)

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """Neighbours in length, as the step draws them."""
        rng = generator(seed, step)
        near = min(NEAR * size, len(self.lengths))
        first = int(torch.randint(len(self.lengths) - near + 1, (1,), generator=rng))
        chosen = torch.randperm(near, generator=rng)[:size].tolist()
        return batch([self.turn(self._by_length[first + place], step) for place in chosen])

    @cached_property
    def _by_length(self) -> list[int]:
        return sorted(range(len(self.lengths)), key=self.lengths.__getitem__)


def dealt(*numbers: int) -> list[int]:
    """The slots in an order that means nothing."""
    order: list[int] = torch.randperm(SLOTS, generator=generator(*numbers)).tolist()
    return order


def toybox(stage: Stage, lessons: Sequence[Lesson], writing: Writing, seed: int) -> Course:
    """The toybox's: whole dialogues, or what is seen and heard in them."""
    if stage == 5:

        def turn(place: int, step: int) -> Taught:
            slots = dealt(seed, step, place)
            return taught(lessons[place], writing.vocabulary, slots, writing.template, writing.tools)

        return Course(turn, [_length(one.dialogue) for one in lessons])
    pairs = [pair for one in lessons for pair in zip(one.dialogue.items, one.seen, strict=True)]
    items = [pair for pair in pairs if not pair[0].darkroom and not pair[0].unknown]
    parts = _described(items, writing) if stage == 1 else _drawn(items, writing)
    return Course(lambda place, step: parts[place](step), [len(part(0).ids) for part in parts])


def _length(one: Dialogue) -> int:
    """About how many letters a dialogue's prompt has: as good for sorting as tokens, and there at once."""
    return len(one.message) + sum(20 + len(item.made_by or "") for item in one.items)


Seen = tuple[Item, Tensor]
Part = Callable[[int], Taught]
"""A turn that is a function of the step alone."""


def _described(items: Sequence[Seen], writing: Writing) -> list[Part]:
    def part(item: Item, h: Tensor) -> Part:
        if item.sound is not None:
            return lambda step: described(h, "sound", told(item.sound or ""), writing.vocabulary)
        return lambda step: described(h, PICTURES[step % 3], caption(item.shown), writing.vocabulary)

    return [part(item, h) for item, h in items]


def _drawn(items: Sequence[Seen], writing: Writing) -> list[Part]:
    """Captions to their pictures, and each sound to a picture of what it stands for, where one is there."""

    def part(item: Item, h: Tensor) -> Part:
        if item.sound is None:
            return lambda step: drawn(caption(item.shown), h, writing.vocabulary)
        fits = fitting[item.sound]
        return lambda step: drawn_from(h, "sound", fits[step % len(fits)], writing.vocabulary)

    pictures = [(item, h) for item, h in items if item.sound is None]
    heard = {item.sound for item, _ in items if item.sound is not None}
    fitting = {name: [h for other, h in pictures if true_of(name, other.shown)] for name in heard}
    return [part(item, h) for item, h in items if item.sound is None or fitting[item.sound]]


@dataclass(frozen=True, eq=False)
class Collection:
    """A folder of MM-Inst's: its records, the vectors of what they name, and how many entries are no records."""

    records: tuple[Record, ...]
    media: Media
    strange: int


def collected(folder: Path) -> Collection:
    """Every list of records in a folder; NotFound where there is none, or no index of vectors."""
    media = Media(folder)
    sifts = [sifted(path) for path in sorted(folder.glob("*.json")) if path.name not in INDEXES]
    records = tuple(record for records, _ in sifts for record in records)
    if not records:
        raise NotFound(f"There are no records in {folder}.", "They lie in .json files, as lists.")
    return Collection(records, media, sum(strange for _, strange in sifts))


def mm_inst(stage: Stage, of: Collection, writing: Writing, follower: Tool, seed: int) -> Course:
    """MM-Inst's: instructions, with `follower` called for all of them, or the captions of all they name."""
    return _instructed(of, writing, follower, seed) if stage == 5 else _captioned(stage, of, writing)


def _instructed(of: Collection, writing: Writing, follower: Tool, seed: int) -> Course:
    """Of each step anew, some of what could be shown is said in words; where that leaves no turn, it is shown."""

    def plain(record: Record, slots: Sequence[int] = range(SLOTS)) -> Taught:
        return instructed(instruction(record, of.media), follower, writing, slots)

    def turn(place: int, step: int) -> Taught:
        rng, slots = np.random.default_rng((seed, step, place)), dealt(seed, step, place)
        try:
            said = augmented(instruction(told_of[place], of.media), rng, base=False)
            return instructed(said, follower, writing, slots)
        except Untold:
            return plain(told_of[place], slots)

    told_of, lengths, skipped = [], [], Counter({"it is no record": of.strange} if of.strange else {})
    for record in of.records:
        try:
            lengths.append(len(plain(record).ids))
            told_of.append(record)
        except Untold as reason:
            skipped[str(reason)] += 1
        except Damaged:
            skipped["a vector is damaged"] += 1
    return Course(turn, lengths, dict(skipped))


def _captioned(stage: Stage, of: Collection, writing: Writing) -> Course:
    """Each caption once that has a vector: shown and described, or, of pictures, said and drawn."""

    def turn(place: int, step: int) -> Taught:
        one = of.media.reference(names[place])
        h = torch.from_numpy(one.vector)
        role = "sound" if one.kind == "sound" else PICTURES[step % 3]
        said = writing.vocabulary
        return described(h, role, one.caption, said) if stage == 1 else drawn(one.caption, h, said)

    names, skipped = [], Counter[str]()
    for name in _named(of.records):
        try:
            one = of.media.reference(name)
        except Damaged:
            skipped["a vector is damaged"] += 1
            continue
        if not one.shown:
            skipped["there is no vector of a caption"] += 1
        elif stage == 1 or one.kind == "picture":
            names.append(name)
    return Course(turn, [len(name) for name in names], dict(skipped))


def _named(records: Sequence[Record]) -> list[str]:
    """The captions of all that records name, each once."""
    found: dict[str, str] = {}
    for record in records:
        for name in captions(record):
            found.setdefault(key(name), name)
    return list(found.values())
