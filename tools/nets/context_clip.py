"""CLIP's text tower that takes foreign vectors among its words: they stand at position 2, behind "[BOS] a".

As BLIP-Diffusion feeds it (arXiv 2305.14720; the released weights want the vectors there, not at the end as the paper
has it): words and vectors alike get the position where they stand, and a token sees only what is before it. Without
vectors it is CLIP's text tower, so it shares the tensors of one that is loaded already. Does not tokenise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from sessions.errors import BadWeights
from tools.nets.clip_blocks import Block, Blocks, CausalAttention

if TYPE_CHECKING:
    from transformers import CLIPTextModel

BEGIN = 2
"""Where the vectors are inserted: after the beginning and the article."""


@dataclass(frozen=True)
class TextConfig:
    """Sizes of the text tower."""

    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    words: int = 49408
    positions: int = 77


class TextEmbeddings(nn.Module):
    """Words, with vectors between them, at the positions where they stand."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.words, config.width)
        self.position_embedding = nn.Embedding(config.positions, config.width)

    def forward(self, ids: torch.Tensor, vectors: torch.Tensor | None) -> torch.Tensor:
        x: torch.Tensor = self.token_embedding(ids)
        if vectors is not None:
            x = torch.cat([x[:, :BEGIN], vectors.to(x), x[:, BEGIN:]], dim=1)
        return x + self.position_embedding.weight[: x.shape[1]]


class ContextTextEncoder(nn.Module):
    """Token ids, and perhaps vectors between them → the context of a U-Net."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        width, hidden = config.width, config.hidden
        self.embeddings = TextEmbeddings(config)
        self.encoder = Blocks(Block(CausalAttention(width, config.heads), width, hidden) for _ in range(config.layers))
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, ids: torch.Tensor, vectors: torch.Tensor | None = None) -> torch.Tensor:
        """ids (B, L), vectors (B, K, C) → (B, L + K, C), at most `positions` of them."""
        out: torch.Tensor = self.final_layer_norm(self.encoder(self.embeddings(ids, vectors)))
        return out


def sharing(tower: CLIPTextModel) -> ContextTextEncoder:
    """The encoder over the very tensors of transformers' tower; nothing is copied. BadWeights for a foreign one."""
    c = tower.config
    if c.hidden_act != "quick_gelu":
        raise BadWeights(f"This text encoder was trained with {c.hidden_act}, and BLIP-Diffusion's with quick_gelu.")
    sizes = (c.hidden_size, c.num_hidden_layers, c.num_attention_heads, c.intermediate_size)
    with torch.device("meta"):
        encoder = ContextTextEncoder(TextConfig(*sizes, c.vocab_size, c.max_position_embeddings))
    encoder.load_state_dict(tower.state_dict(), assign=True)
    return encoder.requires_grad_(False)
