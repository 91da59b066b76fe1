"""Stage 2: what is given and left out, what learns, that texts without vectors are the base's; and the tool runs it."""

import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sessions.errors import BadWeights
from sessions.values import Picture
from tests import tiny
from tests.training.blip_pack_of import PLAN, K, config, untaught
from tools import adding, subjects, weights
from tools import shelf as shelves
from tools.base import EditContext, drain
from tools.diffusion import finetuning, learning
from tools.diffusion import model as models
from tools.diffusion.finetuning import Schooling
from tools.diffusion.model import LatentDiffusion, optimise
from tools.diffusion.schedules import scaled_linear
from tools.edits.blip_diffusion import Args, blip_diffusion
from tools.nets.blip_keys import Words
from tools.nets.context_clip import BEGIN, sharing
from tools.shelf import STARTER
from tools.weights import read_register
from toybox.drawing import draw
from toybox.scenes import seeded
from training import blip_diffusion as stage
from training import blip_pack, export, tokens
from training.blip_diffusion import (
    AGAINST,
    NOTHING,
    WITHOUT,
    Batch,
    Given,
    Networks,
    Plan,
    batch,
    contexts,
    kept,
    recipe,
)
from training.blip_representation import network
from training.diffusion import WIDTH, networks
from training.loop import Trainer, generator
from training.subject_scenes import Scenes


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    tokens.write(folder / "tokenizer")
    rows = blip_pack.write_words(folder / "vocab.txt")
    return models.tokenizer(folder / "tokenizer"), Words(folder / "vocab.txt"), rows, folder / "vocab.txt"


def nets(words, prediction="v_prediction"):
    """Small networks with random weights."""
    base = networks(words[0], 1, (16, 16, 16)).eval().requires_grad_(False)
    model = LatentDiffusion(
        optimise(base["unet"]), None, base["text_encoder"], words[0], scaled_linear(), prediction, 64, "digest", "small"
    )
    return Networks(model, network(config(words[2])).requires_grad_(False), words[1])


@pytest.fixture(scope="module")
def z():
    return torch.randn(12, 4, 8, 8, generator=generator(5)).half()


def test_the_law_of_what_is_left_out():
    said, given = kept(torch.rand(400_000, generator=generator(1)))
    for found, share in ((~said, NOTHING), (said & ~given, WITHOUT), (given, 1 - NOTHING - WITHOUT)):
        assert float(found.float().mean()) == pytest.approx(share, abs=0.003)
    assert not (given & ~said).any()


def test_a_batch_is_the_subject_shown_elsewhere_and_its_own_scene_in_words():
    some = [batch(Scenes(12), 12, 64, 8, step) for step in range(30)]
    again = batch(Scenes(12), 12, 64, 8, 3)
    assert torch.equal(again.pixels, some[3].pixels) and again.texts == some[3].texts
    seen = set()
    for b in some:
        for number, category, text, repeats, given in zip(
            b.numbers, b.categories, b.texts, b.repeats, b.given, strict=True
        ):
            shape, rest = Scenes(12).said(int(number))
            assert category == shape and text in (subjects.phrase(shape, rest), "", AGAINST)
            assert repeats in (1, subjects.REPEATS) and not (given and text in ("", AGAINST))
            seen.add((text in ("", AGAINST), bool(given), repeats, text == AGAINST))
    assert len(seen) == 6
    assert {AGAINST, ""} < {text for b in some for text in b.texts}


def some_batch(texts, given, repeats=1):
    numbers = torch.arange(len(texts))
    return Batch(numbers, torch.zeros(0), ["disc"] * len(texts), texts, [repeats] * len(texts), torch.tensor(given))


def test_texts_without_vectors_are_exactly_what_the_base_reads(words):
    net = nets(words)
    texts = ["a disc on a teal background", "", "a star", AGAINST]
    vectors = torch.randn(4, K, WIDTH)
    found = contexts(sharing(net.model.text_encoder), net, some_batch(texts, [False, False, True, False]), vectors)
    ids = tokens.ids(words[0], texts)
    expected = net.model.text_encoder(ids).last_hidden_state
    for row in (0, 1, 3):
        torch.testing.assert_close(found[row], expected[row], atol=1e-6, rtol=0)
    assert float((found[2] - expected[2]).abs().max()) > 0.1


