"""What the small inpainting network does by example, `analogist`'s way, in the toybox: six tasks with exact results.

    python -m benchmarks.analogist [--pack FOLDER] [--count 20] [--args JSON] [--json [PATH]]

Part of `python -m benchmarks.toybox` too.

A task shows A, A' and B: two scenes, of which A and A' have the same things in the same places, B has others. What is
done to A can be done to B: `recolour`, `texture` and `outline` (filled) change a thing of the same shape that both
have, `colourise`, `deblur` and `denoise` the whole picture. The words name the things that B' has and not what becomes
of them, which A and A' tell; where whole pictures change, whose colours nothing else tells, they are B''s caption.
Figures, each with its 95 % bootstrap interval:

* `right`: share of results in which the grader (`toybox.reading`) reads what B' has, of what the task is about
  (`wanted`): the thing that changes in its new colour or texture; where whole pictures change, all things in their
  shapes and colours, and where they are to be coloured the background in its own. What B is left with can often be read
  or guessed already: there the result has to be nearer to B' than to B as well, by mean |Δ| where these differ;
* `error`: mean |Δ| to B' over that of B, where B and B' differ: copying B is 1;
* `structure`: IoU of what is no background in the result and in B', which has B's outlines.

Modes: `both` (SAC and CAM, as the tool does), `neither` (plain inpainting of the grid), `sac`, `cam`, and `swapped`,
the grid for pictures of which A is aligned with B, which these are not: A → A' cloned to B → B', worse in the paper
too. `ceiling` is what the autoencoder leaves of the exact grid. `gain`: by how much `error` falls from `neither` to
each, item by item. The tool's own functions draw; only the batching, and SAC without CAM, are this file's.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.measure import interval
from benchmarks.world import shelf
from sessions.values import Picture
from tools import grids
from tools.base import EditContext, drain
from tools.diffusion import latents, text
from tools.diffusion.attention import Attention
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.model import LatentDiffusion
from tools.edits import analogist
from tools.edits.analogist import NEGATIVE, POSITIVE, Args, Sheet
from tools.shelf import STARTER, Shelf
from toybox import grader
from toybox.drawing import Drawing, Pixels, draw
from toybox.edits import Edit, Recolour, Retexture
from toybox.reading import Key, Reading, readings
from toybox.reading import shown as visible
from toybox.scenes import STATES, Scene, colour_for, pick, random_scene
from toybox.words import caption, shapes

COUNT, BATCH, SEED = 20, 10, 2026
"""Items of a task; how many are drawn at once; the number that all are drawn from."""
BLUR, NOISE = 1.6, 28.0
"""What is done to pictures that are to be deblurred and denoised: σ in pixels, and in levels."""
OBJECT = 30
"""A pixel is of a thing if it is further than this from the background, in levels of one channel."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Item:
    """A, A' and B as shown, with words of B'; and what is true of it: scene, drawing, which of its things change."""

    a: Pixels
    changed: Pixels
    b: Pixels
    words: str
    scene: Scene
    truth: Drawing
    things: tuple[int, ...] = ()

    @property
    def context(self) -> EditContext:
        """What the tool is given."""
        return EditContext(Picture(self.b.copy()), subjects=(Picture(self.a.copy()), Picture(self.changed.copy())))


def usual(rng: Generator) -> Scene:
    """A scene of the training world by daylight, clear, plain and in colour."""
    return replace(random_scene(rng), **STATES)


def two(rng: Generator) -> tuple[Scene, Scene, str]:
    """Two scenes, and a shape that both have."""
    a = usual(rng)
    shape = pick(rng, [thing.shape for thing in a.things])
    b = usual(rng)
    while shape not in [thing.shape for thing in b.things]:
        b = usual(rng)
    return a, b, shape


