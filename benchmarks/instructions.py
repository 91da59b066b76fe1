"""InstructPix2Pix against diffusers' pipeline: the same random weights, levels and noise, the encoding included.

    python -m benchmarks.instructions [--json [PATH]]

`ip2p_ratio` is theirs / ours at both scales above 1; `ip2p_ratio_unit` the same at s_I = 1, where one of three rows has
no weight. Equality comes first, in float32 on a small network, and the time of four steps is set against that of two.
The network has the topology of SD 1.5 at `WIDTH` of its 320 channels and text states of 768; it has learnt nothing.
Times are CPU seconds, so that other work on the machine counts as little as it can.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerAncestralDiscreteScheduler,
    StableDiffusionInstructPix2PixPipeline,
    UNet2DConditionModel,
)
from torch import Tensor

from benchmarks.measure import report, side_by_side
from tools.base import drain
from tools.diffusion import latents
from tools.diffusion.model import LatentDiffusion, optimise
from tools.diffusion.schedules import linspace_sigmas, scaled_linear
from tools.edits.instruct_pix2pix import Given, sampled

WIDTH = int(os.environ.get("PENTIMENTO_BENCH_WIDTH", "320"))
SIDE = int(os.environ.get("PENTIMENTO_BENCH_SIDE", "512"))
STEPS = 3
ROUNDS = int(os.environ.get("PENTIMENTO_BENCH_ROUNDS", "3"))
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "timestep_spacing": "linspace"}


class Levels(EulerAncestralDiscreteScheduler):  # type: ignore[misc]
    """diffusers' scheduler on the authors' levels, which are log-linear; its own are 8.5e-5 off."""

    def set_timesteps(self, steps: int, device: Any = None) -> None:
        super().set_timesteps(steps, device)
        schedule = scaled_linear()
        self.sigmas = linspace_sigmas(schedule, steps).float()
        self.timesteps = schedule.t(linspace_sigmas(schedule, steps)[:-1]).float()


@dataclass(frozen=True, eq=False)
class Sides:
    """Our model and their pipeline over the same networks, and what both are given."""

    model: LatentDiffusion
    pipeline: Any
    rgb: Any  # uint8 (SIDE, SIDE, 3)
    text: Tensor  # (2, 77, 768): instruction and null

    def ours(self, s_T: float, s_I: float, steps: int) -> Tensor:
        """The latent that our loop ends in."""
        c_I = latents.encode_unscaled(self.model, self.rgb)[0]
        given = Given(self.text[0], self.text[1], c_I, s_T, s_I)
        random = latents.generator(0)
        found: Tensor = drain(
            sampled(
                self.model,
                given,
                linspace_sigmas(self.model.schedule, steps),
                lambda: latents.noise((1, *c_I.shape), random, c_I),
            )
        )
        return found

    def theirs(self, s_T: float, s_I: float, steps: int) -> Tensor:
        """The latent that the stock pipeline ends in, from the same noise."""
        random = latents.generator(0)
        h, w = (side // self.model.factor for side in self.rgb.shape[:2])
        found = self.pipeline(
            image=torch.tensor(self.rgb).permute(2, 0, 1)[None].float() / 255,
            prompt_embeds=self.text[:1], negative_prompt_embeds=self.text[1:], generator=random,
            latents=torch.randn((1, 4, h, w), generator=random), num_inference_steps=steps,
            guidance_scale=s_T, image_guidance_scale=s_I, output_type="latent",
        )  # fmt: skip
        return found.images  # type: ignore[no-any-return]


def sides(width: int = WIDTH, side: int = SIDE, dtype: torch.dtype = torch.float32) -> Sides:
    """Both, over random networks."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=side // 8, in_channels=8, block_out_channels=(width, 2 * width, 4 * width, 4 * width),
        attention_head_dim=8, cross_attention_dim=768,
    ).to(dtype).eval().requires_grad_(False)  # fmt: skip
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 64, 64, 64), layers_per_block=1, sample_size=side,
    ).to(dtype).eval().requires_grad_(False)  # fmt: skip
    pipeline = StableDiffusionInstructPix2PixPipeline(
        vae=vae, unet=unet, scheduler=Levels(**NOISE), text_encoder=None, tokenizer=None, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    text_free: Any = None  # text states are given, never encoded
    ours, coder = (optimise(copy.deepcopy(part)) for part in (unet, vae))
    model = LatentDiffusion(ours, coder, text_free, text_free, scaled_linear(), "epsilon", side, "random", "random")
    rgb = torch.randint(0, 256, (side // 8, side // 8, 3), dtype=torch.uint8).repeat_interleave(8, 0)
    return Sides(model, pipeline, rgb.repeat_interleave(8, 1).numpy(), torch.randn(2, 77, 768).to(dtype))


def error(both: Sides, s_T: float, s_I: float, steps: int = STEPS) -> float:
    """The greatest difference of the two latents, as a share of the greatest value."""
    ours, theirs = both.ours(s_T, s_I, steps), both.theirs(s_T, s_I, steps)
    return float((ours - theirs).abs().max() / theirs.abs().max())


def ratio(both: Sides, s_T: float, s_I: float, steps: int = STEPS, rounds: int = ROUNDS) -> float:
    """Their CPU seconds over ours, taking turns."""
    runs: dict[str, Callable[[], Tensor]] = {
        "theirs": lambda: both.theirs(s_T, s_I, steps),
        "ours": lambda: both.ours(s_T, s_I, steps),
    }
    taken = side_by_side(runs, rounds, time.process_time)
    return taken["theirs"] / taken["ours"]


def linearity(both: Sides) -> float:
    """Seconds of four steps over those of two: 2 but for what a run costs once."""
    runs: dict[str, Callable[[], Tensor]] = {n: (lambda n=n: both.ours(7.5, 1.0, int(n))) for n in ("2", "4")}
    taken = side_by_side(runs, ROUNDS, time.process_time)
    return taken["4"] / taken["2"]


def figures(width: int = WIDTH, side: int = SIDE) -> dict[str, Any]:
    """What this file measures."""
    small = sides(32, 64)
    found: dict[str, Any] = {"width": width, "side": side, "steps": STEPS, "rounds": ROUNDS}
    found["ip2p_error"], found["ip2p_error_unit"] = error(small, 7.5, 1.5), error(small, 7.5, 1.0)
    if max(found["ip2p_error"], found["ip2p_error_unit"]) > 1e-3:
        raise SystemExit(f"not the same picture: {found}")
    both = sides(width, side)
    both.ours(7.5, 1.0, 1), both.theirs(7.5, 1.0, 1)  # warm-up
    found["ip2p_ratio"], found["ip2p_ratio_unit"] = ratio(both, 7.5, 1.5), ratio(both, 7.5, 1.0)
    return found | {"ip2p_linearity": linearity(both)}


if __name__ == "__main__":
    report((__doc__ or "").splitlines()[0], figures)
