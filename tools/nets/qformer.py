"""BLIP-Diffusion's subject encoder: an image and a word for what it shows → 16 vectors that stand among a text's words.

The Q-Former of BLIP-2 (Li et al. 2023, arXiv 2301.12597) as arXiv 2305.14720, section 3.1, uses it: a BERT in which
learnt queries attend to the image in every layer and to the word, then a residual projection to the text encoder's
width. Modules are named as the tensors of `Salesforce/blipdiffusion` are. Reads no files: `blip_keys` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

from tools.nets.clip_blocks import attend, quick_gelu
from tools.nets.clip_vision import VisionConfig, VisionTransformer

EPS = 1e-12
"""ε of BERT's LayerNorms and the projection's."""


@dataclass(frozen=True)
class SubjectConfig:
    """Sizes: a BERT-base with 16 queries, over a ViT-L/14."""

    vision: VisionConfig = field(default_factory=VisionConfig)
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    words: int = 30523
    positions: int = 512
    queries: int = 16


class Embeddings(nn.Module):
    """Queries, which have no position, and then words, which have; one LayerNorm over both."""

    def __init__(self, config: SubjectConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.words, config.width)
        self.position_embeddings = nn.Embedding(config.positions, config.width)
        self.LayerNorm = nn.LayerNorm(config.width, EPS)

    def forward(self, queries: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        words = self.word_embeddings(ids) + self.position_embeddings.weight[: ids.shape[1]]
        out: torch.Tensor = self.LayerNorm(torch.cat([queries.expand(len(ids), -1, -1), words], dim=1))
        return out


class Added(nn.Module):
    """LN(x + dense(y)): how every part of a BERT layer ends."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width_in, width)
        self.LayerNorm = nn.LayerNorm(width, EPS)

    def forward(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.LayerNorm(x + self.dense(y))
        return out


class Attention(nn.Module):
    """Post-norm attention of x (B, N, width) to `seen` (B, M, width of seen)."""

    def __init__(self, config: SubjectConfig, seen: int) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        projections = {"query": nn.Linear(width, width), "key": nn.Linear(seen, width), "value": nn.Linear(seen, width)}
        self.attention = nn.ModuleDict(projections)
        self.output = Added(width, width)

    def forward(self, x: torch.Tensor, seen: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        q, k, v = self.attention["query"](x), self.attention["key"](seen), self.attention["value"](seen)
        out: torch.Tensor = self.output(attend(q, k, v, self.heads, mask), x)
        return out


class Layer(nn.Module):
    """All attend to all, queries also to the image; queries and words each have their own feed-forward."""

    def __init__(self, config: SubjectConfig) -> None:
        super().__init__()
        width, hidden, self.queries = config.width, config.hidden, config.queries
        self.attention = Attention(config, width)
        self.crossattention = Attention(config, config.vision.width)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, hidden)})
        self.intermediate_query = nn.ModuleDict({"dense": nn.Linear(width, hidden)})
        self.output = Added(hidden, width)
        self.output_query = Added(hidden, width)

    def forward(self, x: torch.Tensor, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.attention(x, x, mask)
        q, t = x[:, : self.queries], x[:, self.queries :]
        q = self.crossattention(q, image)
        q = self.output_query(F.gelu(self.intermediate_query["dense"](q)), q)
        t = self.output(F.gelu(self.intermediate["dense"](t)), t)
        return torch.cat([q, t], dim=1)


class Layers(nn.Module):
    """Layers one after the other."""

    def __init__(self, config: SubjectConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.layers))

    def forward(self, x: torch.Tensor, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        for layer in self.layer:
            x = layer(x, image, mask)
        return x


class Projection(nn.Module):
    """x + W₂ quickgelu(W₁ LN x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense1 = nn.Linear(width, 4 * width)
        self.dense2 = nn.Linear(4 * width, width)
        self.LayerNorm = nn.LayerNorm(width, EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.dense2(quick_gelu(self.dense1(self.LayerNorm(x))))
        return out


class SubjectEncoder(nn.Module):
    """Pictures and the words for what they show → subject vectors (B, queries, width)."""

    def __init__(self, config: SubjectConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.visual_encoder = VisionTransformer(config.vision)
        self.query_tokens = nn.Parameter(torch.zeros(1, config.queries, config.width))
        self.encoder = Layers(config)
        self.proj_layer = Projection(config.width)

    def forward(self, pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """pixels (B, 3, side, side); ids (B, L) of [CLS] word [SEP], padded where mask (B, L, bool) is False."""
        queries = self.config.queries
        seen = torch.cat([mask.new_ones(len(mask), queries), mask], dim=1)[:, None, None]  # (B, 1, 1, queries + L)
        x = self.states(self.visual_encoder(pixels), ids, seen)
        out: torch.Tensor = self.proj_layer(x[:, :queries])
        return out

    def states(self, image: torch.Tensor, ids: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """(B, queries + L, width) before the projection, of the queries and of all words.

        image (B, tokens, its width): what the image tower says. seen: bool, to (B, 1, queries + L, queries + L), row i
        says what i may look at; who sees whom is what the three ways of learning differ in (`blip_learning`).
        """
        out: torch.Tensor = self.encoder(self.embeddings(self.query_tokens, ids), image, seen)
        return out
