"""A full-size any2pix over SDXL: counted on the meta device; where there is CUDA timed against the stock pipeline.

    python -m benchmarks.decoder [--json]

Counted without weights: numbers and bytes of each part, and 10¹² floating-point operations of each pass and of a whole
edit at 1024 × 1024 with a sound, a prompt and the tool's own steps, nothing kept from before.

`decoder_ratio` is theirs / ours, wall time, random weights, a photo to pixels: the tool `any2pix` against what the
release calls in diffusers, StableDiffusionXLPipeline down DDIMInverseScheduler's levels unguided and back up
DDIMScheduler's guided. Both evaluate the network equally often with equally many rows. Ours besides looks, listens,
asks the prior, follows the adapter and carries the change to the photo; the stock pipeline follows its text alone.
Equality comes first, on small networks in float32, with α = 1 and the adapter at scale 0.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler, StableDiffusionXLPipeline
from torch import Tensor

from benchmarks.decoder_parts import FULL, SMALL, Sizes, modelled, networks, refiner
from benchmarks.diffedit import EVERY_BIT, NOISE, clock, relative, synchronised
from benchmarks.measure import photo, side_by_side
from benchmarks.overhead import counted
from sessions.values import Picture
from tests import tiny
from tools import devices
from tools.base import EditContext, EditResult, drain
from tools.caches import Cache
from tools.diffusion.attention import install
from tools.diffusion.following import ADAPTER, PRIOR
from tools.diffusion.model import LatentDiffusion, optimise, tokenizer
from tools.diffusion.unet import added_width, forward, shifts
from tools.edits import any2pix
from tools.edits.any2pix import Args
from tools.encoders.imagebind import ImageBindEncoder
from tools.sounds import CLIPS, RATE, Sound

ROUNDS = 3
STEPS = Args().steps
PROMPT = "a harbour at night"
TOKENS = 77
WHOLE = ("prior",)
"""Parts that are loaded in four bytes a number; all others take two where there is CUDA."""
OPTIONAL = ("refiner",)
TEXTS = ("text_encoder", "text_encoder_2")
ONCE = ("encode", "decode", "picture", "sound", "prior", "inversion", "sampling")
"""What an edit does once; it also reads two texts, decodes the photo to compare, and asks the prior of the sound."""


# Counted


def weighed(sizes: Sizes) -> dict[str, dict[str, int]]:
    """numbers, and bytes as they are loaded where there is CUDA, of each part."""
    with torch.device("meta"):
        parts = networks(sizes) | {"refiner": refiner(sizes)}
    numbers = {name: sum(weight.numel() for weight in part.parameters()) for name, part in parts.items()}
    return {name: {"numbers": n, "bytes": n * (4 if name in WHOLE else 2)} for name, n in numbers.items()}


def teraflops(sizes: Sizes, steps: int) -> dict[str, float]:
    """10¹² operations. unet, refiner: an evaluation of two rows under text alone; the others: as an edit does them.

    inversion, sampling: all steps of them, of one row and of two that follow an adapter's picture. edit: all of it,
    without the refiner.
    """
    with torch.device("meta"):
        parts, finer = networks(sizes), refiner(sizes)
        inputs = {
            "pixels": torch.empty(1, 3, sizes.side, sizes.side),
            "ids": torch.zeros(1, TOKENS, dtype=torch.long),
            "e": torch.empty(1, sizes.eyes.space),
            "seen": torch.empty(1, 3, sizes.eyes.side, sizes.eyes.side),
            "heard": torch.empty(1, CLIPS, 1, sizes.eyes.bins, sizes.eyes.frames),
        }
    model = modelled(parts, sizes)
    cells = sizes.side // model.factor
    z = torch.empty(1, int(model.vae.config.latent_channels), cells, cells, device="meta")
    passes: dict[str, Callable[[], Any]] = {
        "text": lambda: [parts[name](inputs["ids"], output_hidden_states=True) for name in TEXTS],
        "encode": lambda: model.vae.encode(inputs["pixels"]),
        "decode": lambda: model.vae.decode(z),
        "picture": lambda: parts["imagebind"].vision(inputs["seen"]),
        "sound": lambda: parts["imagebind"].audio(inputs["heard"]),
        "prior": lambda: parts["prior"].guided(inputs["e"]),
    }
    found = {name: counted(call) / 1000 for name, call in passes.items()}
    found["unet"], _ = evaluation(model, z, 2)
    found["refiner"], _ = evaluation(replace(model, unet=optimise(finer)), z, 2)
    for name, rows, adapter in (("inversion", 1, None), ("sampling", 2, parts["adapter"])):
        first, later = evaluation(model, z, rows, adapter)
        found[name] = first + (steps - 1) * later
    return found | {"edit": sum(found[name] for name in ONCE) + found["decode"] + 2 * found["text"] + found["prior"]}


def evaluation(model: LatentDiffusion, z: Tensor, rows: int, adapter: Any = None) -> tuple[float, float]:
    """10¹² operations of a run's first evaluation, which makes keys and values, and of each later one.

    Of z (1, 4, h, w) under `rows` conditions, each with a picture where there is an adapter. Called as
    `tools.diffusion.denoiser` does, which itself compares conditions and so needs numbers.
    """
    unet, text = model.unet, z.new_empty(rows, TOKENS, model.unet.config.cross_attention_dim)
    attention = install(unet)

    def once() -> None:
        if adapter is not None and attention.image is None:
            attention.image = adapter.prompt(unet, adapter.tokens(z.new_empty(rows, adapter.config.width)))
        forward(unet, z, shifts(unet, z.new_empty(()), z.new_empty(rows, added_width(unet))), text, rows)

    return counted(once) / 1000, counted(once) / 1000


# Timed


@dataclass
class Shelf:
    """The one any2pix, and a cache that is empty at first."""

    sides: Sides
    folder: Path

    world = "photos"

    def __post_init__(self) -> None:
        self.cache = Cache(self.folder / "cache", EVERY_BIT)
        (self.folder / PRIOR).mkdir()

    def entry(self, role: str) -> Shelf:
        return self

    def load(self, entry: Shelf) -> LatentDiffusion:
        return self.sides.model

    def encoder(self, digest: str = "") -> ImageBindEncoder:
        return self.sides.eyes

    def part_of(self, entry: Shelf, name: str, load: object, folders: object = None) -> Any:
        return {"encoder": "random", ADAPTER: self.sides.adapter, PRIOR: self.sides.prior}[name]


@dataclass(frozen=True, eq=False)
class Sides:
    """Ours and theirs over networks of the same numbers, U-Net and autoencoder one of each; what both are shown."""

    model: LatentDiffusion
    adapter: Any
    prior: Any
    eyes: ImageBindEncoder
    pipeline: Any
    picture: Picture
    sound: Sound
    folder: Path

    def ours(self, args: Args) -> EditResult:
        """The tool, on a shelf that has seen nothing yet."""
        shelf: Any = Shelf(self, Path(tempfile.mkdtemp(dir=self.folder)))
        return drain(any2pix.any2pix.run(EditContext(self.picture, sounds=(self.sound,), shelf=shelf), args))

    @torch.no_grad()
    def theirs(self, args: Args) -> tuple[Tensor, np.ndarray[Any, Any]]:
        """The result's latent (1, 4, h, w) and its pixels (H, W, 3), 0…1."""
        pipe, down = self.pipeline, copy.copy(self.pipeline)
        down.scheduler = DDIMInverseScheduler.from_config(pipe.scheduler.config)
        text, nothing, pooled, none = pipe.encode_prompt(args.prompt, device=self.model.device)
        planes = torch.tensor(self.picture.pixels, device=self.model.device).permute(2, 0, 1)[None] / 127.5 - 1
        scaling = float(pipe.vae.config.scaling_factor)
        z0 = pipe.vae.encode(planes.to(pipe.vae.dtype)).latent_dist.mode() * scaling
        run = {"num_inference_steps": args.steps, "output_type": "latent"}
        run |= {"height": self.picture.height, "width": self.picture.width}
        z = down(prompt_embeds=nothing, pooled_prompt_embeds=none, guidance_scale=1.0, latents=z0, **run).images
        z = pipe(
            prompt_embeds=text, pooled_prompt_embeds=pooled, negative_prompt_embeds=nothing,
            negative_pooled_prompt_embeds=none, guidance_scale=args.guidance, latents=z, **run,
        ).images  # fmt: skip
        drawn = pipe.image_processor.postprocess(pipe.vae.decode(z / scaling).sample, output_type="np")[0]
        return z, drawn


