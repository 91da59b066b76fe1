"""Who says what a picture shows: a small network that reads 64 × 64 pixels into the attributes of a scene.

Of each of the five slots whether a thing is there, its shape, colour, texture and size; of the whole its ground,
pattern, light, weather, style and tone; each with a probability. It edits nothing, and shares no weights and no lessons
with what does: it is trained by `training.reading` on exact truth. What cannot be seen is not asked (`shown`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tools.weights import tensors
from toybox.drawing import Drawing, Pixels, draw
from toybox.scenes import (
    COLOURS,
    GROUNDS,
    LIGHTS,
    PATTERNS,
    SHAPES,
    SIZES,
    SLOTS,
    STYLES,
    TEXTURES,
    TONES,
    WEATHERS,
    Scene,
    Thing,
)

WEIGHTS = Path(__file__).with_name("reading.safetensors")
OF_THINGS: Mapping[str, tuple[str, ...]] = {
    "there": ("no", "yes"),
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "texture": TEXTURES,
    "size": tuple(SIZES),
}
"""What is read of every slot, and what it can be."""
OF_WHOLE: Mapping[str, tuple[str, ...]] = {
    "ground": tuple(GROUNDS),
    "pattern": PATTERNS,
    "light": tuple(LIGHTS),
    "weather": WEATHERS,
    "style": STYLES,
    "tone": TONES,
}
"""What is read of the whole picture, and what it can be."""
FAINT = 8.0
"""A thing that differs from the ground by fewer levels cannot be seen; under sepia and grey some do. Nor can a texture
from which another would differ by fewer: dots on something small, or in a comic."""
QUARTERS = ((0, 0), (0, 8), (8, 0), (8, 8))
AROUND = tuple((y, x) for y in (2, 4, 6) for x in (2, 4, 6))
"""Where glimpses of eight by eight cells begin, of sixteen: of the corners in the order of `SLOTS`, of the middle."""
Key = tuple[str, str]
"""A slot, or "" for the whole, and an attribute."""
KEYS: tuple[Key, ...] = (*((slot, name) for slot in SLOTS for name in OF_THINGS), *(("", name) for name in OF_WHOLE))


def options(key: Key) -> tuple[str, ...]:
    """What the attribute can be."""
    return OF_THINGS[key[1]] if key[0] else OF_WHOLE[key[1]]


@dataclass(frozen=True, eq=False)
class Reading:
    """What a picture shows. `shares`: of every key the probability of each of its `options`.

    What is said of an empty slot, but that it is empty, means nothing.
    """

    shares: Mapping[Key, tuple[float, ...]]

    def value(self, slot: str, name: str) -> str:
        """What is read of an attribute, slot "" for the whole: its likeliest value."""
        shares = self.shares[slot, name]
        return options((slot, name))[shares.index(max(shares))]

    def probability(self, slot: str, name: str, value: str) -> float:
        """How likely it is that an attribute has a value, 0…1."""
        return self.shares[slot, name][options((slot, name)).index(value)]

    def somewhere(self, name: str, value: str) -> float:
        """How likely it is that the whole, or that a thing in some slot, has a value of an attribute."""
        if name in OF_WHOLE:
            return self.probability("", name, value)
        each = (self.probability(slot, "there", "yes") * self.probability(slot, name, value) for slot in SLOTS)
        return 1 - math.prod(1 - one for one in each)

    def things(self) -> dict[str, dict[str, str]]:
        """The slots where a thing is, and what it is."""
        there = [slot for slot in SLOTS if self.value(slot, "there") == "yes"]
        return {slot: {name: self.value(slot, name) for name in OF_THINGS if name != "there"} for slot in there}

    def agreement(self, scene: Scene) -> dict[Key, bool]:
        """Of everything that a picture of the scene shows, whether this reading says so.

        Of a thing that is not found where it stands, nothing else agrees.
        """
        return {key: self._says(key, value) for key, value in shown(scene).items()}

    def _says(self, key: Key, value: str) -> bool:
        slot, name = key
        found = not slot or name == "there" or self.value(slot, "there") == "yes"
        return found and self.value(*key) == value


def shown(scene: Scene) -> dict[Key, str]:
    """The truth of everything that can be seen in a scene's picture.

    Not asked: colours and ground under sepia and grey; things there that are as bright as the ground; textures that
    hardly look like themselves; tone, fog and a comic's lines where nothing stands that would show them.
    """
    coloured, empty = scene.tone == "colour", not scene.things
    truth: dict[Key, str] = {(slot, "there"): "no" for slot in SLOTS}
    for thing in scene.things:
        truth |= {(thing.slot, name): getattr(thing, name) for name in OF_THINGS if name != "there"}
        truth[thing.slot, "there"] = "yes"
        if not coloured and faint(scene, thing):
            truth = {key: value for key, value in truth.items() if key[0] != thing.slot}
    truth |= {("", name): getattr(scene, name) for name in OF_WHOLE}
    unseen = [(slot, "colour") for slot in SLOTS] + [("", "ground")] if not coloured else []
    unseen += [(thing.slot, "texture") for thing in scene.things if alike(scene, thing)]
    unseen += [("", "tone")] if empty else []
    unseen += [("", "weather")] if empty and not coloured and scene.weather in ("clear", "foggy") else []
    unseen += [("", "style")] if empty and scene.style == "comic" else []
    return {key: value for key, value in truth.items() if key not in unseen}


def faint(scene: Scene, thing: Thing) -> bool:
    """Whether a thing of its colour, filled, would hardly differ from the ground behind it."""
    alone = draw(replace(scene, things=(replace(thing, texture="plain"),), style="plain"))
    bare = draw(replace(scene, things=(), style="plain"))
    return _differ(bare.rgb, alone) < FAINT


def alike(scene: Scene, thing: Thing) -> bool:
    """Whether a thing of another texture would look nearly the same."""
    alone = draw(replace(scene, things=(thing,)))
    others = (replace(thing, texture=texture) for texture in TEXTURES if texture != thing.texture)
    pictures = (draw(replace(scene, things=(other,))).rgb for other in others)
    return min(_differ(rgb, alone) for rgb in pictures) < FAINT


def _differ(rgb: Pixels, alone: Drawing) -> float:
    """By how many levels a picture differs from a drawing of one thing, in the mean over the thing's pixels."""
    return float(abs(alone.rgb.astype(np.float32) - rgb).max(-1)[alone.mask(0)].mean())


