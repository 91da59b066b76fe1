"""DiffEdit against diffusers' (deprecated) pipeline: same random weights, texts, latent, noises and steps.

    python -m benchmarks.diffedit [--json [PATH]]

`diffedit_cold_ratio`: theirs / ours for the first edit of a picture; theirs has what it does by default, an empty text
for the inversion. `diffedit_second_ratio`: the same for another query on that picture, which they do from the start.
Both from the encoding of picture and texts to the pixels. `repeat_ms`: the very same step once more, at 512 × 512.

Equality comes first: mask, trajectory, and the latent where everything is masked (elsewhere theirs is a level off).
A small network does it in float32 from beginning to end. At full size the mask is found by itself, and after it time is
taken to be linear in the steps: runs of 1 and of 3 give what an edit costs once and what a step costs, a run of 2 says
how far that is true (`diffedit_linearity`, 1 if it is), and they add up to the default's 40 of 50 steps. The topology
is SD 1.5's at `PENTIMENTO_BENCH_WIDTH` of its 320 channels; nothing has learnt anything. Run it with
`OMP_NUM_THREADS=1` where other work goes on: times are then a single thread's own.
"""

from __future__ import annotations

import copy
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from agent.plan import PlanStep
from agent.stepping import Job, work
from benchmarks.measure import photo, report, seconds
from sessions.values import Picture, Pixels
from tools import devices
from tools.base import EditContext, drain
from tools.caches import Cache
from tools.diffusion import kept, latents, text
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.guidance import classifier_free, mixed
from tools.diffusion.inversion import invert
from tools.diffusion.model import LatentDiffusion, optimise
from tools.diffusion.schedules import ddim_sigmas, scaled_linear
from tools.edits.diffedit import Args, begun, diffedit, eps_maps, find, mask_of, masked_decode

WIDTH = int(os.environ.get("PENTIMENTO_BENCH_WIDTH", "320"))
SIDE = int(os.environ.get("PENTIMENTO_BENCH_SIDE", "512"))
ROUNDS = int(os.environ.get("PENTIMENTO_BENCH_ROUNDS", "3"))
DEFAULT = Args(query="a red cat")
EVERY_BIT = 10**12
"""Bytes; no cache of a benchmark is too small."""
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
NOISE |= {"set_alpha_to_one": False, "steps_offset": 1}


@dataclass
class Shelf:
    """The one model, and a cache."""

    model: LatentDiffusion
    cache: Cache

    world = "photos"

    def entry(self, role: str) -> Shelf:
        return self

    def diffusion(self, role: str) -> LatentDiffusion:
        return self.model


@dataclass(frozen=True, eq=False)
class Sides:
    """Our model and their pipeline over the same networks, and a picture."""

    model: LatentDiffusion
    pipeline: Any
    picture: Picture
    folder: Path

    def fresh(self) -> Shelf:
        """A shelf that has seen nothing yet."""
        return Shelf(self.model, Cache(Path(tempfile.mkdtemp(dir=self.folder)), EVERY_BIT))

    def ours(self, shelf: Shelf, query: str, steps: int, strength: float, mask: Pixels | None = None) -> None:
        """The tool, to the pixels, with the mask that it finds if none is given. With that threshold none is empty."""
        drain(diffedit.run(*self.call(shelf, query, steps, strength, mask)))

    def call(self, shelf: Shelf, query: str, steps: int, strength: float, mask: Any = None) -> tuple[EditContext, Args]:
        """What the tool is told."""
        ctx = EditContext(self.picture, mask=mask, shelf=shelf, confirmed=True)  # type: ignore[arg-type]
        return ctx, Args(query=query, steps=steps, strength=strength, threshold=0.3)

    def our_mask(self, shelf: Shelf, query: str) -> None:
        """The tool's mask."""
        ctx, args = self.call(shelf, query, DEFAULT.steps, DEFAULT.strength)
        drain(find(ctx, begun(ctx, args)))

    def theirs(self, query: str, steps: int, strength: float, mask: Pixels | None = None) -> None:
        """The three calls of their documentation, to the pixels; two where the mask is given."""
        grid = {"num_inference_steps": steps, "inpaint_strength": strength}
        image = Image.fromarray(self.picture.pixels)
        cells = self.their_mask(query, steps) if mask is None else self.cells(mask)
        inverted = self.pipeline.invert(prompt="", image=image, **grid).latents
        self.pipeline(prompt=query, mask_image=cells, image_latents=inverted, output_type="np", **grid)

    def their_mask(self, query: str, steps: int = DEFAULT.steps) -> Any:
        """Theirs, (1, h, w)."""
        image = Image.fromarray(self.picture.pixels)
        return self.pipeline.generate_mask(image, target_prompt=query, source_prompt="", num_inference_steps=steps)

    def cells(self, mask: Pixels) -> Any:
        """A mask of pixels as their pipeline has it."""
        factor = self.model.factor
        return (mask[None, ::factor, ::factor] > 0).astype(np.float32)


