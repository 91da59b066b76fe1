"""Recipe 2: text to image. A small U-Net and its text encoder, trained together on scenes and their captions.

    python -m training.base --budget MINUTES --photos DIR --pack MODEL [--out DIR] [--steps N] [--size N] [--rate X]

That is the fine-tune of a base that is there, a pack's or one in diffusers' layout, on photos with captions
(`training.photos`): the same loss and as many captions left out, but text encoder and autoencoder stand still, as where
Stable Diffusion was trained. Goes on where it was stopped. From nothing it is trained in `training.chain` alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPTokenizer

from tools.diffusion.model import LatentDiffusion
from training.data import Data
from training.diffusion import errors, networks
from training.export import completed, each_saved
from training.loop import Recipe, claimed, generator, in_words, learnt, logged
from training.packs import STARTING, of_words_alone
from training.packs import base as opened
from training.photos import Captioned, Given, ask, given, latents
from training.tokens import ids

NAME = "base"
BATCH, STEPS, DROPPED = 32, 7500, 0.1
ON_PHOTOS = 16, 1e-5
"""Photos of a step and how far it goes, at full size."""
SEED = 53
"""Of which photos a step has."""


def recipe(data: Data, tokenizer: CLIPTokenizer, seed: int = 1, steps: int = STEPS, device: str = "cpu") -> Recipe:
    """Captions are dropped one time in ten, for classifier-free guidance (Ho & Salimans, arXiv 2207.12598)."""
    net = networks(tokenizer, seed).to(device, memory_format=torch.channels_last)
    null = ids(tokenizer, [""])

    def loss(step: int) -> Tensor:
        rng = generator(seed, step)
        scene = torch.randint(len(data), (BATCH,), generator=rng)
        version = torch.randint(data.z.shape[1], (BATCH,), generator=rng)
        captions = data.captions[scene, version]
        dropped = torch.rand(BATCH, generator=rng) < DROPPED
        captions = torch.where(dropped[:, None], null, captions)
        return errors(net, data.z[scene, version].to(device), captions.to(device), rng).mean()

    return Recipe(NAME, net, loss, steps, rate=5e-4, halved=True)


def on_photos(model: LatentDiffusion, photos: Captioned, asked: Given, steps: int = STEPS) -> Recipe:
    """A U-Net that was trained before goes on; which photos a step has is a function of its number."""
    net = nn.ModuleDict({"unet": model.unet, "text_encoder": model.text_encoder}).requires_grad_(False)
    net["unet"].requires_grad_(True)
    null = ids(model.tokenizer, [""])

    def loss(step: int) -> Tensor:
        some, rng = photos.drawn(np.random.default_rng((SEED, step)), asked.size), generator(SEED, step)
        dropped = torch.rand(len(some), generator=rng) < DROPPED
        said = torch.where(dropped[:, None], null, ids(model.tokenizer, [one.text for one in some]))
        z = latents(model, [one.rgb for one in some])
        return errors(net, z, said.to(model.device), rng, prediction=model.prediction).mean()

    return Recipe(NAME, net, loss, steps, rate=asked.rate)


def train(
    out: Path, minutes: float, asked: Given, steps: int = STEPS, pack: Path = STARTING, device: str = "cpu"
) -> bool:
    """The base as far as the time goes, then the folder OUT/base; True where it is at its end.

    BadWeights where the folder has another training, or MODEL is no text-to-image model of Stable Diffusion 1's kind.
    """
    deadline = time.monotonic() + 60 * minutes
    model = of_words_alone(opened(pack, device))
    photos = Captioned.at(asked.folder, model.side)
    claimed(out, NAME, {"steps": steps, "base": model.digest, **asked.told(photos)})
    made = on_photos(model, photos, asked, steps)
    done = learnt(made, out, deadline)
    each_saved(made.net, out / NAME)
    completed(pack, out / NAME)
    return done


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.base", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/base"))
    parser.add_argument("--pack", type=Path, default=STARTING, help="the base: a pack, or a model as diffusers has it")
    parser.add_argument("--steps", type=int, default=STEPS)
    ask(parser, *ON_PHOTOS)
    args = parser.parse_args()
    asked = given(args)
    if asked is None:
        parser.error("--photos is needed; from nothing it is trained by python -m training")
    logged(args.out)
    train(args.out, args.budget, asked, args.steps, args.pack, "cuda" if torch.cuda.is_available() else "cpu")


if __name__ == "__main__":
    main()
