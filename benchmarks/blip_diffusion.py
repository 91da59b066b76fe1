"""What the starter's BLIP-Diffusion does with subjects that training never showed, with 95 % intervals.

    python -m benchmarks.blip_diffusion [--json [PATH]] [--pack FOLDER] [--items N]

A subject is a held-out pair of shape and colour, plain, dotted or striped, in a reference picture on background X. The
prompt says its shape and background Y.

* `blip_subject`: the result shows its colour (what most pixels that differ from Y are nearest to) in its shape (the
  drawn one that lies best over these pixels). `blip_without`: the same text without vectors. `blip_swapped`: with those
  of another subject of the same shape. `blip_marked`: exact pictures, marked likewise. A colour by chance: 1 in 8.
* `blip_background`: most pixels of the frame are nearest to Y, of six.
* `blip_cosine`: between the vectors of a subject on two backgrounds; `blip_cosine_others`: of two subjects of a shape.
* `blip_replace_iou`: replacing a thing in a scene, the tool's mask with the exact one; `blip_replace_block`: a square
  of its area anywhere. `blip_replace_untouched`: the share of latent cells outside it that are bit for bit as before.
* `blip_learnt`, `blip_unlearnt`: `blip_subject` after 40 steps of fine-tuning on three pictures of a subject, and
  before.

Bounds: `blip_subject` above both others and chance, intervals apart; `blip_learnt` above `blip_unlearnt`. Marks are
from exact truth; nothing here is learnt.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.world import BATCH, STARTER, block, interval
from sessions.values import Picture
from tools import subjects, weights
from tools.base import EditContext, drain
from tools.diffusion import latents
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.finetuning import Schooling
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.sampling import plms
from tools.diffusion.schedules import ddim_sigmas
from tools.edits.blip_diffusion import Args, blip_diffusion
from tools.shelf import Shelf
from toybox import grader
from toybox.drawing import Pixels, draw, inside
from toybox.scenes import GROUNDS, HELD_OUT, SHAPES, Scene, Thing, colour_for, pick
from training.subject_scenes import elsewhere, on_another_ground

ITEMS, REPLACED, LEARNT, SEEDS = 120, 40, 6, 4
TEXTURES = ("plain", "dotted", "striped")
"""Those that fill a thing with its colour; what an outlined one is filled with says nothing of it."""
FRAME, APART, SMALLEST = 3, 45, 25
"""Pixels at each side that are background; how far a pixel of a subject is from it; how many it is at least."""


@dataclass(frozen=True, eq=False)
class Item:
    """A subject, its reference picture, and the background that is asked for."""

    thing: Thing
    reference: Picture
    ground: str

    @property
    def prompt(self) -> str:
        return f"on a {self.ground} background"


def item(rng: Generator, number: int) -> Item:
    """The held-out pairs in turn, on one background for another."""
    shape, colour = sorted(HELD_OUT)[number % len(HELD_OUT)]
    thing = Thing(shape, colour, pick(rng, TEXTURES), "middle", 32.0, 32.0, rng.uniform(11.5, 17.0), 0.0)
    scene = on_another_ground(rng, thing, beside=0)
    others = [ground for ground in GROUNDS if ground != scene.ground]
    return Item(thing, Picture(draw(scene).rgb), pick(rng, others))


def items(count: int, seed: int = 2026) -> list[Item]:
    """The items of the benchmark."""
    rng = np.random.default_rng((seed, 5))
    return [item(rng, number) for number in range(count)]


# Marks


def ground_of(rgb: Pixels) -> str:
    """The background that most pixels of the frame are nearest to."""
    framed = np.ones(rgb.shape[:2], bool)
    framed[FRAME:-FRAME, FRAME:-FRAME] = False
    distance = ((rgb[framed][:, None].astype(float) - np.array([*GROUNDS.values()], float)) ** 2).sum(-1)
    return [*GROUNDS][int(np.bincount(distance.argmin(1)).argmax())]


def apart_from(rgb: Pixels, ground: str) -> NDArray[np.bool_]:
    """Pixels that are not of a background."""
    return np.asarray(np.abs(rgb.astype(float) - GROUNDS[ground]).max(-1) > APART)


def shape_of(mask: NDArray[np.bool_]) -> str:
    """The shape that lies best over a mask, at its middle and a little beside it, in sizes near its own."""
    ys, xs = np.nonzero(mask)
    reach = max(np.ptp(ys), np.ptp(xs)) / 2 + 0.5
    middle = (xs.min() + xs.max()) / 2, (ys.min() + ys.max()) / 2
    grid = np.mgrid[: len(mask), : mask.shape[1]].astype(np.float32)

    def best(shape: str) -> float:
        tried = [
            (s, dy, turn) for s in (0.9, 1.0, 1.1, 1.22) for dy in (-0.1, 0.0, 0.1, 0.2) for turn in (-0.2, 0, 0.2)
        ]
        return max(grader.overlap(over(shape, *one), mask) for one in tried)

    def over(shape: str, scale: float, dy: float, turn: float) -> NDArray[np.bool_]:
        x, y = (grid[1] - middle[0]) / (scale * reach), (grid[0] - middle[1]) / (scale * reach) - dy
        c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        return inside(shape, c * x + s * y, c * y - s * x)

    return max(SHAPES, key=best)


def shown(rgb: Pixels, thing: Thing, ground: str) -> bool:
    """Whether a picture shows a thing's colour in its shape."""
    mask = apart_from(rgb, ground)
    return int(mask.sum()) >= SMALLEST and grader.colour_in(rgb, mask) == thing.colour and shape_of(mask) == thing.shape


