"""What measurements of the toybox share: items with exact truth, the weights of a pack, means with intervals.

Measures nothing itself; `benchmarks.toybox` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from benchmarks.measure import interval, middle
from tools.shelf import STARTER, Shelf
from toybox.drawing import Drawing, draw
from toybox.edits import KINDS, Edit, Recolour, propose
from toybox.marking import asked
from toybox.scenes import Scene, random_scene
from toybox.words import instruction

Figures = dict[str, Any]
"""What is measured, by name; beside a mean its 95 % interval under the same name and `_ci`."""


@dataclass(frozen=True, eq=False)
class Item:
    """One edit with its exact truth. `pair`, `phrasing`: whether its pair, or its words, are held out."""

    scene: Scene
    edit: Edit
    said: str
    before: Drawing
    after: Drawing
    pair: bool = False
    phrasing: bool = False

    @property
    def kind(self) -> str:
        """The name of the edit's kind: "recolour"."""
        return type(self.edit).__name__.lower()


def item(rng: Generator, kind: type[Edit], pair: bool = False, phrasing: bool = False) -> Item:
    """A fresh item whose result can be seen; `pair`: to a held-out pair of shape and colour; `phrasing`: in held-out
    words."""
    while True:
        scene = random_scene(rng)
        edit = propose(rng, scene, kind, held_out=pair)
        if edit is not None and asked(edit, scene):
            said = instruction(rng, edit, phrasing)
            return Item(scene, edit, said, draw(scene), draw(edit.apply(scene)), pair, phrasing)


def items(count: int, seed: int, kinds: Sequence[type[Edit]] = tuple(KINDS)) -> list[Item]:
    """Kinds in turn; of each kind a quarter in held-out phrasings, of recolourings a quarter to held-out pairs."""
    rng = np.random.default_rng((2026, seed))
    turns = [(kinds[i % len(kinds)], i // len(kinds)) for i in range(count)]
    return [item(rng, kind, kind is Recolour and turn % 4 == 1, turn % 4 == 3) for kind, turn in turns]


def figure(name: str, values: Sequence[float] | Sequence[bool]) -> Figures:
    """A mean and its interval under their names; nothing of nothing."""
    if not len(values):
        return {}
    mean, low, high = interval(values)
    return {name: mean, f"{name}_ci": [low, high]}


def median(name: str, values: Sequence[float]) -> Figures:
    """A median and its interval, under the name and `_median`."""
    found, *between = middle(values)
    return {f"{name}_median": found, f"{name}_median_ci": between}


def gain(name: str, values: Sequence[float], others: Sequence[float]) -> Figures:
    """How much more values are than others of the same items: the mean difference and its interval."""
    return figure(name, [value - other for value, other in zip(values, others, strict=True)])


def point(at: Sequence[float], *measured: Sequence[float] | Sequence[bool]) -> tuple[list[float], list[list[float]]]:
    """Of a curve: where it is with the means there, and the interval of each mean."""
    found = [interval(values) for values in measured]
    return [*at, *(mean for mean, *_ in found)], [ends for _, *ends in found]


def curve(name: str, rows: Sequence[tuple[list[float], list[list[float]]]]) -> Figures:
    """Rows of a curve under its name, and the intervals of their means, in the same order, beside them."""
    return {name: [row for row, _ in rows], f"{name}_ci": [ends for _, ends in rows]}


def by_kind(name: str, values: Sequence[float] | Sequence[bool], some: Sequence[Item]) -> Figures:
    """The same for each kind of edit by itself."""
    found: Figures = {}
    for kind in dict.fromkeys(one.kind for one in some):
        found |= figure(f"{name}_{kind}", [value for value, one in zip(values, some, strict=True) if one.kind == kind])
    return found


def held_out(name: str, values: Sequence[float] | Sequence[bool], some: Sequence[Item]) -> Figures:
    """The same for held-out pairs of shape and colour, and for held-out words."""
    pairs = [value for value, one in zip(values, some, strict=True) if one.pair]
    phrasings = [value for value, one in zip(values, some, strict=True) if one.phrasing]
    return figure(f"{name}_held_out_pair", pairs) | figure(f"{name}_held_out_phrasing", phrasings)


def shelf(home: Path, pack: Path = STARTER.parent) -> Shelf:
    """A fresh shelf of the weights in a pack's folder, and no others."""
    return Shelf(home, pack=pack / STARTER.name)
