"""What an inpainting network learns from: scenes and grids of four related scenes, with a part hidden, and its words.

A grid is laid as `analogist` lays it: two tiles of one scene beside two of another (or above them), in which what both
have is mostly alike. In sheets the right column is the left one under the same change, or unharmed; in all others each
tile is under edits of its own, and now and then blurred or noisy. So where things stand is seen in a tile's neighbour,
and how they look beside it or above it: which of the two, no grid says, and `analogist`'s attention does. Words say
all, some or nothing of how things look. Drawn and encoded once, and kept in shards as `data`'s are.

A shard holds `SHARD` pictures: z (n, 4, h, w), the mode of the posterior at unit variance; and of `HIDINGS` ways to
hide a part of each, mask (n, HIDINGS, h, w), known (n, HIDINGS, 4, h, w), what is encoded where that part is grey, and
captions (n, HIDINGS, 77). Shard k is the same whenever it is made. Trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTokenizer

from sessions.values import Picture
from tools import grids
from tools.edits.analogist import GREY, POSITIVE, tile_of
from tools.weights import tensors
from toybox.drawing import Drawing, Pixels, draw
from toybox.edits import KINDS, Background, Light, Recolour, Retexture, Style, Tone, Weather, propose
from toybox.scenes import SIDE, SIZES, Scene, Thing, random_scene
from toybox.words import named, shapes, some_caption
from training.data import encoded, written
from training.prior import blurred, degraded, noisy
from training.tokens import ids

SHARD, HIDINGS = 250, 2
WORSE, SLIGHT, BAD = 0.1, 0.2, 0.8
"""How often a tile is blurred or noisy, and how much at least and at most, of the worst there is (`training.prior`)."""
PRAISED = 0.5
"""How often a caption ends in the words that `analogist` adds to what a person says."""
NAMED = 0.5
"""How often the words are those of a hidden object alone, where one is hidden."""
ROWS, COLUMNS = 0.6, 0.85
"""Up to which share tiles of one scene stand side by side, and up to which one above the other; else all are of one."""
SHEETS, HARMED = 0.45, 0.35
"""How often a grid is a sheet; and how often the left column of one is grey, blurred or noisy."""
LIKENED = 0.9
"""How often a thing looks as the other scene's of its shape."""
EDITS = (0.55, 0.35, 0.1)
"""How often a tile is its scene under no edit, under one, or two."""
WHOLE, TWO = 0.35, 0.7
"""Up to which share another quadrant is hidden beside the usual one, and up to which two; else a part of one."""
USUAL = 0.6
"""How often a grid begins in the states that are usual."""
LOOKS = (*(Recolour, Retexture) * 3, Background, Light, Weather, Style, Tone)
LOOKED = 0.8
"""How often an edit is one of looks, which leaves all things in their places."""
VAGUE, SPARSE = 0.5, 0.75
"""Up to which share the words of a grid's tile are shapes alone, and up to which some of the rest is said too."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Hidden:
    """Which cells (h, w) of a picture's latent are hidden, and what is to be seen there."""

    cells: Mask
    caption: str


@dataclass(frozen=True, eq=False)
class Example:
    """A picture (s, s, 3) with ways to hide a part of it."""

    rgb: Pixels
    hidings: tuple[Hidden, ...]


@dataclass(frozen=True, eq=False)
class Shards:
    """All shards of a folder, one behind the other; latents in half precision."""

    z: Tensor
    known: Tensor
    mask: Tensor
    captions: Tensor

    def __len__(self) -> int:
        return len(self.z)


