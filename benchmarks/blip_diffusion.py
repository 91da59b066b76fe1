"""What the starter's BLIP-Diffusion does with subjects that training never showed, with 95 % intervals.

    python -m benchmarks.blip_diffusion [--json [PATH]] [--pack FOLDER] [--items N]

A subject is a held-out pair of shape and colour, plain, dotted or striped, in a reference picture on background X. The
prompt says its shape and background Y.

* `blip_subject`: the grader (`toybox.reading`) reads a thing of its colour and its shape, in one place, in the result.
  `blip_subject_without`: the same text without vectors. `blip_subject_swapped`: with those of another subject of the
  same shape. `blip_subject_exact`: exact pictures, read likewise, and `blip_subject_autoencoder`, what the autoencoder
  leaves of them. `blip_texture`: its texture besides. A colour by chance: 1 in 8. Of a held-out pair a model without
  vectors is below that: it has learnt that there is none. So `blip_subject_seen`, `blip_subject_seen_without`: half as
  many subjects of pairs that training has.
* `blip_background`: the grader reads Y, of six. `blip_background_shuffled`: that of another item's prompt.
* `blip_cosine`: between the vectors of a subject on two backgrounds; `blip_cosine_others`: of two subjects of a shape.
* `blip_replace_iou`: replacing a thing in a scene, the tool's mask with the exact one; `blip_replace_block`: a square
  of its area anywhere. `blip_replace_untouched`: the share of latent cells outside it that are bit for bit as before.
* `blip_learnt`, `blip_unlearnt`: `blip_subject` after 40 steps of fine-tuning on three pictures of a subject, and
  before; intervals over subjects, of each of which some pictures are drawn.

Bounds: `blip_subject` above both others and chance, `blip_background` above `blip_background_shuffled`, intervals
apart; `blip_learnt` above `blip_unlearnt`. Part of `python -m benchmarks.toybox` too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from benchmarks.toybox_masks import block
from benchmarks.toybox_report import Row
from benchmarks.world import Figures, figure
from benchmarks.world import shelf as shelf_of
from sessions.values import Picture
from tools import subjects
from tools.base import EditContext, drain
from tools.diffusion import latents
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.finetuning import Schooling
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.sampling import plms
from tools.diffusion.schedules import ddim_sigmas
from tools.edits.blip_diffusion import Args, blip_diffusion
from tools.shelf import STARTER, Shelf
from toybox import grader
from toybox.drawing import Pixels, draw
from toybox.reading import Reading, reading, readings
from toybox.scenes import GROUNDS, HELD_OUT, SHAPES, SIDE, Scene, Thing, colour_for, pick
from training.subject_scenes import elsewhere, on_another_ground

ITEMS, REPLACED, LEARNT, SEEDS, BATCH = 120, 40, 6, 4, 10
TEXTURES = ("plain", "dotted", "striped")
"""Those that fill a thing with its colour; what an outlined one is filled with says nothing of it."""


@dataclass(frozen=True, eq=False)
class Item:
    """A subject, its reference picture, and the background that is asked for."""

    thing: Thing
    reference: Picture
    ground: str

    @property
    def prompt(self) -> str:
        return f"on a {self.ground} background"


def item(rng: Generator, number: int, held_out: bool = True) -> Item:
    """The held-out pairs in turn, or pairs that training has, on one background for another."""
    shape, colour = sorted(HELD_OUT)[number % len(HELD_OUT)]
    colour = colour if held_out else colour_for(rng, shape)
    thing = Thing(shape, colour, pick(rng, TEXTURES), "middle", 32.0, 32.0, rng.uniform(11.5, 17.0), 0.0)
    scene = on_another_ground(rng, thing, beside=0)
    others = [ground for ground in GROUNDS if ground != scene.ground]
    return Item(thing, Picture(draw(scene).rgb), pick(rng, others))


def items(count: int, seed: int = 2026, held_out: bool = True) -> list[Item]:
    """The items of the benchmark."""
    rng = np.random.default_rng((seed, 5))
    return [item(rng, number, held_out) for number in range(count)]


# Marks


def shows(seen: Reading, thing: Thing, *names: str) -> bool:
    """Whether in some place a thing is read that has a thing's shape and colour, and what else is named."""
    wanted = {name: getattr(thing, name) for name in ("shape", "colour", *names)}
    return any(wanted.items() <= found.items() for found in seen.things().values())


def on(seen: Reading, ground: str) -> bool:
    """Whether a background is read."""
    return seen.value("", "ground") == ground


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


