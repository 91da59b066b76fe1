"""Marks for an edit by what is read in its result: whether what was asked for is there, and what else still stands.

The answers come of `toybox.reading`; errors in pixels are `toybox.grader`'s. What cannot be seen is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from toybox.edits import (
    Add,
    Background,
    Edit,
    Light,
    Move,
    Recolour,
    Remove,
    Reshape,
    Resize,
    Retexture,
    Style,
    Tone,
    Weather,
)
from toybox.reading import Key, Reading, shown
from toybox.scenes import Scene


@dataclass(frozen=True)
class Mark:
    """`done`: everything that was asked is read; `kept`: the share of all else in the exact result that is."""

    done: bool
    kept: float


def asked(edit: Edit, before: Scene) -> dict[Key, str]:
    """What an edit asks for, as far as its exact result shows it; empty where that cannot be seen at all."""
    visible = shown(edit.apply(before))
    return {key: visible[key] for key in _named(edit, before) if key in visible}


def _named(edit: Edit, before: Scene) -> list[Key]:
    """The attributes that decide whether an edit was done: what it says, and what the thing is that it names."""
    match edit:
        case Recolour(shape) | Retexture(shape) | Resize(shape):
            told = {Recolour: "colour", Retexture: "texture", Resize: "size"}[type(edit)]
            return _of(before.thing(shape).slot, "shape", told)
        case Reshape(shape):
            return _of(before.thing(shape).slot, "shape")
        case Remove(shape):
            return _of(before.thing(shape).slot)
        case Move(shape, slot):
            return [*_of(before.thing(shape).slot), *_of(slot, "shape")]
        case Add(_, _, slot):
            return _of(slot, "shape", "colour")
        case Background(_, pattern):
            return [("", "ground"), *([("", "pattern")] if pattern else [])]
        case Light() | Weather() | Style() | Tone():
            return [("", type(edit).__name__.lower())]


def _of(slot: str, *names: str) -> list[Key]:
    return [(slot, "there"), *((slot, name) for name in names)]


def mark(edit: Edit, before: Scene, seen: Reading) -> Mark:
    """The mark of an edit of a scene, by what is seen in its result. ValueError for an edit that cannot be seen."""
    wanted = asked(edit, before)
    if not wanted:
        raise ValueError(f"The result of {edit} cannot be seen.")
    agreed = seen.agreement(edit.apply(before))
    others = [said for key, said in agreed.items() if key not in wanted]
    return Mark(all(agreed[key] for key in wanted), sum(others) / len(others))
