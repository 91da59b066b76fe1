"""any2pix: a picture, a sound or music shapes the result; what is meant comes as an embedding, and becomes a picture.

Li, Singh, Grover, "InstructAny2Pix: Flexible Visual Editing via Multimodal Instruction Following" (arXiv 2312.06738),
what its planner leads to. [gen] is the embedding of what the result should look like, as a planner read it out, or else
the sum of all that the step is shown; [sub] are its other pictures' and sounds' own.

    c  = h0 e_base + h1 e_gen + h2 prior(e_gen), each at norm R, brought to norm R
    z' = the picture's own noise, by DDIM, mixed with fresh noise by α
    z  = DDIM from z' under classifier-free guidance of the text, c and [sub]
    on wish: a refiner over all of it; subjects drawn again one after another, each in its own place

The whole picture is drawn anew: α = 1 keeps its layout, not its pixels. docs/tools/any2pix.md has paper, release and
this side by side. One evaluation of the network cannot be interrupted, nor can the autoencoder.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
from pydantic import Field, StringConstraints, model_validator

from sessions.errors import BadArguments, NotGrounded
from sessions.values import Json, Picture, Region
from tools import caches, meanings, photos
from tools.base import KEPT, Edit, EditContext, EditResult, Progress, ToolArgs, mapped, tool
from tools.neural import worked

if TYPE_CHECKING:
    from torch import Tensor

    from tools.diffusion.denoiser import Condition
    from tools.diffusion.guidance import Denoiser
    from tools.diffusion.model import LatentDiffusion
    from tools.diffusion.sampling import Sampler
    from tools.diffusion.sdxl import Frame
    from tools.diffusion.shown import Shown
    from tools.encoders import Encoder
    from tools.meanings import Meaning
    from tools.nets.ip_adapter import IpAdapter, UnclipProjection
    from tools.nets.prior import Refiner
    from tools.shelf import Shelf

ROLE, REFINER = "any2pix", "sdxl-refiner"
WIDER, SOFTER = 40 / 1024, 20 / 1024
"""How much wider than the subject its place is, and over how much it fades: parts of the longer side."""


Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


class Args(ToolArgs):
    """What should come of it, and the release's parameters with the defaults of its function."""

    prompt: Words = Field(default="", description="The result in words: a harbour at night.")
    negative: Words = Field(default="", description="What the picture shall not be.")
    alpha: float = Field(default=0.7, ge=0, le=1, description="α: 1 keeps the layout, 0 draws anew.")
    base_weight: float = Field(default=0.0, ge=0, le=10, description="h0: what the picture shows.")
    meant_weight: float = Field(default=0.4, ge=0, le=10, description="h1: what is meant.")
    refined_weight: float = Field(default=1.0, ge=0, le=10, description="h2: what is meant, as a good picture.")
    norm: float | None = Field(default=None, gt=0, le=100, description="R; by itself what the weights were taught at.")
    scale: float = Field(default=1.0, ge=0, le=2, description="How much pictures and sounds count beside the text.")
    guidance: float = Field(default=10.0, ge=0, le=30, description="How closely all of it is followed; 1 is unguided.")
    steps: int = Field(default=25, ge=2, le=500, description="Steps from noise to picture.")
    refinement: float = Field(default=0.0, ge=0, le=1, description="How much SDXL's refiner draws again.")
    subject: Words = Field(
        default="",
        description="What is drawn again as the others show it, in their order, sounds last: the boat, the dog.",
    )
    subject_strength: float = Field(default=0.65, ge=0, le=1, description="How much of a subject is drawn again.")
    meant: Annotated[str, StringConstraints(max_length=16_500)] = Field(
        default="", description="[gen], and whose it is, in base64.", json_schema_extra=KEPT
    )

    @model_validator(mode="after")
    def _something(self) -> Args:
        if not self.base_weight + self.meant_weight + self.refined_weight:
            raise ValueError("base_weight, meant_weight and refined_weight are all 0, so nothing is meant")
        return self

    @property
    def named(self) -> list[str]:
        """The subjects, the k-th for the step's k-th other; "" where an other has none."""
        said = self.subject.rstrip(", ")
        return [name.strip() for name in said.split(",")] if said else []

    def left(self, strength: float) -> int:
        """How many of the last steps draw again at a strength 0…1; 0 where it is too little for one."""
        return round(strength * self.steps)