def sides(sizes: Sizes, device: torch.device, dtype: torch.dtype, folder: Path) -> Sides:
    """Both over random networks on a device; the prior in float32, as it is loaded."""
    torch.manual_seed(0)
    with torch.device(device):
        parts: dict[str, Any] = networks(sizes)
    parts = {name: part if name in WHOLE else part.to(dtype) for name, part in parts.items()}
    for name, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        tiny.tokenizer(folder / name, pad)
    words = tokenizer(folder / "tokenizer"), tokenizer(folder / "tokenizer_2")
    stock = StableDiffusionXLPipeline(
        copy.deepcopy(parts["vae"]), parts["text_encoder"], parts["text_encoder_2"], *words,
        copy.deepcopy(parts["unet"]), DDIMScheduler(**NOISE), add_watermarker=False,
    )  # fmt: skip
    stock.set_progress_bar_config(disable=True)
    heard = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * RATE).astype(np.float32)
    return Sides(
        modelled(parts, sizes, words), parts["adapter"], parts["prior"],
        ImageBindEncoder(parts["imagebind"], None, "random"), stock,
        photo(sizes.side, sizes.side), Sound(heard, RATE), folder,
    )  # fmt: skip


def difference(steps: int = 4) -> float:
    """How far the two latents are apart on small networks in float32, as a share of the largest number."""
    args = Args(prompt=PROMPT, steps=steps, alpha=1, scale=0)
    with tempfile.TemporaryDirectory() as folder:
        both = sides(SMALL, torch.device("cpu"), torch.float32, Path(folder))
        ours, (theirs, _) = both.ours(args).latent, both.theirs(args)
    assert ours is not None
    return relative(ours, theirs)


