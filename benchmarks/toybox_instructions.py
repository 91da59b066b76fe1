"""InstructPix2Pix in the toybox: whether it does what is said, what it leaves alone, and what its two scales do.

Part of `python -m benchmarks.toybox`. Results are the product's own (`tools.edits.instruct_pix2pix`); what they show is
read by the grader (`toybox.reading`), how near they are to the exact result is measured in pixels (`toybox.grader`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import spearmanr

from benchmarks import toybox_second
from benchmarks.analogy import psnr
from benchmarks.toybox_report import Row
from benchmarks.world import Figures, Item, by_kind, curve, figure, held_out, items, point
from sessions.values import Picture, Pixels
from tools.base import EditContext, drain
from tools.diffusion import latents
from tools.edits.instruct_pix2pix import ROLE, Args, edited
from tools.encoders.imagebind import ImageBindEncoder
from tools.shelf import Shelf
from toybox import grader
from toybox.marking import Mark, mark
from toybox.reading import readings

SEED = 4
TEXT_SCALES, IMAGE_SCALES = (1.0, 2.0, 3.0, 5.0, 7.5), (1.0, 1.25, 1.5, 2.0, 3.0)
"""s_T and s_I of the trade-off."""
SWEPT = 10
"""Of so many items one is edited at all scales, and twelve at least."""


@dataclass(frozen=True, eq=False)
class Result:
    """What an edit came to: the picture that a person gets, and what the network drew, before anything was restored."""

    rgb: Pixels
    drawn: Pixels


Editor = Callable[[Item, int], Result]
"""An item and a seed → the result."""


def editor(weights: Shelf, **args: float) -> Editor:
    """The product's tool with the weights' own arguments, or with others."""
    model, usual = weights.diffusion(ROLE), weights.entry(ROLE).sampling

    def edit(one: Item, seed: int) -> Result:
        ctx = EditContext(Picture(one.before.rgb.copy()), seed=seed, shelf=weights, familiar=True)
        found = drain(edited(ctx, Args(instruction=one.said, **{**usual, **args})))
        assert found.latent is not None
        return Result(found.image.rgb, latents.decode(model, found.latent))

    return edit


def figures(weights: Shelf, count: int, second: ImageBindEncoder | None = None) -> tuple[Figures, list[Row]]:
    """All figures of so many items, with those of a second grader where there is one, and the rows of the report."""
    some = items(count, SEED)
    results = [editor(weights)(one, i) for i, one in enumerate(some)]
    found, rows = marked(some, results)
    found |= bounds(weights, some)
    if second:
        found |= toybox_second.edits(second, some, [one.rgb for one in results])
    swept = some[: max(12, count // SWEPT)]
    found |= above("ip2p_kinds_above_copy", found, "ip2p_success", "ip2p_success_copy", kinds(some))
    return found | trade_off(swept, lambda **args: editor(weights, **args)) | nothing_said(swept, editor(weights)), rows


def kinds(some: Sequence[Item]) -> list[str]:
    """The kinds of edit there are, as figures name them."""
    return list(dict.fromkeys(one.kind for one in some))


def above(name: str, found: Figures, key: str, other: str, kinds: Sequence[str]) -> Figures:
    """The share of kinds whose figure is above another, their intervals apart."""
    apart = [found[f"{key}_{kind}_ci"][0] > found[f"{other}_{kind}_ci"][1] for kind in kinds]
    return {name: round(float(np.mean(apart)), 4)}


def marked(some: Sequence[Item], results: Sequence[Result]) -> tuple[Figures, list[Row]]:
    """Success, what is kept, and errors: over all, by kind of edit, and success of what is held out."""
    marks = graded(some, [one.rgb for one in results])
    done = [one.done for one in marks]
    inside = [grader.inside_error(r.rgb, one.before.rgb, one.after.rgb) for one, r in zip(some, results, strict=True)]
    found = {
        **figure("ip2p_success", done),
        **figure("ip2p_kept", [one.kept for one in marks]),
        **figure("ip2p_inside_error", inside),
        **figure("ip2p_psnr", untouched(some, [one.drawn for one in results])),
        **figure("ip2p_psnr_restored", untouched(some, [one.rgb for one in results])),
        **by_kind("ip2p_success", done, some),
        **held_out("ip2p_success", done, some),
        **by_kind("ip2p_kept", [one.kept for one in marks], some),
        **by_kind("ip2p_inside_error", inside, some),
    }
    return found, [Row.of(*parts) for parts in zip(some, [one.rgb for one in results], marks, strict=True)]


def bounds(weights: Shelf, some: Sequence[Item]) -> Figures:
    """What is below and above: the input as it was, the exact result, and what the autoencoder leaves of that."""
    vae = weights.diffusion(ROLE).vae
    return {
        **compared("copy", some, [one.before.rgb for one in some]),
        **compared("exact", some, [one.after.rgb for one in some]),
        **compared("autoencoder", some, [latents.reconstructed(vae, one.after.rgb) for one in some]),
    }


def compared(name: str, some: Sequence[Item], pictures: Sequence[Pixels]) -> Figures:
    """The same marks of pictures that nobody edited."""
    marks = graded(some, pictures)
    done = [one.done for one in marks]
    inside = [grader.inside_error(r, one.before.rgb, one.after.rgb) for one, r in zip(some, pictures, strict=True)]
    return {
        **figure(f"ip2p_success_{name}", done),
        **by_kind(f"ip2p_success_{name}", done, some),
        **held_out(f"ip2p_success_{name}", done, some),
        **figure(f"ip2p_kept_{name}", [one.kept for one in marks]),
        **figure(f"ip2p_inside_error_{name}", inside),
        **figure(f"ip2p_psnr_{name}", untouched(some, pictures)),
    }


def graded(some: Sequence[Item], pictures: Sequence[Pixels]) -> list[Mark]:
    """The grader's marks of results."""
    seen = readings(pictures)
    return [mark(one.edit, one.scene, it) for one, it in zip(some, seen, strict=True)]


