"""The encoder's recipe: what fits what, families that differ in one thing, learning, continuing, what is written."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sessions.errors import BadWeights
from tools import weights
from tools.diffusion import model
from tools.encoders import imagebind
from tools.nets.imagebind import Trunk
from tools.nets.imagebind_keys import config_of, load
from tools.sounds import Sound
from toybox.drawing import draw
from toybox.scenes import ALONE, HELD_OUT, RADII, SHAPES, SIZES, TEXTURES, Scene, Thing, seeded
from toybox.sounds import NAMES, sound
from toybox.words import caption
from training import encoder, encoder_pack, tokens
from training.encoder import (
    Learning,
    contrast,
    heard,
    ids,
    network,
    patch_truth,
    pixels,
    sound_recipe,
    text_recipe,
    worth,
)
from training.encoder_scenes import FAMILY, families, scene_for, true_of
from training.loop import Trainer


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words") / "tokenizer"
    tokens.write(folder)
    return model.tokenizer(folder)


def tiny(words, seed=0):
    trunk = Trunk(32, 1, 2)
    return network(replace(encoder.config(len(words)), space=32, vision=trunk, text=trunk, audio=trunk), seed)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(encoder, "BATCH", 16)
    monkeypatch.setattr(encoder, "TAKES", 2)


def test_contrast_is_the_mean_of_both_directions_over_all_that_fits():
    torch.manual_seed(0)
    logits = torch.randn(4, 4, dtype=torch.float64)
    fits = torch.eye(4, dtype=torch.bool)
    plain = (F.cross_entropy(logits, torch.arange(4)) + F.cross_entropy(logits.T, torch.arange(4))) / 2
    torch.testing.assert_close(contrast(logits, fits), plain)
    fits[0, 2] = fits[3, 2] = True
    expected = 0.0
    for scores, true in ((logits, fits), (logits.T, fits.T)):
        for row, right in zip(scores.tolist(), true.tolist(), strict=True):
            total = math.log(sum(math.exp(score) for score in row))
            expected -= sum(score - total for score, one in zip(row, right, strict=True) if one) / sum(right) / 8
    assert float(contrast(logits, fits)) == pytest.approx(expected, abs=1e-12)


STATED = ("pattern", "ground", "tone", "light", "weather", "style")
TRAITS = ("shape", "colour", "texture", "size")


def test_a_family_differs_in_one_thing_and_shows_nothing_held_out():
    rng = np.random.default_rng(0)
    scenes = families(rng, 800)
    assert len(scenes) == 800
    changed = set()
    for start in range(0, 800, FAMILY):
        first, *others = scenes[start : start + FAMILY]
        for other in others:
            fields = [n for n in STATED if getattr(first, n) != getattr(other, n)]
            pairs = zip(first.things, other.things, strict=True)
            traits = {n for a, b in pairs for n in TRAITS if getattr(a, n) != getattr(b, n)}
            assert len(fields) + len(traits) == 1 and caption(first) != caption(other)
            changed |= {*fields, *traits}
    assert changed == {*STATED, *TRAITS}
    for scene in scenes:
        assert len({thing.shape for thing in scene.things}) == len(scene.things) > 0
        assert scene.tone == "colour" or scene.style == "plain"
        assert not {(thing.shape, thing.colour) for thing in scene.things} & HELD_OUT
        for thing in scene.things:
            low, high = ALONE if thing.radius > RADII["large"][1] else RADII[thing.size]
            assert low <= thing.radius <= high


def test_a_scene_for_a_sound_shows_what_it_stands_for():
    rng = np.random.default_rng(1)
    for name in NAMES:
        for _ in range(40):
            scene = scene_for(rng, name)
            assert true_of(name, scene)
            shapes = [thing.shape for thing in scene.things]
            assert len(set(shapes)) == len(shapes)
            assert not {(thing.shape, thing.colour) for thing in scene.things} & HELD_OUT
            assert scene.tone == "colour" or scene.style == "plain"
    night = replace(seeded(0), light="night")
    assert true_of("crickets", night) and not true_of("wind", night)
    red = replace(seeded(0), tone="grey", things=(replace(seeded(0).things[0], colour="red"),))
    assert not true_of("fanfare", red) and true_of("fanfare", replace(red, tone="colour"))
    assert not true_of("fanfare", replace(red, tone="colour", style="negative"))


def test_texts_end_in_the_highest_id_and_then_nothing(words):
    rows = ids(words, ["a red disc", "", " ".join(["disc"] * 60)])
    assert rows.shape == (3, encoder.CONTEXT)
    assert rows[0].tolist()[:5] == words("a red disc").input_ids and not rows[0, 5:].any()
    assert all(int(row.max()) == words.eos_token_id for row in rows)
    assert int(rows[2, -1]) == words.eos_token_id
    things = tuple(Thing(shape, "orange", "outlined", "top left", 17, 17, 7, 0) for shape in ("disc", "star", "ring"))
    states = {"tone": "grey", "light": "night", "weather": "rainy", "style": "comic"}
    longest = words(caption(Scene("striped", "mint", things, **states))).input_ids
    assert len(longest) <= encoder.CONTEXT


def test_with_all_patches_it_sees_what_the_encoder_sees_in_any_order(words):
    net = tiny(words).eval()
    learning, x = Learning(net).eval(), pixels([seeded(0), seeded(1)])
    with torch.no_grad():
        whole, told = learning(x, torch.arange(64).expand(2, -1))
        turned, told_too = learning(x, torch.arange(63, -1, -1).expand(2, -1))
        few, _ = learning(x, torch.arange(9).expand(2, -1))
    torch.testing.assert_close(whole, net.vision(x), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(turned, whole, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(told_too.flip(1), told, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(few, whole, atol=1e-3)


def test_a_patch_is_told_its_thing_and_where_in_it_the_thing_is():
    scenes = [seeded(seed) for seed in range(40)]
    drawings = [draw(scene) for scene in scenes]
    kinds, cells = patch_truth(drawings, scenes, 8)
    assert kinds.shape == (40, 64, 3) and cells.shape == (40, 64, 16)
    for scene, drawing, kind, cell in zip(scenes, drawings, kinds, cells, strict=True):
        for place in range(64):
            y, x = divmod(place, 8)
            shares = [float(cover[8 * y : 8 * y + 8, 8 * x : 8 * x + 8].mean()) for cover in drawing.covers]
            most = scene.things[max(range(len(shares)), key=shares.__getitem__)]
            shown = [SHAPES.index(most.shape), TEXTURES.index(most.texture), list(SIZES).index(most.size)]
            assert kind[place].tolist() == (shown if max(shares) > 0.15 else [6, 4, 3])
            corner = sum(float(cover[8 * y + 6 : 8 * y + 8, 8 * x : 8 * x + 2].mean()) for cover in drawing.covers)
            assert float(cell[place, 12]) == pytest.approx(corner, abs=1e-5)
    keep = worth(cells, torch.rand(kinds.shape[:2], generator=torch.Generator().manual_seed(0)), 40)
    assert all(len(set(row.tolist())) == 40 for row in keep)
    busy = (cells.amax(-1) > 0).sum(1)
    seen = (cells.amax(-1) > 0).gather(1, keep).sum(1)
    assert torch.equal(seen, busy.clamp(max=40)) and int(busy.min()) < 40


def test_a_few_steps_bind_words_to_pictures(words, small_batches, tmp_path):
    recipe = text_recipe(tiny(words), words, steps=30)
    with torch.no_grad():
        before = float(recipe.loss(10**6))
    trainer = Trainer(recipe, tmp_path)
    trainer.run(math.inf)
    with torch.no_grad():
        assert float(recipe.loss(10**6)) < before - 0.4


def test_hearing_is_learnt_and_nothing_else_is_touched(words, small_batches, tmp_path):
    net = tiny(words)
    recipe = sound_recipe(net, steps=60)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with torch.no_grad():
        first = float(recipe.loss(10**6))
    Trainer(recipe, tmp_path).run(math.inf)
    with torch.no_grad():
        assert float(recipe.loss(10**6)) < first - 0.05
    for name, tensor in net.state_dict().items():
        learns = ".audio." in name and "log_logit_scale" not in name
        assert torch.equal(tensor, before[name]) != learns, name


def test_words_are_learnt_without_hearing(words, small_batches, tmp_path):
    net = tiny(words)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items() if ".audio." in name}
    Trainer(text_recipe(net, words, steps=2), tmp_path).run(math.inf)
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in before.items())


def test_training_continues_exactly(words, small_batches, tmp_path):
    for make in (
        lambda seed: text_recipe(tiny(words, seed), words, steps=4),
        lambda seed: sound_recipe(tiny(words), steps=4),
    ):
        whole = Trainer(make(0), tmp_path / "whole")
        whole.run(math.inf)
        ticks = iter(range(100))
        Trainer(make(0), tmp_path / "parts").run(4, lambda ticks=ticks: next(ticks))
        rest = Trainer(make(9), tmp_path / "parts")
        assert 0 < rest.step < 4
        rest.run(math.inf)
        assert all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())
        assert all(torch.equal(p, rest.average[name]) for name, p in whole.average.items())


def test_what_is_written_is_read_as_any_imagebind(words, tmp_path):
    net = tiny(words).eval()
    encoder_pack.write(net, tmp_path)
    config = config_of(tmp_path / "config.json")
    assert config == net.config
    read = load(tmp_path / "model.safetensors", config)
    x, said = pixels([seeded(0), seeded(1)]), ids(words, ["a red disc", "a ring"])
    with torch.no_grad():
        for ours, theirs in (
            (net.vision(x), read.vision(x)),
            (net.text(said), read.text(said)),
            (net.audio(heard(["bell"], [0])), read.audio(heard(["bell"], [0]))),
        ):
            assert F.cosine_similarity(ours, theirs).min() > 0.999


def test_a_pack_names_it_and_keeps_its_other_lines(words, tmp_path):
    net = tiny(words).eval()
    encoder_pack.write(net, tmp_path / "made")
    pack = tmp_path / "pack"
    tokens.write(pack / "tokenizer")
    other = weights.Entry(
        role="text-to-image", name="x", pack="starter", files={"a/b": {"source": "a/b", "sha256": "0" * 64, "bytes": 0}}
    )
    weights.write_register(pack / "register.json", (other,))
    for _ in range(2):
        encoder_pack.install(tmp_path / "made", pack)
    found = weights.read_register(pack / "register.json")
    assert [entry.role for entry in found] == ["text-to-image", "encoder"]
    assert found[0].files["a/b"].source == str(pack / "a/b")
    laid = weights.laid_out(found[1], tmp_path / "laid_out")
    read = imagebind.load(laid.folder, "cpu", torch.float32, laid.digest)
    with torch.no_grad():
        close(read.pictures([draw(seeded(3)).rgb]), net.vision(pixels([seeded(3)])))
        close(read.sounds([Sound(sound("bell", 1), 16_000)]), net.audio(heard(["bell"], [1])))
        close(
            read.texts(["a red disc on a mint background"]), net.text(ids(words, ["a red disc on a mint background"]))
        )


def close(ours, theirs):
    assert F.cosine_similarity(torch.from_numpy(ours), theirs).min() > 0.999


def test_a_folder_keeps_its_plan(tmp_path):
    encoder.train(tmp_path, 0.0, encoder.Plan(2, 1))
    with pytest.raises(BadWeights, match="encoder was begun with text 2, not 3"):
        encoder.train(tmp_path, 0.0, encoder.Plan(3, 1))
    (tmp_path / "recipe.json").unlink()
    assert [path.stem for path in tmp_path.glob("*.safetensors")] == [encoder.TEXT]
    encoder.train(tmp_path, 0.0, encoder.Plan(2, 1))
