"""What a scene is made of, and scenes drawn at random. Says nothing about pixels (`drawing`) or words (`words`).

A scene has a background (pattern × colour), one to three objects of different shapes (shape × colour × texture, each in
its own slot), a tone (colours, sepia, grey) and a light (day, night, warm, cool). The pairs in `HELD_OUT` never occur
unless asked for: they are what a trained model is examined on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

SIDE = 64
SHAPES = ("disc", "square", "triangle", "star", "ring", "cross")
TEXTURES = ("plain", "dotted", "striped")
PATTERNS = ("plain", "striped", "gradient")
COLOURS = {
    "red": (214, 40, 40),
    "orange": (240, 130, 30),
    "yellow": (245, 215, 50),
    "green": (50, 160, 65),
    "blue": (45, 85, 215),
    "purple": (135, 55, 175),
    "pink": (245, 140, 190),
    "brown": (115, 70, 35),
}
GROUNDS = {
    "white": (240, 240, 240),
    "grey": (140, 140, 140),
    "black": (45, 45, 45),
    "beige": (222, 198, 160),
    "teal": (40, 130, 140),
    "mint": (175, 225, 190),
}
TONES = ("colour", "sepia", "grey")
LIGHTS = {"day": (1.0, 1.0, 1.0), "night": (0.42, 0.5, 0.75), "warm": (1.0, 0.82, 0.58), "cool": (0.64, 0.84, 1.0)}
HELD_OUT = frozenset(
    {
        ("disc", "purple"),
        ("square", "orange"),
        ("triangle", "pink"),
        ("star", "blue"),
        ("ring", "red"),
        ("cross", "green"),
    }
)

SLOTS = {
    "top left": (17.0, 17.0),
    "top right": (47.0, 17.0),
    "bottom left": (17.0, 47.0),
    "bottom right": (47.0, 47.0),
    "middle": (32.0, 32.0),
}
"""Where objects stand: centre (x, y) in pixels. `middle` is for a single object."""
CORNERS = tuple(SLOTS)[:4]
RADIUS = 12.0


@dataclass(frozen=True)
class Thing:
    """One object: what it is, and where (centre and radius in pixels, turn in radians)."""

    shape: str
    colour: str
    texture: str
    slot: str
    x: float
    y: float
    radius: float
    turn: float


@dataclass(frozen=True)
class Scene:
    """Everything a picture shows; later things would hide earlier ones, but slots keep them apart."""

    pattern: str
    ground: str
    things: tuple[Thing, ...]
    tone: str = "colour"
    light: str = "day"

    def thing(self, shape: str) -> Thing:
        """The one object of this shape. ValueError where there is none."""
        found = [thing for thing in self.things if thing.shape == shape]
        if not found:
            raise ValueError(f"There is no {shape} in this scene.")
        return found[0]


def pick(rng: Generator, options: tuple[str, ...] | list[str]) -> str:
    """One of them, each equally likely."""
    return options[int(rng.integers(len(options)))]


def colour_for(rng: Generator, shape: str, held_out: bool = False, but: str = "") -> str:
    """A colour this shape may have (only the held-out one where `held_out`), other than `but`."""
    fits = [c for c in COLOURS if c != but and ((shape, c) in HELD_OUT) == held_out]
    return pick(rng, fits)


def _thing(rng: Generator, shape: str, slot: str) -> Thing:
    x, y = SLOTS[slot]
    alone = slot == "middle"
    dx, dy = rng.uniform(-1, 1, 2) * (8 if alone else 3)
    radius = rng.uniform(13, 21) if alone else rng.uniform(9.5, 13.0)
    texture = TEXTURES[int(rng.choice(3, p=(0.6, 0.2, 0.2)))]
    return Thing(shape, colour_for(rng, shape), texture, slot, x + dx, y + dy, radius, rng.uniform(-0.25, 0.25))


def random_scene(rng: Generator, count: int | None = None) -> Scene:
    """A scene of the training world: no held-out pair, one in four in another light or tone."""
    count = int(rng.choice((1, 2, 3), p=(0.4, 0.4, 0.2))) if count is None else count
    slots = ["middle"] if count == 1 and rng.random() < 0.6 else [CORNERS[i] for i in rng.permutation(4)[:count]]
    shapes = [SHAPES[i] for i in rng.permutation(len(SHAPES))[:count]]
    things = tuple(_thing(rng, shape, slot) for shape, slot in zip(shapes, slots, strict=True))
    light, tone = "day", "colour"
    if rng.random() < 0.25:
        light, tone = pick(rng, list(LIGHTS)), TONES[int(rng.choice(3, p=(0.8, 0.1, 0.1)))]
    return Scene(pick(rng, PATTERNS), pick(rng, list(GROUNDS)), things, tone, light)


def seeded(seed: int) -> Scene:
    """The training world's scene of this number."""
    return random_scene(np.random.default_rng(seed))
