"""blip_diffusion from end to end on tiny weights: drawn anew, along edges, put in the place of something; bad input."""

import copy

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel

from sessions.errors import BadArguments, BadWeights, MissingWeights
from sessions.values import IDENTITY, Picture
from tests import tiny
from tools import shelf as shelves
from tools import subjects
from tools.base import EditContext, drain
from tools.diffusion.control import Control, edges
from tools.edits.blip_diffusion import Args, blip_diffusion

REPLACE = {"category": "dog", "replaces": "cat", "prompt": "in the snow", "steps": 3}


@pytest.fixture(scope="module")
def shelf(tiny_shelf):
    """The tiny shelf with a quicker model."""
    made, model = copy.copy(tiny_shelf), tiny.shallow(tiny_shelf.diffusion(subjects.ROLE))
    made.diffusion = lambda role: model
    return made


def photo(width=90, height=70, seed=0, channels=3):
    smooth = np.random.default_rng(seed).integers(0, 256, (height // 10 + 1, width // 10 + 1, channels), np.uint8)
    return Picture(np.repeat(np.repeat(smooth, 10, 0), 10, 1)[:height, :width].copy())


def run(shelf, image=None, mask=None, others=(photo(seed=1),), **args):
    context = EditContext(image or photo(), mask, others, seed=5, shelf=shelf)
    return drain(blip_diffusion.run(context, Args(**({"category": "dog", "steps": 2} | args))))


def test_it_draws_anew_in_the_proportions_of_the_base(shelf):
    out = run(shelf, photo(120, 60), prompt="in the snow")
    assert out.image.size == (64, 32)
    assert out.geometry[0] == 64 / 120
    assert out.mask is None


def test_the_seed_decides_what_is_drawn(shelf):
    one, same = (run(shelf).image.pixels for _ in range(2))
    other = drain(
        blip_diffusion.run(
            EditContext(photo(), None, (photo(seed=1),), seed=6, shelf=shelf), Args(category="dog", steps=2)
        )
    ).image.pixels
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("change", [{"category": "cat"}, {"prompt": "on fire"}, {"others": (photo(seed=2),)}])
def test_category_prompt_and_subject_each_count(shelf, change):
    assert not torch.equal(run(shelf).latent, run(shelf, **change).latent)


def test_several_photos_are_averaged(shelf):
    model = shelf.diffusion(subjects.ROLE)

    def vectors(*seeds):
        return subjects.vectors(shelf, model, [photo(seed=seed) for seed in seeds], "dog")

    torch.testing.assert_close(vectors(1, 1, 1), vectors(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(vectors(1, 2), (vectors(1) + vectors(2)) / 2, atol=1e-6, rtol=0)


def test_edges_steer_what_is_drawn(tiny_shelf):
    free, steered = run(tiny_shelf), run(tiny_shelf, structure="edges")
    other = run(tiny_shelf, photo(seed=9), structure="edges")
    assert not torch.equal(free.latent, steered.latent)
    assert not torch.equal(other.latent, steered.latent)


def test_a_steered_step_is_what_diffusers_computes(tiny_shelf):
    """The embedding taken out and kept is the one that is otherwise worked out at every step."""
    folder = tiny_shelf.entry("blip-diffusion-controlnet").folder / "controlnet"
    theirs = ControlNetModel.from_pretrained(folder)
    lines = edges(photo(64, 64).pixels)
    x, t, text = torch.randn(2, 4, 8, 8), torch.tensor(401), torch.randn(2, 77, 32)
    condition = torch.from_numpy(lines)[None, None].float().expand(2, 3, -1, -1) / 255
    expected = theirs(x, t, text, condition, return_dict=False)
    control = Control.of(ControlNetModel.from_pretrained(folder))
    found = control.steered(control.embedded(lines))(x, t, text)
    assert lines.any()
    for one, other in zip((*found[0], found[1]), (*expected[0], expected[1]), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_it_replaces_in_a_photo_of_any_size(shelf):
    base = photo(200, 130)
    out = run(shelf, base, **REPLACE)
    assert out.geometry == IDENTITY
    assert out.image.size == base.size
    assert out.mask.shape == (130, 200)
    assert not np.array_equal(out.image.pixels, base.pixels)


def test_a_region_is_the_place_and_the_latent_around_it_stands(shelf):
    base, mask = photo(64, 64), np.zeros((64, 64), np.uint8)
    mask[16:48, 24:40] = 255
    given = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    context = EditContext(base, mask, (photo(seed=1),), shelf=shelf, latent=given)
    out = drain(blip_diffusion.run(context, Args(category="dog", prompt="on the grass", steps=2)))
    assert out.mask is None
    changed = (out.latent != given).any(1)[0]
    assert changed[2:6, 3:5].all()
    assert changed.sum() == 8


def test_nothing_to_replace_changes_nothing(shelf):
    out = run(shelf, threshold=1, **REPLACE)
    assert np.array_equal(out.image.pixels, photo().pixels)
    assert not out.mask.any()


def test_the_inversion_is_kept_for_the_next_subject(shelf, monkeypatch):
    run(shelf, **REPLACE)

    def never(*_):
        raise AssertionError("inverted again")

    monkeypatch.setattr("tools.diffusion.inversion.invert", never)
    run(shelf, others=(photo(seed=4),), **REPLACE)
    with pytest.raises(AssertionError, match="again"):
        run(shelf, **(REPLACE | {"prompt": "on fire"}))


@pytest.mark.parametrize(("size", "more"), [((1, 1), {}), ((1, 400), {"replaces": "cat"}), ((900, 3), {})])
def test_extreme_shapes_are_drawn(shelf, size, more):
    base = photo(*size)
    out = run(shelf, base, others=(base,), **more)
    assert out.image.size == base.size or not more


def test_a_transparent_subject_and_a_transparent_base_are_taken(shelf):
    out = run(shelf, photo(channels=4), others=(photo(channels=4, seed=3),), **REPLACE)
    assert out.image.mode == "RGBA"


@pytest.mark.parametrize("more", [{}, {"replaces": "cat"}])
def test_a_text_that_is_too_long_is_said(shelf, more):
    with pytest.raises(BadArguments, match="tokens long"):
        run(shelf, prompt="dog " * 70, **more)


def test_a_negative_text_that_is_too_long_is_said(shelf):
    with pytest.raises(BadArguments, match="room for 75"):
        run(shelf, negative="dog " * 80)


def test_edges_and_a_place_do_not_go_together(shelf):
    with pytest.raises(BadArguments, match="Edges"):
        run(shelf, structure="edges", **REPLACE)


@pytest.mark.parametrize("category", ["", "   "])
def test_an_empty_category_is_no_category(category):
    with pytest.raises(ValueError, match="at least 1 character"):
        Args(category=category)


def test_absent_weights_are_said_with_the_command_that_gets_them(tmp_path):
    with pytest.raises(MissingWeights) as said:
        run(shelves.Shelf(tmp_path))
    assert "pentimento models pull" in said.value.hint


def test_weights_of_another_shape_are_refused(tiny_shelf, monkeypatch):
    monkeypatch.setattr(subjects, "ROLE", "inpainting")
    with pytest.raises(BadWeights, match="9"):
        run(tiny_shelf)


@pytest.mark.parametrize("args", [{"steps": 2}, REPLACE])
def test_it_can_be_stopped_at_every_yield(shelf, args):
    """And leaves nothing behind: the same call afterwards comes out the same."""
    expected = run(shelf, **args).image.pixels

    def stopped(after):
        working = blip_diffusion.run(
            EditContext(photo(), None, (photo(seed=1),), seed=5, shelf=shelf),
            Args(**({"category": "dog"} | args)),
        )
        count = sum(1 for _ in zip(range(after), working, strict=False))
        working.close()
        return count == after

    after = 1
    while stopped(after):
        after += 2
    assert after > 4
    assert np.array_equal(run(shelf, **args).image.pixels, expected)


def test_progress_never_goes_back(shelf):
    context = EditContext(photo(), None, (photo(seed=1),), shelf=shelf)
    told = [progress.fraction for progress in blip_diffusion.run(context, Args(**REPLACE))]
    assert told == sorted(told)
    assert told[-1] <= 1
