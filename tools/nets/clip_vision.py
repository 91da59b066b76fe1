"""CLIP's image tower as BLIP-Diffusion uses it: ViT-L/14 without its last block, then a LayerNorm of its own.

Radford et al. 2021; Li et al. 2023 (arXiv 2305.14720), section 3.1. All 257 tokens come out. Every LayerNorm has
ε = 1e-5, with which the weights were trained, whatever a folder's config says. Modules are named as the tensors of
`Salesforce/blipdiffusion` are. Reads no files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import nn

from sessions.values import Picture, Pixels
from tools.nets.clip_blocks import Block, Blocks, PackedAttention

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class VisionConfig:
    """Sizes of the image tower; `side` and `patch` in pixels."""

    width: int = 1024
    layers: int = 23
    heads: int = 16
    hidden: int = 4096
    patch: int = 14
    side: int = 224

    @property
    def tokens(self) -> int:
        """Patches and the class token before them."""
        return (self.side // self.patch) ** 2 + 1


class PatchEmbeddings(nn.Module):
    """Pixels (B, 3, side, side) → tokens (B, 1 + patches, width), the class token first."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(1, 1, config.width))
        self.patch_embedding = nn.Conv2d(3, config.width, config.patch, config.patch, bias=False)
        self.position_embedding = nn.Parameter(torch.zeros(1, config.tokens, config.width))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)  # (B, patches, width)
        return torch.cat([self.class_embedding.expand(len(pixels), -1, -1), patches], dim=1) + self.position_embedding


class VisionTransformer(nn.Module):
    """What a picture shows, (B, tokens, width)."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width, hidden = config.width, config.hidden
        blocks = (Block(PackedAttention(width, config.heads), width, hidden) for _ in range(config.layers))
        self.embeddings = PatchEmbeddings(config)
        self.pre_layernorm = nn.LayerNorm(width)
        self.encoder = Blocks(blocks)
        self.post_layernorm = nn.LayerNorm(width)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """pixels: (B, 3, side, side) as `prepared` makes them."""
        x = self.encoder(self.pre_layernorm(self.embeddings(pixels)))
        out: torch.Tensor = self.post_layernorm(x)
        return out


def prepared(picture: Picture, side: int) -> torch.Tensor:
    """The central square of a picture as the tower takes it, (1, 3, side, side): with CLIP's mean and deviation."""
    unit = torch.from_numpy(square(picture, side).astype(np.float32) / 255)
    return ((unit - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1)[None]


def square(picture: Picture, side: int) -> Pixels:
    """The middle of a picture, RGB (side, side, 3), bicubic; what is transparent is white.

    Equal to scaling the short side and then cutting, as the reference does, but a strip of 1 × 10 000 pixels never
    becomes a large picture on the way.
    """
    image = Image.fromarray(picture.pixels)
    if picture.alpha is not None:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    middle = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, _central(picture.size, side))
    return np.asarray(middle, np.uint8)


def _central(size: tuple[int, int], side: int) -> tuple[float, float, float, float]:
    """The box of the picture that lands in the square cut from its middle after scaling, in whole scaled pixels."""
    short = min(size)
    scaled = [side * edge // short for edge in size]
    start = [round((edge - side) / 2) for edge in scaled]
    x0, y0 = (s * edge / new for s, edge, new in zip(start, size, scaled, strict=True))
    x1, y1 = ((s + side) * edge / new for s, edge, new in zip(start, size, scaled, strict=True))
    return x0, y0, min(x1, size[0]), min(y1, size[1])
