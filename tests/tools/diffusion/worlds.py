"""Small worlds whose denoiser is known in closed form, and small real networks: what the core is held against."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from tools.diffusion.denoiser import Condition
from tools.diffusion.model import LatentDiffusion, Prediction
from tools.diffusion.schedules import NoiseSchedule, scaled_linear

T = TypeVar("T")
WIDTH = 12


def finished(work: Generator[Any, None, T]) -> T:
    """What a generator returns."""
    try:
        while True:
            next(work)
    except StopIteration as end:
        result: T = end.value
        return result


def gaussian(variance: float, mean: float = 0.0) -> Callable[[Tensor, Tensor], Tensor]:
    """D of data N(mean, variance I): E[x0 | x] = (variance x + σ² mean) / (variance + σ²)."""
    return lambda x, sigma: (variance * x + sigma**2 * mean) / (variance + sigma**2)


def small_unet(channels: int = 4, linear: bool = False, stages: int = 3, seed: int = 0) -> UNet2DConditionModel:
    """A real U-Net, narrow, in float64. linear: projections as SD 2.x has them."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        block_out_channels=(8, 16, 16, 16)[:stages],
        down_block_types=("CrossAttnDownBlock2D",) * (stages - 1) + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (stages - 1),
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=4,
        use_linear_projection=linear,
    )
    return unet.double().eval().requires_grad_(False)


def small_vae(stages: int = 4, seed: int = 1) -> AutoencoderKL:
    """A real autoencoder, narrow, in float64: factor 2^(stages - 1)."""
    torch.manual_seed(seed)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * stages,
        up_block_types=("UpDecoderBlock2D",) * stages,
        block_out_channels=(8, 8, 16, 16)[:stages],
        norm_num_groups=4,
    )
    return vae.double().eval().requires_grad_(False)


def model_of(
    unet: Any, vae: Any = None, prediction: Prediction = "epsilon", schedule: NoiseSchedule | None = None
) -> LatentDiffusion:
    """A model around networks, without text encoder."""
    nothing: Any = None
    return LatentDiffusion(
        unet, vae, nothing, nothing, schedule or scaled_linear(), prediction, 64, "digest", "a small model"
    )


def conditions(count: int, channels: int = 0, size: int = 8, seed: int = 2) -> list[Condition]:
    """So many different conditions in float64."""
    draw = torch.Generator().manual_seed(seed)
    return [
        Condition(
            torch.randn(7, WIDTH, generator=draw, dtype=torch.float64),
            torch.randn(channels, size, size, generator=draw, dtype=torch.float64) if channels else None,
        )
        for _ in range(count)
    ]


def drawn(*shape: int, seed: int = 3) -> Tensor:
    """N(0, I), float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def error(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return float((ours - theirs).abs().max() / theirs.abs().max())
