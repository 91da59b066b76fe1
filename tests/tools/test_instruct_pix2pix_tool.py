"""instruct_pix2pix as a tool, on tiny weights: what it takes, what stops it, what goes wrong, what comes back."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from skimage import data

from sessions.errors import BadArguments, BadWeights, EditError, MissingWeights, NotFinite, OutOfMemory
from sessions.values import Picture
from tests.tools.darkroom.tones import noise
from tools.base import EditContext, drain
from tools.diffusion import kept, latents
from tools.diffusion.shown import halvings, shown
from tools.edits.instruct_pix2pix import ROLE, Args, instruct_pix2pix

WINTER = Args(instruction="make it winter", steps=2)


def edited(shelf, pixels, args=WINTER, **context):
    return drain(instruct_pix2pix.run(EditContext(Picture(pixels.copy()), shelf=shelf, **context), args))


class OneModel:
    """A shelf on which one model lies."""

    def __init__(self, shelf, model):
        self.cache, self.model, self.shelf, self.seen = shelf.cache, model, shelf, None

    def diffusion(self, role):
        assert role == ROLE
        return self.model

    def entry(self, role):
        return self.seen or self.shelf.entry(role)


@pytest.fixture
def broken(tiny_shelf):
    """A shelf with a copy of the model whose U-Net may be spoilt."""
    model = tiny_shelf.diffusion(ROLE)
    return OneModel(tiny_shelf, dataclasses.replace(model, unet=copy.deepcopy(model.unet), digest="spoilt"))


def test_same_seed_same_picture_other_seed_other_picture(tiny_shelf):
    pixels = noise(64, 64)
    first, again, other = (edited(tiny_shelf, pixels, seed=seed).image.pixels for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_words_and_scales_are_heeded(tiny_shelf):
    pixels = noise(64, 64)
    found = [
        edited(tiny_shelf, pixels, Args(instruction=words, steps=1, text_guidance=s_T, image_guidance=s_I)).latent
        for words, s_T, s_I in (("red", 7, 1.5), ("blue", 7, 1.5), ("red", 1, 1.5), ("red", 7, 0.5))
    ]
    assert not any(torch.equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("instruction", ["", "   \n"])
def test_an_empty_instruction_changes_no_bit_and_needs_no_weights(instruction):
    pixels = noise(5, 7, 4)
    assert np.array_equal(edited(None, pixels, Args(instruction=instruction)).image.pixels, pixels)


def test_without_weights_it_says_so():
    with pytest.raises(MissingWeights):
        edited(None, noise(8, 8))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (700, 9), (64, 64), (70, 90), (300, 451)])
@pytest.mark.parametrize("channels", [3, 4])
def test_every_shape(tiny_shelf, size, channels):
    pixels = noise(*size, channels)
    result = edited(tiny_shelf, pixels, Args(instruction="red", steps=1))
    assert result.image.pixels.shape == pixels.shape
    assert np.array_equal(result.image.pixels[..., 3:], pixels[..., 3:])
    assert result.latent.dtype == torch.float32 and result.latent.isfinite().all()


def test_weights_of_the_small_world_refuse_photos_but_not_what_they_have_drawn(tiny_shelf):
    small = OneModel(tiny_shelf, tiny_shelf.diffusion(ROLE))
    small.seen = tiny_shelf.entry(ROLE).model_copy(update={"world": "toybox"})
    photo = data.astronaut()[100:164, 200:264]
    with pytest.raises(EditError, match="toybox"):
        edited(small, photo)
    assert edited(small, photo, latent=torch.zeros(1, 4, 8, 8)).image.size == (64, 64)


def test_a_text_of_more_than_77_tokens(tiny_shelf):
    with pytest.raises(BadArguments, match="tokens"):
        edited(tiny_shelf, noise(64, 64), Args(instruction="a cat " * 60))


def test_a_network_of_another_kind(tiny_shelf):
    wrong = OneModel(tiny_shelf, tiny_shelf.diffusion("text-to-image"))
    with pytest.raises(BadWeights, match="8"):
        edited(wrong, noise(64, 64))


def test_numbers_that_are_none(tiny_shelf, broken):
    torch.nn.init.constant_(broken.model.unet.conv_out.bias, torch.nan)
    with pytest.raises(NotFinite):
        edited(broken, noise(64, 64))
    assert edited(tiny_shelf, noise(64, 64)).latent.isfinite().all()


def test_out_of_memory_is_typed_and_the_next_turn_works(broken):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    hook = broken.model.unet.conv_in.register_forward_pre_hook(fail)
    with pytest.raises(OutOfMemory):
        edited(broken, noise(64, 64))
    hook.remove()
    assert edited(broken, noise(64, 64)).latent.isfinite().all()


def test_it_stops_within_one_evaluation_at_any_step(broken):
    evaluations = []
    broken.model.unet.conv_out.register_forward_pre_hook(lambda *_: evaluations.append(1))
    ctx = EditContext(Picture(noise(64, 64)), shelf=broken)
    whole = drain(instruct_pix2pix.run(ctx, WINTER))
    for yields in range(8):
        evaluations.clear()
        edit = instruct_pix2pix.run(ctx, WINTER)
        for _ in range(yields):
            next(edit)
        edit.close()
        assert len(evaluations) == min(max(0, yields - 2), WINTER.steps)
    assert np.array_equal(drain(instruct_pix2pix.run(ctx, WINTER)).image.pixels, whole.image.pixels)


def test_progress_grows_to_one(tiny_shelf):
    ctx = EditContext(Picture(noise(300, 451)), shelf=tiny_shelf)
    found = [progress.fraction for progress in instruct_pix2pix.run(ctx, WINTER)]
    assert found == sorted(found) and found[0] == 0 and found[-1] == 1


def test_it_goes_on_from_a_latent(tiny_shelf):
    """The picture is then not encoded: another one of the same size makes no difference to the latent."""
    z = torch.randn(1, 4, 8, 8)
    one, other = (edited(tiny_shelf, noise(64, 64, seed=seed), latent=z).latent for seed in (1, 2))
    assert torch.equal(one, other)
    assert not torch.equal(one, edited(tiny_shelf, noise(64, 64, seed=1)).latent)
    unfit = edited(tiny_shelf, noise(64, 64, seed=1), latent=torch.randn(1, 4, 9, 8)).latent
    assert torch.equal(unfit, edited(tiny_shelf, noise(64, 64, seed=1)).latent)


def test_outside_a_region_the_latent_is_the_pictures_own(tiny_shelf):
    pixels, mask = noise(64, 64), np.zeros((64, 64), np.uint8)
    mask[17:31, 40:48] = 255
    model = tiny_shelf.diffusion(ROLE)
    z0 = kept.latent(tiny_shelf.cache, model, pixels)
    result = edited(tiny_shelf, pixels, mask=mask)
    changed = (result.latent != z0).any(1)[0]
    assert changed[2:4, 5].all() and changed.sum() == 2
    assert (result.image.pixels != pixels).any(2)[17:31, 40:48].mean() > 0.9


def test_the_condition_is_the_mode_and_not_scaled(tiny_shelf):
    model = tiny_shelf.diffusion(ROLE)
    ctx = EditContext(Picture(noise(64, 64)), shelf=tiny_shelf)
    seen = []
    hook = model.unet.conv_in.register_forward_pre_hook(lambda _, args: seen.append(args[0][0, 4:]))
    drain(instruct_pix2pix.run(ctx, Args(instruction="red", steps=1)))
    hook.remove()
    assert torch.allclose(seen[0], latents.encode_unscaled(model, ctx.image.rgb)[0], atol=1e-6)
    assert torch.allclose(shown(ctx, ROLE, model, halvings(model)).z0, latents.encode(model, ctx.image.rgb))


def test_facts_say_what_it_cost(tiny_shelf):
    args = Args(instruction="red", steps=3, image_guidance=1)
    facts = edited(tiny_shelf, noise(64, 64), args).facts
    assert facts["weights"] == ROLE and facts["steps"] == 3 and facts["evaluations"] == 6
    assert facts["seconds_per_evaluation"] > 0
