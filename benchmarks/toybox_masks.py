"""DiffEdit in the toybox: whether its mask is where the change belongs, and what comes of editing inside it.

Part of `python -m benchmarks.toybox`. One attribute of one thing is another in the query than in the reference: its
colour, shape or texture. Masks, levels and results are the product's own (`tools.edits.diffedit`); a result is what a
person gets, pasted over the input through the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.toybox_instructions import graded, untouched
from benchmarks.toybox_report import Row
from benchmarks.world import Figures, Item, by_kind, curve, figure, gain, items, median, point
from sessions.values import Picture, Pixels
from tools.base import EditContext, drain
from tools.edits.diffedit import ROLE, Args, Found, Run, begun, decoded, differences, mask_of, redrawn
from tools.pixels import composite
from tools.shelf import Shelf
from toybox import grader
from toybox.edits import Recolour, Reshape, Retexture
from toybox.words import caption

Mask = NDArray[np.bool_]
SEED = 6
SWAPS = (Recolour, Reshape, Retexture)
STEPS, MAPS, THRESHOLD = 20, 10, 0.5
THRESHOLDS, STRENGTHS = (0.25, 0.5, 0.75), (0.4, 0.6, 0.8, 1.0)
"""Of the trade-off."""
SWEPT = 10
"""Of so many items one is edited with every ratio and threshold, and twelve at least."""


@dataclass(frozen=True, eq=False)
class Asked:
    """An item as the tool takes it, and the noises' maps (n, h, w) of it."""

    one: Item
    ctx: EditContext
    run: Run
    maps: Tensor

    def mask(self, threshold: float = THRESHOLD, maps: int = MAPS) -> Tensor:
        """The product's mask, bool (h, w), of the first so many noises."""
        return mask_of(self.maps[:maps], self.run.args.clamp, threshold)

    @property
    def truth(self) -> Mask:
        """The cells (h, w) of which the thing that changes, before or after, covers half at least."""
        return cells(self.one, self.run.picture.model.factor)


def cells(one: Item, factor: int) -> Mask:
    """The cells of a latent, each `factor` pixels a side, that a local edit is about."""
    index = [thing.shape for thing in one.scene.things].index(one.edit.shape)
    cover = np.maximum(one.before.covers[index], one.after.covers[index])
    side = len(cover) // factor
    return np.asarray(cover.reshape(side, factor, side, factor).mean((1, 3)) >= 0.5)


def asked(weights: Shelf, one: Item, strength: float = 0.8) -> Asked:
    """An item as query and reference: what the exact result shows, and what the input shows."""
    ctx = EditContext(Picture(one.before.rgb.copy()), shelf=weights, familiar=True, confirmed=True)
    query, reference = caption(one.edit.apply(one.scene)), caption(one.scene)
    usual = weights.entry(ROLE).sampling
    args = Args(**{**usual, "query": query, "reference": reference, "strength": strength, "steps": STEPS, "maps": MAPS})
    run = begun(ctx, args)
    return Asked(one, ctx, run, drain(differences(run)))


@torch.no_grad()
def edited(it: Asked, mask: Tensor) -> Pixels:
    """The picture (h, w, 3) after an edit inside cells (h, w); the input where there are none."""
    if not mask.any():
        return it.one.before.rgb
    found = Found(mask, it.run.picture.at_photo(mask), {})
    return composite(it.ctx.image, drain(redrawn(it.ctx, it.run, found)).image, found.pixels).rgb


@torch.no_grad()
def left_alone(it: Asked, mask: Tensor) -> bool:
    """Whether the edited latent is, outside the mask, the input's to the last bit."""
    z = drain(decoded(it.run, Found(mask, it.run.picture.at_photo(mask), {})))
    return bool((z == it.run.z0)[..., ~mask].all())


def figures(weights: Shelf, count: int) -> tuple[Figures, list[Row]]:
    """All figures of so many items, and the rows of the report."""
    some = [asked(weights, one) for one in items(count, SEED, SWAPS)]
    results = [edited(it, it.mask()) for it in some]
    whole = [edited(it, torch.ones_like(it.mask())) for it in some]
    plain = [it.one for it in some]
    marks = graded(plain, results)
    found = {
        **figure("diffedit_success", [mark.done for mark in marks]),
        **figure("diffedit_kept", [mark.kept for mark in marks]),
        **figure("diffedit_psnr", untouched(plain, results)),
        **figure("diffedit_success_copy", [mark.done for mark in graded(plain, [one.before.rgb for one in plain])]),
        **figure("diffedit_success_unmasked", [mark.done for mark in graded(plain, whole)]),
        **figure("diffedit_kept_unmasked", [mark.kept for mark in graded(plain, whole)]),
        **figure("diffedit_psnr_unmasked", untouched(plain, whole)),
        **figure("diffedit_outside_exact", [left_alone(it, it.mask()) for it in some]),
        **by_kind("diffedit_success", [mark.done for mark in marks], plain),
    }
    rows = [Row.of(*parts) for parts in zip(plain, results, marks, strict=True)]
    return masks(some) | found | trade_off(weights, plain[: max(12, count // SWEPT)]), rows


def masks(some: Sequence[Asked]) -> Figures:
    """IoU with the true cells: the mask, what it must beat, one noise instead of ten, other thresholds; and what the
    mask has more than each of these on the same items."""
    rng = np.random.default_rng((2026, SEED, 1))
    ious: dict[str, list[float]] = {}
    for it in some:
        own, truth = it.mask().numpy(), it.truth
        tried = {
            "": own,
            "_random": rng.permutation(own.ravel()).reshape(own.shape),
            "_block": block(rng, own),
            "_whole": np.ones_like(own),
            "_one_map": it.mask(maps=1).numpy(),
            **{f"_at_{threshold}": it.mask(threshold).numpy() for threshold in THRESHOLDS},
        }
        for name, mask in tried.items():
            ious.setdefault(f"diffedit_iou{name}", []).append(grader.overlap(mask, truth))
    plain, mine = [it.one for it in some], ious["diffedit_iou"]
    found: Figures = {}
    for name, values in ious.items():
        found |= figure(name, values)
        if name not in ("diffedit_iou", f"diffedit_iou_at_{THRESHOLD}"):
            found |= gain(name.replace("iou", "iou_gain"), mine, values)
    return found | median("diffedit_iou", mine) | by_kind("diffedit_iou", mine, plain)


def block(rng: Generator, mask: Mask) -> Mask:
    """A square of (nearly) the mask's area at a random place."""
    side = min(round(float(mask.sum()) ** 0.5), len(mask))
    y, x = rng.integers(0, len(mask) - side + 1, 2)
    other = np.zeros_like(mask)
    other[y : y + side, x : x + side] = True
    return other


def trade_off(weights: Shelf, some: Sequence[Item]) -> Figures:
    """Rows of encoding ratio, threshold, success, what is kept, and PSNR where nothing should change; intervals."""
    rows = []
    for strength, threshold in product(STRENGTHS, THRESHOLDS):
        them = [asked(weights, one, strength) for one in some]
        results = [edited(it, it.mask(threshold)) for it in them]
        marks = graded(some, results)
        done, kept = [mark.done for mark in marks], [mark.kept for mark in marks]
        rows.append(point((strength, threshold), done, kept, untouched(some, results)))
    return curve("diffedit_curve", rows)
