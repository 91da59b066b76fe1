"""diffedit: changes what the words name, finds out by itself where that is, and leaves the rest.

Couairon, Verbeek, Schwenk, Cord, "DiffEdit: Diffusion-based Semantic Image Editing with Mask Guidance" (ICLR 2023,
arXiv 2210.11427). Its three steps: where the noise that two texts let the network see differs is the mask; the latent
is taken back to noise without any text; it is denoised again under the query, and outside the mask each level is put
back to what it was on the way up. A region that the person has named or drawn is the mask, and the first step is left
out. One network evaluation cannot be interrupted, nor can the autoencoder.

It follows no instructions: the query says what the picture shall show ("a bowl of pears"), not what to do. It draws the
same noise for every picture and seed, so that what one edit has found serves the next.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, StringConstraints

from sessions.errors import Unsure
from sessions.values import Json, Picture, Pixels
from tools import caches, photos
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.neural import worked
from tools.pixels import marked, shrink

if TYPE_CHECKING:
    from torch import Tensor

    from tools.caches import Cache
    from tools.diffusion.denoiser import Condition, Network
    from tools.diffusion.guidance import Denoiser
    from tools.diffusion.sampling import Sampler
    from tools.diffusion.shown import Shown

SURE = 0.5
"""From this agreement of the mask's halves on it is used without asking."""
MOST = 0.9
"""A larger share of the picture is asked about."""
ROLE = "text-to-image"
EXTREME = 0.02
"""The share of cells, at either end, that `clamp="quantile"` cuts off."""
SHOWN = 1024
"""Longest side, in pixels, of the picture that shows a doubtful mask."""

Clamp = Literal["mean", "quantile"]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


class Args(ToolArgs):
    """What the picture shall show, and the paper's parameters."""

    query: Annotated[Words, Field(min_length=1)] = Field(description="What the edited picture shows: a bowl of pears.")
    reference: Words = Field(default="", description="What it shows now: a bowl of fruit. Makes the mask sharper.")
    strength: float = Field(default=0.8, ge=0, le=1, description="How far back to noise: 0 nothing … 1 drawn anew.")
    steps: int = Field(default=50, ge=1, le=500, description="Steps from noise to picture.")
    guidance: float = Field(default=7.5, ge=0, le=50, description="How closely the words are followed; 1 is unguided.")
    mask_noise: float = Field(default=0.5, gt=0, le=1, description="How noisy the picture is when the mask is found.")
    maps: int = Field(default=10, ge=1, le=64, description="How many noises the mask is averaged over.")
    clamp: Clamp = Field(default="mean", description="How the mask's extremes are cut off.")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="Where the mask begins, 0…1: higher is smaller.")
    dilate: int = Field(default=0, ge=0, le=16, description="By how many cells of 8 pixels the mask grows.")
    invert: Literal["first_order", "exact"] = Field(default="first_order", description="How the noise is found.")
    ask: bool = Field(default=False, description="Show the mask before anything is changed, however sure it is.")

    @property
    def levels(self) -> int:
        """Steps that are really taken, r N."""
        return round(self.strength * self.steps)


@tool("diffedit", args=Args, region="optional", weights=(ROLE,))
def diffedit(ctx: EditContext, args: Args) -> Edit:
    """Change what the words name, found without being told where, and leave the rest of the picture alone."""
    return worked(ctx, edited(ctx, args))


def edited(ctx: EditContext, args: Args) -> Edit:
    """The mask, and the edit inside it."""
    run = begun(ctx, args)
    yield Progress(0.02)
    found = yield from find(ctx, run)
    if args.levels == 0 or not found.pixels.any():
        return EditResult(ctx.image, np.zeros_like(found.pixels), facts=found.facts)
    return (yield from redrawn(ctx, run, found))


# The paper's three steps, on tensors


def eps_maps(eps_query: Tensor, eps_reference: Tensor) -> Tensor:
    """Step 1: mean over the channels of |ε_Q − ε_R|, (n, …, 4, h, w) → one map a noise, (n, …, h, w)."""
    return (eps_query - eps_reference).abs().mean(-3)


def mask_of(maps: Tensor, clamp: Clamp = "mean", threshold: float = 0.5, dilate: int = 0) -> Tensor:
    """Step 1: the mask M, bool (…, h, w), of maps (n, …, h, w), each picture's by itself; empty where nothing differs.

    To cut D off at [low, high], to rescale that to 0…1 and to compare is to compare with one level. low, high: 0 and
    three means of D (as diffusers has it), or the quantiles that leave EXTREME at either end.
    """
    D = maps.mean(0)
    if clamp == "mean":
        high = 3 * D.mean((-2, -1), keepdim=True)
        low = 0 * high
    else:
        low, high = (D.flatten(-2).quantile(q, -1)[..., None, None] for q in (EXTREME, 1 - EXTREME))
    return grown(D.gt(low + threshold * (high - low)), dilate)


