"""The inpainting network that `analogist` asks: the base, shown what is not hidden, on scenes and on grids of four.

    python -m training.inpainting --budget MINUTES [--pack FOLDER] [--out DIR] [--pictures N] [--steps N]
    python -m training.inpainting --budget MINUTES --photos DIR --pack MODEL [--size N] [--rate X]

As Stable Diffusion's inpainting model is made of its base (Rombach et al., arXiv 2112.10752): five more channels into
the first convolution, a mask and the latent of what is not hidden, that weigh nothing at first, then a short fine-tune,
here of the text encoder too. After three steps of grids comes one of scenes, so that both sizes stay known. One caption
in ten is left out: "" half of the time, else the words that `analogist` wants nothing of, so that it is guided away
from nothing.

Hidden cells count more than those that are given; the mask is given too, so that the optimum is the same. Pictures are
drawn and encoded first (`tilings`), then nothing but latents is read. Goes on where it was stopped, and leaves the
folder OUT/inpainting, which `export.inpainting` installs in a pack. With photos it is another recipe over the same
network, `inpainting_photos`; of a model in diffusers' layout it leaves a whole one, for `pentimento models add`.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTokenizer

from tools.diffusion.learning import Learner, errors
from tools.diffusion.model import LatentDiffusion
from tools.edits.analogist import NEGATIVE
from training import tilings
from training.diffusion import SCHEDULE
from training.export import completed, each_saved
from training.instruct_pix2pix import widened
from training.loop import Recipe, claimed, generator, in_words, learnt, logged
from training.packs import STARTING, base, of_the_toybox, of_words_alone
from training.photos import Captioned, Given, ask, given
from training.tilings import HIDINGS, SHARD, Shards
from training.tokens import ids

NAME = "inpainting"
CHANNELS, STEPS, SEED = 9, 24000, 9
SCENES, GRIDS = 16, 8
"""Items of a step, where it is of scenes and where of grids."""
ON_PHOTOS = 16, 1e-4
"""Photos of a step and how far it goes, at full size."""
PICTURES = 10000
"""Scenes and grids to learn from, of each."""
DROPPED, UNWANTED = 0.1, 0.5
"""How often the caption is left out; how often the words are then those that `analogist` wants nothing of."""
HIDDEN = 4.0
"""How many times a cell that is given a hidden one counts."""


@dataclass(frozen=True, eq=False)
class Data:
    """What there is to learn from: 16 × 16 cells each, and 32 × 32."""

    scenes: Shards
    grids: Shards


@dataclass(frozen=True, eq=False)
class Batch:
    """What a step learns: z (B, 4, h, w) from ids (B, 77), mask (B, 1, h, w) and known (B, 4, h, w)."""

    z: Tensor
    ids: Tensor
    mask: Tensor
    known: Tensor


def network(base: nn.ModuleDict, cells: int) -> nn.ModuleDict:
    """A base's U-Net and text encoder as they begin to learn: it computes what it did, whatever is hidden.

    cells: along the side of the latents of grids, which `analogist` takes the size of its grids from.
    """
    unet = widened(base["unet"], CHANNELS)
    unet.register_to_config(sample_size=cells)
    net = nn.ModuleDict({"unet": unet, "text_encoder": copy.deepcopy(base["text_encoder"])})
    return net.requires_grad_(True).to(next(base.parameters()).device, memory_format=torch.channels_last)


def drawn(some: Shards, nulls: Tensor, rng: torch.Generator, size: int) -> Batch:
    """A batch: who is in it, what of it is hidden, whose words are left out. nulls: ids (2, 77) of "" and NEGATIVE."""
    item = torch.randint(len(some), (size,), generator=rng)
    way = torch.randint(HIDINGS, (size,), generator=rng)
    r = torch.rand(size, generator=rng)
    null = nulls[(r < UNWANTED * DROPPED).long()]
    captions = torch.where((r < DROPPED)[:, None], null, some.captions[item, way].long())
    mask = some.mask[item, way, None].float()
    return Batch(some.z[item].float(), captions, mask, some.known[item, way].float())


def late(rng: torch.Generator, size: int) -> Tensor:
    """Steps t (B) of which high ones are drawn more often, as often as they are high: there a picture's layout, which
    other tiles tell, is not yet to be seen in itself."""
    return (torch.rand(size, generator=rng).sqrt() * len(SCHEDULE.alphas)).long()


def weights(mask: Tensor) -> Tensor:
    """How much each cell counts, (B, 1, h, w), mean 1 in every item; mask (B, 1, h, w)."""
    weight = 1 + (HIDDEN - 1) * mask
    return weight / weight.mean((1, 2, 3), keepdim=True)


def recipe(
    base: nn.ModuleDict,
    data: Data,
    tokenizer: CLIPTokenizer,
    seed: int = SEED,
    steps: int = STEPS,
    prediction: str = "v_prediction",
) -> Recipe:
    """Fine-tune a trained base: a step of scenes, then three of grids. `prediction`: what the base predicts."""
    net = network(base, data.grids.z.shape[-1])
    device = next(net.parameters()).device
    nulls = ids(tokenizer, ["", NEGATIVE])

    def loss(step: int) -> Tensor:
        rng = generator(seed, step)
        some, size = (data.grids, GRIDS) if step % 4 else (data.scenes, SCENES)
        batch = drawn(some, nulls, rng, size)
        channels = torch.cat([batch.mask, batch.known], 1).to(device)
        text = net["text_encoder"](batch.ids.to(device)).last_hidden_state
        t = late(rng, size) if some is data.grids else None
        wrong = errors(Learner(net["unet"], prediction, SCHEDULE), batch.z.to(device), text, rng, channels, t)
        return (weights(batch.mask).to(device) * wrong).mean()

    return Recipe(NAME, net, loss, steps, halved=True)


@dataclass(frozen=True)
class Plan:
    """What is asked of a training: pictures of each kind to make, and steps to take."""

    pictures: int = PICTURES
    steps: int = STEPS

    @property
    def shards(self) -> int:
        """How many hold so many."""
        return -(-self.pictures // SHARD)


def pictures(out: Path, model: LatentDiffusion, plan: Plan, deadline: float) -> bool:
    """Scenes and grids, as far as the time goes but a shard of each at least; whether there are all."""
    kinds = (("scenes", tilings.scene_example), ("grids", tilings.grid_example))
    made = [tilings.make(out / k, one, model.vae, model.tokenizer, deadline, plan.shards) for k, one in kinds]
    return all(made)


def train(out: Path, minutes: float, plan: Plan, pack: Path = STARTING, device: str = "cpu") -> bool:
    """All pictures, then the network until it is done or the time is over, then its folder OUT/inpainting, in float16.

    True where it is at its end. BadWeights where the folder has another training, or the base draws other pictures.
    """
    deadline = time.monotonic() + 60 * minutes
    model = of_the_toybox(base(pack, device))
    claimed(out, NAME, {**asdict(plan), "base": model.digest})
    if not pictures(out, model, plan, deadline):
        return False
    data = Data(*(tilings.read(out / kind, plan.shards) for kind in ("scenes", "grids")))
    begun = nn.ModuleDict({"unet": model.unet, "text_encoder": model.text_encoder})
    return left(out, recipe(begun, data, model.tokenizer, steps=plan.steps, prediction=model.prediction), deadline)


def on_photos(
    out: Path, minutes: float, asked: Given, steps: int = STEPS, pack: Path = STARTING, device: str = "cpu"
) -> bool:
    """The same of photos, which are read as they are needed. `pack`: or a text-to-image model in diffusers' layout."""
    from training import inpainting_photos

    deadline = time.monotonic() + 60 * minutes
    model = of_words_alone(base(pack, device))
    photos = Captioned.at(asked.folder, model.side)
    claimed(out, NAME, {"steps": steps, "base": model.digest, **asked.told(photos)})
    done = left(out, inpainting_photos.recipe(model, photos, asked, NAME, steps), deadline)
    completed(pack, out / NAME)
    return done


def left(out: Path, made: Recipe, deadline: float) -> bool:
    """A recipe as far as the time goes, then the folder of its networks; True where it is at its end."""
    done = learnt(made, out, deadline)
    each_saved(made.net, out / NAME)
    return done


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.inpainting", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--pack", type=Path, default=STARTING, help="the base: a pack, or a model as diffusers has it")
    parser.add_argument("--out", type=Path, default=Path("build/inpainting"))
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--steps", type=int, default=STEPS)
    ask(parser, *ON_PHOTOS)
    args = parser.parse_args()
    logged(args.out)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if asked := given(args):
        on_photos(args.out, args.budget, asked, args.steps, args.pack, device)
        return
    train(args.out, args.budget, Plan(args.pictures, args.steps), args.pack, device)


if __name__ == "__main__":
    main()