class Reader(nn.Module):
    """Pictures (n, 3, 64, 64) in −1…1 → logits of every attribute: (n, 5, k) of slots, (n, k) of the whole.

    A glimpse is a quarter of the picture. Each corner is one; what stands in the middle, larger and less exactly so,
    is found by nine that overlap, of which it takes what it likes, and by a coarse look at everything. All are told how
    the whole looks, without which no colour under a light can be known.
    """

    def __init__(self, narrow: int = 32, wide: int = 64, deep: int = 96) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2), _layer(12, narrow, 1), _layer(narrow, narrow, 1), _layer(narrow, wide, 2)
        )
        self.more = _layer(wide, wide, 1)
        self.whole = _layer(wide, deep, 2)
        self.glimpse = nn.Sequential(_layer(wide, deep, 2), nn.Flatten(), nn.Linear(16 * deep, deep), nn.SiLU())
        self.liking = nn.Linear(deep, 1)
        self.middle = nn.Sequential(_layer(deep, deep, 2), nn.Flatten(), nn.Linear(16 * deep, deep), nn.SiLU())
        self.context = nn.Sequential(nn.Linear(2 * deep, deep), nn.SiLU())
        self.said_of_corners = nn.Linear(2 * deep, sum(map(len, OF_THINGS.values())))
        self.said_of_middle = nn.Linear(3 * deep, sum(map(len, OF_THINGS.values())))
        self.said_of_whole = nn.Linear(2 * deep, sum(map(len, OF_WHOLE.values())))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The logits by attribute."""
        cells = self.stem(x)
        cells = cells + self.more(cells)
        all_over = self.whole(cells)
        pooled = torch.cat([all_over.amax((2, 3)), all_over.mean((2, 3))], 1)
        told = self.context(pooled)
        views = torch.stack([cells[:, :, y : y + 8, x : x + 8] for y, x in (*QUARTERS, *AROUND)], 1)
        seen = self.glimpse(views.flatten(0, 1)).unflatten(0, (len(x), -1))
        quarters, around = seen.split([len(QUARTERS), len(AROUND)], 1)
        corners = self.said_of_corners(torch.cat([quarters, told[:, None].expand(-1, 4, -1)], 2))
        liked = (self.liking(around).softmax(1) * around).sum(1)
        middle = self.said_of_middle(torch.cat([liked, self.middle(all_over), told], 1))
        slots = torch.cat([corners, middle[:, None]], 1).split([len(v) for v in OF_THINGS.values()], 2)
        whole = self.said_of_whole(pooled).split([len(v) for v in OF_WHOLE.values()], 1)
        return dict(zip(OF_THINGS, slots, strict=True)) | dict(zip(OF_WHOLE, whole, strict=True))


def _layer(width: int, wider: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(width, wider, 3, stride, 1), nn.GroupNorm(8, wider), nn.SiLU())


def planes(pictures: Sequence[Pixels]) -> Tensor:
    """(n, h, w, 3) bytes as (n, 3, h, w) in −1…1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


@cache
def reader() -> Reader:
    """The network that is shipped, in float32."""
    net = Reader()
    net.load_state_dict({name: weight.float() for name, weight in tensors(WEIGHTS).items()})
    return net.eval().requires_grad_(False)


@torch.no_grad()
def readings(pictures: Sequence[Pixels], net: Reader | None = None) -> list[Reading]:
    """What pictures (64, 64, 3) show, by the network that is shipped or another one."""
    told = {name: F.softmax(logits, -1).tolist() for name, logits in (net or reader())(planes(pictures)).items()}

    def shares(slot: str, name: str, i: int) -> tuple[float, ...]:
        return tuple(told[name][i][list(SLOTS).index(slot)] if slot else told[name][i])

    return [Reading({key: shares(*key, i) for key in KEYS}) for i in range(len(pictures))]


def reading(picture: Pixels) -> Reading:
    """What a picture (64, 64, 3) shows."""
    return readings([picture])[0]
