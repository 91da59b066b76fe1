"""The shipped starter weights do what they are for: a few held-out items, seconds, in the product's own code."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPTokenizer

from benchmarks import world as bench
from tools import weights
from tools.diffusion import latents
from tools.diffusion.world import in_world
from tools.nets.imagebind_keys import config_of, load
from toybox import grader
from toybox.drawing import draw
from toybox.edits import Light
from toybox.scenes import random_scene, seeded
from toybox.words import caption
from training import encoder_figures
from training.encoder_scenes import ATTRIBUTES

COUNT = 16


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return bench.models(bench.STARTER, tmp_path_factory.mktemp("starter"))


@pytest.fixture(scope="module")
def items():
    return bench.recolourings(COUNT, seed=77)


def test_the_register_names_every_file_as_it_is():
    for entry in weights.read_register(bench.STARTER / "register.json"):
        assert (entry.pack, entry.world, entry.licence) == ("starter", "toybox", "Apache-2.0")
        for name, file in entry.files.items():
            assert weights.sha256(Path(file.source)) == file.sha256, name


def test_the_pack_is_small():
    assert sum(path.stat().st_size for path in bench.STARTER.rglob("*") if path.is_file()) <= 26_000_000


def test_the_autoencoder_keeps_scenes(models):
    errors = []
    for seed in range(10**6, 10**6 + 20):
        rgb = draw(seeded(seed)).rgb
        model = models["text-to-image"]
        errors.append(np.square(latents.decode(model, latents.encode(model, rgb)).astype(float) - rgb).mean())
    assert 10 * np.log10(255**2 / np.mean(errors)) > 26


def test_recolouring_beats_copying(models, items):
    found = bench.marks(bench.edited(models["instruct-pix2pix"], items), items)
    assert bench.interval(found["error"])[2] < 1
    assert np.mean(found["right"]) >= 0.3


def test_diffedits_mask_is_about_the_object(models):
    rng = np.random.default_rng(77)
    found, whole = [], []
    for _ in range(COUNT):
        one, truth = bench.swapped(rng)
        found.append(grader.overlap(bench.found_mask(models["text-to-image"], one), truth))
        whole.append(truth.mean())
    assert np.mean(found) > 1.3 * np.mean(whole)


def test_night_gets_darker_than_day(models):
    """One scene, four lights in a row, each from the exact picture before: brightness follows."""
    scene = seeded(31)
    states = [scene := Light(light).apply(scene) for light in ("day", "night", "day")]
    chain = []
    for before, after in pairwise(states):
        edit = Light(after.light)
        chain.append(bench.Item(before, edit, f"make it {after.light}", draw(before), draw(after)))
    night, day = (rgb.mean() for rgb in bench.edited(models["instruct-pix2pix"], chain))
    assert night < 0.8 * day


def test_what_they_decode_stays_in_their_world(models):
    model = models["instruct-pix2pix"]
    again = [latents.decode(model, latents.encode(model, draw(seeded(seed)).rgb)) for seed in range(500, 540)]
    assert np.mean([in_world(rgb) for rgb in again]) >= 0.85


def test_the_text_moves_the_picture_and_the_picture_holds_it(models, items):
    """The trade-off of the paper's figure 8: more s_T is further from the input, more s_I is nearer to it."""
    few = items[:4]

    def moved(s_T, s_I):
        results = bench.edited(models["instruct-pix2pix"], few, (s_T, s_I))
        return np.mean([np.abs(rgb - one.before.rgb.astype(float)) for rgb, one in zip(results, few, strict=True)])

    weak, usual, strong, held = moved(1.0, 1.5), moved(3.0, 1.5), moved(7.5, 1.5), moved(3.0, 3.0)
    assert weak < usual < strong and held < usual


def test_the_encoder_binds_words_and_sounds_to_pictures():
    """Figures on scenes and sounds that were not trained on, coarser than the card's."""
    tokenizer = CLIPTokenizer.from_pretrained(bench.STARTER / "tokenizer", local_files_only=True)
    folder = bench.STARTER / "encoder"
    net = load(folder / "model.safetensors", config_of(folder / "config.json"))
    rng = np.random.default_rng(77)
    scenes = [random_scene(rng) for _ in range(64)]
    found = encoder_figures.seen(net, scenes) @ encoder_figures.read(net, tokenizer, [caption(s) for s in scenes]).T
    assert (found.argmax(1).numpy() == np.arange(64)).mean() > 0.9
    plain = [scene for scene in scenes if scene.tone == "colour"]
    assert encoder_figures.attribute(net, tokenizer, plain, ATTRIBUTES["shape"]) > 0.5
    assert encoder_figures.sounds(net, tokenizer, rng)["sound to meaning, by words"] > 0.6
