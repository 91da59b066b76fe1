"""Whether a picture changed by a sound then shows what the sound stands for: the starter's `any2pix`, by the grader.

    python -m benchmarks.any2pix [--count 200] [--json]

Toybox scenes that do not show it yet, and takes of the sounds that nothing was trained on, all names in turn;
the product's own step, without a planner that says what is meant. All figures with 95 % intervals.

* `sound`: the share of results that the grader (`toybox.reading`) reads as what the sound stands for, which none of
  the unedited pictures is (`sound_copy`); `sound_gain`: by how much its probability of that rises over the unedited
  picture;
* `sound_shuffled`, `sound_gain_shuffled`: the same, still of the item's own sound, where another item's sound of
  another name is heard;
* `sound_unrefined`, `sound_gain_unrefined`: under the own sound, by the same weights without their prior;
  `refinement_gain`: what the prior adds to the rise, item by item;
* gains for each kind of meaning too (`shape_gain`, `shape_gain_shuffled`…): a blob is a little of every shape, so that
  the first alone would say that shapes are heard where they are not;
* `other_change`: mean |Δ| of the other probabilities; `psnr`: of the result to the picture, in dB;
* `judged_drawn`, `judged_decoded`: the grader's AUC of each class on scenes, as drawn and as decoded.

Bounds: `sound` at least 0.3, and its interval above that of `sound_shuffled`; `refinement_gain` above 0.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from agent.plan import PlanStep
from agent.stepping import Job, work
from benchmarks.analogy import psnr
from benchmarks.measure import interval
from benchmarks.toybox_report import Row
from sessions.values import Picture, Pixels
from tools.base import drain
from tools.diffusion import latents
from tools.diffusion.following import PRIOR
from tools.shelf import Shelf
from tools.sounds import Sound
from toybox.drawing import draw
from toybox.reading import readings
from toybox.scenes import Scene, random_scene
from toybox.sounds import FIRST_TAKE, MEANINGS, NAMES, RATE, sound
from training.encoder_scenes import scene_for, true_of

Floats = NDArray[np.float64]
ROLE = "any2pix"
ITEMS, JUDGED, SEED = 200, 400, 2026
"""Items; scenes that the grader is judged by; the number that all of it is drawn from, which no training has."""
KINDS = ("shape", "light", "weather", "style", "tone", "colour")


@dataclass(frozen=True)
class Item:
    """A scene, and a sound for something that it does not show."""

    scene: Scene
    name: str
    take: int

    @cached_property
    def picture(self) -> Pixels:
        """The scene, drawn."""
        return draw(self.scene).rgb

    @cached_property
    def heard(self) -> Sound:
        """The sound as it is played this time."""
        return Sound(sound(self.name, self.take), RATE)


def items(count: int, seed: int = SEED) -> list[Item]:
    """Fresh ones, the names in turn."""
    rng = np.random.default_rng((seed, 12))
    names = [NAMES[i % len(NAMES)] for i in range(count)]
    return [Item(lacking(rng, name), name, int(rng.integers(FIRST_TAKE, 2 * FIRST_TAKE))) for name in names]


def lacking(rng: Generator, name: str) -> Scene:
    """A random scene that does not show what a sound stands for."""
    while true_of(name, scene := random_scene(rng)):
        continue
    return scene


def exchanged(names: Sequence[str], seed: int = SEED) -> list[int]:
    """Whose sound each item hears instead of its own: every item's once, and none of its own name.

    ValueError where one name is more than half of them, since then there is no such order.
    """
    if 2 * max(names.count(name) for name in set(names)) > len(names):
        raise ValueError("More than half of these items have the same sound.")
    rng = np.random.default_rng((seed, 13))
    order = [int(i) for i in rng.permutation(len(names))]
    while same := [i for i, j in enumerate(order) if names[i] == names[j]]:
        i, j = same[0], int(rng.integers(len(order)))
        order[i], order[j] = order[j], order[i]
    return order


def edited(weights: Shelf, one: Item, heard: Sound, seed: int) -> Pixels:
    """An item's picture after the product's own step under a sound."""
    job = Job(PlanStep(tool=ROLE), Picture(one.picture.copy()), seed=seed, shelf=weights, sounds=(heard,))
    return drain(work(0, job)).edit.image.rgb


def probabilities(pictures: Sequence[Pixels]) -> Floats:
    """(n, sounds), 0…1: how likely it is that pictures (64, 64, 3) show what each sound stands for."""
    meanings = [MEANINGS[name] for name in NAMES]
    return np.array([[seen.somewhere(one.kind, one.value) for one in meanings] for seen in readings(pictures)])


def auc(scores: Floats, truth: NDArray[np.bool_]) -> float:
    """How often what is so scores above what is not, a tie counting half; scores, truth (n,), some of both kinds."""
    yes, no = scores[truth], scores[~truth]
    return float((yes[:, None] > no).mean() + 0.5 * (yes[:, None] == no).mean())


def believed(change: Callable[[Pixels], Pixels], count: int, seed: int = SEED) -> dict[str, float]:
    """The `auc` of each sound's class on scenes, changed as an autoencoder does, or not."""
    rng = np.random.default_rng((seed, 14))
    some = [scene_for(rng, NAMES[i % len(NAMES)]) for i in range(count)]
    scores = probabilities([change(draw(scene).rgb) for scene in some])
    truth = np.array([[true_of(name, scene) for name in NAMES] for scene in some])
    return {name: round(auc(scores[:, i], truth[:, i]), 4) for i, name in enumerate(NAMES)}