@tool("any2pix", args=Args, region="optional", subjects=(0, 8), weights=(ROLE,), hears=True)
def any2pix(ctx: EditContext, args: Args) -> Edit:
    """Let a picture, a sound or music shape the picture: its mood, its light, its style, what is in it."""
    return worked(ctx, edited(ctx, args), asked=asked(ctx, args))


def asked(ctx: EditContext, args: Args) -> bool:
    """Whether anything is to come of it. BadArguments where a subject is named and nothing shows what it is like."""
    shown = len(ctx.subjects) + len(ctx.sounds)
    if len(args.named) > shown:
        raise BadArguments(f"Nothing shows what {args.named[shown]!r} is to look like.", "Attach a picture for it.")
    return bool(args.prompt or args.meant or shown)


def edited(ctx: EditContext, args: Args) -> Edit:
    """The edit of the whole picture."""
    from tools.diffusion import kept, latents
    from tools.nets.ip_adapter import UnclipProjection

    run = begun(ctx, args)
    yield Progress(0.02)
    z = yield from drawn(run, (yield from noise_of(run)))
    facts: Json = {"weights": run.model.name, "steps": args.steps, "prior": run.prior is not None}
    if args.prompt and not args.refinement and isinstance(run.adapter, UnclipProjection):
        facts["prompt"] = "not read by these weights"
    if args.refinement:
        facts["refined"] = args.left(args.refinement)
        z = yield from polished(run, z)
    if args.named:
        z, facts["subjects"] = yield from subjects_again(run, z)
    rgb = latents.decode(run.model, z)
    yield Progress(photos.DRAWN)
    seen = kept.reconstruction(run.shelf.cache, run.model, run.picture.z0)
    image = yield from photos.restore(ctx.image, run.picture.fitted, rgb, seen, ctx.mask)
    found = {"meant": meanings.written(run.meaning.gen, run.eyes.digest)}
    return EditResult(image, facts=facts, latent=run.picture.kept_outside(z, ctx.mask), args=found)


@dataclass(frozen=True, eq=False)
class Run:
    """One edit's weights and inputs. prior: None where the weights have none, and [gen] stands for itself."""

    args: Args
    shelf: Shelf
    model: LatentDiffusion
    adapter: IpAdapter | UnclipProjection
    prior: Refiner | None
    eyes: Encoder
    picture: Shown
    meaning: Meaning
    seed: int

    @property
    def norm(self) -> float:
        """R."""
        return self.args.norm or self.adapter.config.norm

    @cached_property
    def things(self) -> Tensor | None:
        """[sub] at norm R, (S, D) or None: of pictures their own; of sounds what the prior says of pictures of them."""
        e, heard = self.meaning.things, self.meaning.heard
        if e is None:
            return None
        if heard and self.prior is not None:
            e = e.clone()
            e[-heard:] = self.prior.refined(e[-heard:].float()).to(e)
        return self.norm * e

    @property
    def frame(self) -> Frame:
        """What SDXL is told of the picture that it draws."""
        from tools.diffusion.sdxl import Frame

        height, width = self.picture.fitted.rgb.shape[:2]
        return Frame((height, width))

    def noise(self, use: int) -> Tensor:
        """N(0, I) like the latent, another for each use: 0 the picture, 1 the refiner, 2… the subjects."""
        from tools.diffusion import latents

        z0 = self.picture.z0
        return latents.noise(tuple(z0.shape), latents.generator(self.seed + use), z0)

    def sigmas(self) -> Tensor:
        """The levels of DDIM, (N + 1,), descending."""
        from tools.diffusion.schedules import ddim_sigmas

        return ddim_sigmas(self.model.schedule, self.args.steps)

    def guided(self, whole: Tensor | None, things: Tensor | None) -> Denoiser:
        """D that follows the texts and embeddings at norm R, (D,) and (S, D), away from the negative and zeros.

        unCLIP-XL reads no text, and of the embeddings one: the whole, or the first thing where there is no whole.
        """
        from tools.diffusion import kept
        from tools.diffusion.denoiser import Network
        from tools.diffusion.guidance import classifier_free
        from tools.nets.ip_adapter import UnclipProjection

        if isinstance(self.adapter, UnclipProjection):
            e = things[0] if whole is None and things is not None else whole
            return classifier_free(Network(self.model), self.alone(e), self.alone(), self.args.guidance)
        texts = (self.args.prompt, self.args.negative)
        cond, uncond = kept.conditions(self.shelf.cache, self.model, texts, self.frame)
        nothing = [None if e is None else e.new_zeros(e.shape) for e in (whole, things)]
        network = Network(self.model, prompting=self.adapter.prompting(self.model.unet, self.args.scale))
        cond = replace(cond, image=self.adapter.told(whole, things))
        return classifier_free(network, cond, replace(uncond, image=self.adapter.told(*nothing)), self.args.guidance)

    def alone(self, e: Tensor | None = None) -> Condition:
        """What the network is told without a picture to follow: nothing, or of unCLIP-XL an embedding (D,) or zeros."""
        from tools.diffusion import kept, sdxl
        from tools.diffusion.denoiser import Condition
        from tools.nets.ip_adapter import UnclipProjection

        if not isinstance(self.adapter, UnclipProjection):
            return kept.conditions(self.shelf.cache, self.model, ("",), self.frame)[0]
        text, pooled = self.adapter.told(self.meaning.gen.new_zeros(self.eyes.width) if e is None else e)
        return Condition(text, added=sdxl.added(self.model, pooled, self.frame))


