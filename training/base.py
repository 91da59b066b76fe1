"""Recipe 2: text to image. A small U-Net and its text encoder, trained together on scenes and their captions."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from training.data import Data
from training.diffusion import errors, networks
from training.loop import Recipe, generator
from training.tokens import ids

BATCH, STEPS, DROPPED = 32, 7500, 0.1


def recipe(data: Data, tokenizer: CLIPTokenizer, seed: int = 1, steps: int = STEPS, device: str = "cpu") -> Recipe:
    """Captions are dropped one time in ten, for classifier-free guidance (Ho & Salimans, arXiv 2207.12598)."""
    net = networks(tokenizer, seed).to(device, memory_format=torch.channels_last)
    null = ids(tokenizer, [""])

    def loss(step: int) -> Tensor:
        rng = generator(seed, step)
        scene = torch.randint(len(data), (BATCH,), generator=rng)
        version = torch.randint(data.z.shape[1], (BATCH,), generator=rng)
        captions = data.captions[scene, version]
        dropped = torch.rand(BATCH, generator=rng) < DROPPED
        captions = torch.where(dropped[:, None], null, captions)
        return errors(net, data.z[scene, version].to(device), captions.to(device), rng).mean()

    return Recipe("base", net, loss, steps, rate=5e-4, halved=True)
