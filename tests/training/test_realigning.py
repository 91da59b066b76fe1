"""Realigning: what is cut out and altered, the law of what is given, what learns, and that it goes on where it was."""

import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sessions.errors import BadWeights
from tests import tiny, tiny_encoders
from tests.tools.diffusion.worlds import finished
from tests.training import photographs
from tests.training.packs import small_pack
from tools import adding
from tools.diffusion import model as models
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.guidance import classifier_free
from tools.diffusion.model import LatentDiffusion, optimise
from tools.diffusion.sampling import ddim
from tools.diffusion.schedules import ddim_sigmas, scaled_linear
from tools.nets import ip_adapter
from tools.shelf import STARTER, Shelf
from tools.weights import read_register, tensors
from toybox.drawing import draw
from toybox.scenes import HELD_OUT, random_scene
from training import export, packs, realigning, tokens
from training.diffusion import WIDTH, networks
from training.loop import Trainer, generator
from training.photos import Captioned, Given
from training.realigning import KEPT, NOISE, Pairs, Plan, Square, around, drawn, errors, example, recipe, shown, without

D = 12


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words") / "tokenizer"
    tokens.write(folder)
    return models.tokenizer(folder)


def model_of(words, prediction="v_prediction") -> LatentDiffusion:
    net = networks(words, 1, (16, 16, 16)).eval().requires_grad_(False)
    unet, text = optimise(net["unet"]), net["text_encoder"]
    return LatentDiffusion(unet, None, text, words, scaled_linear(), prediction, 64, "digest", "a small model")


@pytest.fixture
def model(words):
    return model_of(words)


@pytest.fixture(scope="module")
def pairs(words):
    draw_ = generator(5)
    seen = torch.nn.functional.normalize(torch.randn(3, 20, D, generator=draw_), dim=-1)
    said = tokens.ids(words, [f"a {'red' if i % 2 else 'blue'} disc" for i in range(20)])
    return Pairs(torch.randn(20, 4, 8, 8, generator=draw_), said, *seen)


def adapter_of(model, seed=3):
    return realigning.adapter_for(model, SimpleNamespace(width=D, digest="eyes"), seed)


def learning(model, pairs, steps=6, **more):
    return recipe(model, adapter_of(model), pairs, steps=steps, **more)


def test_an_example_is_a_square_of_its_picture_and_another_thing_there():
    altered = 0
    for number in range(60):
        one, again = example(number), example(number)
        assert all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(again).values(), strict=True))
        side = one.crop.shape[0]
        assert one.crop.shape == (side, side, 3) and one.picture.shape == one.altered.shape == (64, 64, 3)
        places = [(x, y) for y in range(65 - side) for x in range(65 - side)]
        assert any(np.array_equal(one.picture[y : y + side, x : x + side], one.crop) for x, y in places)
        altered += not np.array_equal(one.picture, one.altered)
    assert 30 < altered < 60


@pytest.mark.parametrize("number", range(12))
def test_the_square_of_an_object_holds_it_and_only_its_place_is_altered(number):
    rng = np.random.default_rng(number)
    scene = random_scene(rng)
    drawing = draw(scene)
    for index, thing in enumerate(scene.things):
        square = around(drawing, index)
        assert index in shown(drawing, square) and square.of(drawing.mask(index)).sum() == drawing.mask(index).sum()
        other = without(rng, scene, (index,))
        assert thing not in other.things and all(t in other.things for t in scene.things if t is not thing)
        assert all((t.shape, t.colour) not in HELD_OUT for t in other.things)
        reach, (h, w) = 1.2 * thing.radius + 2, np.mgrid[:64, :64]
        far = np.hypot(w + 0.5 - thing.x, h + 0.5 - thing.y) > reach
        assert (draw(other).rgb != drawing.rgb).any() and (draw(other).rgb[far] == drawing.rgb[far]).all()
    assert shown(drawing, Square(0, 0, 1)) == () and without(rng, scene, ()) == scene


