"""What tests of attention are measured against: all maps formed, rules applied to them with lists of indices.

Written from the papers' text. Also a narrow U-Net of Stable Diffusion 1's topology. Slow on purpose.
"""

from __future__ import annotations

from math import isqrt

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from tools.diffusion.attention import Mode, Sharing, transformer_blocks
from tools.diffusion.cloning import Analogy


def small_unet(channels: int = 9, stages: int = 4, seed: int = 0) -> UNet2DConditionModel:
    """Stable Diffusion 1's topology, narrow."""
    torch.manual_seed(seed)
    down = ("CrossAttnDownBlock2D",) * (stages - 1) + ("DownBlock2D",)
    up = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (stages - 1)
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        block_out_channels=(8, 16, 16, 16)[:stages],
        down_block_types=down,
        up_block_types=up,
        cross_attention_dim=12,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    return unet.double().eval().requires_grad_(False)


class Dense:
    """The rules of sections 4.2 and 4.3 of Analogist, and of Prompt-to-Prompt, on whole maps with index lists."""

    def __init__(self, layer: int, mode: Mode, size: tuple[int, int], sums: dict[int, Tensor]) -> None:
        self.layer, self.mode, self.size, self.sums = layer, mode, size, sums

    def quadrants(self, tokens: int) -> list[Tensor]:
        factor = isqrt(self.size[0] * self.size[1] // tokens)
        h, w = self.size[0] // factor, self.size[1] // factor
        numbers = torch.arange(h * w).view(h, w)
        return [
            numbers[r : r + h // 2, c : c + w // 2].flatten()
            for r, c in ((0, 0), (0, w // 2), (h // 2, 0), (h // 2, w // 2))
        ]

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        own = encoder_hidden_states is None
        context = hidden_states if own else encoder_hidden_states
        q, k, v = (
            part.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for part in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        logits = torch.einsum("bhid,bhjd->bhij", q, k) / q.shape[-1] ** 0.5
        maps = self.changed(logits, q.shape[2], own)
        self.sums[self.layer] = maps
        return attn.to_out[0](torch.einsum("bhij,bhjd->bhid", maps, v).transpose(1, 2).flatten(2))

    def changed(self, logits: Tensor, tokens: int, own: bool) -> Tensor:
        mode = self.mode
        if isinstance(mode, Sharing):
            maps = logits.softmax(-1)
            for source, target in mode.pairs:
                if own and tokens <= mode.tokens:
                    maps[target] = maps[source]
                if not own and mode.alignment is not None:
                    weight = mode.alignment.sum(0)
                    maps[target] = maps[source] @ mode.alignment + maps[target] * (1 - weight)
            return maps
        if not isinstance(mode, Analogy) or self.layer not in mode.layers:
            return logits.softmax(-1)
        a, a_, b, b_ = self.quadrants(tokens)
        if not own:
            maps = logits.softmax(-1)
            maps[:, :, torch.cat([a, a_, b])] *= 1 - mode.masking
            return maps
        old = logits.clone()
        for rows, columns, twin_rows, twin_columns in ((a_, b_, a, b), (b_, a_, b, a)):
            there, twin = (rows[:, None], columns), (twin_rows[:, None], twin_columns)
            logits[:, :, *there] = (1 - mode.cloning) * old[:, :, *there] + mode.cloning * mode.s * old[:, :, *twin]
        return logits.softmax(-1)


def dense(unet, mode: Mode, size: tuple[int, int]) -> dict[int, Tensor]:
    sums: dict[int, Tensor] = {}
    for layer, block in enumerate(transformer_blocks(unet)):
        block.attn1.set_processor(Dense(layer, mode, size, {}))
        block.attn2.set_processor(Dense(layer, mode, size, sums))
    return sums
