"""analogist: does to a photo B what was done from a picture A to A', told by the pictures and by a few words.

Gu, Yang, Liao, Huo, Xu, Liao, "Analogist: Out-of-the-box Visual In-Context Learning with Image Diffusion Model"
(SIGGRAPH 2024, arXiv 2405.10316). An inpainting network is shown a grid A A' / B B' whose last tile is hidden, under
the words of B'. Its self-attention is made to see between A' and B' what it sees between A and B (SAC), and its
cross-attention lets the words reach B' alone (CAM). What the words are the person says, or a chat model that is shown
the grid; there must be some, and the step records them. One network evaluation cannot be interrupted, nor can the
autoencoder or the chat model.

Tiles are small (253 pixels of a 512 pixel grid) and square: pictures are filled up by reflection, and the change of B
is carried to the photo. `analogy` does without weights what can be told from a pixel's surroundings.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field, StringConstraints

from sessions.errors import BadArguments
from sessions.values import Picture, Pixels
from tools import describing, grids, photos
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, mapped, tool
from tools.neural import worked
from tools.photos import Fitted
from tools.pixels import with_alpha

if TYPE_CHECKING:
    from torch import Tensor

    from tools.diffusion.cloning import Analogy
    from tools.diffusion.denoiser import Condition
    from tools.diffusion.guidance import Denoiser
    from tools.diffusion.model import LatentDiffusion
    from tools.diffusion.sampling import Sampler
    from tools.diffusion.schedules import NoiseSchedule

ROLE = "inpainting"
POSITIVE = ", best quality, extremely detailed"
"""Follows the words of B'."""
NEGATIVE = "Messy, Disordered, Chaotic, Cluttered, Haphazard, Unkempt, Scattered, Disheveled, Tangled, Random"
GREY = 127.5
"""What the network sees where the grid is hidden: 0 on its scale."""


def _ascending(layers: tuple[int, int]) -> tuple[int, int]:
    if layers[0] > layers[1]:
        raise ValueError("the first layer comes after the last")
    return layers


Layer = Annotated[int, Field(ge=0, le=64)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]


class Args(ToolArgs):
    """The words of B', and the paper's parameters."""

    prompt: Words = Field(default="", description="What the result shows, in a few words: a sketch of a cat.")
    aligned: Literal["a_prime", "b", "none"] = Field(
        default="a_prime",
        description="Which picture shows things where A does: a_prime (the example moves nothing), b, or none.",
    )
    strength: float = Field(default=0.98, ge=0, le=1, description="How much is drawn anew: 0 nothing … 1 all.")
    steps: int = Field(default=50, ge=1, le=500, description="Steps from noise to picture.")
    guidance: float = Field(default=15, ge=0, le=50, description="How closely the words are followed; 1 is unguided.")
    cloning: float = Field(default=1.3, ge=0, le=3, description="s: higher is closer to A', lower closer to B.")
    amount: float = Field(default=1, ge=0, le=1, description="How far attention is changed: 0 is plain inpainting.")
    layers: Annotated[tuple[Layer, Layer], AfterValidator(_ascending)] = Field(
        default=(3, 11), description="First layer of the network that is changed, and the first that is not any more."
    )
    detail: int = Field(default=1, ge=1, le=2, description="2: tiles of twice the size, at six times the work.")

    @property
    def levels(self) -> int:
        """Steps that are really taken."""
        return int(round(self.strength * self.steps, 6))

    def wanting(self) -> str:
        return "" if self.prompt or describing.named() else "prompt"


@tool("analogist", args=Args, region="optional", subjects=(2, 2), weights=(ROLE,))
def analogist(ctx: EditContext, args: Args) -> Edit:
    """Do to the picture what was done from one example picture to the other, guided by a few words."""
    return worked(ctx, edited(ctx, args), asked=args.levels > 0)