def test_what_is_given_follows_its_law(pairs, words):
    null, size = tokens.ids(words, [""]), 4000
    batch = drawn(pairs, null, 5.0, generator(1), size)
    gen, sub = batch.whole.norm(dim=1), batch.thing.norm(dim=1)
    given, shown_ = gen > 0, sub > 0
    torch.testing.assert_close(gen[given], torch.full_like(gen[given], 5.0))
    torch.testing.assert_close(sub[shown_], torch.full_like(sub[shown_], 5.0))
    silent = (batch.ids == null).all(1)
    for one in (given, shown_, silent, given == shown_, silent == given, silent == shown_):
        assert float(one.float().mean()) == pytest.approx(KEPT, abs=0.03)
    item = (batch.z[:, None] == pairs.z[None]).all((2, 3, 4)).int().argmax(1)
    likeness = (batch.whole / 5 * pairs.own[item]).sum(1)
    near = likeness > 0.9
    assert bool(near[given & ~shown_].all())
    assert float(near[given & shown_].float().mean()) == pytest.approx(KEPT, abs=0.05)
    far = given & shown_ & ~near
    assert float((batch.whole / 5 * pairs.altered[item]).sum(1)[far].min()) > 0.9
    torch.testing.assert_close(batch.thing[shown_], 5 * pairs.crop[item][shown_])
    assert float(likeness[near].min()) > 1 / math.sqrt(1 + (2 * NOISE) ** 2) and float(likeness[near].min()) < 0.999


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_perfect_prediction_has_no_error(prediction, words):
    schedule, z = scaled_linear(), torch.randn(4, 4, 8, 8)

    def told(x, t, text):
        alpha = schedule.alphas[t].view(-1, 1, 1, 1)
        epsilon = (x - alpha.sqrt() * z) / (1 - alpha).sqrt()
        v = alpha.sqrt() * epsilon - (1 - alpha).sqrt() * z
        return SimpleNamespace(sample=epsilon if prediction == "epsilon" else v)

    perfect = replace(model_of(words, prediction), unet=told)
    ids = tokens.ids(words, ["a disc"] * 4)
    assert float(errors(perfect, z, ids, generator(3)).max()) < 1e-6


def test_the_same_step_is_the_same_loss(words, pairs):
    one, other = (learning(model_of(words), pairs) for _ in range(2))
    assert torch.equal(one.loss(4), other.loss(4)) and not torch.equal(one.loss(4), one.loss(5))


@pytest.mark.parametrize("whole", [False, True])
def test_only_what_is_to_learn_learns(whole, words, pairs, tmp_path):
    model = model_of(words)
    before = {name: p.clone() for name, p in model.unet.named_parameters()}
    made = learning(model, pairs, 2, whole=whole)
    adapter = {name: p.detach().clone() for name, p in made.net["adapter"].named_parameters()}
    Trainer(made, tmp_path).run(math.inf)
    assert all(not torch.equal(p, adapter[name]) for name, p in made.net["adapter"].named_parameters())
    assert any(not torch.equal(p, before[name]) for name, p in model.unet.named_parameters()) is whole
    assert all(p.grad is None for p in model.text_encoder.parameters())


def test_training_goes_on_exactly(words, pairs, tmp_path):
    whole = Trainer(learning(model_of(words), pairs), tmp_path / "whole")
    whole.run(math.inf)
    ticks = iter(range(100))
    Trainer(learning(model_of(words), pairs), tmp_path / "parts").run(5, lambda: next(ticks))
    rest = Trainer(learning(model_of(words), pairs), tmp_path / "parts")
    assert 0 < rest.step < 6
    rest.run(math.inf)
    assert all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())
    assert all(torch.equal(p, rest.average[name]) for name, p in whole.average.items())


def test_what_is_always_the_same_is_learnt(model, pairs, tmp_path):
    made = replace(learning(model, pairs, 100), warm=5, rate=3e-2)
    fixed = replace(made, loss=lambda step: made.loss(0))
    before = float(made.loss(0).detach())
    Trainer(fixed, tmp_path).run(math.inf)
    assert float(made.loss(0).detach()) < 0.8 * before


class Eyes:
    """An encoder that sees mean colours."""

    width, digest = 3, "eyes"

    def pictures(self, pixels):
        seen = np.stack([one.reshape(-1, 3).mean(0) for one in pixels]).astype(np.float32)
        return seen / np.linalg.norm(seen, axis=1, keepdims=True)


def test_pairs_are_made_once_and_gone_on_from(tmp_path, monkeypatch):
    base = packs.base()
    few = realigning.make(tmp_path, base, Eyes(), 3, -math.inf)
    assert len(realigning.read(few)) == 3
    monkeypatch.setattr(realigning, "TOGETHER", 2)
    first = realigning.read(realigning.make(tmp_path / "more", base, Eyes(), 5, -math.inf))
    again = realigning.read(realigning.make(tmp_path, base, Eyes(), 5, math.inf))
    assert (len(first), len(again)) == (2, 5) and torch.equal(first.z, again.z[:2])
    assert again.z.shape == (5, 4, 16, 16) and 0.5 < float(again.z.std()) < 2
    torch.testing.assert_close(again.own.norm(dim=1), torch.ones(5), atol=1e-3, rtol=0)
    seen = torch.from_numpy(Eyes().pictures([example(4).crop]))
    torch.testing.assert_close(again.crop[4:], seen, atol=1e-3, rtol=0)
    said = base.tokenizer.decode(again.captions[1], skip_special_tokens=True)
    assert said == example(1).caption.replace(",", " ,")


