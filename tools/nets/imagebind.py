"""ImageBind's vision, text and audio branches: pictures, words and sounds become vectors of one space.

Girdhar et al., "ImageBind: One Embedding Space To Bind Them All" (CVPR 2023, arXiv 2305.05665). Modules are named as
the tensors of the released `imagebind_huge` are; depth, thermal and motion, which it has too, are left out. A branch is
a stem that makes tokens, a trunk of pre-norm blocks, a head that reads one token, and a scale. For use, not for
training: no dropout. Reads no files (`imagebind_keys`). The released weights may not be used commercially.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from tools.nets.clip_blocks import attend

Modality = Literal["vision", "text", "audio"]

MODALITIES: tuple[Modality, ...] = ("vision", "text", "audio")
EPSILON = 1e-6
"""Of every LayerNorm but the audio stem's, which has torch's 1e-5."""
STEEPEST = 100.0
"""No vector is scaled to more than this norm."""
TEXT_SCALE, AUDIO_SCALE = 1 / 0.07, 20.0
"""Norms of text (as training began) and audio vectors; those of pictures have norm 1."""


class Trunk(NamedTuple):
    """Sizes of one branch: channels of a token, blocks, heads of each block's attention."""

    width: int
    blocks: int
    heads: int


VISION, TEXT, AUDIO = Trunk(1280, 32, 16), Trunk(1024, 24, 16), Trunk(768, 12, 12)
"""Of the release."""


@dataclass(frozen=True)
class ImageBindConfig:
    """All sizes; the defaults are those of `imagebind_huge`.

    `space`: D, of the common vectors. `side`, `patch`: pixels; a picture counts as two equal frames. `words`: tokens
    that are known; `context`: tokens of a text. `bins`, `frames`: of a clip's filterbank, cut into squares of `square`
    every `stride`.
    """

    space: int = 1024
    vision: Trunk = VISION
    text: Trunk = TEXT
    audio: Trunk = AUDIO
    side: int = 224
    patch: int = 14
    words: int = 49408
    context: int = 77
    bins: int = 128
    frames: int = 204
    square: int = 16
    stride: int = 10

    @property
    def patches(self) -> int:
        return (self.side // self.patch) ** 2

    @property
    def squares(self) -> int:
        """Of a clip's filterbank: 12 × 19."""
        rows, columns = ((edge - self.square) // self.stride + 1 for edge in (self.bins, self.frames))
        return rows * columns


class Attention(nn.Module):
    """Self-attention in torch's packed layout; with `sink`, every query also sees one learnt key and its value."""

    def __init__(self, width: int, heads: int, sink: bool) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.bias_k = nn.Parameter(torch.zeros(1, 1, width)) if sink else None
        self.bias_v = nn.Parameter(torch.zeros(1, 1, width)) if sink else None

    def forward(self, x: torch.Tensor, seen: torch.Tensor | None = None) -> torch.Tensor:
        """x (B, N, width); seen: bool (N, N), True where a token (row) sees another (column)."""
        q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        if self.bias_k is not None and self.bias_v is not None:
            k, v = (torch.cat([y, b.expand(len(x), 1, -1)], dim=1) for y, b in ((k, self.bias_k), (v, self.bias_v)))
        out: torch.Tensor = self.out_proj(attend(q, k, v, self.heads, seen))
        return out


class FeedForward(nn.Module):
    """Two linear maps around the exact GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """x + attention(LN x), then x + feed-forward(LN x)."""

    def __init__(self, width: int, heads: int, sink: bool) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, EPSILON)
        self.attn = Attention(width, heads, sink)
        self.norm_2 = nn.LayerNorm(width, EPSILON)
        self.mlp = FeedForward(width)

    def forward(self, x: torch.Tensor, seen: torch.Tensor | None = None) -> torch.Tensor:
        x = x + self.attn(self.norm_1(x), seen)
        x = x + self.mlp(self.norm_2(x))
        return x


class Blocks(nn.Module):
    """A branch's blocks; the vision branch's tokens are normalised before the first one."""

    def __init__(self, sizes: Trunk, sink: bool = False, norm_first: bool = False) -> None:
        super().__init__()
        self.pre_transformer_layer = nn.Sequential()
        if norm_first:
            self.pre_transformer_layer.append(nn.LayerNorm(sizes.width, EPSILON))
        self.blocks = nn.ModuleList(Block(sizes.width, sizes.heads, sink) for _ in range(sizes.blocks))

    def forward(self, x: torch.Tensor, seen: torch.Tensor | None = None) -> torch.Tensor:
        x = self.pre_transformer_layer(x)
        for block in self.blocks:
            x = block(x, seen)
        return x


class Positions(nn.Module):
    """A vector for the class token and one for each patch, as many as there were in training."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, width))

    def forward(self, rows: int, columns: int) -> torch.Tensor:
        """(1, 1 + rows · columns, width); for another grid than that of training, a square one, bicubic between it."""
        trained = self.pos_embed[:, 1:]
        if trained.shape[1] == rows * columns:
            return self.pos_embed
        edge = math.isqrt(trained.shape[1])
        grid = trained.reshape(1, edge, edge, -1).permute(0, 3, 1, 2)
        between = F.interpolate(grid, (rows, columns), mode="bicubic").flatten(2).transpose(1, 2)
        return torch.cat([self.pos_embed[:, :1], between], dim=1)


class Stem(nn.Module):
    """What holds the tensors that make tokens of patches: those of a convolution, and perhaps of a LayerNorm."""

    def __init__(self, proj: nn.Module, norm_layer: nn.Module) -> None:
        super().__init__()
        self.proj = proj
        self.norm_layer = norm_layer


class VisionTokens(nn.Module):
    """Pictures (B, 3, H, W), sides multiples of the patch, → tokens, the class token first."""

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__()
        width, kernel = config.vision.width, (2, config.patch, config.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        frames = nn.Conv3d(3, width, kernel, kernel, bias=False)
        self.rgbt_stem = Stem(nn.Sequential(nn.Identity(), frames), nn.Identity())
        self.pos_embedding_helper = Positions(1 + config.patches, width)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        kernel = self.rgbt_stem.proj.get_parameter("1.weight").sum(2)  # a picture is two equal frames
        x = F.conv2d(pixels, kernel, stride=kernel.shape[2:])
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], dim=1)
        placed: torch.Tensor = tokens + self.pos_embedding_helper(*x.shape[2:])
        return placed


class AudioTokens(nn.Module):
    """Filterbanks (B, 1, bins, frames) → tokens of overlapping squares, the class token first."""

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__()
        width = config.audio.width
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        squares = nn.Conv2d(1, width, config.square, config.stride, bias=False)
        self.rgbt_stem = Stem(squares, nn.LayerNorm(width))
        self.pos_embedding_helper = Positions(1 + config.squares, width)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        x = self.rgbt_stem.proj(features)
        squares = self.rgbt_stem.norm_layer(x.flatten(2).transpose(1, 2))
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), squares], dim=1)
        placed: torch.Tensor = tokens + self.pos_embedding_helper(*x.shape[2:])
        return placed


