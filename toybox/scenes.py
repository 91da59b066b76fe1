"""What a scene is made of, and scenes drawn at random. Says nothing about pixels (`drawing`) or words (`words`).

A scene has a background (pattern × colour), up to three objects of different shapes (shape × colour × texture × size,
each in its own slot), and four states of the whole: light (day, night, warm, cool), weather (clear, rainy, snowy,
foggy), style (plain, comic, negative) and tone (colour, sepia, grey). The pairs in `HELD_OUT` never occur unless asked
for: they are what a trained model is examined on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

SIDE = 64
SHAPES = ("disc", "square", "triangle", "star", "ring", "cross")
TEXTURES = ("plain", "dotted", "striped", "outlined")
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
STYLES = ("plain", "comic", "negative")
WEATHERS = ("clear", "rainy", "snowy", "foggy")
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
SIZES = {"small": 7.0, "medium": 10.25, "large": 13.0}
"""The radius in pixels of a thing of this size; between them lie `BOUNDS`."""
BOUNDS = (8.4, 12.0)
RADII = {"small": (6.5, 7.5), "medium": (9.5, 11.0), "large": (12.6, 13.4)}
ALONE = (12.6, 20.0)
"""The radii that occur; a large thing in the middle is larger."""
STRAY = 1.5
"""How far a thing stands from the middle of its corner, in pixels; in the middle of the picture five times as far."""
STATES = {"light": "day", "weather": "clear", "style": "plain", "tone": "colour"}
"""What the whole picture may be, and how it usually is."""


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

    @property
    def size(self) -> str:
        """Its radius in words: one of `SIZES`."""
        return tuple(SIZES)[sum(self.radius > bound for bound in BOUNDS)]


@dataclass(frozen=True)
class Scene:
    """Everything a picture shows; later things would hide earlier ones, but slots keep them apart."""

    pattern: str
    ground: str
    things: tuple[Thing, ...]
    tone: str = "colour"
    light: str = "day"
    weather: str = "clear"
    style: str = "plain"

    @property
    def coloured(self) -> bool:
        """Whether its colours can be seen: neither a tone nor a negative hides them."""
        return self.tone == "colour" and self.style != "negative"

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
    size = tuple(SIZES)[int(rng.choice(3, p=(0.15, 0.25, 0.6) if alone else (0.2, 0.5, 0.3)))]
    radius = rng.uniform(*(ALONE if alone and size == "large" else RADII[size]))
    dx, dy = rng.uniform(-1, 1, 2) * (min(5 * STRAY, 29.0 - radius) if alone else STRAY)
    texture = TEXTURES[int(rng.choice(4, p=(0.52, 0.16, 0.16, 0.16)))]
    return Thing(shape, colour_for(rng, shape), texture, slot, x + dx, y + dy, radius, rng.uniform(-0.25, 0.25))


def random_scene(rng: Generator, count: int | None = None) -> Scene:
    """A scene of the training world: no held-out pair, two in five in another state than usual."""
    count = int(rng.choice((1, 2, 3), p=(0.35, 0.4, 0.25))) if count is None else count
    slots = ["middle"] if count == 1 and rng.random() < 0.6 else [CORNERS[i] for i in rng.permutation(4)[:count]]
    shapes = [SHAPES[i] for i in rng.permutation(len(SHAPES))[:count]]
    things = tuple(_thing(rng, shape, slot) for shape, slot in zip(shapes, slots, strict=True))
    return Scene(pick(rng, PATTERNS), pick(rng, list(GROUNDS)), things, **random_states(rng))


def random_states(rng: Generator) -> dict[str, str]:
    """Light, weather, tone and style, each another than usual now and then; beside a tone the style is plain."""
    found = dict(STATES)
    for name, share, values in (
        ("light", 0.2, tuple(LIGHTS)[1:]),
        ("weather", 0.16, WEATHERS[1:]),
        ("tone", 0.06, TONES[1:]),
        ("style", 0.1, STYLES[1:]),
    ):
        if rng.random() < share and not (name == "style" and found["tone"] != "colour"):
            found[name] = pick(rng, values)
    return found


def seeded(seed: int) -> Scene:
    """The training world's scene of this number."""
    return random_scene(np.random.default_rng(seed))
