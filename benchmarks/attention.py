"""Analogist's attention against the way of its official code, which forms every map of every layer.

    python -m benchmarks.attention [--json [PATH]]

All ratios are theirs / ours, at batch 2 (words and no words) on a 512 pixel grid, float32.

* `analogist_attention_ratio`: the 16 self- and 16 cross-attentions of one evaluation of SD 1.5, with their projections.
* `analogist_ratio`: whole evaluations of the nine-channel U-Net.
* `analogist_peak_memory_ratio`: peak resident memory above the loaded weights in one such evaluation, each side in a
  process of its own.
* `analogist_memory_growth`: how many times ours grows where the grid's side doubles; 4 is s², 16 would be s⁴.

Equality comes first. Time is the processor's, so that other work on the machine counts little. The official way is
written anew from its description; weights are random and have learnt nothing.
"""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention as Layer
from torch import Tensor

from benchmarks.measure import report, side_by_side
from tools.diffusion.attention import Attention, Processor, install, transformer_blocks
from tools.diffusion.cloning import Analogy
from tools.diffusion.model import optimise

WIDTH = int(os.environ.get("PENTIMENTO_BENCH_WIDTH", "320"))
SIDE = int(os.environ.get("PENTIMENTO_BENCH_SIDE", "64"))
"""Of the grid, in cells of latent."""
ROUNDS = 3
LEVELS = (0, 0, 1, 1, 2, 2, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0)
"""How often the grid is halved in each layer of SD 1.5, in the order in which they run."""
WIDER = (1, 2, 4, 4)
"""Channels there, in parts of `WIDTH`."""


