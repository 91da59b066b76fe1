"""What the starter pack's small networks can do in the toybox, on 200 held-out items each, with 95 % intervals.

    python -m benchmarks.world [--json [PATH]] [--pack FOLDER]

* InstructPix2Pix recolours one object: half the items are pairs of shape and colour that training never showed, or
  phrasings it never showed. Error inside the region (mean |Δ| after / mean |Δ| of the change: copying the input is 1),
  share of objects that have the colour asked for (nearest palette colour inside the exact mask; copying is 0), and PSNR
  outside. `ceiling`: what the autoencoder alone leaves of the exact result.
* DiffEdit's mask (caption against caption with one attribute swapped, ten paired noises): IoU with the exact mask in
  pixels, against a block of the same area somewhere, as many scattered cells, and the whole picture.

Bounds: `recolour_error` below 1, `recolour_accuracy` above copying's, `mask_iou` above all three others, intervals
apart. The samplers and networks are the product's (`tools.diffusion`); only the batching is this file's.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.measure import interval
from tools import weights
from tools.base import drain
from tools.diffusion import latents, model, text
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.sampling import euler
from tools.diffusion.schedules import ddim_sigmas, linspace_sigmas
from tools.edits.diffedit import eps_maps, mask_of
from toybox import grader
from toybox.drawing import Drawing, Pixels, draw
from toybox.edits import KINDS, Edit, Recolour, Reshape, propose
from toybox.scenes import Scene, random_scene
from toybox.words import caption, instruction

STARTER = Path(__file__).parents[1] / "tools/packs/starter"
ITEMS, OTHERS, BATCH = 200, 16, 20
STEPS, TEXT_SCALE, IMAGE_SCALE = 20, 3.0, 1.5
NOISES, MASK_STEPS, MASK_NOISE = 10, 50, 0.5


@dataclass(frozen=True, eq=False)
class Item:
    """One edit with its exact truth."""

    scene: Scene
    edit: Edit
    said: str
    before: Drawing
    after: Drawing


def item(rng: Generator, kind: type[Edit], pair: bool = False, phrasing: bool = False) -> Item:
    """A fresh item of a kind; `pair`: to a held-out pair of shape and colour; `phrasing`: in held-out words."""
    while True:
        scene = random_scene(rng)
        edit = propose(rng, scene, kind, held_out=pair)
        if edit is not None:
            return Item(scene, edit, instruction(rng, edit, phrasing), draw(scene), draw(edit.apply(scene)))


def recolourings(count: int, seed: int = 2026) -> list[Item]:
    """Half plain, a quarter with held-out pairs, a quarter with held-out phrasings."""
    rng = np.random.default_rng((seed, 1))
    return [item(rng, Recolour, pair=i % 4 == 1, phrasing=i % 4 == 3) for i in range(count)]


def edited(
    editor: LatentDiffusion, items: list[Item], scales: tuple[float, float] = (TEXT_SCALE, IMAGE_SCALE)
) -> list[Pixels]:
    """InstructPix2Pix on all items, Euler, `BATCH` at a time."""
    s_T, s_I = scales
    sigmas = linspace_sigmas(editor.schedule, STEPS)
    network, null = Network(editor), text.encode(editor, [""])[0]
    results: list[Pixels] = []
    for first in range(0, len(items), BATCH):
        group = items[first : first + BATCH]
        said = text.encode(editor, [one.said for one in group])
        seen = [latents.encode_unscaled(editor, one.before.rgb)[0] for one in group]
        rows = [Condition(c, z) for c, z in zip(said, seen, strict=True)]
        rows += [Condition(null, z) for z in seen] + [Condition(null, torch.zeros_like(z)) for z in seen]

        def D(x: Tensor, sigma: Tensor, rows: list[Condition] = rows) -> Tensor:
            both, image, nothing = network.rows(x.repeat(3, 1, 1, 1), sigma, rows).chunk(3)
            return x - sigma * (nothing + s_I * (image - nothing) + s_T * (both - image))

        noise = latents.noise((len(group), 4, 16, 16), latents.generator(first), seen[0])
        x = drain(euler(D, sigmas[0] * noise, sigmas))
        results += [latents.decode(editor, z[None]) for z in x]
    return results


def marks(results: list[Pixels], items: list[Item]) -> dict[str, list[Any]]:
    """Every mark of every item."""
    marked: dict[str, list[Any]] = {"error": [], "right": [], "outside": []}
    for rgb, one in zip(results, items, strict=True):
        marked["error"].append(grader.inside_error(rgb, one.before.rgb, one.after.rgb))
        marked["outside"].append(grader.outside_psnr(rgb, one.before.rgb, one.after.rgb))
        if isinstance(one.edit, Recolour):
            index = [thing.shape for thing in one.scene.things].index(one.edit.shape)
            s = one.scene
            found = grader.colour_in(rgb, one.after.mask(index), s.tone, s.light, s.style, s.weather)
            marked["right"].append(found == one.edit.colour)
    return marked


def recolouring(editor: LatentDiffusion) -> dict[str, Any]:
    """The figures of recolouring, whole and by part."""
    items = recolourings(ITEMS)
    found = marks(edited(editor, items), items)
    copied = marks([one.before.rgb for one in items], items)
    exact = marks([latents.decode(editor, latents.encode(editor, one.after.rgb)) for one in items], items)
    parts = {"plain": slice(0, None, 2), "held_out_pair": slice(1, None, 4), "held_out_phrasing": slice(3, None, 4)}
    return {
        "recolour_error": interval(found["error"]),
        "recolour_accuracy": interval(found["right"]),
        "recolour_outside_psnr": interval(found["outside"]),
        "copy_error": interval(copied["error"]),
        "copy_accuracy": interval(copied["right"]),
        "ceiling_error": interval(exact["error"]),
        "ceiling_accuracy": interval(exact["right"]),
        "ceiling_outside_psnr": interval(exact["outside"]),
        **{f"recolour_accuracy_{name}": interval(found["right"][part]) for name, part in parts.items()},
        **{f"recolour_error_{name}": interval(found["error"][part]) for name, part in parts.items()},
    }


def other_edits(editor: LatentDiffusion) -> dict[str, Any]:
    """Error inside for the other kinds of edits, and the share of all edits below 0.35."""
    rng = np.random.default_rng((2026, 3))
    figures: dict[str, Any] = {}
    errors: list[float] = []
    for kind in KINDS:
        items = [item(rng, kind) for _ in range(OTHERS)]
        found = marks(edited(editor, items), items)["error"]
        errors += found
        figures[f"{kind.__name__.lower()}_error_of_{OTHERS}"] = interval(found)
    figures["below_0.35"] = interval([error < 0.35 for error in errors])
    return figures


def swapped(rng: Generator) -> tuple[Item, NDArray[np.bool_]]:
    """An edit of one attribute of one object, and the exact mask of that object."""
    one = item(rng, Recolour if rng.random() < 0.5 else Reshape)
    index = [thing.shape for thing in one.scene.things].index(one.edit.shape)
    return one, one.before.mask(index)


def found_mask(base: LatentDiffusion, one: Item) -> NDArray[np.bool_]:
    """DiffEdit's mask in pixels: query is the caption of the edited scene, reference that of the scene."""
    z = latents.encode(base, one.before.rgb)
    sigma = ddim_sigmas(base.schedule, MASK_STEPS)[MASK_STEPS - round(MASK_NOISE * MASK_STEPS)]
    x = latents.noised(z, sigma, latents.noise((NOISES, *z.shape[1:]), latents.generator(0), z))
    query, reference = text.encode(base, [caption(one.edit.apply(one.scene)), caption(one.scene)])
    eps = Network(base).eps(x, sigma, [Condition(query), Condition(reference)])
    return at_pixels(mask_of(eps_maps(eps[0], eps[1])).numpy(), one.before.rgb)


