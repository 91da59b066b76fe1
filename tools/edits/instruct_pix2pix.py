"""instruct_pix2pix: changes the picture as a sentence says ("make it winter").

Brooks, Holynski, Efros, "InstructPix2Pix: Learning to Follow Image Editing Instructions" (CVPR 2023, arXiv 2211.09800).
The network sees the picture beside the noise; two scales, of the text and of the picture, guide it (equation 3), both
honoured for every value. One network evaluation cannot be interrupted, nor can the autoencoder.

It knows no masks: a region is pasted over the original by whoever runs it. Faces and letters that are small in the
picture suffer from the autoencoder; crop closer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from sessions.values import Json
from tools import photos
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.neural import worked

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from tools.diffusion.model import LatentDiffusion
    from tools.diffusion.sampling import Sampler

ROLE = "instruct-pix2pix"


class Args(ToolArgs):
    """What to do, and the paper's parameters."""

    instruction: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = Field(
        description="What to do: make it winter."
    )
    text_guidance: float = Field(default=7.5, ge=0, le=30, description="s_T: higher does more of what is said.")
    image_guidance: float = Field(default=1.5, ge=0, le=10, description="s_I: higher keeps more of the picture.")
    steps: int = Field(default=100, ge=1, le=500, description="Steps from noise to picture; 20 is a fast sketch.")


@tool("instruct_pix2pix", args=Args, region="optional", weights=(ROLE,))
def instruct_pix2pix(ctx: EditContext, args: Args) -> Edit:
    """Change the picture as an instruction says: "make it winter", "turn the dog into a cat"."""
    return worked(ctx, edited(ctx, args), asked=bool(args.instruction))


def edited(ctx: EditContext, args: Args) -> Edit:
    """The edit of the whole picture."""
    from tools.diffusion import kept, latents
    from tools.diffusion.model import needs
    from tools.diffusion.schedules import linspace_sigmas
    from tools.diffusion.shown import halvings, shown
    from tools.diffusion.steps import told

    shelf = ctx.weights()
    model, cache = shelf.diffusion(ROLE), shelf.cache
    needs(model, 8, "instruct_pix2pix")
    yield Progress(0.0)
    c_T, null = kept.texts(cache, model, (args.instruction, ""))
    picture = shown(ctx, ROLE, model, halvings(model))
    yield Progress(0.02)
    z0, random = picture.z0, latents.generator(ctx.seed)
    given = Given(c_T, null, z0[0] / float(model.vae.config.scaling_factor), args.text_guidance, args.image_guidance)
    sigmas = linspace_sigmas(model.schedule, args.steps)
    began = time.perf_counter()
    z = yield from told(sampled(model, given, sigmas, lambda: latents.noise(z0.shape, random, z0)), model, 0.02, 0.95)
    facts = measured(model, args, time.perf_counter() - began)
    rgb = latents.decode(model, z)
    yield Progress(photos.DRAWN)
    image = yield from photos.restore(ctx.image, picture.fitted, rgb, kept.reconstruction(cache, model, z0), ctx.mask)
    return EditResult(image, facts=facts, latent=picture.kept_outside(z, ctx.mask))


@dataclass(frozen=True, eq=False)
class Given:
    """The conditions and their scales. c_T and null: (77, C); c_I: (4, h, w), the latent's mode, not scaled."""

    c_T: Tensor
    null: Tensor
    c_I: Tensor
    s_T: float
    s_I: float


def sampled(model: LatentDiffusion, given: Given, sigmas: Tensor, noise: Callable[[], Tensor]) -> Sampler:
    """The paper's sampling: Euler ancestral from σ_0 N(0, I); noise() draws (1, 4, h, w). Returns the latent."""
    from tools.diffusion.denoiser import Condition, Network
    from tools.diffusion.guidance import two_scales
    from tools.diffusion.sampling import euler_ancestral

    c_T, null, c_I = given.c_T, given.null, given.c_I
    both, image, nothing = Condition(c_T, c_I), Condition(null, c_I), Condition(null, c_I.new_zeros(c_I.shape))
    D = two_scales(Network(model), both, image, nothing, given.s_T, given.s_I)
    return euler_ancestral(D, sigmas[0] * noise(), sigmas, noise)


def measured(model: LatentDiffusion, args: Args, seconds: float) -> Json:
    """What the run has cost; branches whose weight is zero are not evaluated."""
    weights = (args.text_guidance, args.image_guidance - args.text_guidance, 1 - args.image_guidance)
    evaluations = args.steps * sum(weight != 0 for weight in weights)
    return {
        "weights": model.name,
        "steps": args.steps,
        "evaluations": evaluations,
        "seconds_per_evaluation": round(seconds / evaluations, 4),
    }
