"""How far the toybox's grader (`toybox.reading`) can be believed, on scenes that it has not learnt from.

    python -m benchmarks.reading [--count 3000] [--pack FOLDER] [--json [PATH]]

* `accuracy_…`: each attribute of things and of the whole, in true renders of scenes and of what edits make of them, in
  half of which a thing is of a held-out pair of shape and colour; `accuracy_…_held_out`: of those things alone;
  `worst_…`: the value that is read worst. Bound 0.99 for every accuracy.
* `unedited_…`: of inputs that nobody has edited, those that are read as edited, by kind; `exact_…`: of exact results,
  those that are. Bound 0.02 for every kind's unedited.
* with `decoded` behind it, the same of what a pack's autoencoder leaves of the pictures.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.random import Generator

from benchmarks.world import Figures, Item, by_kind, figure, items, shelf
from sessions.values import Pixels
from tools.diffusion import latents
from tools.shelf import STARTER
from toybox.drawing import draw
from toybox.edits import random_edit
from toybox.marking import mark
from toybox.reading import Key, Reading, readings, shown
from toybox.scenes import HELD_OUT, Scene, colour_for, random_scene

COUNT, SEED, AT_ONCE = 3000, 8, 200


def scenes(count: int, seed: int = SEED) -> list[Scene]:
    """Scenes, as many after an edit as before one; in every other of both a thing is of a held-out pair."""
    found: list[Scene] = []
    for i in range(count):
        rng = np.random.default_rng((2026, seed, i))
        scene = random_scene(rng)
        edited = random_edit(rng, scene).apply(scene) if i % 2 else scene
        found.append(with_held_out(rng, edited) if i % 4 > 1 else edited)
    return found


def with_held_out(rng: Generator, scene: Scene) -> Scene:
    """One of its things in the colour that training never shows its shape in."""
    if not scene.things:
        return scene
    at = int(rng.integers(len(scene.things)))
    new = replace(scene.things[at], colour=colour_for(rng, scene.things[at].shape, held_out=True))
    return replace(scene, things=(*scene.things[:at], new, *scene.things[at + 1 :]))


def of_held_out(scene: Scene) -> dict[Key, str]:
    """What is seen of the things of held-out pairs alone."""
    slots = [thing.slot for thing in scene.things if (thing.shape, thing.colour) in HELD_OUT]
    return {key: value for key, value in shown(scene).items() if key[0] in slots}


def read(pictures: Sequence[Pixels]) -> list[Reading]:
    """What they show, some at once."""
    return [it for i in range(0, len(pictures), AT_ONCE) for it in readings(pictures[i : i + AT_ONCE])]


def accuracies(
    some: Sequence[Scene], seen: Sequence[Reading], suffix: str = "", asked: Callable[[Scene], dict[Key, str]] = shown
) -> Figures:
    """Each attribute's share of right answers, and its worst value's. `asked`: what is seen of a scene."""
    right: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for scene, it in zip(some, seen, strict=True):
        for key, value in asked(scene).items():
            right[key[1]][value].append(it.value(*key) == value)
    found: Figures = {}
    for name, values in right.items():
        share = {value: float(np.mean(said)) for value, said in values.items()}
        worst = min(share, key=lambda value: share[value])
        found |= figure(f"accuracy_{name}{suffix}", [said for them in values.values() for said in them])
        found[f"worst_{name}{suffix}"] = [worst, round(share[worst], 4), len(values[worst])]
    return found


def edits(some: Sequence[Item], change: Callable[[Pixels], Pixels], suffix: str = "") -> Figures:
    """What is accepted of unedited inputs, and of exact results."""
    found: Figures = {}
    for name, pictures in (
        ("unedited", [change(one.before.rgb) for one in some]),
        ("exact", [change(one.after.rgb) for one in some]),
    ):
        done = [mark(one.edit, one.scene, it).done for one, it in zip(some, read(pictures), strict=True)]
        found |= figure(f"{name}{suffix}", done) | by_kind(f"{name}{suffix}", done, some)
    return found


def figures(count: int, pack: Path = STARTER.parent) -> Figures:
    """All of it, drawn and decoded."""
    some, edited = scenes(count), items(count, SEED)
    with TemporaryDirectory() as home:
        vae = shelf(Path(home), pack).diffusion("text-to-image").vae

        def decoded(rgb: Pixels) -> Pixels:
            return latents.reconstructed(vae, rgb)

        found: Figures = {"count": count}
        for suffix, change in (("", lambda rgb: rgb), ("_decoded", decoded)):
            seen = read([change(draw(scene).rgb) for scene in some])
            found |= accuracies(some, seen, suffix) | accuracies(some, seen, f"_held_out{suffix}", of_held_out)
            found |= edits(edited, change, suffix)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--pack", type=Path, default=STARTER.parent)
    parser.add_argument("--json", nargs="?", const="-", help="print JSON, or write it to a file")
    args = parser.parse_args()
    found = figures(args.count, args.pack)
    if args.json == "-":
        print(json.dumps(found, indent=1))
        return
    for name, value in found.items():
        if not name.endswith("_ci"):
            print(f"{name:<32} {value}")
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
