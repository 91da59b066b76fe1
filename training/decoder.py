"""The autoencoder's decoder goes on learning alone: its latents, and so all that is learnt from them, stay as they are.

    python -m training.decoder --budget MINUTES [--out DIR] [--pack PACK] [--photos DIR]

Half of the scenes are in any weather and style, whose thin lines it draws last of all. Of four batches one is of grids,
as `analogist` lays them: their latents are of another kind, for the encoder's normalisation spans a whole picture.
Latents get a little noise, as those have that a U-Net makes. Goes on where it was stopped, and leaves OUT/vae, which
`export.autoencoder` puts into a pack. With photos (`training.photos`) there are no grids, and no pixel counts more
than another; the loss is the toybox's own, without LPIPS, which Stable Diffusion's decoders were taught by besides.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from sessions.values import Pixels
from training.export import saved
from training.loop import Recipe, claimed, generator, in_words, learnt, logged
from training.packs import STARTING, base, of_the_toybox
from training.photos import Captioned, Given, ask, given
from training.tilings import grid_example
from training.vae import BATCH, distance, pictures

NAME = "decoder"
STEPS, SEED, NOISE = 3000, 9, 0.05
"""NOISE: its deviation, that of latents being 1."""
GRIDS, EVERY = 4, 4
"""Grids of a batch, and one batch of them in so many."""
ON_PHOTOS = 8, 1e-5
"""Photos of a step and how far it goes, at full size."""
FIRST = 10**7
"""Scenes and grids from this number on."""


def drawn(step: int) -> tuple[Tensor, Tensor]:
    """A step's pictures (B, 3, h, w) in −1…1, and where objects are (B, 1, h, w); in grids that is left open."""
    if step % EVERY:
        return pictures(FIRST + step * BATCH, BATCH)
    return _of([grid_example(FIRST + step * GRIDS + i, 4).rgb for i in range(GRIDS)])


def _of(rgb: Sequence[Pixels]) -> tuple[Tensor, Tensor]:
    """Pictures (H, W, 3), 0…255, as a step takes them where nothing in them counts more."""
    x = torch.from_numpy(np.stack(rgb)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x, torch.zeros_like(x[:, :1])


def recipe(
    coder: AutoencoderKL,
    seed: int = SEED,
    steps: int = STEPS,
    rate: float = 1e-3,
    drawn: Callable[[int], tuple[Tensor, Tensor]] = drawn,
) -> Recipe:
    """Of a normalised autoencoder; its encoder stands still. drawn: a step's pictures, and where objects are."""
    coder.requires_grad_(False)
    coder.decoder.requires_grad_(True)
    coder.post_quant_conv.requires_grad_(True)

    def loss(step: int) -> Tensor:
        x, covers = drawn(step)
        x = x.to(coder.device, memory_format=torch.channels_last)
        with torch.no_grad():
            z = coder.encode(x).latent_dist.mode()
        noise = torch.randn(z.shape, generator=generator(seed, step)).to(z)
        y = coder.decode(z + NOISE * coder.config.scaling_factor**-1 * noise).sample
        return distance(y, x, covers.to(x))

    return Recipe(NAME, coder, loss, steps, rate=rate)


def on_photos(coder: AutoencoderKL, photos: Captioned, asked: Given, steps: int) -> Recipe:
    """The same of photos, drawn anew at every step."""

    def shown(step: int) -> tuple[Tensor, Tensor]:
        return _of([one.rgb for one in photos.drawn(np.random.default_rng((SEED, step)), asked.size)])

    return recipe(coder, SEED, steps, asked.rate, shown)


def train(
    out: Path,
    minutes: float,
    steps: int = STEPS,
    pack: Path = STARTING,
    device: str = "cpu",
    asked: Given | None = None,
) -> bool:
    """The decoder of a pack's autoencoder as far as the time goes, then the folder `out/vae`; True at its end.

    asked: photos to learn from. `pack`: with them also a model in diffusers' layout.
    """
    deadline = time.monotonic() + 60 * minutes
    model, told = base(pack, device), {}
    if asked is None:
        made = recipe(of_the_toybox(model).vae, steps=steps)
    else:
        photos = Captioned.at(asked.folder, model.side)
        made, told = on_photos(model.vae, photos, asked, steps), asked.told(photos)
    claimed(out, NAME, {"steps": steps, "base": model.digest, **told})
    done = learnt(made, out, deadline)
    saved(model.vae, out / "vae")
    return done


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.decoder", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/decoder"))
    parser.add_argument("--pack", type=Path, default=STARTING, help="whose autoencoder it is")
    parser.add_argument("--steps", type=int, default=STEPS)
    ask(parser, *ON_PHOTOS)
    args = parser.parse_args()
    logged(args.out)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train(args.out, args.budget, args.steps, args.pack, device, given(args))


if __name__ == "__main__":
    main()
