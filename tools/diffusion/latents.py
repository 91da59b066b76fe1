"""Pixels to latents and back, noise and noise levels. Resizes and crops nothing."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

from sessions.errors import BadArguments, NotFinite
from sessions.values import Pixels
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.previews import to_bytes

T = TypeVar("T")


def encode(model: LatentDiffusion, rgb: Pixels) -> Tensor:
    """(1, 4, h, w) of RGB (H, W, 3): the posterior's mode times the scaling factor, float32."""
    return encode_unscaled(model, rgb) * float(model.vae.config.scaling_factor)


@torch.no_grad()
def encode_unscaled(model: LatentDiffusion, rgb: Pixels) -> Tensor:
    """The same without the factor, as InstructPix2Pix conditions on it. BadArguments unless H, W fit the factor."""
    height, width = rgb.shape[:2]
    if height % model.factor or width % model.factor:
        raise BadArguments(f"{width} × {height} pixels are not multiples of {model.factor}.")
    return _mode(model.vae, rgb).to(working(model.vae.dtype))


@torch.no_grad()
def decode(model: LatentDiffusion, z: Tensor) -> Pixels:
    """RGB (H, W, 3) of a latent (1, 4, h, w). NotFinite where it or the picture is not finite. Cannot be stopped."""
    vae = model.vae
    planes: Tensor = vae.decode((checked(z) / vae.config.scaling_factor).to(vae.dtype).contiguous()).sample[0]
    return to_bytes(checked(planes))


@torch.no_grad()
def reconstructed(vae: Any, rgb: Pixels) -> Pixels:
    """What an AutoencoderKL leaves of RGB (H, W, 3), sides multiples of its factor. NotFinite as `decode`."""
    return to_bytes(checked(vae.decode(_mode(vae, rgb)).sample[0]))


def _mode(vae: Any, rgb: Pixels) -> Tensor:
    planes = torch.tensor(rgb, device=vae.device).permute(2, 0, 1)[None].float() / 127.5 - 1
    mode: Tensor = vae.encode(planes.to(vae.dtype)).latent_dist.mode()
    return mode.contiguous()  # as a cache gives it back


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


def checked(result: T) -> T:
    """The result; NotFinite where it is a tensor with infinite or undefined numbers."""
    if isinstance(result, Tensor) and not finite(result):
        raise NotFinite(
            "The network's numbers became infinite or undefined; there is no picture.",
            "Try another seed or weaker guidance.",
        )
    return result


def working(dtype: torch.dtype) -> torch.dtype:
    """Of latents and samplers: float32, or float64 where the networks are."""
    return torch.promote_types(dtype, torch.float32)
