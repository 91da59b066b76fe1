"""A subject learnt from photos: what training changes, what is kept of it, and that it draws what was learnt."""

import copy

import numpy as np
import pytest
import torch

from sessions.errors import BadArguments, BadWeights
from sessions.values import LearntSubject, Picture
from tests import tiny
from tools import subjects, weights
from tools.base import EditContext, drain
from tools.diffusion import finetuning, latents
from tools.diffusion import model as models
from tools.diffusion.finetuning import Schooling, learn
from tools.edits.blip_diffusion import Args, blip_diffusion
from tools.shelf import Shelf


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tiny.stable_diffusion(tmp_path_factory.mktemp("sd"))
    return tiny.shallow(models.load(folder, "cpu", torch.float32))


@pytest.fixture(scope="module")
def shelf(tiny_shelf):
    """The tiny shelf with a quicker model."""
    made, model = copy.copy(tiny_shelf), tiny.shallow(tiny_shelf.diffusion(subjects.ROLE))
    made.diffusion = lambda role: model
    return made


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def ids(model):
    return model.tokenizer("a dog").input_ids


def taught(model, schooling, count=1):
    """Losses, and what was learnt."""
    losses, working = [], learn(model, drawn(count, 4, 8, 8), drawn(16, tiny.WIDTH), ids(model), schooling)
    try:
        while True:
            losses.append(next(working).loss)
    except StopIteration as end:
        return losses, end.value


def states(*networks):
    return [{name: tensor.clone() for name, tensor in network.state_dict().items()} for network in networks]


def test_three_steps_change_the_unet_and_the_vectors_and_nothing_else(model):
    still = (model.unet, model.vae, model.text_encoder)
    before = states(*still)
    _, learnt = taught(model, Schooling(3))
    for network, state in zip(still, before, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
        assert not any(weight.requires_grad for weight in network.parameters())
    assert not torch.equal(learnt.vectors, drawn(16, tiny.WIDTH))
    old = dict(model.unet.named_parameters())
    assert all(not torch.equal(weight, old[name]) for name, weight in learnt.unet.named_parameters())


def test_the_loss_falls_on_one_image(model):
    losses, _ = taught(model, Schooling(24, rate=2e-3))
    assert np.mean(losses[-6:]) < 0.85 * np.mean(losses[:6])


def test_the_same_seed_learns_the_same(model):
    ends = [taught(model, Schooling(2, seed=seed))[1].vectors for seed in (1, 1, 2)]
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_vectors_of_weights_do_not_decay():
    matrix, vector = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2))
    one, other = finetuning._groups([matrix, vector])
    assert one["params"] == [matrix]
    assert other == {"params": [vector], "weight_decay": 0.0}


def test_what_is_kept_is_signs_and_row_means_and_whole_vectors():
    before = torch.nn.Linear(3, 2)
    after = copy.deepcopy(before)
    with torch.no_grad():
        after.weight += torch.tensor([[1.0, -3.0, 2.0], [-0.5, -0.5, 0.5]])
        after.bias += torch.tensor([4.0, -8.0])
    kept = finetuning.change(before, after)
    rebuilt = torch.stack([finetuning._delta(kept, "weight", torch.Size([2, 3]))])[0]
    torch.testing.assert_close(rebuilt, torch.tensor([[2.0, -2.0, 2.0], [-0.5, -0.5, 0.5]]))
    torch.testing.assert_close(
        finetuning._delta(kept, "bias", torch.Size([2])), torch.tensor([4.0, -8.0]), atol=1e-2, rtol=0
    )
    assert kept["signs.weight"].dtype == torch.uint8
    assert kept["signs.weight"].shape == (2, 1)


