"""Subjects of the toybox: a thing in a scene, the scene in words that say nothing of its looks, the thing elsewhere.

Drawn anew it stands on another background under its exact cover: no matte has to be found. It stands at another place
there, so that its vectors say how it looks, and the words where it is. Held-out pairs of shape and colour never occur.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from sessions.values import Pixels
from toybox.drawing import draw
from toybox.scenes import GROUNDS, PATTERNS, SIDE, Scene, Thing, pick, random_scene
from toybox.words import caption, named, some_caption

ALONE, BESIDE, TURN = 0.6, 0.3, 0.25
"""How often a subject is the only thing of its scene; how often something else stands beside it where it is shown; how
far it is turned at most, in radians."""
TRIES = 8
"""Places that are tried for what stands beside it."""


@dataclass(frozen=True)
class Example:
    """A scene whose first thing is the subject; `rest`: the scene in words, without what the subject is."""

    scene: Scene
    rest: str

    @property
    def subject(self) -> Thing:
        return self.scene.things[0]


def example(number: int) -> Example:
    """The example of this number: the subject, perhaps with another thing, in any state."""
    rng = np.random.default_rng((17, number))
    scene = random_scene(rng, 1 if rng.random() < ALONE else 2)
    return Example(scene, rest(scene, behind=rng.random() >= 0.1, places=rng.random() < 0.4))


def rest(scene: Scene, behind: bool = True, places: bool = False) -> str:
    """The caption behind the words for its first thing: "and a red star on a teal background, night".

    Its colour, texture and size are said nowhere; its place is, with `places`.
    """
    subject = scene.things[0]
    where = named(subject, places).removeprefix(named(subject))
    return (where + caption(scene, behind, places).removeprefix(named(subject, places))).strip()


def elsewhere(rng: Generator, thing: Thing) -> Thing:
    """The same thing at any place, turned."""
    x, y = rng.uniform(thing.radius + 1.5, SIDE - thing.radius - 1.5, 2)
    return replace(thing, x=x, y=y, turn=rng.uniform(-TURN, TURN))


def on_another_ground(rng: Generator, thing: Thing, beside: float = BESIDE) -> Scene:
    """The thing somewhere on a random background, perhaps with another thing beside it."""
    moved = elsewhere(rng, thing)
    others = [other for other in random_scene(rng, 1).things if rng.random() < beside and other.shape != thing.shape]
    free = [place for other in others for _ in range(TRIES) if _apart(place := elsewhere(rng, other), moved)]
    return Scene(pick(rng, PATTERNS), pick(rng, list(GROUNDS)), (moved, *free[:1]))


def _apart(one: Thing, other: Thing) -> bool:
    return float(np.hypot(one.x - other.x, one.y - other.y)) > one.radius + other.radius + 2


class Scenes:
    """So many examples, as the recipes take them. Pictures are uint8 RGB (SIDE, SIDE, 3)."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def target(self, number: int) -> Pixels:
        """The scene itself."""
        return draw(example(number).scene).rgb

    def said(self, number: int) -> tuple[str, str]:
        """What the subject is, a shape, and the rest."""
        one = example(number)
        return one.subject.shape, one.rest

    def shown(self, number: int, rng: Generator) -> Pixels:
        """The subject on another background."""
        return draw(on_another_ground(rng, example(number).subject)).rgb

    def pair(self, rng: Generator) -> tuple[Pixels, str]:
        """A picture and what it shows: of two one is a scene, the other a single thing on some background."""
        if rng.random() < 0.5:
            scene = random_scene(rng)
            return draw(scene).rgb, some_caption(rng, scene)
        scene = on_another_ground(rng, random_scene(rng, 1).things[0], beside=0)
        return draw(scene).rgb, caption(scene, behind=rng.random() < 0.5)
