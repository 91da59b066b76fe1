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
from tools.diffusion.model import part

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


class Controlled:
    """A U-Net together with a ControlNet and what it is to keep to; called as the U-Net alone is."""

    def __init__(self, unet: Any, control: Control, embedding: Tensor) -> None:
        self.unet = unet
        self._net = control.net
        self._embedding = embedding

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unet, name)

    def __call__(self, x: Tensor, t: Tensor, text: Tensor, *, return_dict: bool = False) -> tuple[Tensor]:
        down, mid = self._net(x, t, text, self._embedding, return_dict=False)
        out: tuple[Tensor] = self.unet(
            x,
            t,
            text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
            return_dict=return_dict,
        )
        return out


def edges(rgb: Pixels) -> Pixels:
    """Canny's edges of RGB (H, W, 3): uint8 (H, W), 255 on an edge."""
    return np.asarray(cv2.Canny(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), LOW, HIGH), np.uint8)


def load(folder: Path, device: torch.device, dtype: torch.dtype) -> Control:
    """The ControlNet of a folder in diffusers' layout (its part `controlnet`)."""
    return Control.of(part(folder / "controlnet", ControlNetModel.from_config, device, dtype))
