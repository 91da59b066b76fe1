"""The tool diffedit on tiny networks: what it keeps, what it counts, what it asks, and everything it may be given."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from skimage import data

from agent.stepping import finished
from sessions.errors import BadArguments, BadWeights, NotFinite, Unsure
from sessions.values import Picture
from tests import tiny
from tools import photos
from tools.base import EditContext, EditResult, drain
from tools.caches import Cache
from tools.diffusion import kept
from tools.diffusion.model import LatentDiffusion
from tools.edits.diffedit import MOST, Args, diffedit
from tools.shelf import Shelf

MAPS, STEPS, LEVELS = 2, 3, 2
PHOTO = Picture(np.ascontiguousarray(data.chelsea()[60:124, 100:164]))
"""A cat's face, as large as the tiny model was made for: 64 × 64, a latent of 8 × 8."""


def args(**changes) -> Args:
    usual = {"query": "a red cat", "steps": STEPS, "maps": MAPS, "strength": 0.7, "clamp": "quantile"}
    return Args(**(usual | changes))


@pytest.fixture(scope="module")
def model(tiny_shelf: Shelf) -> LatentDiffusion:
    return tiny.shallow(tiny_shelf.diffusion("text-to-image"))


@pytest.fixture
def shelf(tiny_shelf: Shelf, model: LatentDiffusion, tmp_path: Path) -> Shelf:
    """The tiny shelf with a cache of its own, still empty, and a quicker model."""
    made = copy.copy(tiny_shelf)
    made.cache = Cache(tmp_path / "cache", 50_000_000)
    made.diffusion = lambda role: model
    return made


@pytest.fixture
def ctx(shelf: Shelf) -> EditContext:
    return EditContext(PHOTO, shelf=shelf, confirmed=True)


@pytest.fixture
def rows(shelf: Shelf) -> list[int]:
    """How many rows each evaluation of the network had."""
    counted: list[int] = []
    unet = shelf.diffusion("text-to-image").unet
    handle = unet.conv_out.register_forward_hook(lambda module, given, out: counted.append(len(out)))
    yield counted
    handle.remove()


def edited(ctx: EditContext, **changes) -> EditResult:
    return drain(diffedit.run(ctx, args(**changes)))


def same(one: EditResult, other: EditResult) -> bool:
    return np.array_equal(one.image.pixels, other.image.pixels) and torch.equal(one.latent, other.latent)


class TestCost:
    def test_each_evaluation_that_an_edit_needs_and_none_twice(self, ctx: EditContext, rows: list[int]):
        first = edited(ctx)
        assert sum(rows) == 2 * MAPS + LEVELS + 2 * LEVELS
        rows.clear()
        second = edited(ctx, query="a blue cat")
        assert sum(rows) == MAPS + 2 * LEVELS
        rows.clear()
        assert same(edited(ctx), first) and sum(rows) == 0
        assert not same(first, second)

    def test_what_was_kept_gives_the_same_bits(self, ctx: EditContext, shelf: Shelf, tmp_path: Path):
        edited(ctx, query="a blue cat")
        warm = edited(ctx)
        shelf.cache = Cache(tmp_path / "another", 50_000_000)
        assert same(edited(ctx), warm)

    @pytest.mark.parametrize(
        "changes, again",
        [
            ({"steps": STEPS + 1, "strength": 0.6}, 2 * MAPS + LEVELS),
            ({"strength": 1.0}, STEPS),
            ({"reference": "a cat"}, 2 * MAPS),
            ({"maps": MAPS + 1}, 2 * (MAPS + 1)),
            ({"mask_noise": 0.25}, 2 * MAPS),
            ({"threshold": 0.4}, 0),
            ({"guidance": 3.0}, 0),
        ],
        ids=str,
    )
    def test_what_an_argument_changes_is_worked_out_anew_and_nothing_else(self, ctx, rows, changes, again):
        edited(ctx)
        rows.clear()
        edited(ctx, **changes)
        assert sum(rows) - 2 * args(**changes).levels == again

    def test_the_exact_inversion_is_another_one(self, ctx: EditContext, rows: list[int]):
        edited(ctx, strength=0.25)
        rows.clear()
        edited(ctx, strength=0.25, invert="exact")
        assert sum(rows) - 2 >= 2

    def test_other_pixels_are_another_picture(self, ctx: EditContext, rows: list[int]):
        edited(ctx)
        rows.clear()
        edited(replace(ctx, image=Picture(PHOTO.pixels[:, ::-1].copy())))
        assert sum(rows) == 2 * MAPS + 3 * LEVELS

    def test_other_weights_are_asked_themselves(self, ctx: EditContext, model: LatentDiffusion, rows: list[int]):
        edited(ctx)
        rows.clear()
        ctx.shelf.diffusion = lambda _: replace(model, digest="other weights")
        edited(ctx)
        assert sum(rows) == 2 * MAPS + 3 * LEVELS

    def test_without_guidance_one_branch_is_enough(self, ctx: EditContext, rows: list[int]):
        edited(ctx, guidance=1.0)
        assert sum(rows) == 2 * MAPS + LEVELS + LEVELS

    def test_the_seed_changes_nothing(self, ctx: EditContext):
        assert same(edited(ctx), edited(replace(ctx, seed=99)))


