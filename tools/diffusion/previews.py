"""Small pictures of where a sampler stands: RGB as a linear function of the latent, one pixel a cell.

What the autoencoder would draw, roughly, at no cost. Decodes nothing but once, to fit an unknown autoencoder.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from sessions.values import Picture, Pixels

SD1 = ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473), (0.0, 0.0, 0.0))
"""RGB in -1…1 per unit of each latent channel of SD 1.x's autoencoder, and where all are 0."""
SD1_WIDTHS = (128, 256, 512, 512)
SAMPLES, CELLS = 6, 8
"""How many random latents an unknown autoencoder is fitted on, and cells along their sides."""


def preview(z: Tensor, colours: Tensor) -> Picture:
    """The first of latents (B, 4, h, w), w × h pixels; colours: `colours_of` its autoencoder."""
    return Picture(to_bytes(torch.einsum("chw,cr->rhw", z[0].float().cpu(), colours[:-1]) + colours[-1][:, None, None]))


def colours_of(vae: Any) -> Tensor:
    """(5, 3): the four channels' colours and that of 0, RGB in -1…1; float32 on the CPU."""
    if tuple(vae.config.block_out_channels) == SD1_WIDTHS and vae.config.scaling_factor == 0.18215:
        return torch.tensor(SD1)
    return fitted(vae)


@torch.no_grad()
def fitted(vae: Any) -> Tensor:
    """`colours_of` by least squares on what the decoder makes of smooth random latents."""
    noise = torch.randn(SAMPLES, vae.config.latent_channels, 2, 2, generator=torch.Generator().manual_seed(0))
    z = interpolate(noise, size=(CELLS, CELLS), mode="bilinear", align_corners=True)
    drawn = vae.decode((z / vae.config.scaling_factor).to(vae.device, vae.dtype)).sample.float().cpu()
    rgb = avg_pool2d(drawn, drawn.shape[-1] // CELLS)
    cells = torch.cat([z, torch.ones_like(z[:, :1])], 1).transpose(0, 1).flatten(1).mT
    colours: Tensor = torch.linalg.lstsq(cells, rgb.transpose(0, 1).flatten(1).mT).solution
    return colours


def to_bytes(planes: Tensor) -> Pixels:
    """uint8 (H, W, 3) of (3, H, W) in -1…1."""
    levels = ((planes.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    bytes_: Pixels = levels.permute(1, 2, 0).contiguous().cpu().numpy()
    return bytes_
