"""Pixels to latents and back, noise levels of latents, and small previews. Resizes and crops nothing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sessions.errors import BadArguments, NotFinite
from sessions.values import Picture, Pixels
from tools.diffusion.model import LatentDiffusion

SD1_RGB = (
    (0.298, 0.207, 0.208),
    (0.187, 0.286, 0.173),
    (-0.158, 0.189, 0.264),
    (-0.184, -0.271, -0.473),
)
"""Linear fit of SD 1.x's decoder: RGB in -1…1 of the four latent channels."""


def encode(model: LatentDiffusion, rgb: Pixels) -> Tensor:
    """(1, 4, h, w) of RGB (H, W, 3): the posterior's mode times the scaling factor, float32."""
    return encode_unscaled(model, rgb) * model.vae.config.scaling_factor


@torch.no_grad()
def encode_unscaled(model: LatentDiffusion, rgb: Pixels) -> Tensor:
    """The same without the factor, as InstructPix2Pix conditions on it. BadArguments unless H, W fit the factor."""
    height, width = rgb.shape[:2]
    if height % model.factor or width % model.factor:
        raise BadArguments(f"{width} × {height} pixels are not multiples of {model.factor}.")
    weight = model.vae.encoder.conv_in.weight
    planes = torch.tensor(rgb, device=weight.device).permute(2, 0, 1)[None].to(weight.dtype) / 127.5 - 1
    mode: Tensor = model.vae.encode(planes).latent_dist.mode()
    return mode.to(_working(weight.dtype))


@torch.no_grad()
def decode(model: LatentDiffusion, z: Tensor) -> Pixels:
    """RGB (H, W, 3) of a latent (1, 4, h, w). NotFinite where it or the picture is not finite. Cannot be stopped."""
    weight = model.vae.decoder.conv_in.weight
    planes = model.vae.decode((z / model.vae.config.scaling_factor).to(weight.dtype)).sample[0]
    if not (finite(z) and finite(planes)):
        raise NotFinite(
            "The network's numbers became infinite or undefined; there is no picture.",
            "Try another seed or weaker guidance.",
        )
    return to_bytes(planes)


def preview(z: Tensor, factors: Tensor | None = None) -> Picture:
    """A small picture, one pixel a cell, of a latent (B, 4, h, w): linear in it, of the first of the batch."""
    rgb = torch.tensor(SD1_RGB) if factors is None else factors
    return Picture(to_bytes(torch.einsum("chw,cr->rhw", z[0].float().cpu(), rgb)))


def noised(z: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """x = x0 + σ ε."""
    return z + sigma * noise


def settled(x: Tensor, sigma: Tensor) -> Tensor:
    """The variance-preserving z = x / √(σ² + 1): what the autoencoder reads at the last level."""
    return x / (sigma**2 + 1).sqrt()


def unsettled(z: Tensor, sigma: Tensor) -> Tensor:
    """The inverse of `settled`: x of a variance-preserving z at σ."""
    return z * (sigma**2 + 1).sqrt()


def noise(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """N(0, I) of a shape, on `like`'s device and of its type; drawn in float32 on the CPU, the same everywhere."""
    return torch.randn(shape, generator=generator).to(like)


def generator(seed: int) -> torch.Generator:
    """The source of a step's noise."""
    return torch.Generator().manual_seed(seed)


def finite(z: Tensor) -> bool:
    """Whether all numbers are."""
    return bool(z.isfinite().all())


def to_bytes(planes: Tensor) -> Pixels:
    """uint8 (H, W, 3) of (3, H, W) in -1…1."""
    levels = ((planes.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())


def _working(dtype: torch.dtype) -> torch.dtype:
    """Latents are float32, or float64 where the networks are."""
    return torch.promote_types(dtype, torch.float32)