def grown(mask: Tensor, by: int) -> Tensor:
    """bool (…, h, w), by so many cells more in every direction, corners too."""
    from torch.nn.functional import max_pool2d

    planes = mask.reshape(-1, 1, *mask.shape[-2:]).float()
    return max_pool2d(planes, 2 * by + 1, 1, by).view_as(mask).bool()


def agreement(maps: Tensor, clamp: Clamp, threshold: float) -> float:
    """0…1: IoU of the masks that either half of the noises gives alone; 0 where there is nothing to compare."""
    if len(maps) < 2:
        return 0.0
    one, other = (mask_of(half, clamp, threshold) for half in (maps[::2], maps[1::2]))
    return float((one & other).sum() / (one | other).sum().clamp(min=1))


def masked_decode(D: Denoiser, z0: Tensor, xs: Tensor, sigmas: Tensor, mask: Tensor) -> Sampler:
    """Step 3: DDIM from the top of xs (N + 1, 1, 4, h, w) down sigmas (N + 1,), kept on xs outside the mask.

    What stands there after a step is the level just reached, and z0 itself at the end. Returns z (1, 4, h, w).
    """
    from tools.diffusion.latents import settled
    from tools.diffusion.sampling import State

    x = xs[-1]
    for i, (sigma, target) in enumerate(pairwise(sigmas)):
        denoised = D(x, sigma)
        yield State(i, len(sigmas) - 1, x, denoised, sigma)
        x = x + (x - denoised) / sigma * (target - sigma)
        x = x.where(mask, xs[-2 - i])
    return settled(x, sigmas[-1]).where(mask, z0)


# The same on a picture, with what earlier edits of it have found


@dataclass(frozen=True, eq=False)
class Run:
    """One edit's weights and inputs."""

    args: Args
    picture: Shown
    network: Network
    cache: Cache
    query: Condition
    reference: Condition
    nothing: Condition

    @property
    def z0(self) -> Tensor:
        """The picture's latent, (1, 4, h, w)."""
        return self.picture.z0

    @cached_property
    def sigmas(self) -> Tensor:
        """The whole grid, (N + 1,), descending."""
        from tools.diffusion.schedules import ddim_sigmas

        return ddim_sigmas(self.picture.model.schedule, self.args.steps)

    def key(self, kind: str, **what: Any) -> Json:
        """Under which what is made of this latent is kept."""
        named = {"latent": self._hashed, "steps": self.args.steps}
        return caches.key(f"diffedit {kind}", self.picture.model, **named, **what)

    @cached_property
    def _hashed(self) -> str:
        return caches.hashed({"z0": self.z0})


@dataclass(frozen=True, eq=False)
class Found:
    """A mask: `cells`, bool (h, w) of the latent, and `pixels`, uint8 (H, W) of the photo."""

    cells: Tensor
    pixels: Pixels
    facts: Json


def begun(ctx: EditContext, args: Args) -> Run:
    """Weights, texts and latent. BadWeights for a network that needs more than text; BadArguments for long texts."""
    from tools.diffusion import kept
    from tools.diffusion.denoiser import Condition, Network
    from tools.diffusion.model import needs
    from tools.diffusion.shown import halvings, shown

    shelf = ctx.weights()
    model, cache = shelf.diffusion(ROLE), shelf.cache
    needs(model, 4, "diffedit")
    texts = kept.texts(cache, model, (args.query, args.reference, ""))
    picture = shown(ctx, ROLE, model, halvings(model))
    return Run(args, picture, Network(model), cache, *(Condition(text) for text in texts))


def find(ctx: EditContext, run: Run) -> Generator[Progress, None, Found]:
    """The person's own mask, or else the one that the texts make.

    Unsure, with a picture of it, where that needs a look and nobody has had one.
    """
    if ctx.mask is not None:
        return Found(run.picture.cells(ctx.mask), ctx.mask, {})
    args = run.args
    maps = yield from differences(run)
    cells = mask_of(maps, args.clamp, args.threshold, args.dilate)
    share, confidence = float(cells.float().mean()), agreement(maps, args.clamp, args.threshold)
    found = Found(cells, run.picture.at_photo(cells), {"confidence": round(confidence, 3)})
    if not ctx.confirmed and (args.ask or confidence < SURE or share > MOST):
        raise doubt(ctx.image, found, confidence, args)
    return found


