"""What a denoiser learns from: the squared error of what it predicts, at a level of noise that is drawn.

Of ε (Ho et al., arXiv 2006.11239) or of v (Salimans & Ho, arXiv 2202.00512, appendix D), as its weights are. No loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tools.diffusion.model import LatentDiffusion
from tools.diffusion.schedules import NoiseSchedule


@dataclass(frozen=True, eq=False)
class Learner:
    """A U-Net that is no model yet; prediction: "epsilon" or "v_prediction"."""

    unet: nn.Module
    prediction: str
    schedule: NoiseSchedule


def errors(
    model: LatentDiffusion | Learner,
    z: Tensor,
    text: Tensor,
    noise: torch.Generator,
    channels: Tensor | None = None,
    t: Tensor | None = None,
) -> Tensor:
    """(target − prediction)², (B, 4, h, w), t uniform or as given (B); v = √ᾱ ε − √(1−ᾱ) z.

    z: (B, 4, h, w) of unit variance; text: (B, tokens, C). `noise` draws t, then ε. channels: (B, n, h, w), what stands
    behind the latent in the U-Net's input.
    """
    if t is None:
        t = torch.randint(len(model.schedule.alphas), (len(z),), generator=noise)
    epsilon = torch.randn(z.shape, generator=noise).to(z)
    alpha = model.schedule.alphas[t].view(-1, 1, 1, 1).to(z)
    signal, spread = alpha.sqrt(), (1 - alpha).sqrt()
    noisy = signal * z + spread * epsilon
    seen = noisy if channels is None else torch.cat([noisy, channels], 1)
    told = model.unet(seen.contiguous(memory_format=torch.channels_last), t.to(z.device), text).sample
    target = epsilon if model.prediction == "epsilon" else signal * epsilon - spread * z
    wrong: Tensor = target - told.float()
    return wrong.square()
