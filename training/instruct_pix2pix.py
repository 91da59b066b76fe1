"""InstructPix2Pix (Brooks et al., arXiv 2211.09800) as a fine-tune of a base on exact pairs, or on drawn ones.

    python -m training.instruct_pix2pix --budget MINUTES [--out DIR] [--pack PACK] [--pairs DIR [--only-pairs]]

The U-Net's first convolution takes four more channels, whose weights start at zero, and keeps its bias: before training
it computes what the base computes, whatever the picture. The picture enters as the VAE's mode, not scaled; the target
latent is scaled. One uniform number per item decides what is dropped (`kept`). On exact pairs of the toybox the text
encoder goes on learning, for instructions have words that captions lack, and cells that an edit changes count more than
those it leaves (`weights`). On drawn pairs alone it stands still, and all cells count alike, as in the paper.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTokenizer

from training import data
from training.data import SHARDS, Data
from training.diffusion import errors
from training.export import completed, each_saved
from training.loop import Recipe, claimed, generator, in_words, learnt, logged
from training.packs import STARTING, base, of_the_toybox
from training.tokens import ids

NAME = "instruct_pix2pix"
BATCH, STEPS, RATE, UNCONDITIONAL, SEED = 32, 10000, 5e-4, 0.05, 2
CHANGED, DIFFERENCE = 5.0, 0.2


def widened(unet: UNet2DConditionModel, channels: int = 8) -> UNet2DConditionModel:
    """The same network with a first convolution that takes more channels, those behind the first four weighing zero."""
    config = {**unet.config, "in_channels": channels}
    wide = UNet2DConditionModel.from_config(config)
    state = unet.state_dict()
    narrow = state["conv_in.weight"]
    state["conv_in.weight"] = torch.cat([narrow, narrow.new_zeros(len(narrow), channels - 4, 3, 3)], 1)
    wide.load_state_dict(state)
    return wide


def kept(r: Tensor, u: float = UNCONDITIONAL) -> tuple[Tensor, Tensor]:
    """Whether text and picture are kept for r uniform in [0, 1): no text below 2u, no picture in [u, 3u)."""
    return r >= 2 * u, (r < u) | (r >= 3 * u)


def weights(source: Tensor, target: Tensor) -> Tensor:
    """How much each cell counts, (B, 1, h, w), mean 1: more where target and source (B, 4, h, w) differ.

    A recoloured object is a few cells of 256, and all others are a copy. Where the picture is given the target follows
    from it, so the weight is no function of chance and the optimum is the same.
    """
    changed = (target - source).abs().mean(1, keepdim=True) > DIFFERENCE
    weight = torch.where(changed, CHANGED, 1.0)
    return weight / weight.mean((1, 2, 3), keepdim=True)


@dataclass(frozen=True)
class Plan:
    """What is asked of a training: steps, their rate, pairs of each (0: `BATCH`), and shards of exact pairs."""

    steps: int = STEPS
    rate: float = RATE
    size: int = 0
    shards: int = SHARDS


def recipe(
    begun: nn.ModuleDict,
    pairs: Data,
    scale: float,
    tokenizer: CLIPTokenizer,
    plan: Plan | None = None,
    prediction: str = "v_prediction",
) -> Recipe:
    """Fine-tune a trained base. `scale`: the autoencoder's scaling factor; `prediction`: what the base predicts.

    Without exact pairs (`plan.shards` 0) the text encoder is frozen, and no cell counts more than another.
    """
    plan = plan or Plan()
    size = plan.size or BATCH
    device = next(begun.parameters()).device
    unet = widened(begun["unet"]).to(device, memory_format=torch.channels_last)
    net = nn.ModuleDict({"unet": unet, "text_encoder": copy.deepcopy(begun["text_encoder"])})
    net["text_encoder"].requires_grad_(bool(plan.shards))
    null = ids(tokenizer, [""])

    def loss(step: int) -> Tensor:
        rng = generator(SEED, step)
        scene = torch.randint(len(pairs), (size,), generator=rng)
        edit = torch.randint(pairs.instructions.shape[1], (size,), generator=rng)
        text, picture = kept(torch.rand(size, generator=rng))
        said = torch.where(text[:, None], pairs.instructions[scene, edit], null)
        source, target, given = pairs.z[scene, 0], pairs.z[scene, edit + 1], picture[:, None, None, None]
        c_I = (source / scale * given).to(device)
        wrong = errors(net, target.to(device), said.to(device), rng, c_I, prediction)
        if not plan.shards:
            return wrong.mean()
        return (torch.where(given, weights(source, target), 1.0).to(device) * wrong).mean()

    return Recipe(NAME, net, loss, plan.steps, rate=plan.rate, halved=True)


def train(
    out: Path, minutes: float, plan: Plan, pack: Path = STARTING, drawn: Path | None = None, device: str = "cpu"
) -> bool:
    """Exact pairs, then the network until it is done or the time is over, then its folder OUT/instruct_pix2pix.

    `pack`: of the base, or a model in diffusers' layout. True at the end. BadWeights where the folder has another
    training, the drawn pairs are of another autoencoder, or the base does not draw the toybox's pictures.
    """
    deadline = time.monotonic() + 60 * minutes
    model = base(pack, device)
    if plan.shards:
        of_the_toybox(model)
    claimed(out, NAME, {**asdict(plan), "base": model.digest, "pairs": data.digest(drawn) if drawn else ""})
    if plan.shards and not data.make(out / "latents", model.vae, model.tokenizer, deadline, plan.shards):
        return False
    parts = [data.read(out / "latents", plan.shards)] if plan.shards else []
    pairs = data.joined(*parts, *([data.drawn_pairs(drawn, model.vae)] if drawn else []))
    nets = nn.ModuleDict({"unet": model.unet, "text_encoder": model.text_encoder}).requires_grad_(True)
    scale = float(model.vae.config.scaling_factor)
    made = recipe(nets, pairs, scale, model.tokenizer, plan, model.prediction)
    done = learnt(made, out, deadline)
    each_saved(made.net, out / NAME)
    completed(pack, out / NAME)
    return done


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.instruct_pix2pix", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/instruct_pix2pix"))
    parser.add_argument("--pack", type=Path, default=STARTING, help="the base: a pack, or a model as diffusers has it")
    parser.add_argument("--pairs", type=Path, help="drawn pairs, of `python -m training.instruct_pairs`")
    parser.add_argument("--only-pairs", action="store_true", help="learn from those alone, not from exact ones too")
    for name, usual in asdict(Plan()).items():
        parser.add_argument(f"--{name}", type=type(usual), default=usual)
    args = parser.parse_args()
    if args.only_pairs and args.pairs is None:
        parser.error("--only-pairs needs --pairs")
    logged(args.out)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plan = Plan(args.steps, args.rate, args.size, 0 if args.only_pairs else args.shards)
    train(args.out, args.budget, plan, args.pack, args.pairs, device)


if __name__ == "__main__":
    main()