@pytest.mark.parametrize("repeats", [1, subjects.REPEATS])
def test_texts_with_vectors_are_what_the_tool_reads(words, repeats):
    net = nets(words)
    vectors = torch.randn(1, K, WIDTH)
    text = "a disc on a striped teal background"
    found = contexts(sharing(net.model.text_encoder), net, some_batch([text], [True], repeats), vectors)
    expected = subjects.context(net.model, text, vectors[0], repeats)
    torch.testing.assert_close(found[0], expected, atol=1e-6, rtol=0)
    other = vectors.clone()
    other[:, 0] += 1
    moved = contexts(sharing(net.model.text_encoder), net, some_batch([text], [True], repeats), other)
    first = (moved - found)[0].abs().amax(1).nonzero()[0]
    assert int(first) == BEGIN


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_with_everything_left_out_the_loss_is_the_bases(words, z, prediction, monkeypatch):
    monkeypatch.setattr(
        stage, "kept", lambda r: (torch.ones_like(r, dtype=torch.bool), torch.zeros_like(r, dtype=torch.bool))
    )
    net = nets(words, prediction)
    found = recipe(net, Scenes(12), z, PLAN, seed=3).loss(2)
    b = batch(Scenes(12), 12, 64, PLAN.batch, 2, 3)
    assert not b.given.any()
    text = torch.stack([subjects.context(net.model, said, None, n) for said, n in zip(b.texts, b.repeats, strict=True)])
    expected = learning.errors(net.model, z[b.numbers].float(), text, generator(3, 2)).mean()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def states(net):
    parts = {"unet": net.model.unet, "text": net.model.text_encoder, "encoder": net.encoder}
    return {f"{part}.{name}": p.detach().clone() for part, one in parts.items() for name, p in one.named_parameters()}


def test_all_learns_but_the_image_tower(words, z, tmp_path):
    net = nets(words)
    before = states(net)
    Trainer(recipe(net, Scenes(12), z, PLAN), tmp_path).run(math.inf)
    still = {name for name, p in states(net).items() if torch.equal(p, before[name])}
    tower = {name for name in before if "visual_encoder" in name}
    assert tower <= still
    unread = {name for name in still - tower if not name.endswith((".bias", "LayerNorm.weight"))}
    assert not unread, unread


def test_training_goes_on_exactly(words, z, tmp_path):
    whole = Trainer(recipe(nets(words), Scenes(12), z, PLAN), tmp_path / "whole")
    whole.run(math.inf)
    ticks = iter(range(100))
    Trainer(recipe(nets(words), Scenes(12), z, PLAN), tmp_path / "parts").run(4, lambda: next(ticks))
    net = nets(words)
    rest = Trainer(recipe(net, Scenes(12), z, PLAN), tmp_path / "parts")
    assert 0 < rest.step < 4
    rest.run(math.inf)
    assert all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())
    rest.settle()
    text = net.model.text_encoder.state_dict()
    averages = {name.removeprefix("text_encoder."): p for name, p in rest.average.items() if name.startswith("text_")}
    assert averages and all(torch.equal(text[name], p) for name, p in averages.items())


class Reader(torch.nn.Module):
    """In a U-Net's place: what the last of the text says, one number a channel."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self):
        super().__init__()
        self.read = torch.nn.Linear(WIDTH, 4)

    def forward(self, x, t, text):
        return SimpleNamespace(sample=self.read(text[:, -1])[:, :, None, None].expand_as(x))


def test_the_subject_comes_to_count(words, tmp_path):
    """Two latents, each its own subject, one text: only the vectors tell them apart."""

    class Two:
        def __len__(self):
            return 2

        def said(self, number):
            return "disc", ""

        def shown(self, number, rng):
            return np.full((64, 64, 3), 40 + 170 * number, np.uint8)

    torch.manual_seed(2)
    net = nets(words)
    net, pair = replace(net, model=replace(net.model, unet=Reader())), torch.ones(2, 4, 4, 4)
    pair[1] *= -1
    made = recipe(net, Two(), pair, Plan(steps=60, batch=8, rate=3e-3))
    Trainer(replace(made, warm=5), tmp_path).run(math.inf)
    ids, mask = words[1](["disc", "disc"])
    pixels = torch.cat([stage.prepared(Picture(Two().shown(i, None)), 64) for i in (0, 1)])
    with torch.no_grad():
        vectors = net.encoder(pixels, ids, mask)
        text = torch.stack([subjects.context(net.model, "a disc", v) for v in vectors])
        said = net.model.unet.read(text[:, -1]).mean(1)
    assert float(said[0]) < -0.3 and float(said[1]) > 0.3  # v is −√(1−ᾱ) z in the mean


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """A pack with the starter's base, and stages 1 and 2 after no step in it."""
    folder = tmp_path_factory.mktemp("pack")
    pack = shutil.copytree(STARTER.parent, folder / "pack")
    untaught(pack, folder)
    return pack


