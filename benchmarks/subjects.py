"""BLIP-Diffusion's editing against a dense form of the released procedure, over the same random networks.

    python -m benchmarks.subjects [--json [PATH]]

`blip_edit_ratio`: theirs / ours, a whole edit of a photo: inversion and decoding from its latent to both rows' last x.
Theirs is LAVIS's procedure written here: four rows a step, [∅, ∅, source, target], of which the first is never used,
every attention as a matrix of all pairs, and all cross-attention maps of at most 32 × 32 cells kept and added up.

Equality comes first: both rows after every step, in float64 on a small network. At full size time is taken to be linear
in the steps: runs of 1 and of 3 give what an edit costs once and what a step costs (`blip_edit_linearity` from a run of
2, 1 if it is), and they add up to 50. The phases are kept in proportion. Topology as in `benchmarks.diffedit`.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from benchmarks.diffedit import ROUNDS, SIDE, WIDTH, clock, sides, synchronised
from benchmarks.measure import report, seconds
from tools.base import drain
from tools.diffusion.alignment import NEW, refinement
from tools.diffusion.attention import transformer_blocks
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.guidance import mixed
from tools.diffusion.inversion import invert
from tools.diffusion.latents import settled, unsettled
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.replacing import Replacing, replaced
from tools.diffusion.schedules import ddim_sigmas

STEPS = 50
SOURCE = [900, 1, 20, 30, 31, 901]
"""Ids of "a cat in the snow"; only which are equal to which counts."""
TARGET = [900, 1, *[NEW] * 16, 21, 30, 31, 901]
KEPT = 32 * 32
"""Cells up to which the released code keeps maps."""


@dataclass(frozen=True, eq=False)
class Case:
    """A model, a latent and what is replaced by what."""

    model: LatentDiffusion
    z0: Tensor
    what: Replacing

    def ours(self, steps: int) -> Tensor:
        """Both rows' last x, (2, 4, h, w)."""
        sigmas = ddim_sigmas(self.model.schedule, steps)
        D = mixed(Network(self.model), [(1.0, self.what.source)])
        x = drain(invert(D, self.z0, sigmas.flip(0)))[-1]
        both: Tensor = drain(replaced(self.model, x, sigmas, self.what)).x
        return both

    def theirs(self, steps: int) -> Tensor:
        """The same, densely."""
        sigmas = ddim_sigmas(self.model.schedule, steps)
        return denoised(self, inverted(self, sigmas), sigmas)


