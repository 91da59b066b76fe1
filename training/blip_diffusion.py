"""BLIP-Diffusion, stage 2: prompted context generation. What is shown of a subject becomes words that it is drawn by.

    python -m training.blip_diffusion --pack FOLDER --budget MINUTES [--out DIR] [--representation DIR] [--photos DIR]

Li, Li, Hoi (arXiv 2305.14720, sections 3.2 and 4.1). The encoder sees the subject on a random other background; to be
drawn is its own picture, from "a {category}" and the rest in words, the vectors behind the article, where the released
weights have them. The words never say how the subject looks. Now and then the vectors are left out, and now and then
all: then there is nothing, or the words that the tool has against bad pictures, which is what guidance leads away from.

The Q-Former and its projection learn, the text encoder and the U-Net; the image tower and the autoencoder do not.
FOLDER is a pack with a register, or a text-to-image model in diffusers' layout; DIR/qformer of `--representation` is
stage 1's, or the released one. Leaves `unet`, `text_encoder` and `qformer` in OUT, for `training.export.subjects`. Goes
on where it was stopped.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from sessions.values import Picture, Pixels
from tools.diffusion import learning, model
from tools.diffusion.model import LatentDiffusion
from tools.edits.blip_diffusion import Args
from tools.nets import blip_keys
from tools.nets.blip_keys import Words
from tools.nets.clip_vision import prepared
from tools.nets.context_clip import ContextTextEncoder, sharing
from tools.nets.qformer import SubjectEncoder
from tools.subjects import REPEATS, padded, phrase, tokens
from tools.weights import tensors
from training import blip_pack, making
from training.data import encoded
from training.export import completed, saved
from training.loop import Recipe, claimed, generator, in_words, learnt, logged
from training.making import Rows
from training.packs import STARTING, base, of_the_toybox
from training.subject_photos import Photos, by_words, segmenter
from training.subject_scenes import Scenes

NAME = "blip_diffusion"
BATCH, STEPS, RATE, SEED = 16, 8000, 4e-4, 32
COUNT, TOGETHER = 20000, 50
"""Examples of the toybox; so many are encoded between two looks at the clock."""
WITHOUT, NOTHING = 0.15, 0.1
"""How often the vectors are left out of the text, and how often text and vectors are."""
FILE = "latents.safetensors"
AGAINST = str(Args.model_fields["negative"].default)
"""What the tool says against bad pictures where nobody says anything else."""


class Subjects(Protocol):
    """Where subjects come from: `Scenes`, `Photos`. Pictures are uint8 RGB (side, side, 3)."""

    def __len__(self) -> int: ...

    def target(self, number: int) -> Pixels:
        """The picture that is to be drawn."""
        ...

    def said(self, number: int) -> tuple[str, str]:
        """What its subject is, and the rest of it."""
        ...

    def shown(self, number: int, rng: Generator) -> Pixels:
        """The subject on another background."""
        ...


@dataclass(frozen=True, eq=False)
class Networks:
    """A text-to-image model and a subject encoder, and the words that this one reads."""

    model: LatentDiffusion
    encoder: SubjectEncoder
    words: Words


class Batch(NamedTuple):
    """numbers (B,) of the examples; pixels (B, 3, side, side), what the encoder sees; category; the text, how often it
    is said; given: whether the vectors stand in it, (B,)."""

    numbers: Tensor
    pixels: Tensor
    categories: list[str]
    texts: list[str]
    repeats: list[int]
    given: Tensor


def kept(r: Tensor) -> tuple[Tensor, Tensor]:
    """Whether there is a text, and whether there are vectors, for r uniform in [0, 1)."""
    said = r >= NOTHING
    return said, said & (r >= NOTHING + WITHOUT)


def batch(source: Subjects, count: int, side: int, size: int, step: int, seed: int = SEED) -> Batch:
    """The batch of a step: a function of its number. A text stands alone or is repeated, as the tool does both."""
    rng = np.random.default_rng((seed, step))
    numbers = rng.integers(count, size=size)
    said, given = kept(torch.from_numpy(rng.random(size)))
    shown = [prepared(Picture(source.shown(int(number), rng)), side) for number in numbers]
    told = [source.said(int(number)) for number in numbers]
    nothing = ["" if r < 0.5 else AGAINST for r in rng.random(size)]
    texts = [phrase(*one) if there else none for one, there, none in zip(told, said, nothing, strict=True)]
    repeats = [REPEATS if often and there else 1 for often, there in zip(rng.random(size) < 0.5, said, strict=True)]
    return Batch(torch.from_numpy(numbers), torch.cat(shown), [one for one, _ in told], texts, repeats, given)


def contexts(text: ContextTextEncoder, net: Networks, b: Batch, vectors: Tensor) -> Tensor:
    """(B, positions, C): texts with vectors (B, K, C) behind their article where these are given, without elsewhere."""
    length, device = text.config.positions, vectors.device
    out = vectors.new_zeros(len(b.texts), length, text.config.width)
    for rows, room in ((b.given.nonzero()[:, 0], length - vectors.shape[1]), ((~b.given).nonzero()[:, 0], length)):
        if len(rows):
            ids = [padded(net.model, tokens(net.model, b.texts[row], room, b.repeats[row]), room) for row in rows]
            inside = vectors[rows.to(device)] if room < length else None
            out[rows.to(device)] = text(torch.tensor(ids, device=device), inside).to(out)
    return out


def recipe(net: Networks, source: Subjects, z: Tensor, plan: Plan, seed: int = SEED) -> Recipe:
    """z: (n, 4, h, w), the latents of the source's first n targets."""
    unet, encoder, device = net.model.unet, net.encoder, net.model.device
    text = sharing(net.model.text_encoder)
    for learner in (unet, encoder, text):
        learner.requires_grad_(True)
    encoder.visual_encoder.requires_grad_(False)

    def loss(step: int) -> Tensor:
        b = batch(source, len(z), encoder.config.vision.side, plan.batch, step, seed)
        ids, mask = (part.to(device) for part in net.words(b.categories))
        context = contexts(text, net, b, encoder(b.pixels.to(device), ids, mask))
        return learning.errors(net.model, z[b.numbers].to(device).float(), context, generator(seed, step)).mean()

    learners = nn.ModuleDict({"unet": unet, "text_encoder": text, "encoder": encoder})
    return Recipe(NAME, learners, loss, plan.steps, plan.rate)


