"""ControlNet (Zhang et al., arXiv 2302.05543): a picture's edges steer a U-Net through residuals added to its skips.

The edges are embedded once, not at every step. Chooses no strength: residuals are added as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel
from torch import Tensor, nn

from sessions.values import Pixels
from tools.diffusion.denoiser import Steering
from tools.diffusion.model import part
from tools.diffusion.unet import Residuals

LOW, HIGH = 30, 70
"""Canny's thresholds at 512 pixels, as BLIP-Diffusion's authors use them."""


@dataclass(frozen=True, eq=False)
class Control:
    """A ControlNet whose embedding of the condition stands apart from what runs at every step."""

    net: Any  # diffusers.ControlNetModel
    hint: nn.Module  # (1, 3, H, W) → (1, C, h, w)

    @classmethod
    def of(cls, net: Any) -> Control:
        """Takes the embedding out of a loaded ControlNet."""
        hint, net.controlnet_cond_embedding = net.controlnet_cond_embedding, nn.Identity()
        return cls(net, hint)

    @torch.no_grad()
    def embedded(self, edges: Pixels) -> Tensor:
        """(1, C, h, w) of edges (H, W), 255 where there is one."""
        weight = next(self.hint.parameters())
        plane = torch.from_numpy(edges).to(weight.device, weight.dtype) / 255
        out: Tensor = self.hint(plane.expand(1, 3, -1, -1))
        return out

    def steered(self, embedding: Tensor) -> Steering:
        """What a `Network` is to be steered by, along edges as they are `embedded`."""

        def steering(z: Tensor, t: Tensor, text: Tensor) -> Residuals:
            down, mid = self.net(z, t, text, embedding, return_dict=False)
            return down, mid

        return steering


def edges(rgb: Pixels) -> Pixels:
    """Canny's edges of RGB (H, W, 3): uint8 (H, W), 255 on an edge."""
    return np.asarray(cv2.Canny(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), LOW, HIGH), np.uint8)


def load(folder: Path, device: torch.device, dtype: torch.dtype) -> Control:
    """The ControlNet of a folder in diffusers' layout (its part `controlnet`)."""
    return Control.of(part(folder / "controlnet", ControlNetModel.from_config, device, dtype))
