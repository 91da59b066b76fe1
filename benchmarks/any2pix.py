"""Whether a picture changed by a sound then shows what the sound stands for: the starter's `any2pix`, by our own judge.

    python -m benchmarks.any2pix [--count 200] [--json]

Toybox scenes that do not show it yet, and takes of the sounds that nothing was trained on, all names in turn;
the product's own step, without a planner that says what is meant. All figures with 95 % intervals.

* `sound_gain`: by how much the judge's (`benchmarks.judge`) probability of what the sound stands for rises over the
  unedited picture;
* `shuffled_gain`: the same rise, still of the item's own sound, where another item's sound of another name is heard;
* both for each kind of meaning (`shape_gain`, `shape_shuffled_gain`…): a blob is a little of every shape, so that the
  first alone would say that shapes are heard where they are not;
* `other_change`: mean |Δ| of the eleven other probabilities; `psnr`: of the result to the picture, in dB;
* `judge_drawn`, `judge_decoded`: the judge's AUC of each class on scenes that it has not seen, as drawn and as decoded.

Bounds: `sound_gain` at least 0.05, and its interval above that of `shuffled_gain`. Trains the judge first, in minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from agent.plan import PlanStep
from agent.stepping import Job, work
from benchmarks import judge
from benchmarks.analogy import psnr
from benchmarks.judge import Floats, Judge
from benchmarks.world import interval
from sessions.values import Picture, Pixels
from tools.base import drain
from tools.diffusion import latents
from tools.shelf import Shelf
from tools.sounds import Sound
from toybox.drawing import draw
from toybox.scenes import Scene, random_scene
from toybox.sounds import MEANINGS, NAMES, RATE, sound
from training.encoder_figures import FIRST_TAKE
from training.encoder_scenes import true_of

ROLE = "any2pix"
ITEMS, JUDGED, SEED = 200, 400, 2026
"""Items; scenes that the judge is judged by; the number that all of it is drawn from, which no training has."""
KINDS = ("shape", "light", "tone", "colour")


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


def rises(before: Floats, after: Floats, names: Sequence[str]) -> Floats:
    """(n,) by how much each item's own probability has risen; before, after (n, 12)."""
    rows, columns = np.arange(len(names)), [NAMES.index(name) for name in names]
    return after[rows, columns] - before[rows, columns]


def moves(before: Floats, after: Floats, names: Sequence[str]) -> Floats:
    """(n,) the mean |Δ| of each item's eleven other probabilities; before, after (n, 12)."""
    own = np.array([[name == other for other in NAMES] for name in names])
    return np.asarray(np.abs(after - before).mean(1, where=~own))


def gains(net: Judge, some: Sequence[Item], own: Sequence[Pixels], other: Sequence[Pixels]) -> dict[str, Any]:
    """The figures of results under the items' own sounds and under others'."""
    names, pictures = [one.name for one in some], [one.picture for one in some]
    before, after, swapped = (judge.probabilities(net, them) for them in (pictures, own, other))
    rise, still = rises(before, after, names), rises(before, swapped, names)
    kinds = np.array([MEANINGS[name].kind for name in names])
    there = [kind for kind in KINDS if kind in kinds]
    return {
        "sound_gain": interval(rise.tolist()),
        "shuffled_gain": interval(still.tolist()),
        **{f"{kind}_gain": interval(rise[kinds == kind].tolist()) for kind in there},
        **{f"{kind}_shuffled_gain": interval(still[kinds == kind].tolist()) for kind in there},
        "other_change": interval(moves(before, after, names).tolist()),
        "psnr": interval([psnr(*pair) for pair in zip(own, pictures, strict=True)]),
    }


def measured(weights: Shelf, net: Judge, count: int, seed: int = SEED) -> dict[str, Any]:
    """All figures of so many items."""
    some = items(count, seed)
    own = [edited(weights, one, one.heard, i) for i, one in enumerate(some)]
    whose = exchanged([one.name for one in some], seed)
    other = [edited(weights, one, some[j].heard, i) for i, (one, j) in enumerate(zip(some, whose, strict=True))]
    return gains(net, some, own, other)


def figures(count: int) -> dict[str, Any]:
    """A judge is trained and judged, then the starter is."""
    with tempfile.TemporaryDirectory() as home:
        weights = Shelf(Path(home))
        vae = weights.diffusion(ROLE).vae

        def decoded(rgb: Pixels) -> Pixels:
            return latents.reconstructed(vae, rgb)

        net = judge.trained(decoded)
        believed = {
            "judge_drawn": judge.believed(net, None, JUDGED, SEED),
            "judge_decoded": judge.believed(net, decoded, JUDGED, SEED),
        }
        return {"count": count, **measured(weights, net, count), **believed}


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