def scene_example(number: int, factor: int) -> Example:
    """The scene of this number; hidden are an object's box, a box somewhere, a quadrant or all, each equally often."""
    rng = np.random.default_rng((29, number))
    scene = random_scene(rng)
    drawing = draw(scene)
    kinds = rng.permutation(4)[:HIDINGS]
    return Example(drawing.rgb, tuple(hidden(rng, scene, drawing, int(kind), SIDE // factor) for kind in kinds))


def hidden(rng: Generator, scene: Scene, drawing: Drawing, kind: int, side: int) -> Hidden:
    """One way to hide a part of a scene, of so many cells along a side, and the caption of the scene or the object."""
    if kind == 0:
        index = int(rng.integers(len(scene.things)))
        alone = rng.random() < NAMED
        said = named(scene.things[index], rng.random() < 0.3) if alone else some_caption(rng, scene)
        return Hidden(around(drawing.mask(index), side), praised(rng, said))
    boxes = (somewhere(rng, side), quadrant(int(rng.integers(4)), side), np.ones((side, side), bool))
    return Hidden(boxes[kind - 1], praised(rng, some_caption(rng, scene)))


def grid_example(number: int, factor: int, g: int = SIDE) -> Example:
    """The grid of this number, 2 g × 2 g pixels: the last quadrant is hidden, and then something else."""
    rng = np.random.default_rng((31, number))
    if rng.random() < SHEETS:
        scenes, pictures = sheet(rng)
    else:
        scenes = related(rng)
        pictures = [worse(rng, draw(scene).rgb) for scene in scenes]
    tiles = [tile_of(Picture(one), grids.tile_side(g)).rgb for one in pictures]
    rgb = grids.laid(tiles[0], tiles[1], tiles[2])
    (_, y), t = grids.offsets(g), grids.tile_side(g)
    rgb[y : y + t, y : y + t] = tiles[3]
    side = 2 * g // factor
    last = Hidden(grids.hidden(side) > 0, praised(rng, words(rng, scenes[3])))
    return Example(rgb, (last, elsewhere(rng, scenes, side)))


def related(rng: Generator) -> list[Scene]:
    """Four scenes, row by row, made of one or of two by none, one or two edits each."""
    one, r = begun(rng), rng.random()
    other = companion(rng, one)
    them = [one, one, other, other] if r < ROWS else [one, other, one, other] if r < COLUMNS else [one] * 4
    return [edited(rng, scene) for scene in them]


def begun(rng: Generator) -> Scene:
    """A scene, mostly in the states that are usual."""
    one = random_scene(rng)
    return Scene(one.pattern, one.ground, one.things) if rng.random() < USUAL else one


def sheet(rng: Generator) -> tuple[list[Scene], list[Pixels]]:
    """Two scenes, one above the other, and beside each what the same change makes of it, as scenes and as pictures."""
    one = begun(rng)
    other = companion(rng, one)
    if rng.random() < HARMED:
        harm = harmed(rng)
        return [one, one, other, other], [rgb for scene in (one, other) for rgb in (harm(scene), draw(scene).rgb)]
    edit = None
    while edit is None or getattr(edit, "shape", other.things[0].shape) not in [t.shape for t in other.things]:
        edit = propose(rng, one, LOOKS[int(rng.integers(len(LOOKS)))])
    scenes = [one, edit.apply(one), other, edit.apply(other)]
    return scenes, [draw(scene).rgb for scene in scenes]


def harmed(rng: Generator) -> Callable[[Scene], Pixels]:
    """A way to draw scenes: all without their colours, all blurred, or all noisy."""
    kind, strength = int(rng.integers(3)), rng.uniform(SLIGHT, BAD)
    if kind == 0:
        return lambda scene: draw(replace(scene, tone="grey")).rgb
    if kind == 1:
        return lambda scene: blurred(draw(scene).rgb, strength)
    return lambda scene: noisy(rng, draw(scene).rgb, strength)


def companion(rng: Generator, one: Scene) -> Scene:
    """Another scene in the same states with a thing of the same shape; what both have looks alike, mostly."""
    looks = {thing.shape: thing for thing in one.things}
    other = random_scene(rng)
    while not any(thing.shape in looks for thing in other.things):
        other = random_scene(rng)
    things = []
    for thing in other.things:
        like = looks.get(thing.shape)
        alike = like is not None and rng.random() < LIKENED
        things.append(replace(thing, colour=like.colour, texture=like.texture) if like and alike else thing)
    return Scene(other.pattern, other.ground, tuple(things), one.tone, one.light, one.weather, one.style)


def edited(rng: Generator, scene: Scene) -> Scene:
    """A scene after none, one or two edits, most of them of how it looks."""
    wanted = int(rng.choice(len(EDITS), p=EDITS))
    while wanted:
        kinds = list(LOOKS if rng.random() < LOOKED else KINDS)
        edit = propose(rng, scene, kinds[int(rng.integers(len(kinds)))])
        if edit is not None:
            scene, wanted = edit.apply(scene), wanted - 1
    return scene


def words(rng: Generator, scene: Scene) -> str:
    """A scene as people describe what they want to see: the shapes alone, some of the rest with them, or a caption."""
    r = rng.random()
    if r >= SPARSE or not scene.things:
        return some_caption(rng, scene)
    if r < VAGUE:
        return shapes(scene)
    return " and ".join(named(sparse(rng, thing)) for thing in scene.things)


def sparse(rng: Generator, thing: Thing) -> Thing:
    """A thing of which each word but its shape stays unsaid half of the time."""
    size, texture, colour = (bool(rng.random() < 0.5) for _ in range(3))
    return replace(
        thing,
        radius=thing.radius if size else SIZES["medium"],
        texture=thing.texture if texture else "plain",
        colour=thing.colour if colour else "",
    )


def worse(rng: Generator, rgb: Pixels) -> Pixels:
    """A picture as it is, or now and then blurred or noisy."""
    return degraded(rng, rgb, rng.uniform(SLIGHT, BAD)) if rng.random() < WORSE else rgb


def elsewhere(rng: Generator, scenes: list[Scene], side: int) -> Hidden:
    """Another quadrant of a grid of so many cells, any two, or a part of any one; the words are of the first."""
    index, r = int(rng.integers(4)), rng.random()
    said = praised(rng, words(rng, scenes[index]))
    if r < WHOLE:
        return Hidden(quadrant(index, side), said)
    if r < TWO:
        return Hidden(quadrant(index, side) | quadrant(index ^ int(rng.integers(1, 4)), side), said)
    cells = np.zeros((side, side), bool)
    y, x = (side // 2 * n for n in divmod(index, 2))
    cells[y : y + side // 2, x : x + side // 2] = somewhere(rng, side // 2)
    return Hidden(cells, said)


def quadrant(index: int, side: int) -> Mask:
    """One quarter of so many cells, row by row."""
    cells = np.zeros((side, side), bool)
    y, x = (side // 2 * n for n in divmod(index, 2))
    cells[y : y + side // 2, x : x + side // 2] = True
    return cells


def somewhere(rng: Generator, side: int) -> Mask:
    """A box of a quarter to three quarters of the side in each direction."""
    cells = np.zeros((side, side), bool)
    (h, w) = rng.integers(side // 4, 3 * side // 4 + 1, 2).tolist()
    y, x = int(rng.integers(side - h + 1)), int(rng.integers(side - w + 1))
    cells[y : y + h, x : x + w] = True
    return cells


def around(mask: Mask, side: int) -> Mask:
    """The box of whole cells that holds all pixels of a mask."""
    cells = np.zeros((side, side), bool)
    f = len(mask) // side
    ys, xs = (np.flatnonzero(mask.any(axis)) // f for axis in (1, 0))
    cells[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] = True
    return cells


def praised(rng: Generator, caption: str) -> str:
    """The words, perhaps as `analogist` says them."""
    return caption + POSITIVE if rng.random() < PRAISED else caption


def without(rgb: Pixels, cells: Mask) -> NDArray[np.float32]:
    """A picture (s, s, 3) that is grey where cells (h, w) are hidden, as the network is shown it: 0…255."""
    f = len(rgb) // len(cells)
    gone = np.kron(cells, np.ones((f, f), bool))[..., None]
    return np.where(gone, np.float32(GREY), rgb)


def shard(
    number: int, example: Callable[[int, int], Example], vae: AutoencoderKL, tokenizer: CLIPTokenizer, size: int = SHARD
) -> dict[str, Tensor]:
    """The tensors of one shard. `example`: of a number and the autoencoder's factor."""
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    some = [example(item, factor) for item in range(number * size, (number + 1) * size)]
    hidings = [(one.rgb, hiding) for one in some for hiding in one.hidings]
    shape = (size, HIDINGS)
    return {
        "z": encoded(vae, [one.rgb for one in some]).half(),
        "known": encoded(vae, [without(rgb, hiding.cells) for rgb, hiding in hidings]).half().unflatten(0, shape),
        "mask": torch.from_numpy(np.stack([hiding.cells for _, hiding in hidings])).unflatten(0, shape),
        "captions": ids(tokenizer, [hiding.caption for _, hiding in hidings]).int().unflatten(0, shape),
    }


def make(
    folder: Path,
    example: Callable[[int, int], Example],
    vae: AutoencoderKL,
    tokenizer: CLIPTokenizer,
    deadline: float,
    shards: int,
) -> bool:
    """Write the shards that are not there yet: at least one, the others while there is time; whether all are there."""
    return written(folder, lambda number: shard(number, example, vae, tokenizer), deadline, shards)


def read(folder: Path, shards: int) -> Shards:
    """The first of what `make` wrote."""
    parts = [tensors(path, "cpu") for path in sorted(folder.glob("*.safetensors"))[:shards]]
    return Shards(**{name: torch.cat([part[name] for part in parts]) for name in parts[0]})