class TestWhatStays:
    def test_latents_and_pixels_outside_the_mask_are_the_pictures_bit_for_bit(self, ctx: EditContext, shelf: Shelf):
        result = edited(ctx)
        assert 0 < (result.mask > 0).mean() < 1
        done = finished(PHOTO, result, None)
        assert np.array_equal(done.image.pixels[result.mask == 0], PHOTO.pixels[result.mask == 0])
        assert not np.array_equal(done.image.pixels, PHOTO.pixels)
        z0 = kept.latent(shelf.cache, shelf.diffusion("text-to-image"), PHOTO.pixels)
        outside = torch.from_numpy(result.mask.reshape(8, 8, 8, 8).max((1, 3)) == 0)
        assert torch.equal(result.latent[..., outside], z0[..., outside])
        assert not torch.equal(result.latent, z0)

    def test_it_goes_on_from_the_latent_it_is_given(self, ctx: EditContext, shelf: Shelf, rows: list[int]):
        z0 = kept.latent(shelf.cache, shelf.diffusion("text-to-image"), PHOTO.pixels)
        plain = edited(ctx)
        rows.clear()
        assert same(edited(replace(ctx, latent=z0)), plain) and sum(rows) == 0
        result = edited(replace(ctx, latent=z0 + 1))
        outside = torch.from_numpy(result.mask.reshape(8, 8, 8, 8).max((1, 3)) == 0)
        assert torch.equal(result.latent[..., outside], (z0 + 1)[..., outside])

    def test_the_persons_own_mask_is_the_mask(self, ctx: EditContext, rows: list[int]):
        mask = np.zeros((64, 64), np.uint8)
        mask[20:30, 9:33] = 255
        result = edited(replace(ctx, mask=mask, confirmed=False))
        assert sum(rows) == 3 * LEVELS and result.mask is None
        z0 = kept.latent(ctx.shelf.cache, ctx.shelf.diffusion("text-to-image"), PHOTO.pixels)
        moved = (result.latent != z0).any(1)[0]
        assert moved[2:4, 1:5].all() and moved.sum() == 2 * 4

    @pytest.mark.parametrize(
        "changes", [{"query": "a blue cat"}, {"steps": STEPS + 1, "strength": 0.6}, {"guidance": 2.0}], ids=str
    )
    def test_in_the_same_place_another_wish_is_another_edit(self, ctx: EditContext, rows: list[int], changes):
        """The mask, which else differs too, does not hide what the kept result depends on."""
        mask = np.zeros((64, 64), np.uint8)
        mask[20:30, 9:33] = 255
        marked = replace(ctx, mask=mask)
        first = edited(marked)
        rows.clear()
        assert not torch.equal(edited(marked, **changes).latent, first.latent)
        assert sum(rows) == 2 * LEVELS + ("steps" in changes) * LEVELS

    def test_dilated_the_mask_is_a_cell_larger(self, ctx: EditContext):
        masks = [edited(ctx, dilate=by).mask > 0 for by in (0, 1)]
        assert (masks[0] <= masks[1]).all() and masks[0].sum() < masks[1].sum()

    def test_a_mask_of_everything_is_a_whole_redrawing(self, ctx: EditContext):
        result = edited(replace(ctx, mask=np.full((64, 64), 255, np.uint8)))
        assert np.abs(result.image.pixels.astype(int) - PHOTO.pixels).mean() > 1

    @pytest.mark.parametrize("changes", [{"strength": 0.0}, {"query": "cat", "reference": "cat"}], ids=str)
    def test_no_strength_and_no_difference_are_no_edit(self, ctx: EditContext, rows: list[int], changes):
        result = edited(ctx, **changes)
        assert np.array_equal(result.image.pixels, PHOTO.pixels) and not result.mask.any()
        assert sum(rows) == (2 * MAPS if "strength" in changes else 0)

    def test_a_mask_of_nothing_is_no_edit(self, ctx: EditContext, rows: list[int]):
        result = edited(replace(ctx, mask=np.zeros((64, 64), np.uint8)))
        assert np.array_equal(result.image.pixels, PHOTO.pixels) and not rows