def test_what_is_left_becomes_an_entry_beside_the_base(pack):
    shipped, there = (read_register(path / "register.json") for path in (STARTER.parent, pack))
    (mine,) = (one for one in there if one.role == "blip-diffusion")
    (base,) = (one for one in there if one.role == "text-to-image")
    others = [one.role for one in there if one.role != "blip-diffusion"]
    assert sorted(others) == sorted(one.role for one in shipped if one.role != "blip-diffusion")
    assert set(base.files) < set(mine.files) and mine.world == "toybox"
    own = {name for name, file in mine.files.items() if "/blip-diffusion/" in file.source}
    assert {name.split("/")[0] for name in own} == {"unet", "text_encoder", "qformer"}
    assert {f"qformer/{name}" for name in ("config.json", "model.safetensors", "vocab.txt")} <= own
    assert mine.sampling.keys() >= {"guidance", "steps", "rate"}


@pytest.fixture
def shelf(pack, tmp_path, monkeypatch):
    monkeypatch.setattr(shelves, "STARTER", pack / "register.json")
    made = shelves.Shelf(tmp_path / "home")
    yield made
    made.clear()


def test_before_its_first_step_it_draws_texts_as_the_base_does(shelf):
    mine, base = shelf.diffusion("blip-diffusion"), shelf.diffusion("text-to-image")
    z = torch.randn(2, 4, 16, 16, generator=generator(1))
    texts = [torch.stack([subjects.context(one, "a disc on a teal background")] * 2) for one in (mine, base)]
    one, other = (learning.errors(net, z, text, generator(2)) for net, text in zip((mine, base), texts, strict=True))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("more", [{}, {"replaces": "disc"}])
def test_the_tool_runs_it(shelf, more):
    context = EditContext(Picture(draw(seeded(1)).rgb), None, (Picture(draw(seeded(2)).rgb),), seed=3, shelf=shelf)
    args = Args(category="star", prompt="on a teal background", steps=2, **more)
    out = drain(blip_diffusion.run(context, args))
    assert out.image.size == (64, 64) and bool(out.latent.isfinite().all())


def test_a_subject_is_learnt_at_the_rate_that_the_weights_want(shelf):
    assert subjects.rate(shelf) == export.SAMPLING["blip-diffusion"]["rate"]
    pictures = [Picture(draw(seeded(2)).rgb)]
    learnt = drain(subjects.learn(shelf, pictures, "star", Schooling(2, subjects.rate(shelf))))
    context = EditContext(Picture(draw(seeded(1)).rgb), None, (learnt,), seed=3, shelf=shelf)
    assert drain(blip_diffusion.run(context, Args(category="star", steps=2))).image.size == (64, 64)


def test_without_word_of_it_the_papers_rate_is_taken(tiny_shelf):
    assert subjects.rate(tiny_shelf) == Schooling().rate == 5e-6


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_finetuning_learns_what_its_model_predicts(words, prediction):
    """A U-Net that says exactly what is asked has nothing to learn."""
    model, ids = nets(words, prediction).model, words[0]("a disc").input_ids
    z = torch.randn(1, 4, 8, 8, generator=generator(4))

    class Perfect(type(model.unet)):
        def forward(self, x, t, text, **_):
            alpha = model.schedule.alphas[t].view(-1, 1, 1, 1).float()
            epsilon = (x - alpha.sqrt() * z) / (1 - alpha).sqrt()
            v = alpha.sqrt() * epsilon - (1 - alpha).sqrt() * z
            told = epsilon if prediction == "epsilon" else v
            return SimpleNamespace(sample=told + 0 * self.conv_in.weight.sum())

    perfect = replace(model, unet=Perfect.from_config(model.unet.config))
    losses = []
    working = finetuning.learn(perfect, z, torch.randn(K, WIDTH), ids, Schooling(2, 0.0))
    with pytest.raises(StopIteration):
        while True:
            losses.append(next(working).loss)
    assert len(losses) == 2 and max(losses) < 1e-4


def test_a_folder_of_another_training_is_refused(pack, tmp_path):
    first = pack.parent / "first"
    stage.train(tmp_path, 0.0, PLAN, Given(pack, first))
    with pytest.raises(BadWeights, match="was begun with rate"):
        stage.train(tmp_path, 0.0, replace(PLAN, rate=0.5), Given(pack, first))


def test_a_model_in_diffusers_layout_and_the_released_encoders_layout_do_as_well(tmp_path):
    """Full-size folders look so: Stable Diffusion's and Salesforce/blipdiffusion."""
    base, released = tiny.stable_diffusion(tmp_path / "sd"), tiny.blip_diffusion(tmp_path / "released")
    stage.train(tmp_path / "out", 0.0, replace(PLAN, steps=1), Given(base, released))
    assert set(weights.header(tmp_path / "out/qformer/model.safetensors")) >= {"query_tokens"}
    adding.add(shelves.Shelf(tmp_path / "home"), tmp_path / "out", "blip-diffusion")
