"""Photos with captions: what a folder says, what cannot be read, and what is learnt of them by base and decoder."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sessions.errors import BadWeights, Damaged, NotFound
from tests import tiny
from tests.training import photographs
from tools import adding
from tools.diffusion.model import load
from tools.shelf import Shelf
from training import base, decoder, photos, tokens
from training.loop import Trainer
from training.photos import Captioned, Given


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return photographs.folder(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    return tiny.stable_diffusion(tmp_path_factory.mktemp("sd") / "sd")


@pytest.fixture
def model(there):
    return tiny.shallow(load(there, "cpu", torch.float32))


# What a folder says


def test_a_line_is_a_photo_and_they_begin_again_behind_the_last(folder):
    some = Captioned.at(folder, 32)
    assert len(some) == 4 and some[1].text == some[5].text == "a green square"
    assert some[1].rgb.shape == (32, 32, 3) and some[1].sound is None
    assert np.array_equal(some[6].rgb, some[2].rgb) and not np.array_equal(some[0].rgb, some[1].rgb)
    whole = Captioned.at(folder, 64)
    assert np.array_equal(whole[3].rgb, photographs.photograph(3))


def test_which_are_drawn_is_a_function_of_the_randomness(folder):
    some = Captioned.at(folder, 32)
    first, again, other = ([one.text for one in some.drawn(np.random.default_rng(seed), 12)] for seed in (1, 1, 2))
    assert first == again != other and len(set(first)) == 4


def test_the_next_takes_the_place_of_one_that_cannot_be_read(tmp_path, caplog):
    where = photographs.folder(tmp_path)
    (where / "1.png").write_bytes((where / "1.png").read_bytes()[:300])
    (where / "2.png").unlink()
    some = Captioned.at(where, 32)
    with caplog.at_level("INFO", "training"):
        assert [some[number].text for number in (1, 2, 1)] == ["a yellow square"] * 3
    assert caplog.text.count("1.png cannot be read") == caplog.text.count("2.png cannot be read") == 1
    for number in (0, 3):
        (where / f"{number}.png").write_text("none")
    with pytest.raises(NotFound, match="No photo of"):
        Captioned.at(where, 32)[0]


def test_a_folder_that_says_nothing_is_refused_by_its_line(tmp_path):
    with pytest.raises(NotFound, match=r"There is no metadata\.jsonl"):
        Captioned.at(tmp_path, 32)
    (tmp_path / "metadata.jsonl").write_text("\n\n")
    with pytest.raises(NotFound, match="names no photo"):
        Captioned.at(tmp_path, 32)
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"file_name": "a.png", "text": "a"}) + '\n{"file_name": 3}\n')
    with pytest.raises(Damaged, match="Line 2 of"):
        Captioned.at(tmp_path, 32)


def test_long_captions_are_cut_and_end_as_all_do(model):
    cut, short = tokens.ids(model.tokenizer, ["a red square " * 90, "a red square"])
    end = model.tokenizer.eos_token_id
    assert cut.shape == (77,) and (cut == end).nonzero().tolist() == [[76]] and short[-1] == end


# A base goes on


def test_a_base_learns_photos_under_their_words(folder, model, monkeypatch):
    seen = []
    monkeypatch.setattr(base, "errors", lambda net, z, ids, rng, prediction: seen.append((z, ids, prediction)) or z)
    some = Captioned.at(folder, 64)
    made = base.on_photos(model, some, Given(folder, 40, 1e-3))
    for step in (0, 0, 1):
        made.loss(step)
    (z, ids, prediction), again, other = seen
    assert torch.equal(z, again[0]) and torch.equal(ids, again[1]) and not torch.equal(z, other[0])
    assert prediction == model.prediction == "epsilon"
    own = photos.latents(model, [some[number].rgb for number in range(4)])
    which = torch.cdist(z.flatten(1), own.flatten(1)).argmin(1)
    torch.testing.assert_close(z, own[which])
    said = tokens.ids(model.tokenizer, [some[number].text for number in range(4)])
    null = tokens.ids(model.tokenizer, [""])
    dropped = (ids == null).all(1)
    assert torch.equal(ids[~dropped], said[which][~dropped]) and 0 < int(dropped.sum()) < 12


def test_only_its_unet_learns_and_it_goes_on_exactly(folder, there, tmp_path):
    def begun():
        return tiny.shallow(load(there, "cpu", torch.float32))

    def made(model):
        return base.on_photos(model, Captioned.at(folder, 64), Given(folder, 2, 1e-3), steps=4)

    whole = Trainer(made(begun()), tmp_path / "whole")
    assert whole.weights and all(name.startswith("unet.") for name in whole.weights)
    whole.run(math.inf)
    ticks = iter(range(100))
    Trainer(made(begun()), tmp_path / "parts").run(4, lambda: next(ticks))
    rest = Trainer(made(begun()), tmp_path / "parts")
    assert 0 < rest.step < 4
    rest.run(math.inf)
    assert all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())


def test_what_a_base_has_seen_it_predicts_better(folder, model, tmp_path):
    made = replace(base.on_photos(model, Captioned.at(folder, 64), Given(folder, 4, 5e-3), 30), warm=3)
    before = float(made.loss(0).detach())
    Trainer(replace(made, loss=lambda step: made.loss(0)), tmp_path).run(math.inf)
    assert float(made.loss(0).detach()) < 0.8 * before


def test_a_base_on_photos_leaves_a_whole_model(folder, there, tmp_path):
    out = tmp_path / "out"
    base.train(out, 0.0, Given(folder, 2, 1e-4), 1, there)
    shelf = Shelf(tmp_path / "home")
    adding.add(shelf, out / "base", "text-to-image")
    assert shelf.diffusion("text-to-image").channels == 4
    with pytest.raises(BadWeights, match="was begun with size 2, not 3"):
        base.train(out, 0.0, Given(folder, 3, 1e-4), 1, there)


def test_a_model_that_is_told_more_than_words_is_refused(folder, tmp_path):
    for fill in (tiny.sdxl, tiny.instruct_pix2pix):
        with pytest.raises(BadWeights, match="is not drawn with by words alone"):
            base.train(tmp_path / "out", 0.0, Given(folder, 2, 1e-4), 1, fill(tmp_path / fill.__name__))


# Its decoder


def test_a_decoder_learns_photos_and_its_encoder_does_not(folder, model, tmp_path):
    some = Captioned.at(folder, 64)
    model.vae.requires_grad_(True)
    made = decoder.on_photos(model.vae, some, Given(folder, 3, 1e-3), 6)
    trainer = Trainer(replace(made, warm=1), tmp_path)
    assert trainer.weights and all(name.startswith(("decoder.", "post_quant_conv.")) for name in trainer.weights)
    before = {name: p.clone() for name, p in trainer.weights.items()}
    first = float(made.loss(0).detach())
    assert first == float(made.loss(0).detach()) != float(made.loss(1).detach())
    trainer.run(math.inf)
    assert any(not torch.equal(p, before[name]) for name, p in trainer.weights.items())
    assert float(made.loss(0).detach()) < first


def test_a_decoder_is_taught_with_the_photos_themselves(folder, model, monkeypatch):
    seen = []
    monkeypatch.setattr(decoder, "distance", lambda y, x, covers: seen.append((x, covers)) or y.mean())
    decoder.on_photos(model.vae, Captioned.at(folder, 64), Given(folder, 9, 1e-3), 6).loss(0)
    ((x, covers),) = seen
    own = torch.stack([torch.from_numpy(photographs.photograph(n)).permute(2, 0, 1) / 127.5 - 1 for n in range(4)])
    assert x.shape == (9, 3, 64, 64) and not covers.any()
    assert float(torch.cdist(x.flatten(1), own.flatten(1)).min(1).values.max()) < 1e-3


def test_a_model_in_diffusers_layout_gets_its_decoder(folder, there, tmp_path):
    decoder.train(tmp_path, 0.0, 1, there, asked=Given(folder, 2, 1e-5))
    assert {path.name for path in (tmp_path / "vae").iterdir()} >= {"config.json"}