# What is measured


@dataclass(frozen=True, eq=False)
class Bench:
    """The shelf, and the model on it with the arguments that it wants."""

    shelf: Shelf
    model: LatentDiffusion
    guidance: float
    steps: int

    def vectors(self, picture: Picture, category: str) -> Tensor:
        """(K, C)."""
        return subjects.vectors(self.shelf, self.model, [picture], category)

    def drawn(self, some: Sequence[tuple[Item, Tensor | None]], seed: int = 0) -> list[Pixels]:
        """A picture of each, as the tool draws anew, `BATCH` at a time."""
        results: list[Pixels] = []
        sigmas = ddim_sigmas(self.model.schedule, self.steps)
        nothing = subjects.context(self.model, str(Args.model_fields["negative"].default))
        for first in range(0, len(some), BATCH):
            group = some[first : first + BATCH]
            texts = [subjects.phrase(one.thing.shape, one.prompt) for one, _ in group]
            said = [
                subjects.context(self.model, t, v, subjects.REPEATS) for t, (_, v) in zip(texts, group, strict=True)
            ]
            rows = [Condition(text) for text in said] + [Condition(nothing)] * len(group)
            network = Network(self.model)

            def D(x: Tensor, sigma: Tensor, rows: list[Condition] = rows, network: Network = network) -> Tensor:
                told, null = network.rows(x.repeat(2, 1, 1, 1), sigma, rows).chunk(2)
                return x - sigma * (null + self.guidance * (told - null))

            side = self.model.side // self.model.factor
            noise = latents.noise((len(group), 4, side, side), latents.generator(first + 1000 * seed), said[0])
            x = drain(plms(D, latents.unsettled(noise, sigmas[0]), sigmas))
            results += [latents.decode(self.model, z[None]) for z in latents.settled(x, sigmas[-1])]
        return results


def drawing(bench: Bench, some: Sequence[Item]) -> dict[str, Any]:
    """Subjects anew, without their vectors, and with another's."""
    rng = np.random.default_rng((2026, 6))
    own = [bench.vectors(one.reference, one.thing.shape) for one in some]
    others = [bench.vectors(another(rng, one), one.thing.shape) for one in some]
    ways: dict[str, list[Tensor | None]] = {"blip_subject": [*own], "blip_without": [None] * len(some)}
    ways["blip_swapped"] = [*others]
    figures: dict[str, Any] = {}
    for name, vectors in ways.items():
        results = bench.drawn(list(zip(some, vectors, strict=True)))
        marked = list(zip(results, some, strict=True))
        figures[name] = interval([shown(rgb, one.thing, one.ground) for rgb, one in marked])
        if name == "blip_subject":
            figures["blip_background"] = interval([ground_of(rgb) == one.ground for rgb, one in marked])
    exact = [draw(Scene("plain", one.ground, (elsewhere(rng, one.thing),))).rgb for one in some]
    figures["blip_marked"] = interval([shown(rgb, one.thing, one.ground) for rgb, one in zip(exact, some, strict=True)])
    return figures


def another(rng: Generator, one: Item) -> Picture:
    """A picture of a subject of the same shape in another colour."""
    thing = replace(one.thing, colour=colour_for(rng, one.thing.shape, but=one.thing.colour))
    return on_a_ground(rng, thing)


def on_a_ground(rng: Generator, thing: Thing) -> Picture:
    """A picture of a thing alone, somewhere."""
    return Picture(draw(on_another_ground(rng, thing, beside=0)).rgb)