def by_edit(scenes: tuple[Scene, Scene], begun: Edit, edit: Recolour | Retexture) -> Item:
    """The same edit of both, after another that makes them alike."""
    a, b = (begun.apply(scene) for scene in scenes)
    after = edit.apply(b)
    index = [thing.shape for thing in after.things].index(edit.shape)
    return Item(draw(a).rgb, draw(edit.apply(a)).rgb, draw(b).rgb, shapes(after), after, draw(after), (index,))


def recolour(rng: Generator) -> Item:
    """A thing's colour."""
    a, b, shape = two(rng)
    colour = colour_for(rng, shape)
    return by_edit((a, b), Recolour(shape, colour), Recolour(shape, colour_for(rng, shape, but=colour)))


def texture(rng: Generator) -> Item:
    """A thing's texture, of those that fill it."""
    a, b, shape = two(rng)
    old, new = rng.permutation(("plain", "dotted", "striped"))[:2]
    return by_edit((a, b), Retexture(shape, str(old)), Retexture(shape, str(new)))


def outline(rng: Generator) -> Item:
    """A thing that is outlined is filled."""
    a, b, shape = two(rng)
    return by_edit((a, b), Retexture(shape, "outlined"), Retexture(shape, "plain"))


def by_damage(rng: Generator, damaged: Callable[[Scene], Pixels]) -> Item:
    """Whole pictures, from what is left of them."""
    a, b = usual(rng), usual(rng)
    truth = draw(b)
    return Item(damaged(a), draw(a).rgb, damaged(b), caption(b), b, truth, tuple(range(len(b.things))))


def colourise(rng: Generator) -> Item:
    """Grey pictures get their colours."""
    return by_damage(rng, lambda scene: draw(replace(scene, tone="grey")).rgb)


def deblur(rng: Generator) -> Item:
    """Blurred ones are sharp again."""
    return by_damage(rng, lambda scene: np.asarray(cv2.GaussianBlur(draw(scene).rgb, (0, 0), BLUR), np.uint8))


def denoise(rng: Generator) -> Item:
    """Noisy ones are clean again."""

    def noisy(scene: Scene) -> Pixels:
        rgb = draw(scene).rgb
        return np.asarray((rgb + rng.normal(0, NOISE, rgb.shape)).round().clip(0, 255), np.uint8)

    return by_damage(rng, noisy)


TASKS: dict[str, Callable[[Generator], Item]] = {
    task.__name__: task for task in (recolour, texture, outline, colourise, deblur, denoise)
}


def items(task: str, count: int, seed: int = SEED) -> list[Item]:
    """Fresh items of a task."""
    rng = np.random.default_rng((seed, 17, list(TASKS).index(task)))
    return [TASKS[task](rng) for _ in range(count)]


@dataclass(frozen=True)
class Mode:
    """What of the tool's change of attention is on: SAC, CAM; and how A is aligned."""

    cloning: bool = True
    masking: bool = True
    aligned: str = "a_prime"


MODES = {
    "both": Mode(),
    "neither": Mode(False, False),
    "sac": Mode(masking=False),
    "cam": Mode(cloning=False),
    "swapped": Mode(aligned="b"),
}


def results(model: LatentDiffusion, some: list[Item], args: Args, mode: Mode) -> list[Pixels]:
    """B' of all items, `BATCH` at a time; noise is a function of an item's place."""
    args = args.model_copy(update={"aligned": mode.aligned})
    out: list[Pixels] = []
    for first in range(0, len(some), BATCH):
        group = some[first : first + BATCH]
        sheets = [sheet_of(model, one, args) for one in group]
        z0 = torch.cat([latents.encode(model, grids.begun(sheet.grid)) for sheet in sheets])
        seeds = range(first, first + len(group))
        noise = torch.cat([latents.noise((1, *z0.shape[1:]), latents.generator(seed), z0) for seed in seeds])
        D = denoiser(model, group, sheets, args, mode)
        z = drain(analogist.inpainted(D, z0, noise, model.schedule, args))
        out += [
            placed(model, one, sheet, end, start) for one, sheet, end, start in zip(group, sheets, z, z0, strict=True)
        ]
    return out


