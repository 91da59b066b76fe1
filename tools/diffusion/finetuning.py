"""Learning one subject: a few dozen steps on its photos, and what is kept of them, in a hundredth of the model's size.

BLIP-Diffusion's fine-tuning (arXiv 2305.14720, section 4.3): the denoiser's own loss, of ε or v, trains all weights of
the U-Net and the subject's vectors, which the encoder has only begun; everything else stands still. After so few steps
of AdamW a weight's change is little more than its sign, so one bit a weight and one scale a row are kept (Liu et al.,
"BitDelta", arXiv 2402.10193), and vectors of weights whole: 108 MB for Stable Diffusion 1.5 instead of 1.7 GB.

Sees latents, not photos; stores nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tools.diffusion.attention import install
from tools.diffusion.learning import errors
from tools.diffusion.model import LatentDiffusion
from tools.nets.context_clip import ContextTextEncoder, sharing

BATCH = 3
DECAY = 0.01
"""Of weights that are matrices; vectors have none."""


@dataclass(frozen=True)
class Schooling:
    """How long and how fast. steps: 40 for most subjects, 120 for one with much detail. rate: of AdamW."""

    steps: int = 40
    rate: float = 5e-6
    seed: int = 0


@dataclass(frozen=True)
class Taught:
    """After a step: how many are done, and its loss."""

    step: int
    loss: float


@dataclass(frozen=True, eq=False)
class Learnt:
    """vectors (K, C). unet: a trained copy, float32."""

    vectors: Tensor
    unet: Any


def learn(
    model: LatentDiffusion, latents: Tensor, vectors: Tensor, ids: list[int], schooling: Schooling
) -> Generator[Taught, None, Learnt]:
    """Fine-tune on latents (n, 4, h, w) of one subject whose caption has the token ids `ids`; yields after each step.

    vectors: (K, C), where the encoder has the subject begin. Closing it stops before the next step.
    """
    random = torch.Generator().manual_seed(schooling.seed)
    unet = copy.deepcopy(model.unet).float().requires_grad_(True)
    install(unet)
    begun = nn.Parameter(vectors.detach().float().clone())
    encoder, caption = sharing(model.text_encoder), torch.tensor([ids], device=model.device)
    optimizer = torch.optim.AdamW(_groups([begun, *unet.parameters()]), lr=schooling.rate, weight_decay=DECAY)
    for step in range(schooling.steps):
        with torch.enable_grad():
            loss = error(replace(model, unet=unet), encoder, latents, (caption, begun), random)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield Taught(step + 1, float(loss.detach()))
    return Learnt(begun.detach(), unet.requires_grad_(False))


def error(
    model: LatentDiffusion,
    encoder: ContextTextEncoder,
    latents: Tensor,
    said: tuple[Tensor, Tensor],
    random: torch.Generator,
) -> Tensor:
    """The denoiser's mean error of `BATCH` of the latents. said: the caption's ids (1, L), the vectors in it (K, C)."""
    z = latents[torch.randint(len(latents), (BATCH,), generator=random)]
    caption, vectors = said
    text = encoder(caption, vectors[None]).float().expand(BATCH, -1, -1)
    return errors(model, z, text, random).mean()


def _groups(parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
    """Matrices decay, vectors do not."""
    matrices = [p for p in parameters if p.dim() > 1]
    return [{"params": matrices}, {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0}]


# What is kept of it


def change(before: nn.Module, after: nn.Module) -> dict[str, Tensor]:
    """What fine-tuning has done to each weight: its sign as bits and its mean size in each row; a vector's change."""
    kept: dict[str, Tensor] = {}
    old = dict(before.named_parameters())
    for name, weight in after.named_parameters():
        delta = (weight - old[name].float()).detach().cpu()
        if delta.dim() <= 1:
            kept[f"change.{name}"] = delta.half()
        else:
            rows = delta.flatten(1)
            kept[f"signs.{name}"] = torch.from_numpy(np.packbits((rows > 0).numpy(), axis=1))
            kept[f"scale.{name}"] = rows.abs().mean(1).float()
    return kept


def changed(unet: Any, kept: Mapping[str, Tensor]) -> Any:
    """A copy of a U-Net with what was kept done to it. KeyError or RuntimeError where it is another network's."""
    copied = copy.deepcopy(unet)
    install(copied)
    with torch.no_grad():
        for name, weight in copied.named_parameters():
            weight += _delta(kept, name, weight.shape).to(weight)
    return copied


def _delta(kept: Mapping[str, Tensor], name: str, shape: torch.Size) -> Tensor:
    if len(shape) <= 1:
        return kept[f"change.{name}"].float().view(shape)
    width = shape[1:].numel()
    bits = torch.from_numpy(np.unpackbits(kept[f"signs.{name}"].numpy(), axis=1, count=width))
    return ((bits.float() * 2 - 1) * kept[f"scale.{name}"][:, None]).view(shape)
