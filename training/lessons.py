"""Dialogues with the embeddings of all they show, made once and kept: looking costs more than learning.

One safetensors file beside the dialogues' numbers; the dialogues themselves come again from their seeds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tools.sounds import Sound
from tools.weights import tensors
from toybox import dialogues
from toybox import photographed as photos
from toybox.dialogues import Dialogue, Item, dialogue, pair, pixels, samples, shaping
from toybox.drawing import draw
from toybox.sounds import RATE
from training import making
from training.making import Rows

if TYPE_CHECKING:
    from tools.encoders import Encoder

FILE = "lessons.safetensors"
Source = Callable[[], Iterator[Dialogue]]
"""Dialogues without end, the same ones each time."""
SHORT, ONE_LONG_IN = 4, 3
"""The most items of a short dialogue; and of so many lessons one is a longer one."""
TOGETHER = 64
"""Dialogues that are looked at between two looks at the clock."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """A dialogue; `seen`: embeddings of its items (n, D); `results`: of its steps' true results, NaN where unknown."""

    dialogue: Dialogue
    seen: Tensor
    results: Tensor


def chosen() -> Iterator[Dialogue]:
    """Dialogues as they are learnt."""
    return graded(dialogue)


def shaped() -> Iterator[Dialogue]:
    """Those in which a sound or another picture shapes a picture, as they are learnt."""
    return graded(shaping)


def resumed() -> Iterator[Dialogue]:
    """Those after which a sound had shaped a picture, as they are learnt."""
    return graded(dialogues.resumed)


def photographed() -> Iterator[Dialogue]:
    """Those about photos, which nobody is shown, as they are learnt."""
    return graded(photos.photographed)


def referring() -> Iterator[Dialogue]:
    """Those in which a picture is told of, as they are learnt."""
    return graded(dialogues.referring, one_long_in=2)


def several() -> Iterator[Dialogue]:
    """Those in sessions that begin with several pictures, as they are learnt."""
    return graded(dialogues.several, one_long_in=2)


def recalled() -> Iterator[Dialogue]:
    """Those about photos of which a version is told of, as they are learnt."""
    return graded(photos.referring, one_long_in=2)


def graded(numbered: Callable[[int], Dialogue], one_long_in: int = ONE_LONG_IN) -> Iterator[Dialogue]:
    """Some short dialogues, then a longer one. What is said is learnt on the short ones, at a third of the cost; which
    picture is meant, on the others."""
    short, long = deque[Dialogue](), deque[Dialogue]()
    for number in count():
        one = numbered(number)
        (short if len(one.items) <= SHORT else long).append(one)
        while len(short) >= one_long_in - 1 and long:
            yield from (short.popleft() for _ in range(one_long_in - 1))
            yield long.popleft()


def swapped() -> Iterator[Dialogue]:
    """Dialogues in which only what is seen says which picture is meant: the same message, two pictures exchanged."""
    for number in count():
        yield from pair(number, longest=SHORT - 1)


def make(where: Path, encoder: Encoder, wanted: int, deadline: float, source: Source = chosen) -> bool:
    """Look at the items of so many dialogues, as far as the time goes but at some; whether there are so many then.

    What is there already is gone on from; it is kept from time to time.
    """

    def portions(first: int) -> Iterator[Rows]:
        ahead = islice(source(), first, wanted)
        while some := list(islice(ahead, TOGETHER)):
            yield _flat(*zip(*_looked(encoder, some), strict=True))

    return making.made(where / FILE, wanted, "items", deadline, portions) >= wanted


def _flat(seen: Sequence[Tensor], results: Sequence[Tensor]) -> Rows:
    """Lessons one behind the other, and how long each is."""
    flat = {"seen": torch.cat([*seen]).half(), "results": torch.cat([*results]).half()}
    lengths = {"items": torch.tensor([len(x) for x in seen]), "steps": torch.tensor([len(x) for x in results])}
    return flat | lengths


def _looked(encoder: Encoder, dialogues: list[Dialogue]) -> Iterator[tuple[Tensor, Tensor]]:
    """The embeddings of each dialogue's items and results."""
    items = [item for one in dialogues for item in one.items]
    found = iter(embeddings(encoder, items))
    scenes = [scene for one in dialogues for scene in one.results if scene is not None]
    imagined = iter(torch.from_numpy(encoder.pictures([draw(scene).rgb for scene in scenes])) if scenes else ())
    nothing = torch.full((encoder.width,), torch.nan)
    for one in dialogues:
        seen = torch.stack([next(found) for _ in one.items])
        after = [nothing if scene is None else next(imagined) for scene in one.results]
        yield seen, torch.stack(after) if after else torch.zeros(0, encoder.width)


def embeddings(encoder: Encoder, items: list[Item]) -> Tensor:
    """(n, D), pictures and sounds each looked at, or listened to, all at once; 0 for photos, which are not shown."""
    made = torch.zeros(len(items), encoder.width)
    shown = [place for place, item in enumerate(items) if item.kind == "picture" and not item.unknown]
    heard = [place for place, item in enumerate(items) if item.kind == "sound"]
    if shown:
        made[shown] = torch.from_numpy(encoder.pictures([pixels(items[place]) for place in shown]))
    if heard:
        sounds = [Sound(np.asarray(samples(items[place]), np.float32), RATE) for place in heard]
        made[heard] = torch.from_numpy(encoder.sounds(sounds))
    return made


def looked_at(
    encoder: Encoder,
    numbers: Sequence[int],
    held_out: bool = False,
    numbered: Callable[[int, bool], Dialogue] = dialogue,
) -> list[Lesson]:
    """The lessons of these dialogues, made now and kept nowhere."""
    dialogues = [numbered(number, held_out) for number in numbers]
    pairs = zip(dialogues, _looked(encoder, dialogues), strict=True)
    return [Lesson(one, seen, results) for one, (seen, results) in pairs]


def read(where: Path, source: Source = chosen) -> list[Lesson]:
    """All that has been made."""
    return [Lesson(*parts) for parts in zip(source(), *_read(where / FILE), strict=False)]


def _read(path: Path) -> tuple[list[Tensor], list[Tensor]]:
    found = tensors(path)
    seen = found["seen"].float().split(found["items"].tolist())
    return list(seen), list(found["results"].float().split(found["steps"].tolist()))
