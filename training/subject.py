"""One subject from its photos, as a recipe: `pentimento subject learn`, but stopped and gone on with, with its losses.

    python -m training.subject --photos DIR --category dog --budget MINUTES [--out DIR] [--steps N] [--rate X]
    pentimento subject add rex OUT

DIR holds photos of the subject and nothing else. The loss is the tool's own (`tools.diffusion.finetuning`, after
BLIP-Diffusion, arXiv 2305.14720, section 4.3), of the weights that the tools draw subjects with on this machine: all of
the U-Net learns, and the subject's vectors, which the encoder has only begun. What differs from the verb is the loop:
steps are clipped, vectors of weights decay too, what is kept is the weights' average over the last steps, and what a
step sees is a function of its number.
Leaves OUT/learnt.safetensors and the picture of the subject beside it.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from agent.settings import Settings
from sessions.errors import NotFound
from sessions.values import Picture, Pixels
from tools import shelf, subjects, weights
from tools.diffusion import finetuning
from tools.diffusion.attention import install
from tools.diffusion.finetuning import Schooling
from tools.diffusion.model import LatentDiffusion
from tools.nets.context_clip import sharing
from tools.shelf import Shelf
from training.loop import Recipe, Trainer, claimed, generator, in_words, logged
from training.photos import latents
from training.subject_photos import opened, readable

log = logging.getLogger("training")
NAME = "subject"
LEARNT, SHEET = "learnt.safetensors", "learnt.png"


@dataclass(frozen=True, eq=False)
class Begun:
    """What is learnt from: squares of the photos, their latents, the caption's ids, where the vectors (K, C) begin."""

    squares: Sequence[Pixels]
    z: Tensor
    ids: list[int]
    vectors: Tensor


def begun(there: Shelf, model: LatentDiffusion, photos: Path, category: str) -> Begun:
    """Of all photos of a folder that can be read. NotFound where there is none."""
    paths = [path for path in sorted(photos.glob("*")) if path.is_file() and readable(path, model.side)]
    if not paths:
        raise NotFound(f"There is no photo in {photos} that can be read.")
    squares = [opened(path, model.side) for path in paths]
    vectors = subjects.vectors(there, model, [Picture(rgb) for rgb in squares], category)
    room = sharing(model.text_encoder).config.positions - len(vectors)
    ids = subjects.tokens(model, subjects.phrase(category, ""), room)
    return Begun(squares, latents(model, squares), ids, vectors)


def recipe(model: LatentDiffusion, start: Begun, schooling: Schooling) -> Recipe:
    """A copy of the U-Net learns, in float32, and the vectors; all steps go equally far."""
    unet = copy.deepcopy(model.unet).float().requires_grad_(True)
    install(unet)
    vectors = nn.Parameter(start.vectors.detach().float().clone())
    encoder, caption = sharing(model.text_encoder), torch.tensor([start.ids], device=model.device)
    learner = replace(model, unet=unet)

    def loss(step: int) -> Tensor:
        return finetuning.error(learner, encoder, start.z, (caption, vectors), generator(schooling.seed, step))

    net = nn.ModuleDict({"unet": unet, "vectors": nn.ParameterList([vectors])})
    steps = schooling.steps
    return Recipe(NAME, net, loss, steps, rate=schooling.rate, warm=1, decay=1 / steps)


def train(out: Path, minutes: float, photos: Path, category: str, schooling: Schooling, there: Shelf) -> bool:
    """The subject as far as the time goes, then what was learnt of it; True where it is at its end."""
    deadline = time.monotonic() + 60 * minutes
    model = there.diffusion(subjects.ROLE)
    start = begun(there, model, photos, category)
    seen = hashlib.sha256(np.stack(start.squares).tobytes()).hexdigest()
    claimed(out, NAME, {**asdict(schooling), "category": category, "weights": model.digest, "photos": seen})
    trainer = Trainer(recipe(model, start, schooling), out)
    done = trainer.run(deadline)
    log.info("%s stands at step %d of %d", NAME, trainer.step, schooling.steps)
    trainer.settle()
    unet, vectors = trainer.recipe.net["unet"], trainer.recipe.net["vectors"][0]
    changes = {"vectors": vectors.detach().cpu(), **finetuning.change(model.unet, unet)}
    data = weights.packed(changes, {"category": category, "weights": model.digest, "steps": str(trainer.step)})
    beside = (out / LEARNT).with_suffix(".new")
    beside.write_bytes(data)
    beside.replace(out / LEARNT)
    Image.fromarray(subjects.sheet(start.squares, data)).save(out / SHEET)
    return done


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.subject", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photos of this one subject")
    parser.add_argument("--category", required=True, help="what it is, in a word or two: dog")
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/subject"))
    parser.add_argument("--steps", type=int, default=Schooling.steps, help="40 to 120: more for more detail")
    parser.add_argument("--rate", type=float, help="else the weights' own")
    parser.add_argument("--seed", type=int, default=Schooling.seed)
    args = parser.parse_args()
    logged(args.out)
    there = shelf.at(Settings().home)
    schooling = Schooling(args.steps, subjects.rate(there) if args.rate is None else args.rate, args.seed)
    train(args.out, args.budget, args.photos, args.category, schooling, there)


if __name__ == "__main__":
    main()