def sides(folder: Path, width: int = WIDTH, side: int = SIDE, dtype: torch.dtype | None = None) -> Sides:
    """Both, over random networks; `dtype` as the shelf would have it on this machine."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    torch.manual_seed(0)
    device = devices.best()
    dtype = dtype or devices.precision(device, 2 * devices.FULL_SIZE)
    thin = max(32, width * 128 // 320)
    unet = UNet2DConditionModel(
        sample_size=side // 8, block_out_channels=(width, 2 * width, 4 * width, 4 * width),
        attention_head_dim=8, cross_attention_dim=768,
    )  # fmt: skip
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(thin, 2 * thin, 4 * thin, 4 * thin), layers_per_block=2, sample_size=side,
    )  # fmt: skip
    tokenizer, encoder = reader(folder, 12 * width // 320 or 1)
    parts = [part.to(device, dtype).eval().requires_grad_(False) for part in (unet, vae, encoder)]
    theirs = stock(*parts, tokenizer)
    unet, vae = (optimise(copy.deepcopy(part)) for part in parts[:2])
    model = LatentDiffusion(
        unet, vae, encoder, tokenizer, scaled_linear(), "epsilon", side, f"random {width}", "random"
    )
    picture = Picture(np.ascontiguousarray(photo(side, side).pixels))
    return Sides(model, theirs, picture, folder)


def reader(folder: Path, layers: int) -> tuple[Any, Any]:
    """A tokenizer of a few words, and a text encoder as wide as CLIP ViT-L/14's for its vocabulary."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from tests import tiny

    words, _ = tiny.vocabulary()
    tiny.tokenizer(folder / "tokenizer")
    config = CLIPTextConfig(
        vocab_size=len(words), hidden_size=768, intermediate_size=3072,
        num_hidden_layers=layers, num_attention_heads=12,
        bos_token_id=len(words) - 2, eos_token_id=len(words) - 1, pad_token_id=1,
    )  # fmt: skip
    return CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True), CLIPTextModel(config)


