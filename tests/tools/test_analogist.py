"""The tool `analogist`, whole, on tiny weights, and its denoising against an independent dense reference in float64."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from skimage import data

from agent.plan import PlanStep
from agent.stepping import Job, work
from agent.turns import check_call
from sessions.errors import BadArguments, BadWeights, MissingWeights, NotFinite, OutsideWorld, PlanError
from sessions.values import Picture
from tests import tiny
from tests.tools.diffusion.dense import dense
from tests.tools.test_analogist_words import saying
from tools import describing, grids, photos, registry
from tools import shelf as shelves
from tools.base import EditContext, drain
from tools.diffusion import latents
from tools.diffusion.cloning import Analogy
from tools.diffusion.sampling import State
from tools.edits.analogist import (
    NEGATIVE,
    POSITIVE,
    Args,
    analogist,
    conditions,
    denoiser,
    grid_side,
    inpainted,
    placed,
    tiled,
)
from toybox.drawing import draw
from toybox.scenes import seeded

COFFEE = cv2.resize(data.coffee(), (90, 60), interpolation=cv2.INTER_AREA)
GREY = cv2.cvtColor(cv2.cvtColor(COFFEE, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
CAT = cv2.resize(data.chelsea(), (150, 100), interpolation=cv2.INTER_AREA)
SHORT = {"prompt": "a grey cat", "steps": 3, "strength": 0.7}
"""Two steps."""


def context(shelf, b: np.ndarray = CAT, **more) -> EditContext:
    return EditContext(Picture(b), subjects=(Picture(COFFEE), Picture(GREY)), shelf=shelf, **more)


def edited(shelf, b: np.ndarray = CAT, seed: int = 0, **args) -> np.ndarray:
    return drain(analogist.run(context(shelf, b, seed=seed), Args(**(SHORT | args)))).image.pixels


@pytest.fixture(scope="module")
def usual(tiny_shelf) -> np.ndarray:
    """The result with nothing special asked for."""
    return edited(tiny_shelf)


# The denoising, against formulas written anew


def doubled(shelf):
    """The tiny inpainting model in float64."""
    model = shelf.diffusion("inpainting")
    return replace(model, unet=deepcopy(model.unet).double(), vae=deepcopy(model.vae).double())


def reference(model, grid, texts, noise, args: Args) -> torch.Tensor:
    """Section 3.2 of the paper's code in its own coordinates (variance preserving), attention dense."""
    unet, vae, scale = deepcopy(model.unet), model.vae, model.vae.config.scaling_factor
    height, half = grid.shape[0] // 8, grid.shape[0] // 2
    start = torch.from_numpy(grid).permute(2, 0, 1)[None].double() / 127.5 - 1
    start[..., half:, half:] = start[..., half:, :half]
    holed = start.clone()
    holed[..., half:, half:] = 0
    z0, known = (vae.encode(picture).latent_dist.mode() * scale for picture in (start, holed))
    mask = torch.zeros(1, 1, height, height).double()
    mask[..., height // 2 :, height // 2 :] = 1
    amount = 0.0 if args.aligned == "none" else args.amount
    mode = Analogy((height, height), range(*args.layers), args.cloning, amount, args.amount)
    dense(unet, mode, (height, height))
    alphas = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)
    times = [1 + i * (1000 // args.steps) for i in reversed(range(args.steps))]
    times = times[args.steps - int(args.steps * args.strength) :]
    a = alphas[times[0]]
    z = noise if args.strength == 1 else a.sqrt() * z0 + (1 - a).sqrt() * noise
    for t in times:
        seen = torch.cat([z, mask, known], 1).repeat(2, 1, 1, 1)
        nothing, words = unet(seen, torch.tensor(t), texts.flip(0), return_dict=False)[0].chunk(2)
        eps = nothing + args.guidance * (words - nothing)
        before = t - 1000 // args.steps
        a, b = alphas[t], alphas[before] if before >= 0 else alphas[0]
        z = b.sqrt() * (z - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps
    return z


SETTINGS = {
    "defaults": {},
    "all layers, by half": {"layers": (0, 16), "amount": 0.5, "strength": 0.5},
    "nothing aligned, from noise": {"aligned": "none", "strength": 1.0, "steps": 2},
    "swapped, weak": {"aligned": "b", "guidance": 1.0, "cloning": 0.0, "strength": 0.5},
    "larger": {"layers": (4, 8), "strength": 0.5, "steps": 2, "detail": 2},
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.reliability) if name in ("larger", "all layers, by half") else name
        for name in SETTINGS
    ],
)
def test_denoising_equals_an_independent_reference(name, tiny_shelf):
    model = doubled(tiny_shelf)
    args = Args(**({"strength": 0.8, "steps": 4} | SETTINGS[name]))
    grid = tiled(context(None), args, args.detail * grid_side(model) // 2).grid
    generator = torch.Generator().manual_seed(5)
    texts = torch.randn(2, 77, tiny.WIDTH, generator=generator, dtype=torch.float64)
    noise = torch.randn(1, 4, len(grid) // 8, len(grid) // 8, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        expected = reference(model, grid, texts, noise, args)
        z0 = latents.encode(model, grids.begun(grid))
        D = denoiser(model, args, *conditions(model, grid, texts))
        z, states = ended(inpainted(D, z0, noise, model.schedule, args))
    assert len(states) == int(args.steps * args.strength)
    assert (z - expected).abs().max() < 1e-7 * expected.abs().max()


def ended(steps) -> tuple[torch.Tensor, list[State]]:
    states = []
    while True:
        try:
            states.append(next(steps))
        except StopIteration as end:
            return end.value, states


@pytest.mark.parametrize(
    ("strength", "steps", "levels"),
    [
        (0.98, 50, 49),
        (0.96, 50, 48),
        (0.8, 50, 40),
        (0.7, 50, 35),
        (1.0, 50, 50),
        (0.0, 50, 0),
        (0.01, 50, 0),
        (0.58, 50, 29),
    ],
)
def test_how_many_steps_a_strength_takes(strength, steps, levels):
    assert Args(strength=strength, steps=steps).levels == levels


# The tool


def test_the_result_has_the_photos_size_and_says_its_words(tiny_shelf):
    result = drain(analogist.run(context(tiny_shelf), Args(**SHORT)))
    assert result.image.size == (150, 100) and result.mask is None
    assert result.args == {"prompt": "a grey cat"}
    assert not np.array_equal(result.image.pixels, CAT)


def test_a_seed_decides(tiny_shelf, usual):
    assert np.array_equal(edited(tiny_shelf, seed=0), usual)
    assert not np.array_equal(edited(tiny_shelf, seed=1), usual)


@pytest.mark.parametrize(
    "args",
    [
        {"prompt": "a red dog"},
        {"aligned": "b"},
        {"aligned": "none"},
        {"strength": 0.4},
        {"steps": 4},
        {"guidance": 2.0},
        {"cloning": 2.0},
        {"amount": 0.5},
        {"layers": (0, 16)},
        {"detail": 2},
    ],
)
def test_every_argument_counts(args, tiny_shelf, usual):
    assert not np.array_equal(edited(tiny_shelf, **args), usual)


def test_the_example_counts(tiny_shelf, usual):
    turned = EditContext(Picture(CAT), subjects=(Picture(GREY), Picture(COFFEE)), shelf=tiny_shelf)
    assert not np.array_equal(drain(analogist.run(turned, Args(**SHORT))).image.pixels, usual)


def test_no_strength_leaves_the_picture_alone(tiny_shelf):
    assert np.array_equal(edited(tiny_shelf, strength=0.0), CAT)


@pytest.mark.parametrize("aligned", ["a_prime", "b"])
@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (2, 300, 3), (300, 2, 3), (1, 5000, 3), (40, 30, 4), (500, 700, 3)], ids=str
)
def test_pictures_of_every_shape_keep_it(shape, aligned, tiny_shelf):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    out = edited(tiny_shelf, pixels, aligned=aligned, steps=1, strength=1.0)
    assert out.shape == shape
    if shape[2] == 4:
        assert np.array_equal(out[..., 3], pixels[..., 3])


def test_the_swapped_grid_lays_b_beside_a():
    plain, swapped = (tiled(context(None), Args(aligned=which), 256) for which in ("a_prime", "b"))
    assert np.array_equal(plain.grid[2:255, 2:255], swapped.grid[2:255, 2:255])
    assert np.array_equal(plain.grid[2:255, 257:510], swapped.grid[257:510, 2:255])
    assert np.array_equal(plain.grid[257:510, 2:255], swapped.grid[2:255, 257:510])
    assert np.array_equal(plain.marked, swapped.marked)


def test_the_swapped_grid_shows_things_where_a_prime_does():
    """What was drawn is cut to A's and not to B's proportions, and is the result itself: B is elsewhere."""
    tall = Picture(np.ascontiguousarray(GREY[:, :30]))
    ctx = EditContext(Picture(CAT), subjects=(Picture(COFFEE), tall))
    sheet = tiled(ctx, Args(aligned="b"), 256)
    grid = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    width, height = photos.fit(tall, 253).inside
    assert (width, height) == (120, 240)
    tile = grid[257 : 257 + height, 258 : 258 + width]
    assert np.array_equal(drain(placed(ctx, sheet, grid, grid)).pixels, photos.resized(tile, (150, 100)))


def test_a_tile_shows_the_whole_photo_in_its_proportions():
    grid = tiled(context(None), Args(), 256).grid
    shown = grid[257 : 257 + 100, 2 : 2 + 150]
    assert np.array_equal(shown, CAT)
    assert np.array_equal(grid[257 + 100, 2 : 2 + 150], CAT[-2])


# Words


def test_without_words_it_asks_for_them(tiny_shelf, monkeypatch):
    monkeypatch.delenv(describing.SETTING, raising=False)
    with pytest.raises(BadArguments) as caught:
        edited(tiny_shelf, prompt="  ")
    assert caught.value.hint == describing.SAY_IT


def test_a_chat_model_says_the_words(tiny_shelf, usual, monkeypatch):
    model = saying("a grey cat, cat in pencil")
    monkeypatch.setattr(describing, "chat_model", lambda: model)
    result = drain(analogist.run(context(tiny_shelf), Args(**(SHORT | {"prompt": ""}))))
    assert result.args == {"prompt": "a grey cat"} and result.facts["other_prompts"] == ["cat in pencil"]
    assert np.array_equal(result.image.pixels, usual)
    assert len(model.seen) == 1


def test_done_again_it_needs_no_chat_model(tiny_shelf, usual, monkeypatch):
    """What was said is on record with the step; nobody is asked a second time."""
    models = [saying("a grey cat")]
    monkeypatch.setattr(describing, "chat_model", models.pop)
    step = PlanStep(tool="analogist", args={**SHORT, "prompt": ""})
    pictures = {"picture": Picture(CAT), "subjects": (Picture(COFFEE), Picture(GREY)), "shelf": tiny_shelf}
    first = drain(work(0, Job(step, **pictures)))
    again = drain(work(0, Job(step.model_copy(update={"args": first.args}), **pictures)))
    assert first.args["prompt"] == "a grey cat" and again.args == first.args
    assert all(np.array_equal(one.edit.image.pixels, usual) for one in (first, again))


@pytest.mark.parametrize("strange", [0, 1, 2])
def test_weights_of_the_small_world_refuse_photos_in_any_tile(strange, tiny_shelf, monkeypatch):
    entry = tiny_shelf.entry("inpainting").model_copy(update={"world": "toybox"})
    monkeypatch.setattr(tiny_shelf, "entry", lambda role: entry)
    pictures = [Picture(draw(seeded(seed)).rgb) for seed in range(3)]
    few = Args(**(SHORT | {"steps": 1, "strength": 1.0}))

    def done(**more):
        ctx = EditContext(pictures[2], subjects=tuple(pictures[:2]), shelf=tiny_shelf, **more)
        return drain(analogist.run(ctx, few)).image.size

    assert done() == (64, 64)
    pictures[strange] = Picture(CAT[:64, :64])
    with pytest.raises(OutsideWorld):
        done()
    assert done(familiar=True)


def test_the_papers_words_stand_behind_and_against(tiny_shelf, monkeypatch):
    from tools.diffusion import kept

    said, texts = [], kept.texts
    monkeypatch.setattr(kept, "texts", lambda cache, model, words: said.append(words) or texts(cache, model, words))
    edited(tiny_shelf, steps=1, strength=1.0)
    assert said == [("a grey cat, best quality, extremely detailed", NEGATIVE)]
    assert POSITIVE in said[0][0] and len(NEGATIVE.split(", ")) == 10


def test_too_many_words_are_named(tiny_shelf):
    with pytest.raises(BadArguments, match="tokens"):
        edited(tiny_shelf, prompt="cat " * 74)


# Bad input


def test_two_examples_are_needed():
    with pytest.raises(PlanError, match="2 other pictures"):
        check_call(PlanStep(tool="analogist", args=SHORT))


@pytest.mark.parametrize(
    "args", [{"layers": (5, 3)}, {"layers": (-1, 3)}, {"strength": 1.1}, {"detail": 3}, {"steps": 0}, {"aligned": "c"}]
)
def test_arguments_out_of_bounds_are_refused(args):
    with pytest.raises(ValidationError):
        Args(**args)


def test_weights_of_another_kind_are_refused(tiny_shelf, tmp_path, monkeypatch):
    with pytest.raises(MissingWeights, match="inpainting"):
        edited(shelves.at(tmp_path))
    other = tiny_shelf.diffusion("text-to-image")
    monkeypatch.setattr(tiny_shelf, "diffusion", lambda role: other)
    with pytest.raises(BadWeights, match="4 channels"):
        edited(tiny_shelf)


def test_numbers_that_explode_are_said(tiny_shelf, monkeypatch):
    monkeypatch.setattr(latents, "noise", lambda shape, *_: torch.full(shape, torch.nan))
    with pytest.raises(NotFinite):
        edited(tiny_shelf)


def test_it_may_be_stopped_at_any_step(tiny_shelf, usual):
    told = [progress.fraction for progress in analogist.run(context(tiny_shelf), Args(**SHORT))]
    drawing = sum(fraction < photos.DRAWN for fraction in told)
    assert drawing >= 3 + 2
    for stop in (*range(drawing + 1), len(told) - 1):
        edit = analogist.run(context(tiny_shelf), Args(**SHORT))
        for _ in range(stop + 1):
            next(edit)
        edit.close()
    assert np.array_equal(edited(tiny_shelf), usual)


def test_previews_show_the_last_tile(tiny_shelf, monkeypatch):
    monkeypatch.setattr("tools.diffusion.steps.EVERY", 0.0)
    shown = [step.preview for step in analogist.run(context(tiny_shelf), Args(**SHORT)) if step.preview is not None]
    assert shown and {picture.size for picture in shown} == {(8, 8)}


def test_it_is_registered_without_torch():
    assert registry.get("analogist").weights == ("inpainting",)
    assert registry.get("analogist").subjects == (2, 2)
