"""What OpenAI's CLIP repeats in its image and its text tower: attention over heads and the pre-norm block.

Two attentions differ only in how the released files name their weights (packed or apart). No embeddings, no loading.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional as F


def quick_gelu(x: torch.Tensor) -> torch.Tensor:
    """x σ(1.702 x), the cheap GELU that CLIP was trained with; same shape."""
    return x * torch.sigmoid(1.702 * x)


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    heads: int,
    mask: torch.Tensor | None = None,
    causal: bool = False,
) -> torch.Tensor:
    """softmax(q kᵀ / √d) v over `heads` heads: q (B, N, C), k and v (B, M, C) → (B, N, C). mask: bool, True = seen."""
    q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (q, k, v))  # (B, heads, N or M, d)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    return out.transpose(1, 2).flatten(2)


class PackedAttention(nn.Module):
    """Self-attention whose three projections are one matrix, as in the image tower."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).reshape(*x.shape[:2], 3, -1).unbind(2)
        out: torch.Tensor = self.projection(attend(q, k, v, self.heads))
        return out


class CausalAttention(nn.Module):
    """Self-attention in which a token sees those before it and itself, as in the text tower."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        out: torch.Tensor = self.out_proj(attend(q, k, v, self.heads, causal=True))
        return out


class FeedForward(nn.Module):
    """Two linear maps around `quick_gelu`."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc2(quick_gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """x + attention(LN x), then x + feed-forward(LN x); (B, N, width) to the same."""

    def __init__(self, attention: nn.Module, width: int, hidden: int) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(width)
        self.self_attn = attention
        self.layer_norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        x = x + self.mlp(self.layer_norm2(x))
        return x


class Blocks(nn.Module):
    """Blocks one after the other."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.layers:
            x = block(x)
        return x
