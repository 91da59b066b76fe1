"""blip_diffusion: puts a subject that other photos show into the picture, in place of something, or draws it anew.

Li, Li, Hoi, "BLIP-Diffusion: Pre-trained Subject Representation for Controllable Text-to-Image Generation and Editing"
(NeurIPS 2023, arXiv 2305.14720). A subject is 16 vectors among the words of a text. Where something is to be replaced
(`replaces`, or a region), the picture is taken back to noise and denoised beside itself (`tools.diffusion.replacing`);
otherwise a new picture of its proportions is drawn, on wish along its edges.

It copies no pixels of the subject: likeness is the network's. One evaluation of the network cannot be interrupted, nor
can the autoencoder.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, StringConstraints

from sessions.errors import BadArguments
from sessions.values import Geometry, Json, Picture
from tools import caches, photos
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.neural import worked

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

    from tools.diffusion.denoiser import Condition, Steering
    from tools.diffusion.model import LatentDiffusion
    from tools.diffusion.replacing import Replacing
    from tools.diffusion.shown import Shown
    from tools.shelf import Shelf

CONTROL = "blip-diffusion-controlnet"
EDIT_OFFSET = 1
"""Of the timesteps of inversion and editing, as in Stable Diffusion; drawing anew has the checkpoint's own, 0."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


class Args(ToolArgs):
    """What the subject is, what becomes of it, and the authors' parameters."""

    category: Annotated[Words, Field(min_length=1)] = Field(description="What the subject is, in a word or two: a dog.")
    prompt: Words = Field(default="", description="The rest of the picture: swimming in a lake.")
    replaces: Words = Field(default="", description="What in the picture it replaces: cat. Empty: drawn anew.")
    negative: Words = Field(default="blurry, low quality, cropped", description="What the picture shall not be.")
    structure: Literal["free", "edges"] = Field(default="free", description="Whether a new picture keeps the outlines.")
    steps: int = Field(default=50, ge=2, le=500, description="Steps from noise to picture.")
    guidance: float = Field(default=7.5, ge=1, le=50, description="How closely the words are followed; 1 is unguided.")
    threshold: float = Field(default=0.3, ge=0, le=1, description="How sharply what is replaced is cut out: 1 nothing.")
    cross_steps: float = Field(default=0.8, ge=0, le=1, description="Share of the steps that keep the layout of words.")
    self_steps: float = Field(default=0.4, ge=0, le=1, description="Share of the steps that keep the picture's layout.")


@tool("blip_diffusion", args=Args, region="optional", subjects=(1, 8), weights=("blip-diffusion",))
def blip_diffusion(ctx: EditContext, args: Args) -> Edit:
    """Put a subject from other photos into the picture, in place of something, or draw it anew."""
    return worked(ctx, edited(ctx, args))


def edited(ctx: EditContext, args: Args) -> Edit:
    """The edit, in one of its two ways."""
    run = begun(ctx, args)
    yield Progress(0.02)
    if args.replaces or ctx.mask is not None:
        return (yield from put_in_place(ctx, run))
    return (yield from drawn_anew(ctx, run))


@dataclass(frozen=True, eq=False)
class Run:
    """One edit's model and inputs. subject: (K, C), the vectors."""

    args: Args
    shelf: Shelf
    model: LatentDiffusion
    picture: Shown
    subject: Tensor

    def said(self, text: str, subject: Tensor | None = None, repeats: int = 1) -> Condition:
        """A text, perhaps with the subject in it, as the network reads it."""
        from tools.diffusion.denoiser import Condition
        from tools.subjects import context

        return Condition(context(self.model, text, subject, repeats))

    def key(self, kind: str, source: str) -> Json:
        """The cache's key of what is made of this picture under a text."""
        named = caches.hashed({"z": self.picture.z0})
        return caches.key(f"blip_diffusion {kind}", self.model, latent=named, source=source, steps=self.args.steps)


def begun(ctx: EditContext, args: Args) -> Run:
    """Weights, latent and subject. BadArguments for what does not go together."""
    from tools import subjects
    from tools.diffusion.model import needs
    from tools.diffusion.shown import halvings, shown

    if args.structure == "edges" and (args.replaces or ctx.mask is not None):
        raise BadArguments("Edges are kept where the whole picture is drawn anew.", "Leave out structure or the place.")
    shelf = ctx.weights()
    model = shelf.diffusion(subjects.ROLE)
    needs(model, 4, "blip_diffusion")
    model, vectors = subjects.known(shelf, model, ctx.subjects, args.category)
    return Run(args, shelf, model, shown(ctx, subjects.ROLE, model, halvings(model)), vectors)


# Drawn anew