def rises(before: Floats, after: Floats, names: Sequence[str]) -> Floats:
    """(n,) by how much each item's own probability has risen; before, after (n, sounds)."""
    rows, columns = np.arange(len(names)), [NAMES.index(name) for name in names]
    return after[rows, columns] - before[rows, columns]


def moves(before: Floats, after: Floats, names: Sequence[str]) -> Floats:
    """(n,) the mean |Δ| of each item's other probabilities; before, after (n, sounds)."""
    own = np.array([[name == other for other in NAMES] for name in names])
    return np.asarray(np.abs(after - before).mean(1, where=~own))


@dataclass(frozen=True, eq=False)
class Results:
    """Of so many items: under their own sounds, under others', and under their own without a prior."""

    own: Sequence[Pixels]
    shuffled: Sequence[Pixels]
    unrefined: Sequence[Pixels]


def gains(some: Sequence[Item], results: Results) -> dict[str, Any]:
    """The figures of results."""
    names, pictures = [one.name for one in some], [one.picture for one in some]
    before, after = probabilities(pictures), probabilities(results.own)
    ways = {"": after, "_shuffled": probabilities(results.shuffled), "_unrefined": probabilities(results.unrefined)}
    rise = {way: rises(before, p, names) for way, p in ways.items()}
    kinds = np.array([MEANINGS[name].kind for name in names])
    there = [kind for kind in KINDS if kind in kinds]
    shown = {way: rises(np.zeros_like(p), p, names) > 0.5 for way, p in {**ways, "_copy": before}.items()}
    return {
        **{f"sound{way}": interval(read.tolist()) for way, read in shown.items()},
        **{f"sound_gain{way}": interval(values.tolist()) for way, values in rise.items()},
        "refinement_gain": interval((rise[""] - rise["_unrefined"]).tolist()),
        **{
            f"{kind}_gain{way}": interval(rise[way][kinds == kind].tolist())
            for kind in there
            for way in ("", "_shuffled")
        },
        "other_change": interval(moves(before, after, names).tolist()),
        "psnr": interval([psnr(*pair) for pair in zip(results.own, pictures, strict=True)]),
    }


def results(weights: Shelf, some: Sequence[Item], seed: int = SEED) -> Results:
    """What comes of items in every way."""
    own = [edited(weights, one, one.heard, i) for i, one in enumerate(some)]
    whose = exchanged([one.name for one in some], seed)
    shuffled = [edited(weights, one, some[j].heard, i) for i, (one, j) in enumerate(zip(some, whose, strict=True))]
    with tempfile.TemporaryDirectory() as home:
        without = unrefined(weights, Path(home))
        plain = [edited(without, one, one.heard, i) for i, one in enumerate(some)]
        without.clear()
    return Results(own, shuffled, plain)


def rows(some: Sequence[Item], made: Results) -> list[Row]:
    """Items for the report; what they sounded like is told by its name."""
    p = rises(np.zeros((len(some), len(NAMES))), probabilities(made.own), [one.name for one in some])
    return [
        Row(said(one), (one.picture, rgb), bool(sure > 0.5), f"{sure:.0%} sure to see it")
        for one, rgb, sure in zip(some, made.own, p, strict=True)
    ]


def said(one: Item) -> str:
    """What an item hears: "bell, which means: disc"."""
    return f"{one.name}, which means: {MEANINGS[one.name].value}"


def unrefined(weights: Shelf, home: Path) -> Shelf:
    """A shelf with the same weights, but for their prior."""
    (entry, *_), without = weights.taken(ROLE), Shelf(home)
    for one in reversed(weights.entries()):
        without.add(one.model_copy(update={"pack": "own"}))
    files = {name: file for name, file in entry.files.items() if not name.startswith(f"{PRIOR}/")}
    without.add(entry.model_copy(update={"pack": "own", "files": files}))
    return without


def measured(weights: Shelf, count: int, seed: int = SEED) -> dict[str, Any]:
    """All figures of so many items."""
    some = items(count, seed)
    return gains(some, results(weights, some, seed))


def figures(count: int) -> dict[str, Any]:
    """The starter's figures, and how far they can be believed."""
    with tempfile.TemporaryDirectory() as home:
        weights = Shelf(Path(home))
        return {"count": count, **measured(weights, count), **judged(weights)}


def judged(weights: Shelf) -> dict[str, Any]:
    """The grader's AUC of every sound's class, drawn, and as the weights' autoencoder leaves it."""
    vae = weights.diffusion(ROLE).vae
    return {
        "judged_drawn": believed(lambda rgb: rgb, JUDGED),
        "judged_decoded": believed(lambda rgb: latents.reconstructed(vae, rgb), JUDGED),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.any2pix", description=__doc__)
    parser.add_argument("--count", type=int, default=ITEMS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = figures(args.count)
    if args.json:
        print(json.dumps(found, indent=1))
        return
    for name, value in found.items():
        print(f"{name:<20} {value}")


if __name__ == "__main__":
    main()