def begun(ctx: EditContext, args: Args) -> Run:
    """Weights, latent and embeddings. BadWeights and BadArguments say what does not go together."""
    from tools.diffusion import following
    from tools.diffusion.model import needs
    from tools.diffusion.shown import halvings, require_known, shown

    shelf = ctx.weights()
    entry = shelf.entry(ROLE)
    model = shelf.load(entry)
    needs(model, 4, "any2pix")
    if args.refinement:
        refiner_for(shelf, model)
    eyes, adapter, prior = following.parts(shelf, entry, model)
    picture = shown(ctx, ROLE, model, halvings(model))
    for one in ctx.subjects:
        require_known(ctx, ROLE, photos.fit(one, model.side, halvings(model)).rgb)
    meaning = meanings.of(ctx, eyes, args.meant).to(model.device)
    return Run(args, shelf, model, adapter, prior, eyes, picture, meaning, ctx.seed)


def refiner_for(shelf: Shelf, model: LatentDiffusion) -> None:
    """BadArguments or MissingWeights where there is no refiner for a model: before anything is drawn, not after."""
    if model.second is None:
        raise BadArguments("The refiner goes with SDXL, and these weights are smaller.", "Leave out refinement.")
    shelf.entry(REFINER)


# From noise to a picture


def noise_of(run: Run) -> Generator[Progress, None, Tensor]:
    """z_T (1, 4, h, w) from which the picture comes: DDIM inversion under the null text, unguided, the adapter off.

    Kept: the same picture is inverted once, whatever is then made of it.
    """
    from tools.diffusion import latents
    from tools.diffusion.denoiser import Network
    from tools.diffusion.guidance import mixed as of
    from tools.diffusion.inversion import invert
    from tools.diffusion.steps import told as shown

    named, sigmas = caches.hashed({"z": run.picture.z0}), run.sigmas()
    key = caches.key("any2pix noise", run.model, latent=named, steps=run.args.steps)
    found = run.shelf.cache.get(key)
    if found is None:
        D = of(Network(run.model), [(1.0, run.alone())])
        xs = yield from shown(invert(D, run.picture.z0, sigmas.flip(0)), run.model, 0.02, 0.4)
        found = {"z": latents.settled(xs[-1], sigmas[0])}
        run.shelf.cache.put(key, found)
    return found["z"].to(run.picture.z0)


def blended(z: Tensor, noise: Tensor, alpha: float) -> Tensor:
    """l = α z + (1 − α) ε, brought to the norm α ‖z‖ + (1 − α) ‖ε‖: of α = 1 the picture's noise, of 0 the fresh."""
    mean = alpha * z + (1 - alpha) * noise
    out: Tensor = (alpha * z.norm() + (1 - alpha) * noise.norm()) * mean / mean.norm()
    return out


def drawn(run: Run, z_T: Tensor) -> Generator[Progress, None, Tensor]:
    """z (1, 4, h, w) of what is meant, from the picture's noise z_T and fresh noise."""
    from tools.diffusion.latents import settled, unsettled
    from tools.diffusion.sampling import ddim
    from tools.diffusion.steps import told as shown

    args, meaning, sigmas = run.args, run.meaning, run.sigmas()
    y = meaning.gen if run.prior is None else run.prior.refined(meaning.gen[None].float())[0]
    c = meanings.mixed(meaning, y.to(meaning.gen), (args.base_weight, args.meant_weight, args.refined_weight), run.norm)
    D = run.guided(c, run.things)
    x = unsettled(blended(z_T, run.noise(0), args.alpha), sigmas[0])
    x = yield from shown(ddim(D, x, sigmas), run.model, 0.4, 0.8)
    return settled(x, sigmas[-1])


