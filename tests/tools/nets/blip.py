"""Small BLIP-Diffusion networks with random weights, for the tests; every one from a seed."""

from __future__ import annotations

import torch
from torch import nn

from tools.nets.clip_vision import VisionConfig
from tools.nets.context_clip import ContextTextEncoder, TextConfig
from tools.nets.qformer import SubjectConfig, SubjectEncoder

SUBJECT = SubjectConfig(
    VisionConfig(width=48, layers=3, heads=4, hidden=96, patch=7, side=28),
    width=32,
    layers=2,
    heads=4,
    hidden=64,
    words=40,
    positions=24,
    queries=4,
)
TEXT = TextConfig(width=32, layers=3, heads=4, hidden=64, words=60, positions=20)


def shaken(net: nn.Module, seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Every weight random, LayerNorms too: defaults of 0 and 1 would hide mistakes."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            noise = torch.randn(weight.shape, generator=rng) * weight.shape[-1] ** -0.5
            weight.copy_(noise + (1 if "norm" in name.lower() and name.endswith("weight") else 0))
    return net.to(dtype).eval().requires_grad_(False)


def subject_encoder(seed: int = 0) -> SubjectEncoder:
    return shaken(SubjectEncoder(SUBJECT), seed)


def text_encoder(seed: int = 0) -> ContextTextEncoder:
    return shaken(ContextTextEncoder(TEXT), seed)


def words(*lengths: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Random ids (B, longest) and their mask; ids behind a length are padding."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, SUBJECT.words, (len(lengths), max(lengths)), generator=rng)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return ids.where(mask, 0), mask


def pixels(count: int, seed: int = 2) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, SUBJECT.vision.side, SUBJECT.vision.side, generator=rng, dtype=torch.float64)
