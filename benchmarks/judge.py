"""Who says what a picture shows: a small convolutional network that learns from exact truth and edits nothing.

For each of the sounds, whether a picture shows what it stands for (`true_of`). It shares no weights and no
lessons with the encoder, the prior or the adapter. A picture that has been decoded is soft, so half of what it learns
from is soft as well: blurred, noisy, or what the autoencoder leaves of it. `auc` says how far it can be believed.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from toybox.drawing import Pixels, draw
from toybox.scenes import Scene
from toybox.sounds import NAMES
from training.encoder_scenes import scene_for, true_of
from training.loop import Recipe, Trainer

Floats = NDArray[np.float64]
Drawn = tuple[Tensor, Tensor]
"""Pictures (n, 3, h, w) in −1…1, and what they show (n, 12), 0 or 1."""
Decoded = Callable[[Pixels], Pixels]
"""What an autoencoder leaves of a picture."""

WIDTHS = (24, 48, 96, 96)
STEPS, BATCH, RATE, SEED = 900, 64, 2e-3, 12
POOL, SHARE = 768, 16
"""Decoded pictures to learn from, and how many of them a batch has."""
NOISE, SOFT = 0.08, 0.5
"""The most noise, of 2; how often the drawn half of a batch is blurred."""


class Judge(nn.Module):
    """Pictures (n, 3, h, w) in −1…1 → logits (n, 12), in the order of `NAMES`."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, wider in zip((3, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(width, wider, 3, 2, 1), nn.GroupNorm(8, wider), nn.SiLU()]
            layers += [nn.Conv2d(wider, wider, 3, 1, 1, groups=wider), nn.Conv2d(wider, wider, 1), nn.SiLU()]
        self.seen = nn.Sequential(*layers)
        self.said = nn.Linear(2 * WIDTHS[-1], len(NAMES))

    def forward(self, x: Tensor) -> Tensor:
        """What is anywhere in the picture, and what is everywhere."""
        cells = self.seen(x)
        logits: Tensor = self.said(torch.cat([cells.amax((2, 3)), cells.mean((2, 3))], 1))
        return logits


def shows(scene: Scene) -> list[bool]:
    """The truth of all of them."""
    return [true_of(name, scene) for name in NAMES]


def scenes(rng: Generator, count: int) -> list[Scene]:
    """As many that show what each sound stands for, as if by chance besides."""
    return [scene_for(rng, NAMES[i % len(NAMES)]) for i in range(count)]


def planes(pictures: Sequence[Pixels]) -> Tensor:
    """(n, h, w, 3) bytes as (n, 3, h, w) in −1…1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def drawn(rng: Generator, count: int, decoded: Decoded | None = None) -> Drawn:
    """Fresh scenes, as drawn or as decoded, with their truth."""
    some = scenes(rng, count)
    pictures = [draw(scene).rgb for scene in some]
    seen = pictures if decoded is None else [decoded(picture) for picture in pictures]
    return planes(seen), torch.tensor([shows(scene) for scene in some]).float()


def softened(rng: Generator, x: Tensor) -> Tensor:
    """Each picture blurred or not, and with noise; of the same shape."""
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), "replicate"), 3, 1)
    soft = torch.from_numpy((rng.random(len(x)) < SOFT) * rng.random(len(x))).float().view(-1, 1, 1, 1)
    noise = torch.from_numpy(NOISE * rng.random((len(x), 1, 1, 1)) * rng.standard_normal(tuple(x.shape))).float()
    return x + soft * (blurred - x) + noise


def recipe(net: Judge, pool: Drawn, steps: int = STEPS, seed: int = SEED) -> Recipe:
    """Each step draws its own scenes, and takes some decoded ones of the pool."""

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((seed, step))
        x, truth = drawn(rng, BATCH - SHARE)
        some = torch.from_numpy(rng.integers(len(pool[0]), size=SHARE))
        seen = softened(rng, torch.cat([x, pool[0][some]]))
        return F.binary_cross_entropy_with_logits(net(seen), torch.cat([truth, pool[1][some]]))

    return Recipe("judge", net, loss, steps, RATE)


def trained(decoded: Decoded, steps: int = STEPS, pool: int = POOL, seed: int = SEED) -> Judge:
    """A judge; `pool`: so many decoded pictures it learns from. The same for the same numbers."""
    torch.manual_seed(seed)
    net = Judge()
    some = drawn(np.random.default_rng((seed, 0, 0)), pool, decoded)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe(net, some, steps, seed), Path(folder))
        trainer.run(math.inf)
        trainer.settle()
    return net.eval()


@torch.no_grad()
def probabilities(net: Judge, pictures: Sequence[Pixels]) -> Floats:
    """(n, 12), 0…1, of pictures (h, w, 3)."""
    return np.asarray(net(planes(pictures)).sigmoid().double().numpy())


def auc(scores: Floats, truth: NDArray[np.bool_]) -> float:
    """How often what is so scores above what is not, a tie counting half; scores, truth (n,), some of both kinds."""
    yes, no = scores[truth], scores[~truth]
    above = (yes[:, None] > no).mean() + 0.5 * (yes[:, None] == no).mean()
    return float(above)


def believed(net: Judge, decoded: Decoded | None, count: int, seed: int) -> dict[str, float]:
    """The `auc` of each sound's class on scenes that were not learnt from, drawn or decoded."""
    x, truth = drawn(np.random.default_rng(seed), count, decoded)
    with torch.no_grad():
        scores = net(x).double().numpy()
    return {name: round(auc(scores[:, i], truth[:, i].numpy() > 0), 4) for i, name in enumerate(NAMES)}
