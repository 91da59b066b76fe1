"""Stage 4 of InstructAny2Pix (Li et al., arXiv 2312.06738): the decoder learns to follow embeddings of pictures.

    python -m training.realigning --budget MINUTES [--out DIR] [--pack PACK] [--pairs N] [--steps N] [--whole]
    python -m training.realigning --budget MINUTES --photos DIR --pack MODEL [--encoder NAME] [--size N] [--rate X]

[gen] is the picture's own embedding with noise, [sub] that of a square cut out of it: a random one or an object's.
Each is dropped half of the time, and so is the caption. In half of the items that have both, [gen] is the embedding of
the picture with other things, or none, where the square was: what is to be seen in it then is what [sub] says. The
target is always the picture. An IP-Adapter learns beside the frozen U-Net, or with it (`--whole`, as in the paper).

Pairs are drawn, encoded and looked at once, and kept in one file. Goes on where it was stopped. Trains no encoder.

With photos (`training.photos`) nobody knows where an object is: all squares are random ones, of the same shares of the
side, and the other things in a square's place are those of another photo's square, pasted in with its edges.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn.functional import normalize

from tools.diffusion import learning
from tools.diffusion.attention import Attention, install
from tools.diffusion.model import LatentDiffusion
from tools.encoders import Encoder
from tools.nets import ip_adapter
from tools.nets.ip_adapter import AdapterConfig, IpAdapter
from tools.weights import tensors
from toybox.drawing import Drawing, Pixels, draw
from toybox.scenes import SHAPES, SIDE, Scene, Thing, colour_for, pick, random_scene
from toybox.words import some_caption
from training import making
from training.data import encoded
from training.export import completed, saved
from training.loop import Recipe, claimed, generator, in_words, learnt, logged
from training.packs import STARTING, base, encoder, of_the_toybox, of_words_alone
from training.photos import Captioned, Given, ask, given
from training.tokens import ids

NAME = "realigning"
BATCH, STEPS, RATE, SEED = 16, 6000, 1e-3, 8
PAIRS, TOGETHER = 8000, 64
"""Pairs to learn from; so many are made between two looks at the clock."""
FILE = "pairs.safetensors"
KEPT = 0.5
"""How often [gen], [sub] and the caption are given, each by itself; how often the first two differ where both are."""
NOISE = 0.3
"""The most that is added to [gen], as a share of its length: the planner does not say exactly what it means."""
SMALLEST, LARGEST, MARGIN = 20, 44, 2
"""Sides of random squares, and what is left around an object, in pixels."""
ON_PHOTOS = 16, 1e-4
"""Photos of a step and how far it goes, at full size: IP-Adapter's own rate (Ye et al., arXiv 2308.06721)."""


@dataclass(frozen=True)
class Square:
    """A square of a picture, its upper left corner and its side in pixels."""

    x: int
    y: int
    side: int

    def of(self, plane: np.ndarray) -> np.ndarray:
        """That part of (H, W, …)."""
        return plane[self.y : self.y + self.side, self.x : self.x + self.side]


@dataclass(frozen=True, eq=False)
class Example:
    """A picture, a square of it, the picture with something else in the square's place, and a caption. uint8 RGB."""

    picture: Pixels
    crop: Pixels
    altered: Pixels
    caption: str


Examples = Callable[[int], Example]
"""The example of a number, always the same."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Examples as networks see them: z (n, 4, h, w), unit variance; captions (n, 77); embeddings (n, D), norm 1."""

    z: Tensor
    captions: Tensor
    own: Tensor
    crop: Tensor
    altered: Tensor

    def __len__(self) -> int:
        return len(self.z)


@dataclass(frozen=True, eq=False)
class Batch:
    """What a step learns: z from ids (B, 77) and, at the adapter's norm or zeros, whole and thing (B, D)."""

    z: Tensor
    ids: Tensor
    whole: Tensor
    thing: Tensor


def example(number: int) -> Example:
    """The example of this number: of two, one has a random square, one an object's."""
    rng = np.random.default_rng((13, number))
    scene = random_scene(rng)
    drawing = draw(scene)
    boxed = rng.random() < 0.5
    square = around(drawing, int(rng.integers(len(scene.things)))) if boxed else somewhere(rng)
    altered = draw(without(rng, scene, shown(drawing, square)))
    return Example(drawing.rgb, square.of(drawing.rgb), altered.rgb, some_caption(rng, scene))


