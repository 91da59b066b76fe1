"""Scenes as pixels: anti-aliased, the same for the same scene on every machine, with the exact cover of every object.

A pixel is sampled 3 × 3 times; an object's cover is the share of samples inside its shape. The states of the whole
picture are exact: `developed` is the only place where style, tone and light are applied, `weathered` that of weather.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toybox.scenes import COLOURS, GROUNDS, LIGHTS, SIDE, Scene, Thing

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
SAMPLES = 3
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SEPIA = np.array([1.0, 0.85, 0.65], np.float32)
RIM, DEEPEST = 2.2, 0.2
"""How wide the rim of an outlined thing and a comic's line are, in pixels; and at most, in radii."""
INK, PAPER, FOG, RAIN = 20.0, 250.0, (196.0, 202.0, 208.0), (110.0, 150.0, 215.0)
"""Levels of a comic's lines (before black, paper's), of what an outlined thing is filled with, of fog and of rain."""
SHADE = np.float32(0.75)
"""What a flake's shadow leaves of the light."""
DRY = 3
"""Pixels at each side where no rain and no snow falls."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture, uint8 (SIDE, SIDE, 3), and for every object its cover, float (SIDE, SIDE) in 0…1."""

    rgb: Pixels
    covers: tuple[Floats, ...]

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Pixels more than half inside object `index`."""
        return self.covers[index] > 0.5


def inside(shape: str, u: Floats, v: Floats, depth: float = 0.0) -> NDArray[np.bool_]:
    """Whether points (u right, v down; the circumscribed circle has radius 1) lie in the shape, so deep at least."""
    d = np.float32(depth)
    if shape == "square":
        return np.maximum(abs(u), abs(v)) < 0.82 - d
    if shape == "cross":
        return (np.minimum(abs(u), abs(v)) < 0.32 - d) & (np.maximum(abs(u), abs(v)) < 0.95 - d)
    if shape == "triangle":
        return (v < 0.6 - d) & (v + 1 - 1.88 * d > np.float32(np.sqrt(3)) * abs(u) * 0.92)
    rho = np.hypot(u, v)
    if shape == "disc":
        return rho < 0.92 - d
    if shape == "ring":
        return (rho < 1 - d) & (rho > 0.5 + d)
    return rho < star_radius(np.arctan2(u, -v)) - 1.6 * d


def star_radius(angle: Floats) -> Floats:
    """Outline of a five-pointed star (outer radius 1, inner 0.45) in polar form; angle from straight up."""
    folded = abs((angle + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
    tip, notch = np.array([1.0, 0.0]), 0.45 * np.array([np.cos(np.pi / 5), np.sin(np.pi / 5)])
    along = notch - tip
    cross = tip[0] * along[1] - tip[1] * along[0]
    return np.asarray(cross / (np.cos(folded) * along[1] - np.sin(folded) * along[0]), np.float32)


def _grid(thing: Thing) -> tuple[slice, slice, Floats, Floats]:
    """The window that holds an object, and its samples' coordinates turned and scaled to the unit circle."""
    reach = thing.radius + 2
    x0, x1 = max(int(thing.x - reach), 0), min(int(thing.x + reach) + 1, SIDE)
    y0, y1 = max(int(thing.y - reach), 0), min(int(thing.y + reach) + 1, SIDE)
    step: Floats = (np.arange(SAMPLES, dtype=np.float32) + np.float32(0.5)) / np.float32(SAMPLES)
    xs = (np.arange(x0, x1, dtype=np.float32)[:, None] + step).ravel() - np.float32(thing.x)
    ys = (np.arange(y0, y1, dtype=np.float32)[:, None] + step).ravel() - np.float32(thing.y)
    c, s = np.float32(np.cos(thing.turn) / thing.radius), np.float32(np.sin(thing.turn) / thing.radius)
    u: Floats = c * xs + s * ys[:, None]
    v: Floats = c * ys[:, None] - s * xs
    return slice(y0, y1), slice(x0, x1), u, v