def again(D: Denoiser, z: Tensor, sigmas: Tensor, left: int, noise: Tensor) -> Sampler:
    """x at the last level, from z noised so far that `left` steps are left, 1 or more (SDEdit, arXiv 2108.01073)."""
    from tools.diffusion.latents import noised
    from tools.diffusion.sampling import ddim

    levels = sigmas[-1 - left :]
    return ddim(D, noised(z, levels[0], noise), levels)


def polished(run: Run, z: Tensor) -> Generator[Progress, None, Tensor]:
    """z after SDXL's refiner, which reads the text alone; z itself where `refinement` is too little for a step."""
    from tools.diffusion import kept
    from tools.diffusion.denoiser import Network
    from tools.diffusion.guidance import classifier_free
    from tools.diffusion.latents import settled
    from tools.diffusion.schedules import ddim_sigmas
    from tools.diffusion.sdxl import NEGATIVE_SCORE
    from tools.diffusion.steps import told

    left = run.args.left(run.args.refinement)
    if not left:
        return z
    refiner, cache, args = run.shelf.diffusion(REFINER), run.shelf.cache, run.args
    (cond,) = kept.conditions(cache, refiner, (args.prompt,), run.frame)
    (uncond,) = kept.conditions(cache, refiner, (args.negative,), replace(run.frame, score=NEGATIVE_SCORE))
    D = classifier_free(Network(refiner), cond, uncond, args.guidance)
    sigmas = ddim_sigmas(refiner.schedule, args.steps)
    x = yield from told(again(D, z, sigmas, left, run.noise(1)), refiner, 0.8, 0.87)
    return settled(x, sigmas[-1])


def subjects_again(run: Run, z: Tensor) -> Generator[Progress, None, tuple[Tensor, Json]]:
    """z with the subjects drawn again one after another, the k-th as the step's k-th other shows it; what came of each.

    All are looked for before any is drawn, so that none is taken for another's new look. Where one is not found, or
    `subject_strength` is too little for a step, it stays as it is. Where two places overlap, the later is on top.
    """
    from tools.diffusion.latents import decode

    names = {k: name for k, name in enumerate(run.args.named) if name}
    if not run.args.left(run.args.subject_strength):
        return z, dict.fromkeys(names.values(), "too little for a step")
    seen = Picture(decode(run.model, z))
    places: dict[int, Tensor] = {}
    for k, name in names.items():
        with suppress(NotGrounded):
            places[k] = yield from place_of(name, seen, z)
    for k, place in places.items():
        z = yield from subject_again(run, z, place, k)
    return z, {name: "drawn again" if k in places else "not found" for k, name in names.items()}


def subject_again(run: Run, z: Tensor, place: Tensor, k: int) -> Generator[Progress, None, Tensor]:
    """z drawn again in a place (h, w), 0…1, under the k-th [sub] alone.

    Outside the place D knows the result, so that every level has the result's own noise there.
    """
    from tools.diffusion.latents import settled
    from tools.diffusion.steps import told

    things, sigmas, args = run.things, run.sigmas(), run.args
    D = run.guided(None, None if things is None else things[k : k + 1])

    def inside(x: Tensor, sigma: Tensor) -> Tensor:
        return place * D(x, sigma) + (1 - place) * z

    part = 0.08 / len(args.named)
    drawing = again(inside, z, sigmas, args.left(args.subject_strength), run.noise(2 + k))
    x = yield from told(drawing, run.model, 0.87 + k * part, 0.87 + (k + 1) * part)
    return place * settled(x, sigmas[-1]) + (1 - place) * z


def place_of(name: str, seen: Picture, z: Tensor) -> Generator[Progress, None, Tensor]:
    """Where a subject is in the result `seen`, (h, w) of its latent z, 0…1: a little wider, and soft at the edge."""
    import torch

    from tools import regions

    found = yield from mapped(regions.ground_steps(seen, Region(words=name)), lambda _: Progress(0.87))
    longest, (height, width) = max(seen.size), z.shape[-2:]
    wider = cv2.dilate(found.mask, np.ones((2 * round(WIDER * longest) + 1,) * 2, np.uint8))
    soft = cv2.GaussianBlur(wider, (0, 0), max(SOFTER * longest / 2, 0.1))
    cells = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(cells).to(z) / 255