def of_photos(photos: Captioned) -> Examples:
    """Photos instead, again and again, with another square each time."""

    def example(number: int) -> Example:
        rng = np.random.default_rng((47, number))
        one, other = photos[number], photos[number + 1 + int(rng.integers(max(len(photos) - 1, 1)))]
        square = somewhere(rng, len(one.rgb))
        altered = one.rgb.copy()
        square.of(altered)[:] = square.of(other.rgb)
        return Example(one.rgb, square.of(one.rgb), altered, one.text)

    return example


def somewhere(rng: Generator, whole: int = SIDE) -> Square:
    """A random square inside a picture of so many pixels along a side."""
    side = int(rng.integers(SMALLEST * whole // SIDE, LARGEST * whole // SIDE + 1))
    x, y = rng.integers(whole - side + 1, size=2).tolist()
    return Square(x, y, side)


def around(drawing: Drawing, index: int) -> Square:
    """The square around an object, moved inside the picture."""
    ys, xs = np.nonzero(drawing.mask(index))
    side = min(int(max(np.ptp(ys), np.ptp(xs))) + 1 + 2 * MARGIN, SIDE)
    x, y = (int(np.clip((c.min() + c.max() + 1 - side) // 2, 0, SIDE - side)) for c in (xs, ys))
    return Square(x, y, side)


def shown(drawing: Drawing, square: Square) -> tuple[int, ...]:
    """Which objects lie in the square for more than their half."""
    shares = [square.of(cover).sum() / cover.sum() for cover in drawing.covers]
    return tuple(index for index, share in enumerate(shares) if share > 0.5)


def without(rng: Generator, scene: Scene, gone: tuple[int, ...]) -> Scene:
    """The scene with other objects in the places of some, or with nothing there."""
    absent = [shape for shape in SHAPES if all(thing.shape != shape for thing in scene.things)]

    def others() -> Iterator[Thing]:
        for index, thing in enumerate(scene.things):
            if index not in gone:
                yield thing
            elif rng.random() < 0.5:
                shape = pick(rng, absent)
                absent.remove(shape)
                yield replace(thing, shape=shape, colour=colour_for(rng, shape))

    return replace(scene, things=tuple(others()))


def made(numbers: range, model: LatentDiffusion, eyes: Encoder, example: Examples = example) -> dict[str, Tensor]:
    """The pairs of these examples, as they are kept."""
    some = [example(number) for number in numbers]
    seen = [[getattr(one, name) for one in some] for name in ("picture", "crop", "altered")]
    own, crop, altered = (torch.from_numpy(eyes.pictures(pictures)).half() for pictures in seen)
    return {
        "z": encoded(model.vae, [one.picture for one in some]).half(),
        "captions": ids(model.tokenizer, [one.caption for one in some]).int(),
        "own": own,
        "crop": crop,
        "altered": altered,
    }


def make(
    folder: Path, model: LatentDiffusion, eyes: Encoder, wanted: int, deadline: float, example: Examples = example
) -> Path:
    """So many pairs, as far as the time goes but some at least; what is there already is gone on from."""
    portions = making.by_number(lambda few: made(few, model, eyes, example), wanted, TOGETHER)
    making.made(folder / FILE, wanted, "z", deadline, portions)
    return folder / FILE


def read(path: Path) -> Pairs:
    """What `make` wrote."""
    found = tensors(path)
    return Pairs(**{name: value.long() if name == "captions" else value.float() for name, value in found.items()})


def drawn(pairs: Pairs, null: Tensor, norm: float, rng: torch.Generator, size: int = BATCH) -> Batch:
    """A batch: who is in it, what is dropped, what is altered and how much noise there is. null: ids of "", (1, 77)."""
    item = torch.randint(len(pairs), (size,), generator=rng)
    gen, sub, said, apart = (torch.rand(4, size, 1, generator=rng) < KEPT).unbind()
    own = torch.where(apart & sub, pairs.altered[item], pairs.own[item])
    spread = NOISE * torch.rand(size, 1, generator=rng) / math.sqrt(own.shape[1])
    noisy = normalize(own + spread * torch.randn(own.shape, generator=rng), dim=1)
    captions = torch.where(said, pairs.captions[item], null)
    return Batch(pairs.z[item], captions, norm * noisy * gen, norm * pairs.crop[item] * sub)


def errors(model: LatentDiffusion, z: Tensor, ids: Tensor, noise: torch.Generator) -> Tensor:
    """`tools.diffusion.learning`'s of latents z (B, 4, h, w) and ids (B, 77). The text encoder does not learn."""
    with torch.no_grad():
        text = model.text_encoder(ids).last_hidden_state
    return learning.errors(model, z, text, noise)


def recipe(
    model: LatentDiffusion,
    adapter: IpAdapter,
    pairs: Pairs,
    whole: bool = False,
    steps: int = STEPS,
    pace: tuple[int, float] = (BATCH, RATE),
) -> Recipe:
    """The adapter learns beside the model's U-Net, which learns too where `whole`; one recipe to a U-Net.

    pace: pairs of a step, and how far it goes.
    """
    size, rate = pace
    attention = install(model.unet, Attention())
    null = ids(model.tokenizer, [""])
    model.unet.requires_grad_(whole)
    adapter.requires_grad_(True)

    def loss(step: int) -> Tensor:
        rng = generator(SEED, step)
        batch = drawn(pairs, null, adapter.config.norm, rng, size)
        tokens = adapter.tokens(batch.whole.to(model.device), batch.thing[:, None].to(model.device))
        attention.image = adapter.prompt(model.unet, tokens)
        return errors(model, batch.z.to(model.device), batch.ids.to(model.device), rng).mean()

    return Recipe(NAME, nn.ModuleDict({"adapter": adapter, "unet": model.unet}), loss, steps, rate)


def adapter_for(model: LatentDiffusion, eyes: Encoder, seed: int = SEED) -> IpAdapter:
    """A new one with two views. Embeddings are given at the norm that has the deviation of 20 at 1024 numbers."""
    torch.manual_seed(seed)
    norm = 20 * math.sqrt(eyes.width / 1024)
    context = int(model.unet.config.cross_attention_dim)
    inner = ip_adapter.inner(model.unet)
    sizes = AdapterConfig(eyes.width, context, inner, views=2, norm=norm, encoder=eyes.digest, together=True)
    adapter = ip_adapter.beside(model.unet, sizes)
    nn.init.normal_(adapter.image_proj.get_parameter("raw_embed"), std=0.5)
    return adapter.to(model.device)


@dataclass(frozen=True)
class Plan:
    """What is asked of a training: pairs to make, steps to take, and whether the U-Net learns too."""

    pairs: int = PAIRS
    steps: int = STEPS
    whole: bool = False


def train(
    out: Path,
    minutes: float,
    plan: Plan,
    pack: Path = STARTING,
    device: str = "cpu",
    asked: Given | None = None,
) -> bool:
    """All pairs, then the adapter until it is done or the time is over, then its folder: `ip_adapter/`, and `unet/`.

    asked: photos to learn from; `pack` may be a model in diffusers' layout then. True where it is at its end.
    BadWeights where the folder has another training.
    """
    deadline = time.monotonic() + 60 * minutes
    model = base(pack, device)
    shown, told, pace = _source(model, asked)
    eyes = encoder(pack, device, asked.encoder if asked else "")
    claimed(out, NAME, {**asdict(plan), "encoder": eyes.digest, "base": model.digest, **told})
    pairs = read(make(out, model, eyes, plan.pairs, deadline, shown))
    if len(pairs) < plan.pairs:
        return False
    adapter = adapter_for(model, eyes)
    done = learnt(recipe(model, adapter, pairs, plan.whole, plan.steps, pace), out, deadline)
    _leave(model, adapter, plan, out)
    completed(pack, out)
    return done


def _source(model: LatentDiffusion, asked: Given | None) -> tuple[Examples, dict[str, Any], tuple[int, float]]:
    """Where examples come from, what is kept of that, and the pace. BadWeights for a model that cannot learn so."""
    if asked is None:
        of_the_toybox(model)
        return example, {}, (BATCH, RATE)
    photos = Captioned.at(asked.folder, of_words_alone(model).side)
    return of_photos(photos), asked.told(photos), (asked.size, asked.rate)


def _leave(model: LatentDiffusion, adapter: IpAdapter, plan: Plan, out: Path) -> None:
    """What was learnt, as folders."""
    install(model.unet, Attention())  # what has learnt hangs on the last step's tensors, which cannot be copied
    ip_adapter.save(adapter, out / "ip_adapter")
    if plan.whole:
        saved(model.unet, out / "unet")


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.realigning", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/realigning"))
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--pack", type=Path, default=STARTING, help="where base and encoder are")
    parser.add_argument("--whole", action="store_true", help="the U-Net learns too")
    ask(parser, *ON_PHOTOS, seen=True)
    args = parser.parse_args()
    logged(args.out)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plan = Plan(args.pairs, args.steps, args.whole)
    train(args.out, args.budget, plan, args.pack, device, given(args))


if __name__ == "__main__":
    main()