def untouched(some: Sequence[Item], pictures: Sequence[Pixels]) -> list[float]:
    """PSNR in dB to the exact result where the edit changes nothing, of the items where there is such a place."""
    return [
        grader.outside_psnr(rgb, one.before.rgb, one.after.rgb)
        for one, rgb in zip(some, pictures, strict=True)
        if not grader.region(one.before.rgb, one.after.rgb).all()
    ]


def trade_off(some: Sequence[Item], make: Callable[..., Editor]) -> Figures:
    """More s_T changes more of the picture, more s_I less: the scales' curves, and Spearman's ρ of scale and change."""
    found: Figures = {}
    for name, scales, arg, way in (
        ("text", TEXT_SCALES, "text_guidance", 1),
        ("image", IMAGE_SCALES, "image_guidance", -1),
    ):
        changes, rows = [], []
        for scale in scales:
            edit = make(**{arg: scale})
            pictures = [edit(one, i).rgb for i, one in enumerate(some)]
            marks = graded(some, pictures)
            changes.append([change(one, rgb) for one, rgb in zip(some, pictures, strict=True)])
            done, kept = [mark.done for mark in marks], [mark.kept for mark in marks]
            rows.append(point((scale,), done, kept, changes[-1]))
        found |= curve(f"ip2p_{name}_curve", rows)
        found[f"ip2p_{name}_monotone"] = monotone([way * float(np.mean(row)) for row in changes])
        found |= figure(f"ip2p_{name}_spearman", [correlation(scales, row) for row in zip(*changes, strict=True)])
    return found


def monotone(values: Sequence[float]) -> float:
    """1 where each is more than the one before, else 0."""
    return float(np.all(np.diff(values) > 0))


def change(one: Item, rgb: Pixels) -> float:
    """Mean |Δ| of a result to its input, in levels."""
    return float(abs(rgb.astype(np.float32) - one.before.rgb).mean())


def correlation(scales: Sequence[float], values: Sequence[float]) -> float:
    """Spearman's ρ; 0 where nothing changes."""
    return 0.0 if len(set(values)) == 1 else float(spearmanr(scales, values).statistic)


def nothing_said(some: Sequence[Item], edit: Editor) -> Figures:
    """Without an instruction the picture stays: PSNR in dB, and the share of what it shows that is still read."""
    pictures = [edit(replace(one, said=""), i).rgb for i, one in enumerate(some)]
    agreed = [list(seen.agreement(one.scene).values()) for one, seen in zip(some, readings(pictures), strict=True)]
    return {
        **figure("ip2p_null_psnr", [psnr(rgb, one.before.rgb) for one, rgb in zip(some, pictures, strict=True)]),
        **figure("ip2p_null_kept", [float(np.mean(one)) for one in agreed]),
    }