def _shares(samples: NDArray[np.bool_]) -> Floats:
    h, w = (n // SAMPLES for n in samples.shape)
    return np.asarray(samples.reshape(h, SAMPLES, w, SAMPLES).mean((1, 3), dtype=np.float32))


def marks(texture: str, thing: Thing, u: Floats, v: Floats) -> NDArray[np.bool_]:
    """Where a texture shows its lighter shade: dots or stripes of constant size in pixels."""
    x, y = u * np.float32(thing.radius), v * np.float32(thing.radius)
    if texture == "striped":
        return y % 6 < 2
    return (x % 6 - 3) ** 2 + (y % 6 - 3) ** 2 < 3


def lighter(rgb: Floats) -> Floats:
    """The second shade of a texture: half way to white."""
    return rgb + (255 - rgb) * np.float32(0.5)


def backdrop(scene: Scene) -> Floats:
    """The background alone: plain, horizontal bands of 8 pixels, or darker towards the bottom."""
    colour = np.array(GROUNDS[scene.ground], np.float32)
    shade = np.ones(SIDE, np.float32)
    if scene.pattern == "striped":
        shade[np.arange(SIDE) % 16 < 8] = 0.82
    elif scene.pattern == "gradient":
        shade = np.linspace(1.0, 0.5, SIDE, dtype=np.float32)
    return np.broadcast_to(shade[:, None, None] * colour, (SIDE, SIDE, 3)).copy()


def weathered(rgb: Floats, weather: str) -> Floats:
    """Rain, snow or fog over a picture (SIDE, SIDE, 3), 0…255: always the same streaks and flakes."""
    if weather == "foggy":
        return rgb + np.float32(0.55) * (np.array(FOG, np.float32) - rgb)
    if weather == "clear":
        return rgb
    y, x = np.mgrid[:SIDE, :SIDE]
    within = (np.minimum(x, y) >= DRY) & (np.maximum(x, y) < SIDE - DRY)
    if weather == "rainy":
        falls = ((2 * x + y) % 16 < 2) & ((x + y) % 8 < 6)
        return np.where((falls & within)[..., None], rgb + np.float32(0.75) * (np.array(RAIN, np.float32) - rgb), rgb)
    shadowed = np.where((_flakes(x - 1, y - 1) & within)[..., None], SHADE * rgb, rgb)
    return np.where((_flakes(x, y) & within)[..., None], np.float32(255), shadowed)


def _flakes(x: NDArray[np.int_], y: NDArray[np.int_]) -> NDArray[np.bool_]:
    one, other = ((x % 16 - dx) ** 2 + (y % 16 - dy) ** 2 < 3 for dx, dy in ((4, 4), (12, 11)))
    return one | other


def developed(rgb: Floats, tone: str, light: str, style: str = "plain") -> Floats:
    """Style, tone, then light, on colours 0…255 of any shape (…, 3); a comic's lines are `draw`'s."""
    if style == "negative":
        rgb = 255 - rgb
    if tone != "colour":
        rgb = (rgb @ LUMA)[..., None] * (SEPIA if tone == "sepia" else np.ones(3, np.float32))
    return rgb * np.array(LIGHTS[light], np.float32)


def draw(scene: Scene) -> Drawing:
    """The picture of a scene."""
    canvas, covers = backdrop(scene), []
    for thing in scene.things:
        rows, columns, u, v = _grid(thing)
        body = inside(thing.shape, u, v)
        cover = np.zeros((SIDE, SIDE), np.float32)
        cover[rows, columns] = _shares(body)
        _paint(canvas[rows, columns], thing, u, v, body)
        if scene.style == "comic":
            line = body & ~inside(thing.shape, u, v, _depth(thing, 0.6))
            ink = PAPER if scene.ground == "black" else INK
            canvas[rows, columns] += _shares(line)[..., None] * (np.float32(ink) - canvas[rows, columns])
        covers.append(cover)
    rgb = developed(weathered(canvas, scene.weather), scene.tone, scene.light, scene.style)
    return Drawing(np.clip(np.rint(rgb), 0, 255).astype(np.uint8), tuple(covers))


def _depth(thing: Thing, rims: float = 1.0) -> float:
    """So many rims' width, in radii."""
    return rims * min(RIM / thing.radius, DEEPEST)


def _paint(window: Floats, thing: Thing, u: Floats, v: Floats, body: NDArray[np.bool_]) -> None:
    """A thing's colour and texture into its window."""
    base = np.array(COLOURS[thing.colour], np.float32)
    window += _shares(body)[..., None] * (base - window)
    if thing.texture == "outlined":
        window += _shares(inside(thing.shape, u, v, _depth(thing)))[..., None] * (PAPER - base)
    elif thing.texture != "plain":
        window += _shares(body & marks(thing.texture, thing, u, v))[..., None] * (lighter(base) - base)
