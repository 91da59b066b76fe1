"""Edits with exact results: an edit turns a scene into the scene that was asked for, and that scene can be drawn.

Local edits touch one object's pixels or the background's; `Light`, `Weather`, `Style` and `Tone` touch the whole. All
but the last move between states, so a chain of any length stays in the world and keeps an exact truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from toybox.scenes import (
    CORNERS,
    GROUNDS,
    HELD_OUT,
    LIGHTS,
    PATTERNS,
    RADII,
    SHAPES,
    SIZES,
    SLOTS,
    STYLES,
    TEXTURES,
    TONES,
    WEATHERS,
    Scene,
    Thing,
    colour_for,
    pick,
)


@dataclass(frozen=True)
class Recolour:
    """Another colour for one object; its texture stays."""

    shape: str
    colour: str

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        return _changed(scene, self.shape, lambda thing: replace(thing, colour=self.colour))


@dataclass(frozen=True)
class Retexture:
    """Another texture of the same colour for one object."""

    shape: str
    texture: str

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        return _changed(scene, self.shape, lambda thing: replace(thing, texture=self.texture))


@dataclass(frozen=True)
class Resize:
    """Another size for one object, the one that is usual for its name; its middle stays."""

    shape: str
    size: str

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        return _changed(scene, self.shape, lambda thing: replace(thing, radius=SIZES[self.size]))


@dataclass(frozen=True)
class Move:
    """One object goes to the middle of a free corner; the background behind it is known."""

    shape: str
    slot: str

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        x, y = SLOTS[self.slot]
        return _changed(scene, self.shape, lambda thing: replace(thing, slot=self.slot, x=x, y=y))


@dataclass(frozen=True)
class Reshape:
    """Another shape of the same colour, texture, place and size."""

    shape: str
    to: str

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        return _changed(scene, self.shape, lambda thing: replace(thing, shape=self.to))


@dataclass(frozen=True)
class Remove:
    """The object goes; the background behind it is known."""

    shape: str

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        gone = scene.thing(self.shape)
        return replace(scene, things=tuple(thing for thing in scene.things if thing is not gone))


@dataclass(frozen=True)
class Add:
    """A plain object of medium size, upright in the middle of a free corner: nothing about it is left open."""

    shape: str
    colour: str
    slot: str

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        new = Thing(self.shape, self.colour, "plain", self.slot, *SLOTS[self.slot], SIZES["medium"], 0.0)
        return replace(scene, things=(*scene.things, new))


@dataclass(frozen=True)
class Background:
    """Another background; an empty pattern keeps the one there is."""

    ground: str
    pattern: str = ""

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        return replace(scene, ground=self.ground, pattern=self.pattern or scene.pattern)


@dataclass(frozen=True)
class Light:
    """Another light over the whole picture."""

    light: str

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        return replace(scene, light=self.light)


@dataclass(frozen=True)
class Weather:
    """Other weather over the whole picture."""

    weather: str

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        return replace(scene, weather=self.weather)


@dataclass(frozen=True)
class Style:
    """The whole picture drawn otherwise."""

    style: str

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        return replace(scene, style=self.style)


@dataclass(frozen=True)
class Tone:
    """Sepia or grey for the whole picture; there is no way back to colours."""

    tone: str

    def apply(self, scene: Scene) -> Scene:
        """The scene afterwards."""
        return replace(scene, tone=self.tone)


Edit = Recolour | Retexture | Reshape | Resize | Move | Remove | Add | Background | Light | Weather | Style | Tone
KINDS: dict[type[Edit], float] = {
    Recolour: 0.22,
    Retexture: 0.09,
    Reshape: 0.11,
    Resize: 0.08,
    Move: 0.07,
    Remove: 0.1,
    Add: 0.1,
    Background: 0.1,
    Light: 0.05,
    Weather: 0.04,
    Style: 0.02,
    Tone: 0.02,
}
"""Every kind with its share of the training pairs."""


def _changed(scene: Scene, shape: str, change: Callable[[Thing], Thing]) -> Scene:
    old = scene.thing(shape)
    return replace(scene, things=tuple(change(thing) if thing is old else thing for thing in scene.things))


def random_edit(rng: Generator, scene: Scene) -> Edit:
    """An edit of the training world that fits the scene and changes it."""
    kinds, shares = list(KINDS), np.array(list(KINDS.values()))
    while True:
        edit = propose(rng, scene, kinds[int(rng.choice(len(kinds), p=shares))])
        if edit is not None:
            return edit


def propose(rng: Generator, scene: Scene, kind: type[Edit], held_out: bool = False) -> Edit | None:
    """An edit of this kind; None where the scene allows none (`held_out`: for `Recolour`, to the held-out colour)."""
    present = [thing.shape for thing in scene.things]
    absent = [shape for shape in SHAPES if shape not in present]
    if kind in STATED:
        return STATED[kind](rng, scene)
    if kind is Background:
        return _background(rng, scene)
    if kind is Add:
        return _add(rng, scene, absent)
    if not present:
        return None
    thing = scene.thing(pick(rng, present))
    if kind is Remove:
        return Remove(thing.shape)
    if kind is Reshape:
        fits = [shape for shape in absent if (shape, thing.colour) not in HELD_OUT]
        return Reshape(thing.shape, pick(rng, fits))
    if kind is Retexture:
        return Retexture(thing.shape, pick(rng, [texture for texture in TEXTURES if texture != thing.texture]))
    if kind is Resize:
        return Resize(thing.shape, pick(rng, [size for size in SIZES if size != thing.size]))
    if kind is Move:
        return _move(rng, scene, thing)
    return _recolour(rng, scene, thing, held_out)


def _tone(rng: Generator, scene: Scene) -> Tone | None:
    """None where it would be a second one, and where a grey ground alone would stay as it is."""
    usual = scene.tone == "colour" and scene.style == "plain" and scene.things
    return Tone(pick(rng, TONES[1:])) if usual else None


def _style(rng: Generator, scene: Scene) -> Style | None:
    """None in sepia or grey, and where there is nothing that a comic could draw a line around."""
    fits = [style for style in STYLES if style != scene.style]
    return Style(pick(rng, fits)) if scene.tone == "colour" and scene.things else None


STATED: dict[type[Edit], Callable[[Generator, Scene], Edit | None]] = {
    Light: lambda rng, scene: Light(pick(rng, [light for light in LIGHTS if light != scene.light])),
    Weather: lambda rng, scene: Weather(pick(rng, [weather for weather in WEATHERS if weather != scene.weather])),
    Style: _style,
    Tone: _tone,
}
"""What changes a state of the whole."""


def _move(rng: Generator, scene: Scene, thing: Thing) -> Move | None:
    """None for what is too large for a corner."""
    free = [slot for slot in CORNERS if slot not in [other.slot for other in scene.things]]
    return Move(thing.shape, pick(rng, free)) if thing.radius <= RADII["large"][1] else None


def _recolour(rng: Generator, scene: Scene, thing: Thing, held_out: bool) -> Recolour | None:
    if scene.tone != "colour":
        return None
    return Recolour(thing.shape, colour_for(rng, thing.shape, held_out, but=thing.colour))


def _background(rng: Generator, scene: Scene) -> Background | None:
    if scene.tone != "colour":
        return None
    ground = pick(rng, [ground for ground in GROUNDS if ground != scene.ground])
    return Background(ground, pick(rng, PATTERNS) if rng.random() < 0.5 else "")


def _add(rng: Generator, scene: Scene, absent: list[str]) -> Add | None:
    taken = [thing.slot for thing in scene.things]
    free = [slot for slot in CORNERS if slot not in taken]
    if "middle" in taken or scene.tone != "colour" or len(taken) > 2:
        return None
    shape = pick(rng, absent)
    return Add(shape, colour_for(rng, shape), pick(rng, free))
