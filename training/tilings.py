"""What an inpainting network learns from: scenes and grids of four related scenes, with a part hidden, and its words.

A grid is laid as `analogist` lays it, of one scene or two, each tile under edits of its own and in any place: tiles
look alike, but none is to another what a third is to the fourth, so that an analogy cannot be learnt from them. Now and
then a tile is blurred or noisy, whatever the others are. Drawn and encoded once, and kept in shards as `data`'s are.

A shard holds `SHARD` pictures: z (n, 4, h, w), the mode of the posterior at unit variance; and of `HIDINGS` ways to
hide a part of each, mask (n, HIDINGS, h, w), known (n, HIDINGS, 4, h, w), what is encoded where that part is grey, and
captions (n, HIDINGS, 77). Shard k is the same whenever it is made. Trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from toybox.edits import KINDS, propose
from toybox.scenes import SIDE, Scene, random_scene
from toybox.words import named, some_caption
from training.data import encoded, written
from training.prior import degraded
from training.tokens import ids

SHARD, HIDINGS = 250, 2
WORSE, SLIGHT, BAD = 0.1, 0.2, 0.8
"""How often a tile is blurred or noisy, and how much at least and at most, of the worst there is (`training.prior`)."""
PRAISED = 0.5
"""How often a caption ends in the words that `analogist` adds to what a person says."""
NAMED = 0.5
"""How often the words are those of a hidden object alone, where one is hidden."""

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
    scenes = related(rng)
    tiles = [tile(rng, scene, grids.tile_side(g)) for scene in scenes]
    rgb = grids.laid(tiles[0], tiles[1], tiles[2])
    (_, y), t = grids.offsets(g), grids.tile_side(g)
    rgb[y : y + t, y : y + t] = tiles[3]
    side = 2 * g // factor
    last = Hidden(grids.hidden(side) > 0, praised(rng, some_caption(rng, scenes[3])))
    return Example(rgb, (last, elsewhere(rng, scenes, side)))


def related(rng: Generator) -> list[Scene]:
    """Four scenes made of one or of two, by none, one or two edits each, in any order."""
    begun = [random_scene(rng) for _ in range(int(rng.integers(1, 3)))]
    made = [edited(rng, begun[i % len(begun)]) for i in range(4)]
    return [made[i] for i in rng.permutation(4)]


def edited(rng: Generator, scene: Scene) -> Scene:
    """A scene after none, one or two edits, all kinds equally likely."""
    wanted, kinds = int(rng.integers(3)), list(KINDS)
    while wanted:
        edit = propose(rng, scene, kinds[int(rng.integers(len(kinds)))])
        if edit is not None:
            scene, wanted = edit.apply(scene), wanted - 1
    return scene


def tile(rng: Generator, scene: Scene, side: int) -> Pixels:
    """A scene as a tile (side, side, 3), now and then blurred or noisy."""
    rgb = draw(scene).rgb
    if rng.random() < WORSE:
        rgb = degraded(rng, rgb, rng.uniform(SLIGHT, BAD))
    return tile_of(Picture(rgb), side).rgb


def elsewhere(rng: Generator, scenes: list[Scene], side: int) -> Hidden:
    """Another quadrant of a grid of so many cells, or a part of any one."""
    index = int(rng.integers(4))
    if index < 3 and rng.random() < 0.5:
        return Hidden(quadrant(index, side), praised(rng, some_caption(rng, scenes[index])))
    cells = np.zeros((side, side), bool)
    y, x = (side // 2 * n for n in divmod(index, 2))
    cells[y : y + side // 2, x : x + side // 2] = somewhere(rng, side // 2)
    return Hidden(cells, praised(rng, some_caption(rng, scenes[index])))


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
