"""Recipe 1: a small autoencoder, 64 × 64 pixels to 16 × 16 × 4 numbers (f = 4), in diffusers' AutoencoderKL.

f = 4 because the scenes' dots and points are two pixels wide: at f = 8 four numbers would stand for 192 values instead
of 48, and blur was the limit. Loss: L1 + 4 × squared error + L1 of the pixel differences (edges), and a very small KL
term that keeps the latents' cloud tight without blurring. Afterwards `normalised` folds the latents' mean and spread
into the two 1 × 1 convolutions, so that each channel has mean 0 and deviation 1 / SCALE: exact, no new parameters.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from toybox.drawing import draw
from toybox.scenes import SIDE, STYLES, WEATHERS, Scene, pick, seeded
from training.loop import Recipe, generator

BATCH, STEPS, KL = 16, 6500, 1e-6
OBJECT_WEIGHT = 5.0
"""How much more a pixel of an object counts than one of the background: they are few, and everything is about them."""
SCALE = 0.5
"""`scaling_factor` of the result: not 1, so that forgetting to scale would be seen."""


def network(seed: int = 0) -> AutoencoderKL:
    """0.6 million parameters, random."""
    torch.manual_seed(seed)
    return AutoencoderKL(
        block_out_channels=(16, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=SIDE,
        scaling_factor=SCALE,
    )


def shown(number: int) -> Scene:
    """The scene of this number; every second one in any style and weather, whose thin lines are lost else."""
    scene = seeded(number)
    if number % 2:
        return scene
    rng = np.random.default_rng((number, 1))
    style = pick(rng, STYLES) if scene.tone == "colour" else scene.style
    return replace(scene, style=style, weather=pick(rng, WEATHERS))


def pictures(first: int, count: int) -> tuple[Tensor, Tensor]:
    """Scenes `first`…: pixels (count, 3, SIDE, SIDE) in −1…1, and where their objects are (count, 1, SIDE, SIDE)."""
    drawings = [draw(shown(number)) for number in range(first, first + count)]
    rgb = torch.from_numpy(np.stack([drawing.rgb for drawing in drawings])).permute(0, 3, 1, 2)
    covers = torch.from_numpy(np.stack([sum(drawing.covers) for drawing in drawings]))[:, None]
    return rgb.float() / 127.5 - 1, covers


def loss(vae: AutoencoderKL, x: Tensor, covers: Tensor, noise: torch.Generator) -> Tensor:
    """Reconstruction and prior, for pictures x (B, 3, h, w) in −1…1 with objects under covers (B, 1, h, w)."""
    posterior = vae.encode(x).latent_dist
    z = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=noise).to(x)
    y = vae.decode(z).sample
    kl = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).sum((1, 2, 3)).mean()
    return distance(y, x, covers) + KL * kl


def distance(y: Tensor, x: Tensor, covers: Tensor) -> Tensor:
    """How far y (B, 3, h, w) is from x, both in −1…1: in pixels, those of objects counting more, and at edges."""
    edges = torch.stack([(y.diff(dim=d) - x.diff(dim=d)).abs().mean() for d in (2, 3)]).sum()
    weight = (1 + OBJECT_WEIGHT * covers) / (1 + OBJECT_WEIGHT * covers).mean()
    error = (y - x).abs() + 4 * (y - x).square()
    return (weight * error).mean() + edges


def recipe(seed: int = 0, steps: int = STEPS, device: str = "cpu") -> Recipe:
    """Fresh scenes at every step; none is seen twice."""
    vae = network(seed).to(device, memory_format=torch.channels_last)

    def step_loss(step: int) -> Tensor:
        x, covers = pictures(step * BATCH, BATCH)
        x = x.to(device, memory_format=torch.channels_last)
        return loss(vae, x, covers.to(device), generator(seed, step))

    return Recipe("vae", vae, step_loss, steps, rate=2e-3)


@torch.no_grad()
def normalised(vae: AutoencoderKL, z: Tensor) -> AutoencoderKL:
    """z' = (z − mean) / (SCALE · std), of latents z (N, 4, h, w), folded into quant_conv and post_quant_conv."""
    mean, std = z.mean((0, 2, 3)), z.std((0, 2, 3))
    gain = 1 / (std * SCALE)
    enter, leave = vae.quant_conv, vae.post_quant_conv
    enter.weight[:4] *= gain[:, None, None, None]
    enter.bias[:4] = (enter.bias[:4] - mean) * gain
    enter.bias[4:] += 2 * gain.log()
    leave.bias += (leave.weight[:, :, 0, 0] * mean).sum(1)
    leave.weight /= gain[None, :, None, None]
    return vae
