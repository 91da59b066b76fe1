"""The scenes that the encoder learns from: families that differ in one thing only, and what sounds stand for.

Random scenes differ in everything, and ground and colour alone tell nearly all of them apart: shapes would never be
looked at. So a batch is made of families: a scene, and others that are the same but for one attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from numpy.random import Generator

from toybox.scenes import (
    COLOURS,
    GROUNDS,
    HELD_OUT,
    LIGHTS,
    PATTERNS,
    RADII,
    SHAPES,
    SIZES,
    STYLES,
    TEXTURES,
    TONES,
    WEATHERS,
    Scene,
    Thing,
    pick,
    random_scene,
)
from toybox.sounds import MEANINGS

FAMILY = 4
"""Scenes that differ from the first of them in one thing."""
Values = Callable[[Scene, int], Iterator[Scene]]


def _thing(scene: Scene, index: int, **changes: Any) -> Scene:
    things = list(scene.things)
    things[index] = replace(things[index], **changes)
    return replace(scene, things=tuple(things))


def _colours(scene: Scene, index: int) -> Iterator[Scene]:
    return (_thing(scene, index, colour=colour) for colour in COLOURS)


def _shapes(scene: Scene, index: int) -> Iterator[Scene]:
    others = [thing.shape for i, thing in enumerate(scene.things) if i != index]
    return (_thing(scene, index, shape=shape) for shape in SHAPES if shape not in others)


def _swaps(scene: Scene, index: int) -> Iterator[Scene]:
    """One thing's colour and another's, exchanged."""
    one = scene.things[index]
    for i, other in enumerate(scene.things):
        if i != index:
            yield _thing(_thing(scene, index, colour=other.colour), i, colour=one.colour)


def _sizes(scene: Scene, index: int) -> Iterator[Scene]:
    """Its own radius, and what is usual for the other sizes."""
    thing = scene.things[index]
    for size, radius in SIZES.items():
        yield scene if size == thing.size else _thing(scene, index, radius=radius)


def _tones(scene: Scene, _: int) -> Iterator[Scene]:
    return (replace(scene, tone=tone) for tone in (TONES if scene.style == "plain" else (scene.tone,)))


def _styles(scene: Scene, _: int) -> Iterator[Scene]:
    return (replace(scene, style=style) for style in (STYLES if scene.tone == "colour" else (scene.style,)))


ATTRIBUTES: dict[str, Values] = {
    "colour": _colours,
    "shape": _shapes,
    "texture": lambda scene, index: (_thing(scene, index, texture=texture) for texture in TEXTURES),
    "size": _sizes,
    "ground": lambda scene, _: (replace(scene, ground=ground) for ground in GROUNDS),
    "pattern": lambda scene, _: (replace(scene, pattern=pattern) for pattern in PATTERNS),
    "light": lambda scene, _: (replace(scene, light=light) for light in LIGHTS),
    "weather": lambda scene, _: (replace(scene, weather=weather) for weather in WEATHERS),
    "style": _styles,
    "tone": _tones,
}
"""Attribute → the scene with every value of it that there may be, its own among them; for a thing's, which thing."""
SHARES = {
    **{"shape": 6, "size": 4, "texture": 4, "pattern": 3, "colour": 2, "weather": 2, "style": 2},
    **{"swap": 1, "ground": 1, "light": 1, "tone": 1},
}
VARIED = tuple(name for name, share in SHARES.items() for _ in range(share))
"""What the scenes of a family differ in: mostly in what is hard to see."""
COLOURED = ("colour", "swap", "ground")
"""What a tone hides."""


def families(rng: Generator, count: int) -> list[Scene]:
    """Scenes, FAMILY of a kind one after the other."""
    found: list[Scene] = []
    while len(found) < count:
        scene = random_scene(rng)
        found += [scene, *(varied(rng, scene) for _ in range(FAMILY - 1))]
    return found[:count]


def varied(rng: Generator, scene: Scene) -> Scene:
    """The same but for one attribute, without pairs that are held out."""
    while True:
        name = pick(rng, VARIED)
        if scene.tone != "colour" and name in COLOURED:
            continue
        values = _swaps if name == "swap" else ATTRIBUTES[name]
        fits = [s for s in values(scene, int(rng.integers(len(scene.things)))) if s != scene and usual(s)]
        if fits:
            return _as_large_as_any(rng, scene, fits[int(rng.integers(len(fits)))])


def _as_large_as_any(rng: Generator, scene: Scene, other: Scene) -> Scene:
    """A thing whose size has changed with any radius of that size: as often as not the usual one."""
    for i, (was, thing) in enumerate(zip(scene.things, other.things, strict=True)):
        if was.size != thing.size and rng.random() < 0.5:
            return _thing(other, i, radius=rng.uniform(*RADII[thing.size]))
    return other


def usual(scene: Scene) -> bool:
    """No pair that is held out."""
    return not any((thing.shape, thing.colour) in HELD_OUT for thing in scene.things)


def true_of(name: str, scene: Scene) -> bool:
    """Whether a scene shows what a sound stands for; a colour, where neither a tone nor a negative hides it."""
    meaning = MEANINGS[name]
    match meaning.kind:
        case "shape":
            return any(thing.shape == meaning.value for thing in scene.things)
        case "colour":
            return scene.coloured and any(thing.colour == meaning.value for thing in scene.things)
        case state:
            return bool(getattr(scene, state) == meaning.value)


def scene_for(rng: Generator, name: str) -> Scene:
    """A scene that shows what a sound stands for: a random one, changed in one thing where it does not."""
    meaning, scene = MEANINGS[name], random_scene(rng)
    if true_of(name, scene):
        return scene
    match meaning.kind:
        case "light":
            return replace(scene, light=meaning.value)
        case "weather":
            return replace(scene, weather=meaning.value)
        case "tone":
            return replace(scene, tone=meaning.value, style="plain")
        case "style":
            return replace(scene, style=meaning.value, tone="colour")
        case "shape":
            colours = [colour for colour in COLOURS if (meaning.value, colour) not in HELD_OUT]
            return _thing(scene, 0, shape=meaning.value, colour=pick(rng, colours))
        case "colour":
            seen = scene if scene.coloured else replace(scene, tone="colour", style="plain")
            return _thing(seen, 0, shape=_shape_in(rng, scene, meaning.value), colour=meaning.value)


def _shape_in(rng: Generator, scene: Scene, colour: str) -> str:
    """A shape for the first thing that may have this colour and that no other thing has."""
    others: tuple[Thing, ...] = scene.things[1:]
    taken = [thing.shape for thing in others]
    return pick(rng, [shape for shape in SHAPES if shape not in taken and (shape, colour) not in HELD_OUT])