def case(model: LatentDiffusion, side: int) -> Case:
    """Random texts and latent; a third of the picture or so is blended in."""
    random = torch.Generator().manual_seed(0)
    dtype = torch.promote_types(model.dtype, torch.float32)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random).to(model.device, dtype)

    width = int(model.unet.config.cross_attention_dim)
    source, target, nothing = (Condition(drawn(77, width)) for _ in range(3))
    what = Replacing(source, target, nothing, 7.5, refinement(SOURCE, TARGET, 77), (2,), threshold=0.9)
    return Case(model, drawn(1, 4, side // 8, side // 8), what)


# The released procedure


@dataclass
class Controller:
    """Whole maps, led and kept. step: of the decoding; -1 while inverting, where nothing is led."""

    what: Replacing
    steps: int
    tokens: int
    step: int = -1
    kept: dict[int, Tensor] = field(default_factory=dict)
    layer: int = 0

    def led(self, maps: Tensor, crossing: bool) -> Tensor:
        """maps: (4, heads, N, M)."""
        if self.step < 0:
            return maps
        if crossing and maps.shape[2] <= KEPT:
            self.kept[self.layer] = self.kept.get(self.layer, 0) + maps[2:]
        self.layer += 1
        if crossing and self.step < int(self.what.cross * self.steps):
            alignment = self.what.alignment.to(maps)
            some = alignment.sum(0)
            maps[3] = maps[2][..., alignment.argmax(0)] * some + maps[3] * (1 - some)
        if not crossing and self.step < int(self.what.own * self.steps) and maps.shape[2] <= self.tokens:
            maps[3] = maps[2]
        return maps

    def blended(self, both: Tensor) -> Tensor:
        """The target put back outside the mask, after a step."""
        self.step, self.layer = self.step + 1, 0
        h, w = both.shape[-2:]
        maps = [kept[0] for kept in self.kept.values() if kept.shape[2] == self.tokens]
        looked = torch.cat(maps)[..., list(self.what.words)].sum(-1).mean(0).view(1, 1, -(-h // 4), -(-w // 4))
        mask = interpolate(max_pool2d(looked, 3, 1, 1), (h, w))
        inside = (mask / mask.max() > self.what.threshold).to(both)
        return both[:1] + inside * (both - both[:1])


class Processor:
    """An attention that forms the matrix of all pairs."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, attention_mask: None = None
    ) -> Tensor:
        seen = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (attn.head_to_batch_dim(x) for x in (attn.to_q(hidden_states), attn.to_k(seen), attn.to_v(seen)))
        maps = attn.get_attention_scores(q, k).unflatten(0, (-1, attn.heads))
        maps = self.controller.led(maps, encoder_hidden_states is not None)
        out: Tensor = attn.to_out[0](attn.batch_to_head_dim(maps.flatten(0, 1) @ v))
        return out


def controlled(case: Case, steps: int) -> Controller:
    """The model under a controller."""
    h, w = case.z0.shape[-2:]
    controller = Controller(case.what, steps, -(-h // 4) * -(-w // 4))
    for block in transformer_blocks(case.model.unet):
        block.attn1.set_processor(Processor(controller))
        block.attn2.set_processor(Processor(controller))
    return controller


@torch.no_grad()
def eps(model: LatentDiffusion, x: Tensor, sigma: Tensor, texts: Tensor) -> Tensor:
    """One evaluation of diffusers' own U-Net."""
    t = model.schedule.t(sigma)
    out: Tensor = model.unet(settled(x, sigma).to(model.dtype), t, texts.to(model.dtype), return_dict=False)[0]
    return out.to(x)


def inverted(case: Case, sigmas: Tensor) -> Tensor:
    """DDIM inversion under the source's text."""
    controlled(case, len(sigmas) - 1)
    x = unsettled(case.z0, sigmas[-1])
    for sigma, target in pairwise(sigmas.flip(0)):
        seen = unsettled(settled(x, sigma), target)
        x = x + (target - sigma) * eps(case.model, seen, target, case.what.source.text[None])
    return x


def denoised(case: Case, x: Tensor, sigmas: Tensor) -> Tensor:
    """Four rows a step, two of them moved."""
    what, controller = case.what, controlled(case, len(sigmas) - 1)
    controller.step = 0
    texts = torch.stack([what.nothing.text, what.nothing.text, what.source.text, what.target.text])
    both = x.expand(2, -1, -1, -1)
    for sigma, target in pairwise(sigmas):
        rows = eps(case.model, torch.cat([both, both]), sigma, texts)
        led = torch.stack([rows[2], rows[1] + what.guidance * (rows[3] - rows[1])])
        both = controller.blended(both + (target - sigma) * led)
    return both


# Measured


def difference(steps: int = 5, width: int = 32, side: int = 128) -> float:
    """The largest difference of both rows' ends on a small network in float64, as a share of the largest number."""
    with tempfile.TemporaryDirectory() as folder:
        small = case(sides(Path(folder), width, side, torch.float64).model, side)
    ours, theirs = small.ours(steps), small.theirs(steps)
    return float((ours - theirs).abs().max() / theirs.abs().max())


def blip_edit_ratio(rounds: int = ROUNDS, width: int = WIDTH, side: int = SIDE) -> dict[str, float]:
    """`blip_edit_ratio` and what it was worked out from; an AssertionError where the two do not agree."""
    apart = difference()
    assert apart < 1e-9, f"ours and the dense form differ by {apart}"
    with tempfile.TemporaryDirectory() as folder:
        full = case(sides(Path(folder), width, side).model, side)
    full.ours(1), full.theirs(1)  # warm-up
    taken: dict[tuple[Callable[[int], Tensor], int], list[float]] = {}
    for _ in range(rounds):
        for steps in (1, 2, 3):
            for run in (full.ours, full.theirs):
                whole = synchronised(lambda run=run, steps=steps: run(steps))  # type: ignore[misc]
                taken.setdefault((run, steps), []).append(seconds(whole, clock()))
    median = {key: statistics.median(values) for key, values in taken.items()}
    ours, theirs = (_whole(median[run, 1], median[run, 3]) for run in (full.ours, full.theirs))
    expected = (median[full.ours, 1] + median[full.ours, 3]) / 2
    return {
        "blip_edit_ratio": theirs / ours,
        "blip_edit_linearity": median[full.ours, 2] / expected,
        "blip_edit_difference": apart,
        "blip_edit_ms": ours * 1000,
        "blip_edit_dense_ms": theirs * 1000,
        "width": width,
        "side": side,
    }


def _whole(one: float, three: float) -> float:
    """STEPS steps, from what 1 and 3 of them take."""
    return one + (STEPS - 1) * (three - one) / 2


if __name__ == "__main__":
    report(__doc__ or "", blip_edit_ratio)
