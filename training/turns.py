"""One turn as the planner learns it: ids, where embeddings go in, where states are read, and what they should say.

Labels come from where the reply begins in the ids that were put together, never from encoding a prefix again. Where
turns come from (dialogues, records, captions) and the losses are other files'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from agent.grammar import Written, said
from agent.heads import ROLES
from agent.prompt import Prompt
from agent.tokens import BASE, GEN, SUB, Vocabulary

UNHEARD = -100
"""The label of a token that is not the planner's to say."""


@dataclass(frozen=True, eq=False)
class Taught:
    """A prompt and its reply. Rows are items: `h[row]` its embedding (D), `slots[row]` the id of its slot's token.

    `begins`: where the reply begins. `spliced`: position of an item's token → row. `marks`: row → position of its
    slot's token. `refs`: (position of a `<base>` or `<sub>`, row that is meant, rows that are legal there). `gens`:
    (position of a `<gen>`, embedding of the true result).
    """

    ids: tuple[int, ...]
    begins: int
    h: Tensor
    roles: tuple[int, ...] = ()
    slots: tuple[int, ...] = ()
    spliced: dict[int, int] = field(default_factory=dict)
    marks: tuple[int, ...] = ()
    refs: tuple[tuple[int, int, tuple[int, ...]], ...] = ()
    gens: tuple[tuple[int, Tensor], ...] = ()


def answered(
    vocabulary: Vocabulary, asked: Prompt, written: Written, h: Tensor, results: Sequence[Tensor] | Tensor
) -> Taught:
    """A prompt and the plan that is true of it, whose references are slots, with all that is to be read out of it.

    `h`: embeddings of the prompt's items, in its order (n, D). `results`: of each step's true result (D), NaN where
    nobody knows it.
    """
    begins, ids = len(asked.ids), (*asked.ids, *said(vocabulary, written))
    row_of = {slot: row for row, slot in enumerate(asked.items)}
    slots = tuple(vocabulary.slot(slot) for slot in asked.items)
    gens = [at for at in range(begins, len(ids)) if ids[at] == vocabulary.ids[GEN]]
    return Taught(
        ids=ids,
        begins=begins,
        h=h,
        roles=tuple(ROLES.index(item.role) for item in asked.items.values()),
        slots=slots,
        spliced={position: row_of[slot] for position, slot in asked.spliced.items()},
        marks=tuple(asked.marks[slot] for slot in asked.items),
        refs=tuple(_refs(vocabulary, asked, ids, slots)),
        gens=tuple((at, known) for at, known in zip(gens, results, strict=True) if not known.isnan().any()),
    )


def _refs(
    vocabulary: Vocabulary, asked: Prompt, ids: Sequence[int], slots: Sequence[int]
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Where the reply points at items. A step starts from a picture; beside it, sounds are legal too."""
    pictures = tuple(row for row, item in enumerate(asked.items.values()) if item.kind == "picture")
    legal = {vocabulary.ids[BASE]: pictures, vocabulary.ids[SUB]: tuple(range(len(slots)))}
    for position in range(len(asked.ids), len(ids) - 1):
        if ids[position] in legal and ids[position + 1] in slots:
            yield position, slots.index(ids[position + 1]), legal[ids[position]]


@dataclass(frozen=True, eq=False)
class Batch:
    """Turns side by side. Flat lists carry the turn's number first: there is nothing to pad but ids and items."""

    ids: Tensor  # (B, L)
    there: Tensor  # (B, L) bool: a token, no padding
    labels: Tensor  # (B, L): the token itself in the reply, else UNHEARD
    h: Tensor  # (B, n, D)
    roles: Tensor  # (B, n)
    slots: Tensor  # (B, n)
    marks: Tensor  # (B, n)
    spliced: Tensor  # (S, 3): turn, position, row
    refs: Tensor  # (R, 3): turn, position, row
    legal: Tensor  # (R, n) bool
    gens: Tensor  # (G, 2): turn, position
    wanted: Tensor  # (G, D)

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


def batch(turns: Sequence[Taught], padding: int = 0) -> Batch:
    """Turns of any lengths as one batch, padded on the right."""
    size, longest = len(turns), max(len(turn.ids) for turn in turns)
    most, space = max(len(turn.h) for turn in turns), turns[0].h.shape[-1]
    ids = torch.full((size, longest), padding)
    labels = torch.full((size, longest), UNHEARD)
    there = torch.zeros(size, longest, dtype=torch.bool)
    h = torch.zeros(size, most, space)
    roles, slots, marks = (torch.zeros(size, most, dtype=torch.long) for _ in range(3))
    for b, turn in enumerate(turns):
        length, items = len(turn.ids), len(turn.h)
        ids[b, :length] = torch.tensor(turn.ids)
        labels[b, turn.begins : length] = ids[b, turn.begins : length]
        there[b, :length] = True
        h[b, :items] = turn.h
        for of_turn, of_batch in ((turn.roles, roles), (turn.slots, slots), (turn.marks, marks)):
            of_batch[b, : len(of_turn)] = torch.tensor(of_turn, dtype=torch.long)
    return Batch(ids, there, labels, h, roles, slots, marks, *_places(turns, most, space))


def _places(turns: Sequence[Taught], most: int, space: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    spliced = [(b, position, row) for b, turn in enumerate(turns) for position, row in turn.spliced.items()]
    refs = [(b, position, row) for b, turn in enumerate(turns) for position, row, _ in turn.refs]
    legal = torch.zeros(len(refs), most, dtype=torch.bool)
    for place, rows in enumerate(rows for turn in turns for _, _, rows in turn.refs):
        legal[place, list(rows)] = True
    gens = [(b, position) for b, turn in enumerate(turns) for position, _ in turn.gens]
    wanted = [h for turn in turns for _, h in turn.gens]
    return (
        torch.tensor(spliced, dtype=torch.long).reshape(-1, 3),
        torch.tensor(refs, dtype=torch.long).reshape(-1, 3),
        legal,
        torch.tensor(gens, dtype=torch.long).reshape(-1, 2),
        torch.stack(wanted) if wanted else torch.zeros(0, space),
    )