def drawn_anew(ctx: EditContext, run: Run) -> Edit:
    """PLMS from noise under classifier-free guidance; a picture of the model's size in the proportions of the base."""
    from tools.diffusion import latents
    from tools.diffusion.denoiser import Network
    from tools.diffusion.guidance import classifier_free
    from tools.diffusion.sampling import plms
    from tools.diffusion.schedules import ddim_sigmas
    from tools.diffusion.steps import told
    from tools.subjects import REPEATS, phrase

    args, z0, fitted = run.args, run.picture.z0, run.picture.fitted
    model = run.model
    network = Network(model, control=None if args.structure == "free" else along_edges(run))
    cond = run.said(phrase(args.category, args.prompt), run.subject, REPEATS)
    D = classifier_free(network, cond, run.said(args.negative), args.guidance)
    sigmas = ddim_sigmas(model.schedule, args.steps)
    noise = latents.noise(tuple(z0.shape), latents.generator(ctx.seed), z0)
    x = yield from told(plms(D, latents.unsettled(noise, sigmas[0]), sigmas), run.model, 0.05, 0.95)
    z = latents.settled(x, sigmas[-1])
    image = Picture(photos.cut(latents.decode(run.model, z), fitted))
    facts = {"weights": run.model.name, "steps": args.steps}
    return EditResult(image, geometry=scaled(fitted.of, image.size), facts=facts, latent=z)


def along_edges(run: Run) -> Steering:
    """A ControlNet that steers along the edges of the base. MissingWeights where there is none."""
    from tools.diffusion.control import Control, edges, load

    def loaded(folder: Path, device: torch.device) -> Control:
        return load(folder, device, run.model.dtype)

    control = run.shelf.part(CONTROL, "control", loaded, ("controlnet",))
    return control.steered(control.embedded(edges(run.picture.fitted.rgb)))


def scaled(before: tuple[int, int], after: tuple[int, int]) -> Geometry:
    """From the pixels of one size (width, height) to those of another."""
    return (after[0] / before[0], 0.0, 0.0, 0.0, after[1] / before[1], 0.0, 0.0, 0.0, 1.0)


# In the place of something


def put_in_place(ctx: EditContext, run: Run) -> Edit:
    """Inverted under its own text, then denoised beside itself; what lies outside the mask is put back."""
    from tools.diffusion import kept, latents
    from tools.diffusion.replacing import replaced
    from tools.diffusion.schedules import ddim_sigmas
    from tools.diffusion.steps import told

    picture = run.picture
    schedule = replace(run.model.schedule, offset=EDIT_OFFSET)
    sigmas = ddim_sigmas(schedule, run.args.steps)
    replacing = what_by_what(ctx, run)
    x = yield from noise_of(run, replacing.source, sigmas)
    end = yield from told(replaced(run.model, x, sigmas, replacing), run.model, 0.25, 0.95)
    facts = {"weights": run.model.name, "steps": run.args.steps}
    if not end.mask.any():
        return EditResult(ctx.image, np.zeros((ctx.image.height, ctx.image.width), np.uint8), facts=facts)
    z = latents.settled(end.x[1:], sigmas[-1]).where(end.mask, picture.z0)
    mask = ctx.mask if ctx.mask is not None else picture.at_photo(end.mask)
    rgb, seen = latents.decode(run.model, z), kept.reconstruction(run.shelf.cache, run.model, picture.z0)
    yield Progress(photos.DRAWN)
    image = yield from photos.restore(ctx.image, picture.fitted, rgb, seen, mask)
    return EditResult(image, mask if ctx.mask is None else None, facts=facts, latent=z)


def what_by_what(ctx: EditContext, run: Run) -> Replacing:
    """The two texts, and which of their tokens stand for one another."""
    from tools.diffusion.alignment import NEW, refinement
    from tools.diffusion.replacing import Replacing
    from tools.nets.context_clip import BEGIN
    from tools.subjects import phrase, places, tokens

    args, model = run.args, run.model
    old = args.replaces or args.category
    source, target = phrase(old, args.prompt), phrase(args.category, args.prompt)
    length = len(run.said("").text)
    ids = tokens(model, target, length - len(run.subject))
    with_subject = [*ids[:BEGIN], *[NEW] * len(run.subject), *ids[BEGIN:]]
    return Replacing(
        source=run.said(source),
        target=run.said(target, run.subject),
        nothing=run.said(args.negative),
        guidance=args.guidance,
        alignment=refinement(tokens(model, source, length), with_subject, length),
        words=places(model, old),
        mask=None if ctx.mask is None else run.picture.cells(ctx.mask),
        threshold=args.threshold,
        cross=args.cross_steps,
        own=args.self_steps,
    )


def noise_of(run: Run, source: Condition, sigmas: Tensor) -> Generator[Progress, None, Tensor]:
    """The x (1, 4, h, w) from which the picture comes under its own text: DDIM inversion, unguided; kept."""
    from tools.diffusion.denoiser import Network
    from tools.diffusion.guidance import mixed
    from tools.diffusion.inversion import invert
    from tools.diffusion.steps import told

    key = run.key("noise", caches.hashed({"text": source.text}))
    found = run.shelf.cache.get(key)
    if found is None:
        D = mixed(Network(run.model), [(1.0, source)])
        xs = yield from told(invert(D, run.picture.z0, sigmas.flip(0)), run.model, 0.05, 0.25)
        found = {"x": xs[-1]}
        run.shelf.cache.put(key, found)
    return found["x"].to(run.picture.z0)