def measured(
    sizes: Sizes, device: torch.device, dtype: torch.dtype, steps: int = STEPS, rounds: int = ROUNDS
) -> dict[str, Any]:
    """Median seconds of whole edits taking turns after one of each, GB above all weights at most, and their ratio.

    The wall's seconds and the allocator's GB on CUDA; elsewhere this process's own seconds, and no GB.
    """
    args = Args(prompt=PROMPT, steps=steps)
    with tempfile.TemporaryDirectory() as folder:
        both = sides(sizes, device, dtype, Path(folder))
        runs = {"theirs": synchronised(partial(both.theirs, args)), "ours": synchronised(partial(both.ours, args))}
        peaks = {name: peak(run, device) for name, run in runs.items()}
        seconds = side_by_side(runs, rounds, clock())
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "precision": str(dtype).removeprefix("torch."),
        "side": sizes.side,
        "steps": steps,
        "seconds": seconds,
        "peak_gigabytes": peaks,
        "decoder_ratio": seconds["theirs"] / seconds["ours"],
    }


def peak(run: Callable[[], None], device: torch.device) -> float | None:
    """GB that a call takes at most above what is there before; None where there is no CUDA."""
    if device.type != "cuda":
        run()
        return None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    return (torch.cuda.max_memory_allocated() - before) / 1e9


def figures() -> dict[str, Any]:
    """Everything; `measured` is None where there is no CUDA."""
    parts, apart, device = weighed(FULL), difference(), devices.best()
    dtype = devices.precision(device, devices.FULL_SIZE + 1)
    assert apart < 1e-3, f"ours and the stock pipeline differ by {apart}"
    return {
        "steps": STEPS,
        "parts": parts,
        "gigabytes": sum(part["bytes"] for name, part in parts.items() if name not in OPTIONAL) / 1e9,
        "teraflop": teraflops(FULL, STEPS),
        "difference": apart,
        "measured": measured(FULL, device, dtype) if device.type == "cuda" else None,
    }


def table(found: dict[str, Any]) -> str:
    """One line a part and a pass."""
    weighs = [f"{name:16}{p['numbers']:>15,} numbers{p['bytes'] / 1e9:8.3f} GB" for name, p in found["parts"].items()]
    passes = [f"{name:16}{teraflop:10.3f} TFLOP" for name, teraflop in found["teraflop"].items()]
    together = f"together, without {', '.join(OPTIONAL)}: {found['gigabytes']:.2f} GB; {found['steps']} steps"
    apart = f"apart from the stock pipeline on small networks: {found['difference']:.1e}"
    took = found["measured"]
    timed = json.dumps(took) if took else "no CUDA: the edit was not timed"
    return "\n".join([*weighs, together, *passes, apart, timed])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decoder", description=__doc__)
    parser.add_argument("--json", action="store_true")
    found = figures() if parser.parse_args().json else None
    print(json.dumps(found) if found else table(figures()))


if __name__ == "__main__":
    main()