# From folders


def latents(folder: Path, net: LatentDiffusion, source: Subjects, deadline: float) -> Tensor:
    """(n, 4, h, w), half: of as many targets as the time allows, but some; kept, and gone on from."""

    def some(few: range) -> Rows:
        return {"z": encoded(net.vae, [source.target(number) for number in few]).half()}

    wanted = len(source)
    making.made(folder / FILE, wanted, "z", deadline, making.by_number(some, wanted, TOGETHER))
    return tensors(folder / FILE)["z"]


@dataclass(frozen=True)
class Plan:
    """What is asked of a training. count: examples of the toybox."""

    steps: int = STEPS
    batch: int = BATCH
    rate: float = RATE
    count: int = COUNT


@dataclass(frozen=True)
class Given:
    """Folders that a training begins with. photos: None is the toybox; segmenter: None is words."""

    pack: Path
    representation: Path
    photos: Path | None = None
    segmenter: Path | None = None


def sourced(given: Given, plan: Plan, net: Networks, out: Path, deadline: float) -> Subjects | None:
    """The toybox, or photos, which are cut out first; None where the time is over before all are."""
    if given.photos is None:
        return Scenes(plan.count)
    segment = by_words if given.segmenter is None else segmenter(given.segmenter, given.photos)
    room = sharing(net.model.text_encoder).config.positions - net.encoder.config.queries

    def fits(said: str) -> bool:
        return len(net.model.tokenizer(said).input_ids) <= room

    return Photos.cut(given.photos, net.model.side, out, segment, fits, deadline)


def train(out: Path, minutes: float, plan: Plan, given: Given, device: str = "cpu") -> bool:
    """All latents, then all that learns until it is done or the time is over; then its folders.

    True where it is at its end. BadWeights where the folder has another training.
    """
    deadline = time.monotonic() + 60 * minutes
    told = {name: str(path or "") for name, path in vars(given).items() if name not in ("pack", "representation")}
    drawing = base(given.pack, device)
    if given.photos is None:
        of_the_toybox(drawing)
    encoder, words = blip_keys.load(given.representation, torch.device(device), torch.float32)
    claimed(out, NAME, {**asdict(plan), **told, "base": drawing.digest, "digest": _digest(given.representation)})
    net = Networks(drawing, encoder, words)
    source = sourced(given, plan, net, out, deadline)
    if source is None:
        return False
    z = latents(out, drawing, source, deadline)
    if len(z) < len(source):
        return False
    done = learnt(recipe(net, source, z, plan), out, deadline)
    saved(drawing.unet, out / "unet")
    saved(drawing.text_encoder, out / "text_encoder")
    blip_pack.write(encoder, given.representation / blip_pack.PART / blip_pack.WORDS, out)
    completed(given.pack, out)
    return done


def _digest(folder: Path) -> str:
    return model.digest_of(folder / blip_pack.PART)


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.blip_diffusion", description=__doc__)
    parser.add_argument("--pack", type=Path, default=STARTING)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/blip_diffusion"))
    parser.add_argument("--representation", type=Path, default=Path("build/blip_representation"))
    parser.add_argument("--photos", type=Path, help="a folder with subjects.json")
    parser.add_argument(
        "--segmenter", type=Path, help="what finds subjects in photos: a CLIPSeg, or a folder of heat maps"
    )
    for name, usual in asdict(Plan()).items():
        parser.add_argument(f"--{name}", type=type(usual), default=usual)
    args = parser.parse_args()
    logged(args.out)
    plan = Plan(args.steps, args.batch, args.rate, args.count)
    given = Given(args.pack, args.representation, args.photos, args.segmenter)
    train(args.out, args.budget, plan, given, "cuda" if torch.cuda.is_available() else "cpu")


if __name__ == "__main__":
    main()