class TextTokens(nn.Module):
    """Ids (B, L) → tokens; `mask` (L, L) is −∞ where a token does not see another: what comes after it."""

    mask: torch.Tensor

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.words, config.text.width)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.context, config.text.width))
        self.register_buffer("mask", torch.full((config.context, config.context), -math.inf).triu(1))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x: torch.Tensor = self.token_embedding(ids)
        return x + self.pos_embed


class FirstToken(nn.Module):
    """(B, N, width) → (B, width)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0]


def class_head(width: int, space: int) -> nn.Sequential:
    """From the class token to the common space."""
    return nn.Sequential(nn.LayerNorm(width, EPSILON), FirstToken(), nn.Linear(width, space, bias=False))


class EndHead(nn.Module):
    """From the token that ends a text to the common space."""

    def __init__(self, width: int, space: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.LayerNorm(width, EPSILON), nn.Linear(width, space, bias=False))

    def forward(self, x: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """x (B, L, width), ends (B,): where the texts end."""
        out: torch.Tensor = self.proj(x[torch.arange(len(x), device=x.device), ends])
        return out


class Unit(nn.Module):
    """Vectors (B, D) of norm 1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(x, dim=-1)


class Scale(nn.Module):
    """Times e^s, at most STEEPEST."""

    log_logit_scale: torch.Tensor

    def __init__(self, scale: float, learnt: bool) -> None:
        super().__init__()
        if learnt:
            self.log_logit_scale = nn.Parameter(torch.tensor(math.log(scale)))
        else:
            self.register_buffer("log_logit_scale", torch.tensor(math.log(scale)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.log_logit_scale.exp().clamp(max=STEEPEST)


class ImageBind(nn.Module):
    """The branches asked for. Vectors have the norms that the original's have: 1 (vision), e^s (text), 20 (audio)."""

    def __init__(self, config: ImageBindConfig, modalities: Sequence[Modality] = MODALITIES) -> None:
        super().__init__()
        self.config = config
        made = {modality: _branch(config, modality) for modality in modalities}
        self.modality_preprocessors = nn.ModuleDict({modality: branch[0] for modality, branch in made.items()})
        self.modality_trunks = nn.ModuleDict({modality: branch[1] for modality, branch in made.items()})
        self.modality_heads = nn.ModuleDict({modality: branch[2] for modality, branch in made.items()})
        self.modality_postprocessors = nn.ModuleDict({modality: branch[3] for modality, branch in made.items()})

    def vision(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 3, H, W) with CLIP's mean and deviation → (B, D), norm 1."""
        tokens = self.modality_trunks["vision"](self.modality_preprocessors["vision"](pixels))
        out: torch.Tensor = self.modality_postprocessors["vision"](self.modality_heads["vision"](tokens))
        return out

    def text(self, ids: torch.Tensor) -> torch.Tensor:
        """CLIP's tokens (B, context), 0 behind the one that ends the text and has the highest id of all → (B, D)."""
        stem = self.modality_preprocessors["text"]
        tokens = self.modality_trunks["text"](stem(ids), stem.mask == 0)
        out: torch.Tensor = self.modality_postprocessors["text"](self.modality_heads["text"](tokens, ids.argmax(1)))
        return out

    def audio(self, features: torch.Tensor) -> torch.Tensor:
        """Clips of sounds (B, S, 1, bins, frames) → (B, D), the mean over a sound's clips: norm at most 20."""
        tokens = self.modality_trunks["audio"](self.modality_preprocessors["audio"](features.flatten(0, 1)))
        clips: torch.Tensor = self.modality_postprocessors["audio"](self.modality_heads["audio"](tokens))
        return clips.reshape(*features.shape[:2], -1).mean(1)


def _branch(config: ImageBindConfig, modality: Modality) -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
    """Stem, trunk, head and scale."""
    space = config.space
    if modality == "vision":
        trunk = Blocks(config.vision, norm_first=True)
        return VisionTokens(config), trunk, class_head(config.vision.width, space), Unit()
    if modality == "text":
        end, scale = EndHead(config.text.width, space), nn.Sequential(Unit(), Scale(TEXT_SCALE, learnt=True))
        return TextTokens(config), Blocks(config.text), end, scale
    scale = nn.Sequential(Unit(), Scale(AUDIO_SCALE, learnt=False))
    return AudioTokens(config), Blocks(config.audio, sink=True), class_head(config.audio.width, space), scale
