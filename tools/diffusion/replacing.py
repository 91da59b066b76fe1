"""Putting a subject in the place of something: two rows denoised together, the second led by the first's attention.

BLIP-Diffusion's editing (arXiv 2305.14720, section 4.4): Prompt-to-Prompt (Hertz et al., arXiv 2208.01626) over a DDIM
inversion, blended where the picture's own text looks when it says what is to be replaced. Three rows instead of the
released code's four, whose unconditional source row is never used; no matrix of all pairs is ever formed.

Knows no tokens, no photos and no autoencoder.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from tools.diffusion.attention import Attention, Mode, Probe, Sharing
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.sampling import State


@dataclass(frozen=True, eq=False)
class Replacing:
    """What is replaced by what.

    source: the text of the picture as it is; target: the wanted one; nothing: the unguided one. alignment (77, 77): how
    target tokens stand for source tokens. words: the source's tokens of what is replaced. mask: bool (h, w), where a
    person has said it; None: where those words look, above `threshold` of the largest. cross, own: the share of the
    steps in which cross- and self-attention are led.
    """

    source: Condition
    target: Condition
    nothing: Condition
    guidance: float
    alignment: Tensor
    words: tuple[int, ...]
    mask: Tensor | None = None
    threshold: float = 0.3
    cross: float = 0.8
    own: float = 0.4


@dataclass(frozen=True, eq=False)
class Replaced:
    """The last x of both rows (2, 4, h, w), the source's first, and the mask (h, w) at the end."""

    x: Tensor
    mask: Tensor


def replaced(model: LatentDiffusion, x: Tensor, sigmas: Tensor, r: Replacing) -> Generator[State, None, Replaced]:
    """Denoise x (1, 4, h, w) at the first of the descending `sigmas` twice. States are of the target row.

    The source advances under its text alone, the target under classifier-free guidance; after each step the target is
    put back to the source outside the mask.
    """
    h, w = x.shape[-2:]
    guided = r.guidance != 1
    rows = [r.source, *([r.nothing] if guided else []), r.target]
    looked = x.new_zeros(quarter(h) * quarter(w))
    attention = Attention(probe=Probe(0, r.words, looked) if r.mask is None else None)
    network, steps = Network(model, attention), len(sigmas) - 1
    modes = _modes(r, len(rows) - 1, len(looked))
    source = target = x
    mask = x.new_zeros(h, w, dtype=torch.bool)
    for i, (sigma, lower) in enumerate(pairwise(sigmas)):
        attention.mode = modes[i < int(r.cross * steps), i < int(r.own * steps)]
        states = torch.cat([source, *([target] if guided else []), target])
        eps = network.rows(states, sigma, rows)
        eps_source, eps_target = eps[:1], eps[-1:]
        if guided:
            eps_target = eps[1:2] + r.guidance * (eps_target - eps[1:2])
        yield State(i, steps, target, target - sigma * eps_target, sigma)
        source = source + (lower - sigma) * eps_source
        target = target + (lower - sigma) * eps_target
        mask = r.mask if r.mask is not None else blend(looked.view(quarter(h), quarter(w)), (h, w), r.threshold)
        target = target.where(mask, source)
    return Replaced(torch.cat([source, target]), mask)


def blend(looked: Tensor, size: tuple[int, int], threshold: float) -> Tensor:
    """bool (h, w): where attention (h/4, w/4), spread by a cell in every direction, is above a share of its largest."""
    spread = max_pool2d(looked[None, None], 3, stride=1, padding=1)
    spread = interpolate(spread, size)[0, 0]
    return spread > threshold * spread.max()


def quarter(cells: int) -> int:
    """Cells at the third of a U-Net's levels: 16 of 64; halving rounds up."""
    return -(-cells // 4)


def _modes(r: Replacing, last: int, tokens: int) -> dict[tuple[bool, bool], Mode]:
    """The attention of each phase, by whether cross- and whether self-attention is led."""
    return {
        (cross, own): Sharing(((0, last),), tokens if own else 0, r.alignment if cross else None)
        if cross or own
        else None
        for cross in (True, False)
        for own in (True, False)
    }
