"""Recipe 2: the autoencoder's decoder goes on alone, when latents have been made: what was learnt from them stays true.

Half of the scenes are in any weather and style, whose thin lines it draws last of all. Of four batches one is of grids,
as `analogist` lays them: their latents are of another kind, for the encoder's normalisation spans a whole picture.
Latents get a little noise, as those have that a U-Net makes.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from training.loop import Recipe, generator
from training.tilings import grid_example
from training.vae import BATCH, distance, pictures

STEPS, SEED, NOISE = 3000, 9, 0.05
"""NOISE: its deviation, that of latents being 1."""
GRIDS, EVERY = 4, 4
"""Grids of a batch, and one batch of them in so many."""
FIRST = 10**7
"""Scenes and grids from this number on."""


def recipe(coder: AutoencoderKL, seed: int = SEED, steps: int = STEPS) -> Recipe:
    """Of a normalised autoencoder; its encoder stands still."""
    coder.requires_grad_(False)
    coder.decoder.requires_grad_(True)
    coder.post_quant_conv.requires_grad_(True)

    def loss(step: int) -> Tensor:
        x, covers = drawn(step)
        x = x.to(coder.device, memory_format=torch.channels_last)
        with torch.no_grad():
            z = coder.encode(x).latent_dist.mode()
        noise = torch.randn(z.shape, generator=generator(seed, step)).to(z)
        y = coder.decode(z + NOISE * coder.config.scaling_factor**-1 * noise).sample
        return distance(y, x, covers.to(x))

    return Recipe("decoder", coder, loss, steps, rate=1e-3)


def drawn(step: int) -> tuple[Tensor, Tensor]:
    """A step's pictures (B, 3, h, w) in −1…1, and where objects are (B, 1, h, w); in grids that is left open."""
    if step % EVERY:
        return pictures(FIRST + step * BATCH, BATCH)
    grids = [grid_example(FIRST + step * GRIDS + i, 4).rgb for i in range(GRIDS)]
    x = torch.from_numpy(np.stack(grids)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x, torch.zeros_like(x[:, :1])