def doubt(image: Picture, found: Found, confidence: float, args: Args) -> Unsure:
    """The question whether a mask is right."""
    if not found.pixels.any():
        said = f"I see nothing in this picture that {args.query!r} would change."
    elif args.ask and confidence >= SURE:
        said = f"This is what I would change for {args.query!r}."
    else:
        said = f"I am not sure where {args.query!r} belongs; this is what I would change."
    shown = marked(Picture(shrink(image.pixels, SHOWN)), shrink(found.pixels, SHOWN))
    hint = "Say yes to use it, or mark the place with a box or the brush."
    return Unsure(said, hint, confidence, found.pixels, shown)


def differences(run: Run) -> Generator[Progress, None, Tensor]:
    """Step 1: the maps (n, h, w) of n noises, both texts seeing the same; two evaluations, one if the text is known."""
    from tools.diffusion import latents
    from tools.diffusion.denoiser import same
    from tools.diffusion.steps import checked

    args, n = run.args, run.args.maps
    if same(run.query, run.reference):
        return run.z0.new_zeros(n, *run.z0.shape[-2:])
    sigma = run.sigmas[args.steps - max(1, round(args.mask_noise * args.steps))]
    noise = latents.noise((n, *run.z0.shape[1:]), latents.generator(0), run.z0)
    x = latents.noised(run.z0, sigma, noise)

    def eps(text: Condition) -> dict[str, Tensor]:
        return {"eps": checked(run.network.eps(x, sigma, [text])[0])}

    at = {"n": n, "sigma": float(sigma)}
    reference = run.cache.tensors(run.key("reference", text=args.reference, **at), lambda: eps(run.reference))
    yield Progress(0.08)
    key = run.key("maps", text=args.reference, query=args.query, **at)
    maps = run.cache.tensors(key, lambda: {"maps": eps_maps(eps(run.query)["eps"], reference["eps"].to(x))})["maps"]
    yield Progress(0.15)
    return maps.to(x)


def trajectory(run: Run) -> Generator[Progress, None, Tensor]:
    """Step 2: x at every level of the unconditional inversion of z0, (r N + 1, 1, 4, h, w), upwards."""
    from tools.diffusion.guidance import mixed
    from tools.diffusion.inversion import invert, invert_exact
    from tools.diffusion.steps import told

    args = run.args
    inversion = invert if args.invert == "first_order" else invert_exact
    up = run.sigmas[-args.levels - 1 :].flip(0)
    steps = told(inversion(mixed(run.network, [(1.0, run.nothing)]), run.z0, up), run.picture.model, 0.15, 0.4)
    return (yield from once(run, run.key("trajectory", levels=args.levels, invert=args.invert), steps))


def decoded(run: Run, found: Found) -> Generator[Progress, None, Tensor]:
    """Steps 2 and 3: the edited latent, (1, 4, h, w)."""
    from tools.diffusion.guidance import classifier_free
    from tools.diffusion.steps import told

    args = run.args

    def steps() -> Generator[Progress, None, Tensor]:
        xs = yield from trajectory(run)
        D = classifier_free(run.network, run.query, run.nothing, args.guidance)
        decoding = masked_decode(D, run.z0, xs, run.sigmas[-len(xs) :], found.cells)
        return (yield from told(decoding, run.picture.model, 0.4, 0.95))

    said = {"query": args.query, "guidance": args.guidance, "mask": caches.hashed({"cells": found.cells})}
    return (yield from once(run, run.key("decoded", levels=args.levels, invert=args.invert, **said), steps()))


def once(run: Run, key: Json, steps: Generator[Progress, None, Tensor]) -> Generator[Progress, None, Tensor]:
    """What `steps` come to, from the cache if they were done before."""
    found = run.cache.get(key)
    if found is None:
        found = {"x": (yield from steps)}
        run.cache.put(key, found)
    return found["x"].to(run.z0)


def redrawn(ctx: EditContext, run: Run, found: Found) -> Edit:
    """The edit, back to a picture of the photo's size."""
    from tools.diffusion import kept, latents

    model, fitted = run.picture.model, run.picture.fitted
    z = yield from decoded(run, found)
    rgb = latents.decode(model, z)
    yield Progress(photos.DRAWN)
    seen = kept.reconstruction(run.cache, model, run.z0) if max(fitted.of) > max(fitted.inside) else None
    image = yield from photos.restore(ctx.image, fitted, rgb, seen, found.pixels)
    return EditResult(image, found.pixels if ctx.mask is None else None, facts=found.facts, latent=z)