def test_a_training_in_no_time_leaves_a_folder_that_loads_and_steers(tmp_path):
    realigning.train(tmp_path, 0.0, Plan(pairs=2, steps=4))
    base = packs.base()
    adapter, ignored = ip_adapter.load(tmp_path / "ip_adapter", base.unet, 128)
    assert not ignored and adapter.config.views == 2 and adapter.config.norm == pytest.approx(7.0711, abs=1e-3)
    text = torch.zeros(77, WIDTH)
    some = [Condition(text, None, adapter.tokens(torch.full((1, 128), x))[0]) for x in (0.6, 0.0)]
    network = Network(base, prompting=adapter.prompting(base.unet))
    sigmas = ddim_sigmas(base.schedule, 2)
    x = torch.randn(1, 4, 16, 16, generator=generator(2)) * sigmas[0]
    steered = finished(ddim(classifier_free(network, *some, 2.0), x, sigmas))
    plain = finished(ddim(classifier_free(network, some[1], some[1], 2.0), x, sigmas))
    assert bool(steered.isfinite().all()) and float((steered - plain).abs().max()) > 1e-3
    with pytest.raises(BadWeights, match="was begun with pairs 2, not 3"):
        realigning.train(tmp_path, 0.0, Plan(pairs=3, steps=4))


def test_a_unet_that_has_learnt_too_is_saved(tmp_path):
    pack = small_pack(tmp_path)
    assert realigning.train(tmp_path / "out", 60.0, Plan(pairs=2, steps=1, whole=True), pack)
    base = packs.base(pack)
    before = base.unet.state_dict()
    learnt = tensors(tmp_path / "out/unet/diffusion_pytorch_model.safetensors")
    assert learnt.keys() == before.keys()
    assert any(not torch.equal(p, before[name].half()) for name, p in learnt.items())


def test_an_adapter_and_a_prior_become_an_entry_beside_the_base(tmp_path):
    """As it is shipped, to the hash, from the folders that the recipes leave; others of its role go."""
    pack = shutil.copytree(STARTER.parent, tmp_path / "pack")
    shipped = read_register(pack / "register.json")
    made = [pack / export.ANY2PIX / name for name in ("ip_adapter", "prior")]
    trained = [shutil.move(folder, tmp_path / folder.name) for folder in made]
    export.any2pix(pack, *trained)
    assert sorted(read_register(pack / "register.json"), key=str) == sorted(shipped, key=str)
    (entry,) = (one for one in shipped if one.role == "any2pix")
    (base,) = (one for one in shipped if one.role == "text-to-image")
    assert base.files.items() < entry.files.items() and entry.sampling == export.SAMPLING["any2pix"]
    assert (pack / "any2pix/prior/model.safetensors").is_file()


# Photos


def test_an_example_of_photos_has_another_photos_square_in_its_own(tmp_path):
    some = Captioned.at(photographs.folder(tmp_path), 128)
    shown_ = realigning.of_photos(some)
    for number in range(12):
        one, again = shown_(number), shown_(number)
        assert all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(again).values(), strict=True))
        assert np.array_equal(one.picture, some[number].rgb) and one.caption == some[number].text
        side = len(one.crop)
        assert 40 <= side <= 88, "of 64 pixels 20 to 44"
        ys, xs = np.nonzero((one.picture != one.altered).any(-1))
        assert len(ys) and np.ptp(ys) < side and np.ptp(xs) < side
        y, x = next(
            (y, x)
            for y in range(129 - side)
            for x in range(129 - side)
            if np.array_equal(one.picture[y : y + side, x : x + side], one.crop)
        )
        there = one.altered[y : y + side, x : x + side]
        others = [some[number + n].rgb[y : y + side, x : x + side] for n in (1, 2, 3)]
        assert sum(np.array_equal(there, other) for other in others) == 1
    assert len({len(shown_(number).crop) for number in range(0, 40, 4)}) > 3, "one photo, many squares"


def test_an_adapter_for_a_model_in_diffusers_layout_learns_from_photos(tmp_path, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "home"))
    shelf = Shelf(tmp_path / "home")
    eyes = adding.add(shelf, tiny_encoders.imagebind(tmp_path / "mine"), "encoder")
    there, folder = tiny.stable_diffusion(tmp_path / "sd"), photographs.folder(tmp_path / "photos")
    realigning.train(tmp_path / "out", 0.0, Plan(2, 3), there, asked=Given(folder, 2, 1e-4, eyes.name))
    adding.add(shelf, tmp_path / "out", "any2pix")
    assert (
        ip_adapter.load(tmp_path / "out/ip_adapter", shelf.diffusion("any2pix").unet, 20).adapter.config.encoder
        == eyes.digest
    )
    with pytest.raises(BadWeights, match="was begun with rate"):
        realigning.train(tmp_path / "out", 0.0, Plan(2, 3), there, asked=Given(folder, 2, 1e-3, eyes.name))


def test_so_many_photos_make_a_step_and_it_goes_as_far_as_asked(words, pairs, monkeypatch):
    seen = []
    monkeypatch.setattr(realigning, "errors", lambda model, z, ids, rng: seen.append(len(z)) or z)
    made = learning(model_of(words), pairs, pace=(3, 0.25))
    made.loss(0)
    assert seen == [3] and made.rate == 0.25