def cosines(bench: Bench, some: Sequence[Item]) -> dict[str, Any]:
    """How alike vectors are: of one subject before two backgrounds, and of two subjects."""
    rng = np.random.default_rng((2026, 7))
    same, other = [], []
    for one in some:
        again = Picture(draw(on_another_ground(rng, one.thing, beside=0)).rgb)
        at, there, else_ = (
            bench.vectors(p, one.thing.shape).flatten() for p in (one.reference, again, another(rng, one))
        )
        same.append(float(torch.cosine_similarity(at, there, dim=0)))
        other.append(float(torch.cosine_similarity(at, else_, dim=0)))
    return {"blip_cosine": interval(same), "blip_cosine_others": interval(other)}


def replacing(bench: Bench, some: Sequence[Item]) -> dict[str, Any]:
    """Subjects in the place of a thing of another shape: where, and what is left alone."""
    rng = np.random.default_rng((2026, 8))
    marked: dict[str, list[float]] = {"blip_replace_iou": [], "blip_replace_block": [], "blip_replace_untouched": []}
    for number, one in enumerate(some):
        old = elsewhere(rng, replace(one.thing, shape=pick(rng, [s for s in SHAPES if s != one.thing.shape])))
        scene = Scene("plain", one.ground, (replace(old, colour=colour_for(rng, old.shape)),))
        base, truth = draw(scene), draw(scene).mask(0)
        context = EditContext(Picture(base.rgb), None, (one.reference,), seed=number, shelf=bench.shelf)
        args = Args(
            category=one.thing.shape, replaces=old.shape, prompt=one.prompt, guidance=bench.guidance, steps=bench.steps
        )
        out = drain(blip_diffusion.run(context, args))
        found = np.asarray(out.mask) > 127
        z0 = latents.encode(bench.model, base.rgb)
        cells = found.reshape(z0.shape[2], bench.model.factor, z0.shape[3], bench.model.factor).any((1, 3))
        kept = (out.latent == z0).all(1)[0].numpy() if out.latent is not None else np.ones_like(cells)
        marked["blip_replace_iou"].append(grader.overlap(found, truth))
        marked["blip_replace_block"].append(grader.overlap(block(rng, found), truth))
        marked["blip_replace_untouched"].append(float(kept[~cells].mean()) if (~cells).any() else 1.0)
    return {name: interval(values) for name, values in marked.items()}


def learning(bench: Bench, some: Sequence[Item]) -> dict[str, Any]:
    """Before and after 40 steps on three pictures of each."""
    rng = np.random.default_rng((2026, 9))
    before, after = [], []
    for one in some:
        pictures = [Picture(draw(on_another_ground(rng, one.thing, beside=0)).rgb) for _ in range(3)]
        learnt = drain(
            subjects.learn(bench.shelf, pictures, one.thing.shape, Schooling(rate=subjects.rate(bench.shelf)))
        )
        mean = subjects.vectors(bench.shelf, bench.model, pictures, one.thing.shape)
        taught, vectors = subjects.known(bench.shelf, bench.model, [learnt], one.thing.shape)
        for seed in range(SEEDS):
            for kept, model, v in ((before, bench.model, mean), (after, taught, vectors)):
                (rgb,) = replace(bench, model=model).drawn([(one, v)], seed)
                kept.append(shown(rgb, one.thing, one.ground))
    return {"blip_unlearnt": interval(before), "blip_learnt": interval(after)}


def measured(pack: Path, count: int) -> dict[str, Any]:
    """All figures of a pack."""
    (entry,) = (one for one in weights.read_register(pack.resolve() / "register.json") if one.role == subjects.ROLE)
    with TemporaryDirectory() as home:
        shelf = Shelf(Path(home))
        shelf.add(entry.model_copy(update={"pack": "own"}))
        wanted = entry.sampling
        bench = Bench(shelf, shelf.diffusion(subjects.ROLE), wanted.get("guidance", 7.5), int(wanted.get("steps", 50)))
        some = items(count)
        figures = drawing(bench, some) | cosines(bench, some) | replacing(bench, some[:REPLACED])
        figures |= learning(bench, some[:LEARNT])
        shelf.clear()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", nargs="?", const="-", help="print JSON, or write it to a file")
    parser.add_argument("--pack", type=Path, default=STARTER)
    parser.add_argument("--items", type=int, default=ITEMS)
    args = parser.parse_args()
    figures = {"items": args.items, "chance_of_a_colour": 1 / 8, **measured(args.pack, args.items)}
    written = json.dumps(figures, indent=2)
    if args.json == "-":
        print(written)
        return
    for name, value in figures.items():
        print(f"{name:<36} {value}")
    if args.json:
        Path(args.json).write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
