"""Inpainting on photos: pictures with captions instead of scenes, of which a part is hidden anew at every step.

As Stable Diffusion's inpainting model was trained on its base: a quarter of the pictures is hidden wholly, one caption
in ten is left out, all cells count alike, and the text encoder stands still. The others' masks are boxes, ellipses and
strokes of a wide brush (after LaMa, Suvorov et al., arXiv 2109.07161), each equally often, in whole latent cells.
One step in four is of grids as `analogist` lays them: four tiles cut out of one photo or of two, mirrored, and blurred
or noisy now and then, the last one or another hidden. Tiles look alike and state no analogy, as in `tilings`.

A step's pictures and masks are a function of its number. `training.inpainting --photos` is the command.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from sessions.values import Picture, Pixels
from tools import grids
from tools.diffusion.model import LatentDiffusion
from tools.edits.analogist import grid_side, tile_of
from training.diffusion import errors
from training.inpainting import network
from training.loop import Recipe, generator
from training.photos import Captioned, Given, latents
from training.prior import degraded
from training.tilings import BAD, SLIGHT, WORSE, Mask, quadrant, somewhere, without
from training.tokens import ids

SEED = 41
EVERY, LAST = 4, 0.5
"""One step in so many is of grids; how often the last tile of one is hidden, and else any."""
DROPPED, WHOLE = 0.1, 0.25
"""How often the caption is left out, and how often all is hidden."""
STROKES, BENDS, WIDE = 3, 5, 0.2
"""Strokes of a brush and bends of each at most; its width at most, in sides."""
PART = 0.6
"""The least side of a tile's square, in sides of its photo."""


@dataclass(frozen=True, eq=False)
class Example:
    """A picture (s, s, 3), its hidden cells (h, w), and what is to be seen there."""

    rgb: Pixels
    cells: Mask
    text: str


def ellipse(rng: Generator, side: int) -> Mask:
    """The ellipse inside a box of `tilings.somewhere`, of so many cells along a side."""
    ys, xs = np.nonzero(somewhere(rng, side))
    down, along = np.mgrid[:side, :side]
    (y, h), (x, w) = (((c.min() + c.max()) / 2, (np.ptp(c) + 1) / 2) for c in (ys, xs))
    return np.asarray(((down - y) / h) ** 2 + ((along - x) / w) ** 2 <= 1)


def brush(rng: Generator, side: int) -> Mask:
    """Strokes of a wide brush, each of a few straight parts between places anywhere."""
    cells = np.zeros((side, side), np.uint8)
    for _ in range(int(rng.integers(1, STROKES + 1))):
        places = rng.integers(side, size=(int(rng.integers(2, BENDS + 2)), 2)).astype(np.int32)
        width = max(1, round(float(rng.uniform(WIDE / 4, WIDE)) * side))
        cv2.polylines(cells, [places], isClosed=False, color=1, thickness=width)
    return cells > 0


def hidden(rng: Generator, side: int) -> Mask:
    """What of so many cells along a side is hidden of a photo: all of them, a box, an ellipse or strokes."""
    if rng.random() < WHOLE:
        return np.ones((side, side), bool)
    return (somewhere, ellipse, brush)[int(rng.integers(3))](rng, side)


def tile(rng: Generator, rgb: Pixels, t: int) -> Pixels:
    """A square of a photo as a tile (t, t, 3), perhaps mirrored, now and then blurred or noisy."""
    side = int(len(rgb) * rng.uniform(PART, 1))
    y, x = rng.integers(len(rgb) - side + 1, size=2).tolist()
    cut = rgb[y : y + side, x : x + side]
    cut = np.ascontiguousarray(cut[:, ::-1] if rng.random() < 0.5 else cut)
    if rng.random() < WORSE:
        cut = degraded(rng, cut, rng.uniform(SLIGHT, BAD))
    return tile_of(Picture(cut), t).rgb


def grid(rng: Generator, photos: Captioned, side: int, factor: int) -> Example:
    """A grid of side × side pixels; the words are those of the photo that is hidden."""
    begun, g = photos.drawn(rng, int(rng.integers(1, 3))), side // 2
    shown = [begun[i % len(begun)] for i in rng.permutation(4)]
    tiles = [tile(rng, one.rgb, grids.tile_side(g)) for one in shown]
    rgb = grids.laid(tiles[0], tiles[1], tiles[2])
    (_, at), t = grids.offsets(g), grids.tile_side(g)
    rgb[at : at + t, at : at + t] = tiles[3]
    index = 3 if rng.random() < LAST else int(rng.integers(4))
    return Example(rgb, quadrant(index, side // factor), shown[index].text)


def examples(step: int, photos: Captioned, model: LatentDiffusion, size: int) -> list[Example]:
    """Those of a step."""
    rng = np.random.default_rng((SEED, step))
    if step % EVERY == EVERY - 1:
        return [grid(rng, photos, grid_side(model), model.factor) for _ in range(size)]
    cells = model.side // model.factor
    return [Example(one.rgb, hidden(rng, cells), one.text) for one in photos.drawn(rng, size)]


def recipe(model: LatentDiffusion, photos: Captioned, asked: Given, name: str, steps: int) -> Recipe:
    """A text-to-image model's U-Net goes on with five more channels; autoencoder and words stay as they are."""
    begun = nn.ModuleDict({"unet": model.unet, "text_encoder": model.text_encoder})
    net = network(begun, model.side // model.factor)
    net["text_encoder"].requires_grad_(False)
    null = ids(model.tokenizer, [""])

    def loss(step: int) -> Tensor:
        some, rng = examples(step, photos, model, asked.size), generator(SEED, step)
        dropped = torch.rand(len(some), generator=rng) < DROPPED
        said = torch.where(dropped[:, None], null, ids(model.tokenizer, [one.text for one in some]))
        mask = torch.from_numpy(np.stack([one.cells for one in some]))[:, None].float().to(model.device)
        known = latents(model, [without(one.rgb, one.cells) for one in some])
        z = latents(model, [one.rgb for one in some])
        channels = torch.cat([mask, known], 1)
        return errors(net, z, said.to(model.device), rng, channels, model.prediction).mean()

    return Recipe(name, net, loss, steps, rate=asked.rate)
