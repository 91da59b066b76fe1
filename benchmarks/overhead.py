"""What the diffusion core costs beyond its networks, and what its exact shortcuts save.

    python -m benchmarks.overhead [--json [PATH]]

Host overhead is measured on a small network of SD 1.5's topology, in this process's own CPU time, and set against a
full-size step. Savings are counted, in floating-point operations of full-size networks without weights, and measured in
CPU time at a smaller picture. Says nothing about a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import measure
from tools.diffusion.attention import install
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.guidance import classifier_free
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.sampling import euler
from tools.diffusion.schedules import ddim_sigmas, scaled_linear
from tools.diffusion.steps import told
from tools.diffusion.unet import forward, shifts, spread
from tools.diffusion.upsampling import fold

SDXL: dict[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
"""The U-Net of stabilityai/stable-diffusion-xl-base-1.0, where its config is not diffusers' default."""
FULL_STEP = 2.4
"""Seconds of one sample-step of SD 1.5 at 512 pixels in bf16 on two quiet cores."""
STEPS = 20
TEXT = 77


def unet(widths: tuple[int, ...] = (320, 640, 1280, 1280), text: int = 768, groups: int = 32) -> UNet2DConditionModel:
    """SD 1.5's U-Net, or a narrow one."""
    made: UNet2DConditionModel = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=widths,
        cross_attention_dim=text,
        attention_head_dim=8,
        norm_num_groups=groups,
    )
    return made.eval().requires_grad_(False)


def vae(widths: tuple[int, ...] = (128, 256, 512, 512)) -> AutoencoderKL:
    """SD 1.5's autoencoder."""
    made: AutoencoderKL = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=widths,
        layers_per_block=2,
    )
    return made.eval().requires_grad_(False)


def overhead(rounds: int = 15) -> dict[str, float]:
    """Milliseconds of CPU a guided step: ours with sampler and progress, its network alone, diffusers' forward."""
    torch.manual_seed(0)
    net, theirs = unet((32,) * 4, 32, 8), unet((32,) * 4, 32, 8)
    fold(net)
    nothing: Any = None
    model = LatentDiffusion(net, nothing, nothing, nothing, scaled_linear(), "epsilon", 64, "", "small")
    cond, uncond = Condition(torch.randn(TEXT, 32)), Condition(torch.randn(TEXT, 32))
    x, sigmas = torch.randn(1, 4, 8, 8), ddim_sigmas(model.schedule, STEPS)
    text = torch.stack([cond.text, uncond.text])
    D = classifier_free(Network(model), cond, uncond, 7.5)
    times = [shifts(net, model.schedule.t(sigma)) for sigma in sigmas[:-1]]

    @torch.no_grad()
    def network() -> None:
        for each in times:
            forward(net, x, each, text, 2)

    @torch.no_grad()
    def stock() -> None:
        for t in range(STEPS):
            theirs(x.repeat(2, 1, 1, 1), t, text, return_dict=False)

    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: list(told(euler(D, x, sigmas), None)),
        "network": network,
        "diffusers": stock,
    }
    taken = measure.side_by_side(calls, rounds, time.process_time)
    found = {name: 1000 * seconds / STEPS for name, seconds in taken.items()}
    beyond = found["ours"] - found["network"]
    return found | {"beyond": beyond, "share_of_full_step": beyond / 1000 / FULL_STEP}


def operations(side: int = 512) -> dict[str, float]:
    """10⁹ floating-point operations of full-size networks, counted: two guided rows of a U-Net, decoding a picture."""
    cells = side // 8
    x, text = torch.empty(1, 4, cells, cells, device="meta"), torch.empty(2, TEXT, 768, device="meta")
    with torch.device("meta"):
        net, decoder = unet(), vae()
    install(net)
    time_ = shifts(net, torch.empty((), device="meta"))
    found = {
        "unet": counted(lambda: forward(net, spread(x, 2), time_, text, 2)),
        "unet_prefix": counted(lambda: forward(net, x, time_, text, 2)),
        "decode": counted(lambda: decoder.decode(x)),
    }
    fold(net)
    fold(decoder)
    return found | {
        "unet_prefix_doubling": counted(lambda: forward(net, x, time_, text, 2)),
        "decode_doubling": counted(lambda: decoder.decode(x)),
    }


def sdxl(side: int = 1024, rows: int = 2) -> dict[str, float]:
    """One evaluation of SDXL's U-Net for so many guided rows, without weights: 10⁹ operations, and GB in bfloat16.

    weights: all of them; skips: what lies in memory of the way down when the way up begins.
    """
    cells = side // 8
    with torch.device("meta"):
        net = UNet2DConditionModel(**SDXL).eval().requires_grad_(False)
    install(net)
    x, text = torch.empty(1, 4, cells, cells, device="meta"), torch.empty(rows, TEXT, 2048, device="meta")
    time_ = shifts(net, torch.empty((), device="meta"), torch.empty(rows, 2816, device="meta"))
    kept, width, across = net.conv_in.out_channels * cells**2, 0, cells
    for stage in net.down_blocks:
        width = stage.resnets[0].out_channels
        kept += len(stage.resnets) * width * across**2
        if stage.downsamplers:
            across //= 2
            kept += width * across**2
    return {
        "gigaflop": counted(lambda: forward(net, x, time_, text, rows)),
        "weights": sum(weight.numel() for weight in net.parameters()) * 2 / 1e9,
        "skips": kept * rows * 2 / 1e9,
    }


@torch.no_grad()
def counted(call: Callable[[], Any]) -> float:
    """10⁹ floating-point operations of a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e9


@torch.no_grad()
def savings(side: int = 256, rounds: int = 3) -> dict[str, float]:
    """Seconds of CPU, in float32, of the same full-size calls at a smaller side, taking turns."""
    torch.manual_seed(0)
    cells = side // 8
    x, text = torch.randn(1, 4, cells, cells), torch.randn(2, TEXT, 768)
    plain, folded, decoder, doubling = unet(), unet(), vae(), vae()
    folded.load_state_dict(plain.state_dict())
    fold(folded)
    fold(doubling)
    install(plain)
    install(folded)
    t = torch.tensor(500.0)
    times = {net: shifts(net, t) for net in (plain, folded)}

    def run(net: Any, x: Tensor) -> Tensor:
        return forward(net, x, times[net], text, 2)

    calls: dict[str, Callable[[], Any]] = {
        "unet": lambda: run(plain, spread(x, 2)),
        "unet_prefix": lambda: run(plain, x),
        "unet_prefix_doubling": lambda: run(folded, x),
        "decode": lambda: decoder.decode(x),
        "decode_doubling": lambda: doubling.decode(x),
        "times": lambda: shifts(plain, t),
    }
    return measure.side_by_side(calls, rounds + 1, time.process_time)


def figures() -> dict[str, Any]:
    """Everything, and `overhead_share`: what a step costs beyond its network, of a full-size step."""
    host = overhead()
    return {
        "overhead_share": host["share_of_full_step"],
        "host_ms_a_step": {name: round(value, 3) for name, value in host.items() if name != "share_of_full_step"},
        "gigaflop_at_512": {name: round(value, 1) for name, value in operations().items()},
        "cpu_seconds_at_256": {name: round(value, 3) for name, value in savings().items()},
    }


if __name__ == "__main__":
    measure.report((__doc__ or "").splitlines()[0], figures)
