"""Scenes as pixels: anti-aliased, the same for the same scene on every machine, with the exact cover of every object.

A pixel is sampled 3 × 3 times; an object's cover is the share of samples inside its shape. The transforms of tone and
light act on the whole picture and are exact: `developed` is the only place where they are applied.
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


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture, uint8 (SIDE, SIDE, 3), and for every object its cover, float (SIDE, SIDE) in 0…1."""

    rgb: Pixels
    covers: tuple[Floats, ...]

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Pixels more than half inside object `index`."""
        return self.covers[index] > 0.5


def inside(shape: str, u: Floats, v: Floats) -> NDArray[np.bool_]:
    """Whether points (u right, v down; the circumscribed circle has radius 1) lie in the shape."""
    if shape == "square":
        return np.maximum(abs(u), abs(v)) < 0.82
    if shape == "cross":
        return (np.minimum(abs(u), abs(v)) < 0.32) & (np.maximum(abs(u), abs(v)) < 0.95)
    if shape == "triangle":
        return (v < 0.6) & (v + 1 > np.float32(np.sqrt(3)) * abs(u) * 0.92)
    rho = np.hypot(u, v)
    if shape == "disc":
        return rho < 0.92
    if shape == "ring":
        return (rho < 1) & (rho > 0.5)
    return rho < star_radius(np.arctan2(u, -v))


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


def developed(rgb: Floats, tone: str, light: str) -> Floats:
    """Tone, then light, on colours 0…255 of any shape (…, 3)."""
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
        base = np.array(COLOURS[thing.colour], np.float32)
        window, share = canvas[rows, columns], cover[rows, columns, None]
        window += share * (base - window)
        if thing.texture != "plain":
            window += _shares(body & marks(thing.texture, thing, u, v))[..., None] * (lighter(base) - base)
        covers.append(cover)
    rgb = developed(canvas, scene.tone, scene.light)
    return Drawing(np.clip(np.rint(rgb), 0, 255).astype(np.uint8), tuple(covers))