def drawing(bench: Bench, some: Sequence[Item]) -> tuple[Figures, list[Row]]:
    """Subjects anew, without their vectors, and with another's; and rows of the first."""
    rng = np.random.default_rng((2026, 6))
    own = [bench.vectors(one.reference, one.thing.shape) for one in some]
    others = [bench.vectors(another(rng, one), one.thing.shape) for one in some]
    exact = [draw(Scene("plain", one.ground, (centred(one.thing),))).rgb for one in some]
    pictures = {
        "": bench.drawn(list(zip(some, own, strict=True))),
        "_without": bench.drawn([(one, None) for one in some]),
        "_swapped": bench.drawn(list(zip(some, others, strict=True))),
        "_exact": exact,
        "_autoencoder": [latents.reconstructed(bench.model.vae, rgb) for rgb in exact],
    }
    seen = {way: readings(found) for way, found in pictures.items()}
    grounds = [on(it, one.ground) for it, one in zip(seen[""], some, strict=True)]
    shuffled = [on(it, one.ground) for it, one in zip(seen[""], [*some[1:], *some[:1]], strict=True)]
    figures: Figures = {}
    for way, found in seen.items():
        right = [shows(it, one.thing) for it, one in zip(found, some, strict=True)]
        figures |= figure(f"blip_subject{way}", right)
    figures |= figure("blip_background", grounds) | figure("blip_background_shuffled", shuffled)
    figures |= figure("blip_texture", [shows(it, one.thing, "texture") for it, one in zip(seen[""], some, strict=True)])
    return figures, [row(*parts) for parts in zip(some, pictures[""], exact, seen[""], strict=True)]


def of_seen_pairs(bench: Bench, some: Sequence[Item]) -> Figures:
    """Subjects anew, and without their vectors, of pairs that training has."""
    own = [bench.vectors(one.reference, one.thing.shape) for one in some]
    found: Figures = {}
    for way, vectors in (("", own), ("_without", [None] * len(some))):
        seen = readings(bench.drawn(list(zip(some, vectors, strict=True))))
        right = [shows(it, one.thing) for it, one in zip(seen, some, strict=True)]
        found |= figure(f"blip_subject_seen{way}", right)
    return found


def centred(thing: Thing) -> Thing:
    """A thing where the world has single ones."""
    return replace(thing, slot="middle", x=SIDE / 2, y=SIDE / 2)


def row(one: Item, result: Pixels, exact: Pixels, seen: Reading) -> Row:
    """An item for the report; the exact result is one of many."""
    right, behind = shows(seen, one.thing), on(seen, one.ground)
    verdict = f"{'the subject' if right else 'another thing'}, {'on' if behind else 'not on'} {one.ground}"
    return Row(
        subjects.phrase(one.thing.shape, one.prompt), (one.reference.rgb, result, exact), right and behind, verdict
    )


def another(rng: Generator, one: Item) -> Picture:
    """A picture of a subject of the same shape in another colour."""
    thing = replace(one.thing, colour=colour_for(rng, one.thing.shape, but=one.thing.colour))
    return on_a_ground(rng, thing)


def on_a_ground(rng: Generator, thing: Thing) -> Picture:
    """A picture of a thing alone, somewhere."""
    return Picture(draw(on_another_ground(rng, thing, beside=0)).rgb)


def cosines(bench: Bench, some: Sequence[Item]) -> Figures:
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
    return {**figure("blip_cosine", same), **figure("blip_cosine_others", other)}


def replacing(bench: Bench, some: Sequence[Item]) -> Figures:
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
    return {name: part for key, values in marked.items() for name, part in figure(key, values).items()}


def learning(bench: Bench, some: Sequence[Item]) -> Figures:
    """Before and after 40 steps on three pictures of each."""
    rng = np.random.default_rng((2026, 9))
    before: list[list[bool]] = []
    after: list[list[bool]] = []
    for one in some:
        pictures = [Picture(draw(on_another_ground(rng, one.thing, beside=0)).rgb) for _ in range(3)]
        learnt = drain(
            subjects.learn(bench.shelf, pictures, one.thing.shape, Schooling(rate=subjects.rate(bench.shelf)))
        )
        mean = subjects.vectors(bench.shelf, bench.model, pictures, one.thing.shape)
        taught, vectors = subjects.known(bench.shelf, bench.model, [learnt], one.thing.shape)
        for kept, model, v in ((before, bench.model, mean), (after, taught, vectors)):
            drawn = [replace(bench, model=model).drawn([(one, v)], seed)[0] for seed in range(SEEDS)]
            kept.append([shows(reading(rgb), one.thing) for rgb in drawn])
    return {**by_subject("blip_unlearnt", before), **by_subject("blip_learnt", after)}


def by_subject(name: str, marks: Sequence[Sequence[bool]]) -> Figures:
    """A mean whose interval is over subjects: pictures of one subject are right, or wrong, together."""
    return figure(name, [float(np.mean(of_one)) for of_one in marks])


def measured(shelf: Shelf, count: int) -> tuple[Figures, list[Row]]:
    """All figures of so many items, and the rows of the report."""
    wanted = shelf.entry(subjects.ROLE).sampling
    bench = Bench(shelf, shelf.diffusion(subjects.ROLE), wanted.get("guidance", 7.5), int(wanted.get("steps", 50)))
    some = items(count)
    figures, rows = drawing(bench, some)
    figures |= of_seen_pairs(bench, items(max(2, count // 2), held_out=False))
    figures |= cosines(bench, some) | replacing(bench, some[:REPLACED]) | learning(bench, some[:LEARNT])
    return figures, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", nargs="?", const="-", help="print JSON, or write it to a file")
    parser.add_argument("--pack", type=Path, default=STARTER.parent)
    parser.add_argument("--items", type=int, default=ITEMS)
    args = parser.parse_args()
    with TemporaryDirectory() as home:
        found, _ = measured(shelf_of(Path(home), args.pack), args.items)
    figures = {"items": args.items, "chance_of_a_colour": 1 / 8, **found}
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