def stock(unet: Any, vae: Any, encoder: Any, tokenizer: Any) -> Any:
    """Their pipeline, as its documentation has it, in the precision of ours."""
    from diffusers import DDIMInverseScheduler, DDIMScheduler, StableDiffusionDiffEditPipeline

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = StableDiffusionDiffEditPipeline(
            vae, encoder, tokenizer, unet, DDIMScheduler(**NOISE), None, None,
            DDIMInverseScheduler(**NOISE), requires_safety_checker=False,
        )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def equality(both: Sides, steps: int = 4, n: int = 4) -> dict[str, float]:
    """How far the two agree on the same latent and noises: masks' IoU, and errors as shares of the largest value."""
    model, pipeline = both.model, both.pipeline
    z0 = kept.latent(both.fresh().cache, model, both.picture.pixels)
    query, null = (Condition(states) for states in text.encode(model, ("a red cat", "")))
    network, sigmas = Network(model), ddim_sigmas(model.schedule, steps)
    shared = {"num_inference_steps": steps, "generator": latents.generator(0)}
    z = z0.to(model.dtype)
    theirs = pipeline.generate_mask(z, target_prompt="a red cat", source_prompt="", num_maps_per_mask=n, **shared)
    noise = latents.noise((n, *z0.shape[1:]), latents.generator(0), z).to(z0)
    x = latents.noised(z0, sigmas[steps // 2], noise)
    ours = mask_of(eps_maps(*network.eps(x, sigmas[steps // 2], [query, null])))
    one, other = ours.cpu(), torch.from_numpy(theirs[0]).bool()
    xs = drain(invert(mixed(network, [(1.0, null)]), z0, sigmas.flip(0)))
    inverted = pipeline.invert(prompt="", image=z, num_inference_steps=steps, inpaint_strength=1.0).latents
    top = latents.settled(xs[-1], sigmas[0])
    everything = torch.ones(z0.shape[-2:], dtype=torch.bool, device=z0.device)
    found = drain(masked_decode(classifier_free(network, query, null, 7.5), z0, xs, sigmas, everything))
    drawn = pipeline(
        prompt="a red cat", mask_image=everything.float()[None, None], image_latents=inverted,
        num_inference_steps=steps, inpaint_strength=1.0, output_type="latent",
    ).images  # fmt: skip
    return {
        "diffedit_mask_iou": float((one & other).sum() / (one | other).sum()),
        "diffedit_inversion_error": relative(inverted[:, 0], top),
        "diffedit_decode_error": relative(drawn, found),
    }


def relative(one: Tensor, other: Tensor) -> float:
    """The greatest difference as a share of the greatest value."""
    return float((one.float() - other.float()).abs().max() / other.abs().max())


def timed(both: Sides, steps: int, rounds: int, strength: float = 1.0, mask: Pixels | None = None) -> dict[str, float]:
    """Median seconds of their edit, our first and our second of a picture, taking turns."""
    return in_turns(
        rounds,
        lambda: both.theirs("a red cat", steps, strength, mask),
        lambda shelf, query: both.ours(shelf, query, steps, strength, mask),
        both,
    )


def in_turns(
    rounds: int, theirs: Callable[[], object], ours: Callable[[Shelf, str], object], both: Sides
) -> dict[str, float]:
    """Median seconds of theirs, and of ours on a fresh shelf and then of another query."""
    taken: dict[str, list[float]] = {"theirs": [], "cold": [], "second": []}
    for _ in range(rounds):
        shelf = both.fresh()
        runs: dict[str, Callable[[], object]] = {
            "theirs": theirs,
            "cold": lambda shelf=shelf: ours(shelf, "a red cat"),  # type: ignore[misc]
            "second": lambda shelf=shelf: ours(shelf, "a blue dog"),  # type: ignore[misc]
        }
        for name, run in runs.items():
            taken[name].append(seconds(synchronised(run), clock()))
    return {name: statistics.median(values) for name, values in taken.items()}


def clock() -> Callable[[], float]:
    """Of the wall where a GPU works; of this process on a processor, so that other work counts as little as it can."""
    return time.perf_counter if torch.cuda.is_available() else time.process_time


def synchronised(run: Callable[[], object]) -> Callable[[], None]:
    """A call that ends when the device is done."""

    def whole() -> None:
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return whole


def ratios(both: Sides, rounds: int = ROUNDS) -> dict[str, float]:
    """The figures of the head of this file, from the mask and from runs of 1, 2 and 3 steps under another mask."""
    left = np.zeros(both.picture.pixels.shape[:2], np.uint8)
    left[:, : left.shape[1] // 2] = 255
    timed(both, 1, 1, mask=left)  # warm-up
    masks = in_turns(rounds, lambda: both.their_mask("a red cat"), both.our_mask, both)
    one, two, three = (timed(both, steps, rounds, mask=left) for steps in (1, 2, 3))
    whole, straight = {}, {}
    for name in one:
        step = (three[name] - one[name]) / 2
        straight[name] = two[name] / (one[name] + step)
        whole[name] = masks[name] + one[name] - step + DEFAULT.levels * step
    return {
        **{f"diffedit_{name}_seconds": round(value, 3) for name, value in whole.items()},
        "diffedit_linearity": round(max(straight.values(), key=lambda share: abs(share - 1)), 3),
        "diffedit_cold_ratio": round(whole["theirs"] / whole["cold"], 3),
        "diffedit_second_ratio": round(whole["theirs"] / whole["second"], 3),
    }


def whole_runs(both: Sides, rounds: int = ROUNDS) -> dict[str, float]:
    """The same two ratios without extrapolation, for networks small enough."""
    taken = timed(both, DEFAULT.steps, rounds, DEFAULT.strength)
    return {
        "diffedit_cold_ratio_small": round(taken["theirs"] / taken["cold"], 3),
        "diffedit_second_ratio_small": round(taken["theirs"] / taken["second"], 3),
    }


def repeat_ms(folder: Path, times: int = 20) -> float:
    """Median milliseconds of a step that was worked before, at 512 × 512: looked up, opened and composited."""
    from tests import tiny
    from tools import adding
    from tools.shelf import Shelf as Shelves

    shelf = Shelves(folder / "home")
    adding.add(shelf, tiny.stable_diffusion(folder / "tiny"), "text-to-image")
    step = PlanStep(tool="diffedit", args={"query": "a red cat", "steps": 2}, confirmed=True)
    job = Job(step, Picture(np.ascontiguousarray(photo(512, 512).pixels)), seed=1, shelf=shelf)
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        for _ in work(0, job):
            pass
        taken.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(taken[1:]), 2)


def figures(width: int = WIDTH, side: int = SIDE) -> dict[str, Any]:
    """What this file measures: equality and whole runs on a small network, then the full size."""
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = {"rounds": ROUNDS, "load": os.getloadavg()[0]}
        small = sides(Path(folder) / "small", 32, 64, torch.float32)
        found |= equality(small)
        if found["diffedit_mask_iou"] < 1 or found["diffedit_decode_error"] > 1e-3:
            raise SystemExit(f"not the same edit: {found}")
        found |= whole_runs(small) | {"repeat_ms": repeat_ms(Path(folder))}
        full = sides(Path(folder) / "full", width, side)
        found |= {"width": width, "side": side, "device": str(full.model.device), "dtype": str(full.model.dtype)}
        return found | ratios(full)


if __name__ == "__main__":
    report(__doc__ or "", figures)