def at_pixels(cells: NDArray[np.bool_], rgb: Pixels) -> NDArray[np.bool_]:
    """Cells of a latent as pixels."""
    return np.kron(cells, np.ones((len(rgb) // len(cells),) * 2, bool))


def block(rng: Generator, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A square of (nearly) the mask's area at a random place."""
    side = min(round(float(mask.sum()) ** 0.5), len(mask))
    y, x = rng.integers(0, len(mask) - side + 1, 2)
    other = np.zeros_like(mask)
    other[y : y + side, x : x + side] = True
    return other


def masks(base: LatentDiffusion) -> dict[str, Any]:
    """IoU of DiffEdit's masks and of the three it must beat."""
    rng = np.random.default_rng((2026, 2))
    ious: dict[str, list[float]] = {"mask_iou": [], "block_iou": [], "scattered_iou": [], "whole_iou": []}
    for _ in range(ITEMS):
        one, truth = swapped(rng)
        found = found_mask(base, one)
        scattered = rng.permutation(found[::4, ::4].ravel()).reshape(16, 16)
        for name, mask in (
            ("mask_iou", found),
            ("block_iou", block(rng, found)),
            ("scattered_iou", at_pixels(scattered, one.before.rgb)),
            ("whole_iou", np.ones_like(truth)),
        ):
            ious[name].append(grader.overlap(mask, truth))
    median = round(float(np.median(ious["mask_iou"])), 4)
    return {name: interval(values) for name, values in ious.items()} | {"mask_iou_median": median}


def models(pack: Path, laid_out: Path) -> dict[str, LatentDiffusion]:
    """The latent diffusion models of a pack by role."""
    entries = [
        weights.laid_out(entry, laid_out / entry.name)
        for entry in weights.read_register(pack.resolve() / "register.json")
        if "unet/config.json" in entry.files
    ]
    return {entry.role: model.load(entry.folder, "cpu", torch.float32, entry.digest, entry.name) for entry in entries}


def measured(pack: Path) -> dict[str, Any]:
    """All figures of a pack."""
    with TemporaryDirectory() as folder:
        loaded = models(pack, Path(folder))
    editor = loaded["instruct-pix2pix"]
    return recolouring(editor) | masks(loaded["text-to-image"]) | other_edits(editor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", nargs="?", const="-", help="print JSON, or write it to a file")
    parser.add_argument("--pack", type=Path, default=STARTER)
    args = parser.parse_args()
    figures = {"items": ITEMS, "steps": STEPS, "scales": [TEXT_SCALE, IMAGE_SCALE], **measured(args.pack)}
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