def test_what_is_kept_does_most_of_what_was_learnt(model):
    _, learnt = taught(model, Schooling(10), count=3)
    kept = finetuning.change(model.unet, learnt.unet)
    x, text = drawn(2, 4, 8, 8, seed=5), drawn(2, 77, tiny.WIDTH, seed=6)
    with torch.no_grad():
        nets = (model.unet, learnt.unet, finetuning.changed(model.unet, kept))
        base, full, small = (unet(x, torch.tensor(500), text, return_dict=False)[0] for unet in nets)
    assert (small - full).norm() < 0.5 * (full - base).norm()
    numbers = sum(weight.numel() for weight in model.unet.parameters())
    assert sum(tensor.nbytes for tensor in kept.values()) < numbers / 3  # rows are short here; 1/8 where they are long


def photo(seed=0):
    return Picture(np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8))


def learnt_on(shelf: Shelf, **schooling) -> LearntSubject:
    given = Schooling(**({"steps": 2, "rate": 1e-3} | schooling))
    working = subjects.learn(shelf, [photo(1), photo(2)], "dog", given)
    try:
        while True:
            next(working)
    except StopIteration as end:
        return end.value


@pytest.fixture(scope="module")
def learnt(shelf):
    return learnt_on(shelf)


def draw(shelf, *others):
    context = EditContext(photo(), None, others, seed=1, shelf=shelf)
    return drain(blip_diffusion.run(context, Args(category="dog", steps=2))).latent


def test_a_learnt_subject_draws_otherwise_than_its_photos_and_the_same_again(shelf, learnt):
    first = draw(shelf, learnt)
    assert not torch.equal(first, draw(shelf, photo(1), photo(2)))
    shelf.clear()
    assert torch.equal(first, draw(shelf, LearntSubject(learnt.pixels, learnt.learnt)))


def test_a_learnt_subject_leaves_the_shared_weights_alone(shelf, learnt):
    before = draw(shelf, photo(3))
    draw(shelf, learnt)
    assert torch.equal(before, draw(shelf, photo(3)))


def test_its_picture_shows_the_photos_and_tells_two_learnings_apart(shelf, learnt):
    other = learnt_on(shelf, seed=3)
    assert learnt.size == (2 * subjects.SIDE, subjects.SIDE + 8)
    assert np.array_equal(learnt.pixels[: subjects.SIDE], other.pixels[: subjects.SIDE])
    assert not np.array_equal(learnt.pixels, other.pixels)


def test_a_learnt_subject_stands_alone(shelf, learnt):
    with pytest.raises(BadArguments, match="alone"):
        draw(shelf, learnt, photo(1))


def test_what_other_weights_have_learnt_is_refused(shelf, learnt):
    tensors, told = weights.unpacked(learnt.learnt)
    foreign = weights.packed(tensors, told | {"weights": "another"})
    with pytest.raises(BadWeights, match="other weights"):
        draw(shelf, LearntSubject(learnt.pixels, foreign))


@pytest.mark.parametrize("damage", ["cut", "none", "less"])
def test_what_is_damaged_is_refused(shelf, learnt, damage):
    tensors, told = weights.unpacked(learnt.learnt)
    less = {name: tensor for name, tensor in tensors.items() if "mid_block" not in name}
    data = {"cut": learnt.learnt[:-9], "none": b"", "less": weights.packed(less, told)}[damage]
    with pytest.raises(BadWeights):
        draw(shelf, LearntSubject(learnt.pixels, data))


@pytest.mark.parametrize(("photos", "category"), [([], "dog"), ([photo()], "  ")])
def test_learning_takes_photos_and_a_word(shelf, photos, category):
    with pytest.raises(BadArguments, match="photos"):
        next(subjects.learn(shelf, photos, category, Schooling(1)))


def test_learning_can_be_stopped_and_leaves_nothing(shelf):
    model = shelf.diffusion(subjects.ROLE)
    before = states(model.unet)[0]
    working = subjects.learn(shelf, [photo(1)], "dog", Schooling(5))
    for _ in range(3):
        next(working)
    working.close()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.unet.state_dict().items())


def test_the_photos_are_seen_as_squares_of_the_models_size(shelf):
    model = shelf.diffusion(subjects.ROLE)
    assert latents.encode(model, subjects.square(photo(), model.side)).shape == (1, 4, 8, 8)