class TestAsking:
    def test_a_doubtful_mask_is_shown_before_anything_is_inverted(self, ctx: EditContext, rows: list[int]):
        with pytest.raises(Unsure) as unsure:
            edited(replace(ctx, confirmed=False))
        assert unsure.value.mask.shape == (64, 64) and unsure.value.mask.any()
        assert unsure.value.shown.size == (64, 64) and 0 <= unsure.value.confidence < 0.5
        assert sum(rows) == 2 * MAPS
        rows.clear()
        assert np.array_equal(edited(ctx).mask, unsure.value.mask)
        assert sum(rows) == 3 * LEVELS

    def test_an_empty_mask_is_said_to_be_empty(self, ctx: EditContext):
        with pytest.raises(Unsure, match="nothing") as unsure:
            edited(replace(ctx, confirmed=False), query="cat", reference="cat")
        assert not unsure.value.mask.any()

    @pytest.mark.parametrize("confirmed", [False, True])
    def test_a_change_of_nearly_everything_is_asked_about_however_sure(self, ctx: EditContext, monkeypatch, confirmed):
        monkeypatch.setattr("tools.edits.diffedit.SURE", 0.0)
        everything = {"clamp": "mean", "threshold": 0.01}
        if confirmed:
            assert (edited(ctx, **everything).mask > 0).mean() > MOST
            return
        with pytest.raises(Unsure) as unsure:
            edited(replace(ctx, confirmed=False), **everything)
        assert (unsure.value.mask > 0).mean() > MOST

    def test_a_sure_mask_is_asked_about_only_on_request(self, ctx: EditContext, monkeypatch):
        monkeypatch.setattr("tools.edits.diffedit.SURE", 0.0)
        assert edited(replace(ctx, confirmed=False)).mask.any()
        with pytest.raises(Unsure, match="what I would change"):
            edited(replace(ctx, confirmed=False), ask=True)


class TestBadInput:
    @pytest.mark.parametrize("query", ["", "   ", "x" * 501])
    def test_a_query_has_words(self, query: str):
        with pytest.raises(ValidationError):
            Args(query=query)

    @pytest.mark.parametrize("field", ["query", "reference"])
    def test_a_text_of_more_than_77_tokens_is_refused(self, ctx: EditContext, rows: list[int], field: str):
        with pytest.raises(BadArguments, match="at most 75"):
            edited(ctx, **{field: "red cat " * 40})
        assert not rows

    @pytest.mark.parametrize("size", [(1, 1), (1, 300), (400, 3), (65, 63), (200, 150)])
    def test_every_shape_of_picture_comes_back_in_its_shape(self, ctx: EditContext, size: tuple[int, int]):
        pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 4), np.uint8)
        result = edited(replace(ctx, image=Picture(pixels)), steps=2, maps=2)
        assert result.image.size == size and result.image.mode == "RGBA"
        assert result.mask is None or result.mask.shape == size[::-1]

    @pytest.mark.parametrize("role", ["inpainting", "instruct-pix2pix"])
    def test_a_network_that_needs_more_than_text_is_named(self, ctx: EditContext, tiny_shelf: Shelf, role: str):
        ctx.shelf.diffusion = lambda _: tiny_shelf.diffusion(role)
        with pytest.raises(BadWeights, match="channels"):
            edited(ctx)

    @pytest.mark.parametrize("part", ["unet", "vae"])
    def test_numbers_that_are_none_end_typed_and_are_not_kept(self, ctx: EditContext, model: LatentDiffusion, part):
        broken = copy.deepcopy(getattr(model, part))
        (broken.conv_out if part == "unet" else broken.encoder.conv_out).bias.data.fill_(torch.nan)
        ctx.shelf.diffusion = lambda _: replace(model, **{part: broken})
        with pytest.raises(NotFinite):
            edited(ctx)
        ctx.shelf.diffusion = lambda _: model
        assert edited(ctx).latent.isfinite().all()

    def test_whichever_evaluation_gives_no_numbers_the_next_edit_is_sound(self, ctx, model, rows, tmp_path):
        whole = edited(ctx)
        for bad in range(len(rows)):
            ctx.shelf.cache = Cache(tmp_path / f"bad {bad}", 50_000_000)
            rows.clear()
            spoil = model.unet.conv_out.register_forward_hook(
                lambda module, given, out, bad=bad: out * torch.nan if len(rows) == bad + 1 else out
            )
            with pytest.raises(NotFinite):
                edited(ctx)
            spoil.remove()
            assert same(edited(ctx), whole), bad

    def test_stopped_anywhere_it_leaves_nothing_half_done(self, ctx: EditContext, shelf: Shelf, tmp_path: Path):
        few = {"steps": 2, "maps": 1, "strength": 1.0}
        whole = edited(ctx, **few)
        shelf.cache = Cache(tmp_path / "another", 50_000_000)
        told = [progress.fraction for progress in diffedit.run(ctx, args(**few))]
        drawing = sum(fraction < photos.DRAWN for fraction in told)
        assert drawing >= 3 + 2 + 2
        for stop in (*range(1, drawing + 1), len(told) - 1):
            shelf.cache = Cache(tmp_path / f"stopped {stop}", 50_000_000)
            running = diffedit.run(ctx, args(**few))
            for _ in range(stop):
                next(running)
            running.close()
            assert not list(shelf.cache.folder.glob("*.part"))
        assert same(edited(ctx, **few), whole)