def edited(ctx: EditContext, args: Args) -> Edit:
    """The edit of the whole picture."""
    from tools.diffusion import kept, latents, world
    from tools.diffusion.model import needs
    from tools.diffusion.shown import require_known
    from tools.diffusion.steps import told

    shelf = ctx.weights()
    model, cache = shelf.diffusion(ROLE), shelf.cache
    needs(model, 9, "analogist")
    for picture in (*ctx.subjects, ctx.image):
        require_known(ctx, ROLE, photos.fit(picture, world.SIDE).rgb)
    sheet = tiled(ctx, args, args.detail * grid_side(model) // 2)
    yield Progress(0.0)
    prompt, *others = (args.prompt,) if args.prompt else asked(sheet)
    texts = kept.texts(cache, model, (prompt + POSITIVE, NEGATIVE))
    yield Progress(0.02)
    z0 = kept.latent(cache, model, grids.begun(sheet.grid))
    words, nothing = conditions(model, sheet.grid, texts)
    yield Progress(0.05)
    noise = latents.noise(tuple(z0.shape), latents.generator(ctx.seed), z0)
    D = denoiser(model, args, words, nothing)
    z = yield from told(inpainted(D, z0, noise, model.schedule, args), model, 0.05, 0.95)
    rgb = latents.decode(model, z)
    yield Progress(photos.DRAWN)
    image = yield from placed(ctx, sheet, rgb, kept.reconstruction(cache, model, z0))
    return EditResult(image, facts={"weights": model.name, "other_prompts": others}, args={"prompt": prompt})


@dataclass(frozen=True, eq=False)
class Sheet:
    """The grid (2g, 2g, 3) that the network is shown, the one that a chat model is, and how tiles were made.

    below: the tile under A, at whose places B' shows things. swapped: it is A', and B stands beside A.
    """

    grid: Pixels
    marked: Pixels
    below: Fitted
    swapped: bool


def tiled(ctx: EditContext, args: Args, g: int) -> Sheet:
    """The pictures as tiles. Where A is aligned with B, these two stand side by side."""
    t = grids.tile_side(g)
    a, changed, b = (tile_of(picture, t) for picture in (*ctx.subjects, ctx.image))
    as_told = grids.laid(a.rgb, changed.rgb, b.rgb)
    if args.aligned == "b":
        return Sheet(grids.laid(a.rgb, b.rgb, changed.rgb), grids.marked(as_told), changed, True)
    return Sheet(as_told, grids.marked(as_told), b, False)


def tile_of(picture: Picture, t: int) -> Fitted:
    """A picture as a tile of t × t pixels, in its own proportions, filled up below and at the right by reflection."""
    fitted = photos.fit(picture, t)
    width, height = fitted.inside
    return replace(
        fitted, rgb=np.pad(photos.cut(fitted.rgb, fitted), ((0, t - height), (0, t - width), (0, 0)), "reflect")
    )


def asked(sheet: Sheet) -> tuple[str, ...]:
    """Words of B' from the chat model; BadArguments, which asks for them, where there is none."""
    model = describing.chat_model()
    if model is None:
        raise BadArguments("I need words for what the result shows.", describing.SAY_IT)
    return describing.describe(model, sheet.marked)


def grid_side(model: LatentDiffusion) -> int:
    """Pixels along the grid: the model's own side, or more, so that tiles are whole in every layer."""
    whole = 2 * model.factor * 2 ** (len(model.unet.config.block_out_channels) - 1)
    return int(model.side + -model.side % whole)


def conditions(model: LatentDiffusion, grid: Pixels, texts: Tensor) -> tuple[Condition, Condition]:
    """Words and no words (2, 77, C) as the inpainting network reads them: mask, and latent of what is not hidden."""
    import torch

    from tools.diffusion import latents
    from tools.diffusion.denoiser import Condition

    hidden = grids.hidden(len(grid))[..., None]
    known = latents.encode(model, np.where(hidden, np.float32(GREY), grid))[0]
    mask = torch.from_numpy(grids.hidden(known.shape[-1]))[None].to(known)
    channels = torch.cat([mask, known])  # (5, h, w)
    return Condition(texts[0], channels), Condition(texts[1], channels)


def denoiser(model: LatentDiffusion, args: Args, words: Condition, nothing: Condition) -> Denoiser:
    """The guided network with SAC and CAM in it."""
    from tools.diffusion.attention import Attention
    from tools.diffusion.denoiser import Network
    from tools.diffusion.guidance import classifier_free

    return classifier_free(Network(model, Attention(mode(model, args))), words, nothing, args.guidance)


def mode(model: LatentDiffusion, args: Args) -> Analogy:
    """What the attentions do: SAC and CAM; CAM alone where nothing is aligned."""
    from tools.diffusion.cloning import Analogy

    cells = args.detail * grid_side(model) // model.factor
    cloning = 0.0 if args.aligned == "none" else args.amount
    return Analogy((cells, cells), range(*args.layers), args.cloning, cloning, args.amount)


def inpainted(D: Denoiser, z0: Tensor, noise: Tensor, schedule: NoiseSchedule, args: Args) -> Sampler:
    """DDIM over all four tiles, from z0 (1, 4, h, w) under as much noise as `strength` says; only 1 forgets z0.

    Returns the latent; the states that it yields show the last tile.
    """
    from tools.diffusion import latents
    from tools.diffusion.sampling import ddim
    from tools.diffusion.schedules import ddim_sigmas

    sigmas = ddim_sigmas(schedule, args.steps)[-args.levels - 1 :]
    forgets = args.levels == args.steps
    x = latents.unsettled(noise, sigmas[0]) if forgets else latents.noised(z0, sigmas[0], noise)
    half = z0.shape[-1] // 2
    steps = ddim(D, x, sigmas)
    x = yield from mapped(steps, lambda state: replace(state, denoised=state.denoised[..., half:, half:]))
    return latents.settled(x, sigmas[-1])


def placed(ctx: EditContext, sheet: Sheet, rgb: Pixels, seen: Pixels) -> Generator[Progress, None, Picture]:
    """B' of a finished grid (2g, 2g, 3), at the photo's size; seen: what the autoencoder leaves of the grid begun."""
    tile = grids.drawn(rgb)
    if not sheet.swapped:
        return (yield from photos.restore(ctx.image, sheet.below, tile, grids.drawn(seen), ctx.mask))
    yield Progress(0.98)
    return with_alpha(photos.resized(photos.cut(tile, sheet.below), ctx.image.size), ctx.image)
