"""`python -m training --budget MINUTES [--out DIR]`: autoencoder, base, InstructPix2Pix, as far as the time goes.

Each recipe needs the one before it, so they run in this order, each for its share of what is left; a recipe that was
given its share is closed and later calls go on behind it. Stop it when you like: it continues where it last saved.
With `--pairs DIR`, drawn by `training.instruct_pairs`, the last recipe learns from those besides, or from them alone.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import CLIPTokenizer

from sessions.errors import PentimentoError
from training import base, data, export, instruct_pix2pix, tokens, vae
from training.loop import Recipe, Trainer, logged

log = logging.getLogger("training")
SHARES = {"vae": 0.2, "latents": 0.15, "base": 0.4, "instruct_pix2pix": 1.0}
"""Of the minutes that are left when it starts; the last takes all."""
SCENES_FOR_STATISTICS = 256


class Session:
    """One call: a folder, a deadline, and the recipes in their order. `exact`: whether the last takes exact pairs."""

    def __init__(self, out: Path, minutes: float, device: str, drawn: Path | None = None, exact: bool = True) -> None:
        self.out, self.device = out, device
        self.drawn, self.exact = drawn, exact
        self.deadline = time.monotonic() + 60 * minutes
        tokens.write(out / "tokenizer")
        self.tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(out / "tokenizer", local_files_only=True)

    def until(self, name: str) -> float:
        """When the share of this part is over."""
        now = time.monotonic()
        return now + SHARES[name] * (self.deadline - now)

    def closed(self, name: str) -> Path:
        """A file that says: this part has had its share, later ones build on it."""
        return self.out / f"{name}.closed"

    def train(self, recipe: Recipe) -> None:
        """Run a recipe for its share, close it, and leave its average in its network."""
        trainer = Trainer(recipe, self.out)
        if not self.closed(recipe.name).exists():
            done = trainer.run(self.until(recipe.name))
            log.info("%s stands at step %d of %d", recipe.name, trainer.step, recipe.steps)
            if done or SHARES[recipe.name] < 1:
                self.closed(recipe.name).touch()
        trainer.settle()

    def run(self) -> None:
        """All recipes, then the pack that tools load."""
        first = vae.recipe(device=self.device)
        self.train(first)
        coder = self.normalised(first.net)
        if not self.closed("latents").exists():
            data.make(self.out / "latents", coder, self.tokenizer, self.until("latents"))
            self.closed("latents").touch()
        pairs = data.read(self.out / "latents")
        second = base.recipe(pairs, self.tokenizer, device=self.device)
        self.train(second)
        learnt = self.with_drawn(pairs, coder)
        third = instruct_pix2pix.recipe(second.net, learnt, vae.SCALE, self.tokenizer)
        self.train(third)
        nets = {"base": second.net, "instruct_pix2pix": third.net}
        export.pack(self.out / "pack", coder, nets, self.out / "tokenizer")

    def with_drawn(self, pairs: data.Data, coder: AutoencoderKL) -> data.Data:
        """What the last recipe learns from."""
        if self.drawn is None:
            return pairs
        drawn = data.drawn_pairs(self.drawn, coder)
        return data.joined(pairs, drawn) if self.exact else drawn

    def normalised(self, net: nn.Module) -> AutoencoderKL:
        """The autoencoder with latents of mean 0 and the deviation that its config says."""
        coder = net.eval().requires_grad_(False)
        examples, _ = vae.pictures(0, SCENES_FOR_STATISTICS)
        with torch.no_grad():
            return vae.normalised(coder, coder.encode(examples.to(self.device)).latent_dist.mode())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/training"))
    parser.add_argument("--pairs", type=Path, help="drawn pairs, of `python -m training.instruct_pairs`")
    parser.add_argument("--only-pairs", action="store_true", help="learn editing from those alone")
    args = parser.parse_args()
    if args.only_pairs and args.pairs is None:
        parser.error("--only-pairs needs --pairs")
    logged(args.out)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        Session(args.out, args.budget, device, args.pairs, not args.only_pairs).run()
    except PentimentoError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