class Official:
    """One attention as the official code has it: all logits, index lists of the quadrants, softmax, all of it again."""

    def __init__(self, layer: int, mode: Analogy) -> None:
        self.mode, self.edits = mode, layer in mode.layers
        self.quadrants: dict[int, tuple[Tensor, ...]] = {}

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Any = None, attention_mask: Any = None):
        own = encoder_hidden_states is None
        context = hidden_states if own else encoder_hidden_states
        q, k, v = (
            part.unflatten(-1, (attn.heads, -1)).transpose(1, 2).flatten(0, 1)
            for part in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        logits = torch.einsum("bid,bjd->bij", q, k) * attn.scale
        if self.edits and own:
            a, a_, b, b_ = self.indices(q.shape[1])
            twins = logits[:, a[:, None], b], logits[:, b[:, None], a]
            logits[:, a_[:, None], b_], logits[:, b_[:, None], a_] = (self.mode.s * twin for twin in twins)
        maps = logits.softmax(-1)
        if self.edits and not own:
            maps[:, torch.cat(self.indices(q.shape[1])[:3])] = 0
        out = torch.einsum("bij,bjd->bid", maps, v)
        return attn.to_out[0](out.unflatten(0, (-1, attn.heads)).transpose(1, 2).flatten(2))

    def indices(self, tokens: int) -> tuple[Tensor, ...]:
        """The tokens of A, A', B and B'."""
        if tokens not in self.quadrants:
            half = int(tokens**0.5) // 2
            numbers = torch.arange(tokens).view(2, half, 2, half).transpose(1, 2)
            self.quadrants[tokens] = tuple(numbers.flatten(0, 1).flatten(1))
        return self.quadrants[tokens]


def analogy(side: int = SIDE) -> Analogy:
    """The paper's settings."""
    return Analogy((side, side))


def theirs(unet: Any, mode: Analogy) -> None:
    """The official way in every attention."""
    for layer, block in enumerate(transformer_blocks(unet)):
        block.attn1.set_processor(Official(layer, mode))
        block.attn2.set_processor(Official(layer, mode))


def ours(unet: Any, mode: Analogy) -> None:
    """Ours."""
    install(unet, Attention(mode))


SIDES: dict[str, Callable[[Any, Analogy], None]] = {"theirs": theirs, "ours": ours}


def layers(dtype: torch.dtype) -> Iterator[tuple[int, Any, Any, Tensor]]:
    """Number, self-attention, cross-attention and input (2, N, C) of each layer, made as they are asked for."""
    torch.manual_seed(0)
    for layer, level in enumerate(LEVELS):
        channels, tokens = WIDTH * WIDER[level], (SIDE >> level) ** 2
        own = Layer(channels, heads=8, dim_head=channels // 8).to(dtype)
        cross = Layer(channels, 768, heads=8, dim_head=channels // 8).to(dtype)
        yield layer, own, cross, torch.randn(2, tokens, channels, dtype=dtype)


@torch.no_grad()
def attention_seconds(dtype: torch.dtype = torch.float32, rounds: int = ROUNDS) -> dict[str, float]:
    """What all attentions of one evaluation take, of either side; ours has made the text's keys a step before."""
    text, taken = torch.randn(2, 77, 768).to(dtype), dict.fromkeys(SIDES, 0.0)
    for layer, own, cross, x in layers(dtype):
        medians = side_by_side(compared(layer, own, cross, x, text), rounds, time.process_time)
        taken = {side: taken[side] + medians[side] for side in SIDES}
    return taken


def compared(layer: int, own: Any, cross: Any, x: Tensor, text: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Both sides of one layer, after a look whether they agree."""
    mode = analogy()
    processors = {"theirs": Official(layer, mode), "ours": Processor(layer, Attention(mode))}

    def call(side: str) -> Tensor:
        for attn in (own, cross):
            attn.set_processor(processors[side])
        return torch.cat([own(x), cross(x, encoder_hidden_states=text)])

    agree(call("ours"), call("theirs"))
    return {side: lambda side=side: call(side) for side in SIDES}


def agree(one: Tensor, other: Tensor) -> None:
    """Whether two results are the same but for rounding; else there is nothing to time."""
    error = float((one - other).float().norm() / other.float().norm())
    if not error < (1e-4 if one.dtype == torch.float32 else 3e-2):
        raise SystemExit(f"the two sides differ by {error:.2g}")


def analogist_attention_ratio(dtype: torch.dtype = torch.float32) -> float:
    """Theirs / ours, all attentions of one evaluation."""
    taken = attention_seconds(dtype)
    return taken["theirs"] / taken["ours"]


def network(dtype: torch.dtype = torch.float32) -> Any:
    """The inpainting U-Net of SD 1.5 with random weights."""
    torch.manual_seed(0)
    return built().to(dtype).eval().requires_grad_(False)


def built() -> Any:
    return UNet2DConditionModel(
        sample_size=SIDE, in_channels=9, cross_attention_dim=768, block_out_channels=[WIDTH * wider for wider in WIDER]
    )


def both() -> dict[str, Any]:
    """Each side's U-Net, over the same weights; ours as `tools.diffusion.model` makes it ready."""
    plain = network()
    return {"theirs": plain, "ours": optimise(copy.deepcopy(plain))}


def inputs(side: int = SIDE, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Latent with its channels, timestep and text, at batch 2."""
    generator = torch.Generator().manual_seed(1)
    x, text = (torch.randn(2, *shape, generator=generator, dtype=dtype) for shape in ((9, side, side), (77, 768)))
    return x, torch.tensor(481), text


@torch.no_grad()
def evaluation_seconds(rounds: int = ROUNDS) -> dict[str, float]:
    """What one evaluation takes, of either side."""
    unets, given = both(), inputs()
    for side, unet in unets.items():
        SIDES[side](unet, analogy())

    def call(side: str) -> Tensor:
        return unets[side](*given, return_dict=False)[0]

    agree(call("ours"), call("theirs"))
    return side_by_side({side: lambda side=side: call(side) for side in SIDES}, rounds, time.process_time)


def analogist_ratio() -> float:
    """Theirs / ours, whole evaluations."""
    taken = evaluation_seconds()
    return taken["theirs"] / taken["ours"]


def analogist_peak_memory_ratio() -> float:
    """Theirs / ours, peak resident memory of one evaluation above the loaded weights."""
    return peak("theirs") / peak("ours")


def peak(side: str, cells: int = SIDE) -> int:
    """Bytes above the loaded weights, measured in a new process."""
    asked = [sys.executable, "-m", "benchmarks.attention", "--peak", side, str(cells)]
    return int(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)


@torch.no_grad()
def own_peak(side: str, cells: int) -> int:
    """The same in this process, which must be fresh."""
    unet, given = network(), inputs(cells)
    if side == "ours":
        optimise(unet)
    SIDES[side](unet, analogy(cells))
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    loaded = resident("VmRSS")
    unet(*given, return_dict=False)
    return resident("VmHWM") - loaded


def resident(what: str) -> int:
    """A line of the kernel's account of this process, in bytes."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[what].split()[0]) * 1024


def run() -> dict[str, Any]:
    """All figures."""
    attention, evaluation = attention_seconds(), evaluation_seconds()
    peaks = {side: peak(side) for side in SIDES}
    return {
        "load": round(os.getloadavg()[0], 1),
        "threads": torch.get_num_threads(),
        "analogist_attention_ratio": round(attention["theirs"] / attention["ours"], 2),
        "analogist_ratio": round(evaluation["theirs"] / evaluation["ours"], 2),
        "analogist_peak_memory_ratio": round(peaks["theirs"] / peaks["ours"], 2),
        "analogist_memory_growth": round(peaks["ours"] / peak("ours", SIDE // 2), 2),
        "seconds": {"attention": attention, "evaluation": evaluation},
        "bytes": peaks,
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        print(own_peak(sys.argv[2], int(sys.argv[3])))
    else:
        report("Analogist's attention against its official way", run)