def sheet_of(model: LatentDiffusion, one: Item, args: Args) -> Sheet:
    """The grid that an item's tool shows."""
    return analogist.tiled(one.context, args, args.detail * analogist.grid_side(model) // 2)


def denoiser(
    model: LatentDiffusion, some: list[Item], sheets: list[Sheet], args: Args, mode: Mode
) -> Callable[[Tensor, Tensor], Tensor]:
    """`analogist.denoiser` of several items at once, each under its own words and grid."""
    said = text.encode(model, [*(one.words + POSITIVE for one in some), NEGATIVE])
    both = [
        analogist.conditions(model, sheet.grid, torch.stack([words, said[-1]]))
        for sheet, words in zip(sheets, said[:-1], strict=True)
    ]
    rows: list[Condition] = [*(words for words, _ in both), *(nothing for _, nothing in both)]
    full = analogist.mode(model, args)
    network = Network(
        model,
        Attention(replace(full, cloning=full.cloning * mode.cloning, masking=full.masking * mode.masking)),
    )

    def D(x: Tensor, sigma: Tensor) -> Tensor:
        words, nothing = network.rows(x.repeat(2, 1, 1, 1), sigma, rows).chunk(2)
        return x - sigma * (nothing + args.guidance * (words - nothing))

    return D


def placed(model: LatentDiffusion, one: Item, sheet: Sheet, end: Tensor, start: Tensor) -> Pixels:
    """B' of a grid's latents (4, h, w), as the tool ended and as it began."""
    drawn, seen = (latents.decode(model, z[None]) for z in (end, start))
    return drain(analogist.placed(one.context, sheet, drawn, seen)).rgb


def ceiling(model: LatentDiffusion, one: Item, args: Args) -> Pixels:
    """What the autoencoder and the way back to the picture leave of an exact B'."""
    sheet = sheet_of(model, one, args)
    exact = sheet_of(model, replace(one, b=one.truth.rgb), args)
    end, start = (latents.encode(model, grids.begun(grid))[0] for grid in (exact.grid, sheet.grid))
    return placed(model, one, sheet, end, start)


ASKED: Mapping[str, tuple[str, ...]] = {
    "recolour": ("there", "shape", "colour"),
    "texture": ("there", "shape", "texture"),
    "outline": ("there", "shape", "texture"),
    **dict.fromkeys(("colourise", "deblur", "denoise"), ("there", "shape", "colour")),
}
"""What is read of each thing that a task changes."""
BEHIND = ("colourise",)
"""Where the background's colour is to be read besides."""
DAMAGED = ("colourise", "deblur", "denoise")
"""Where B shows what B' does, only worse."""


def wanted(task: str, one: Item) -> dict[Key, str]:
    """What has to be read in a result, as B' shows it."""
    slots = [one.scene.things[i].slot for i in one.things]
    keys = [(slot, name) for slot in slots for name in ASKED[task]]
    keys += [("", "ground")] if task in BEHIND else []
    truth = visible(one.scene)
    return {key: truth[key] for key in keys}


def right(task: str, one: Item, rgb: Pixels, seen: Reading) -> bool:
    """Whether a result, in which the grader sees this, has what B' has."""
    read = all(seen.value(*key) == value for key, value in wanted(task, one).items())
    return read and (task not in DAMAGED or nearer(rgb, one))


def nearer(rgb: Pixels, one: Item) -> bool:
    """Whether a result is nearer to B' than to B, where these differ."""
    there = grader.region(one.b, one.truth.rgb)
    got, was, meant = (picture[there].astype(np.float32) for picture in (rgb, one.b, one.truth.rgb))
    return bool(abs(got - meant).mean() < abs(got - was).mean())


def silhouette(rgb: Pixels, scene: Scene) -> Mask:
    """Pixels that do not show a scene's background."""
    behind = draw(replace(scene, things=())).rgb
    return np.asarray(abs(rgb.astype(np.int16) - behind).max(-1) > OBJECT)


def marks(task: str, some: list[Item], found: list[Pixels]) -> dict[str, list[float]]:
    """Every figure of every item."""
    pairs = list(zip(found, some, strict=True))
    return {
        "right": [float(right(task, one, rgb, seen)) for (rgb, one), seen in zip(pairs, readings(found), strict=True)],
        "error": [grader.inside_error(rgb, one.b, one.truth.rgb) for rgb, one in pairs],
        "structure": [
            grader.overlap(silhouette(rgb, one.scene), silhouette(one.truth.rgb, one.scene)) for rgb, one in pairs
        ],
    }


Figures = dict[str, dict[str, list[float]]]
"""Of each figure, mode by mode: mean, low, high."""


def told(marked: Mapping[str, Mapping[str, list[float]]]) -> Figures:
    """Marks by mode as figures by figure, with the gain over plain inpainting."""
    plain = marked["neither"]["error"]
    figures = {
        name: {mode: interval(found[name]) for mode, found in marked.items()}
        for name in ("right", "error", "structure")
    }
    gains = {
        mode: interval((np.array(plain) - found["error"]).tolist()) for mode, found in marked.items() if mode in MODES
    }
    del gains["neither"]
    return figures | {"gain": gains}


def measured(model: LatentDiffusion, args: Args, count: int, seed: int = SEED) -> dict[str, Figures]:
    """All figures of each task, and of all of them together."""
    marked: dict[str, Marked] = {}
    for task in TASKS:
        some = items(task, count, seed)
        drawn = {name: results(model, some, args, mode) for name, mode in MODES.items()}
        drawn["ceiling"] = [ceiling(model, one, args) for one in some]
        marked[task] = {name: marks(task, some, found) for name, found in drawn.items()}
    return {task: told(found) for task, found in (marked | {"all": together(marked)}).items()}


Marked = dict[str, dict[str, list[float]]]
"""Of each mode, figure by figure, the marks of items."""


def together(marked: Mapping[str, Marked]) -> Marked:
    """The marks of all tasks in one."""
    return {
        mode: {figure: [mark for task in marked for mark in marked[task][mode][figure]] for figure in found}
        for mode, found in next(iter(marked.values())).items()
    }


def recommended(weights: Shelf) -> dict[str, Any]:
    """The tool's arguments as the inpainting network wants them."""
    return dict(weights.entry(analogist.ROLE).sampling)


def table(figures: Mapping[str, Figures]) -> str:
    """Means with their intervals, a line for each task and figure."""
    names = [*MODES, "ceiling"]
    lines = [f"{'':<22}" + "".join(f"{name:>23}" for name in names)]
    for task, found in figures.items():
        for figure, by_mode in found.items():
            cells = ("{:.2f} [{:.2f}, {:.2f}]".format(*by_mode[name]) if name in by_mode else "" for name in names)
            lines.append(f"{task + ' ' + figure:<22}" + "".join(f"{cell:>23}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analogist", description=__doc__)
    parser.add_argument("--pack", type=Path, default=STARTER.parent)
    parser.add_argument("--count", type=int, default=COUNT, help="items of each task")
    parser.add_argument("--args", type=json.loads, default={}, help="arguments of the tool, instead of the pack's")
    parser.add_argument("--json", nargs="?", const="-", help="print JSON, or write it to a file")
    chosen = parser.parse_args()
    with TemporaryDirectory() as home:
        weights = shelf(Path(home), chosen.pack)
        args = Args(**(recommended(weights) | chosen.args))
        found = measured(weights.diffusion(analogist.ROLE), args, chosen.count)
    told_args = args.model_dump(mode="json", exclude={"prompt", "aligned"})
    written = json.dumps({"count": chosen.count, "args": told_args, **found}, indent=1)
    print(written if chosen.json == "-" else table(found))
    if chosen.json not in (None, "-"):
        Path(chosen.json).write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
