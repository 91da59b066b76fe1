"""The shipped starter weights do what they are for: a few held-out items, seconds, in the product's own code."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks import toybox_instructions, toybox_masks, toybox_perception, world
from tools import weights
from tools.diffusion import latents
from tools.diffusion.world import in_world
from tools.shelf import STARTER
from toybox.drawing import draw
from toybox.edits import KINDS, Light
from toybox.scenes import Scene, random_scene
from training.encoder_scenes import ATTRIBUTES

COUNT, FEW = len(KINDS), 4
PACK = STARTER.parent


def fresh(number: int) -> Scene:
    """One that nothing in the pack has learnt from."""
    return random_scene(np.random.default_rng((2026, number)))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return world.shelf(tmp_path_factory.mktemp("starter"))


@pytest.fixture(scope="module")
def items():
    return world.items(COUNT, seed=77)


def test_the_register_names_every_file_as_it_is():
    for entry in weights.read_register(STARTER):
        assert (entry.pack, entry.world, entry.licence) == ("starter", "toybox", "Apache-2.0")
        for name, file in entry.files.items():
            assert weights.sha256(Path(file.source)) == file.sha256, name


def test_the_pack_is_small():
    files = [path.stat().st_size for path in PACK.rglob("*") if path.is_file()]
    assert sum(files) <= 120_000_000 and max(files) <= 30_000_000


def test_the_autoencoder_keeps_scenes(shelf):
    vae = shelf.diffusion("text-to-image").vae
    scenes = [draw(fresh(number)).rgb for number in range(20)]
    errors = [np.square(latents.reconstructed(vae, rgb).astype(float) - rgb).mean() for rgb in scenes]
    assert 10 * np.log10(255**2 / np.mean(errors)) > 26


def test_editing_beats_copying(shelf, items):
    """Each kind of edit once, as the grader reads the results; of unedited pictures it takes none for edited."""
    edit = toybox_instructions.editor(shelf)
    found, _ = toybox_instructions.marked(items, [edit(one, i) for i, one in enumerate(items)])
    copied = toybox_instructions.compared("copy", items, [one.before.rgb for one in items])
    assert copied["ip2p_success_copy_ci"][1] <= 0.1 < 0.4 <= found["ip2p_success"]
    assert found["ip2p_success_ci"][0] > copied["ip2p_success_copy_ci"][1]
    assert found["ip2p_inside_error_ci"][1] < 1 == copied["ip2p_inside_error_copy"]
    assert found["ip2p_kept"] > 0.7


def test_diffedits_mask_is_about_the_thing(shelf):
    """Better than a random one of the same size, and than the whole picture."""
    some = [toybox_masks.asked(shelf, one) for one in world.items(FEW, 78, toybox_masks.SWAPS)]
    found = toybox_masks.masks(some)
    assert found["diffedit_iou"] > 1.3 * max(found[f"diffedit_iou_{way}"] for way in ("whole", "random", "block"))
    assert all(toybox_masks.left_alone(it, it.mask()) for it in some[:1])


def test_night_gets_darker_than_day(shelf):
    """One scene, lights in a row, each from the exact picture before: brightness follows."""
    edit = toybox_instructions.editor(shelf)
    states = [Light(light).apply(fresh(31)) for light in ("day", "night", "day")]
    drawn = [draw(state) for state in states]
    lights = [Light(after.light) for after in states[1:]]
    chain = [
        world.Item(before, light, f"make it {light.light}", *pictures)
        for before, light, pictures in zip(states, lights, pairwise(drawn), strict=False)
    ]
    night, day = (edit(one, 0).rgb.mean() for one in chain)
    assert night < 0.8 * day


def test_what_they_decode_stays_in_their_world(shelf):
    vae = shelf.diffusion("instruct-pix2pix").vae
    again = [latents.reconstructed(vae, draw(fresh(number)).rgb) for number in range(500, 540)]
    assert np.mean([in_world(rgb) for rgb in again]) >= 0.85


def test_the_text_moves_the_picture_and_the_picture_holds_it(shelf, items):
    """The trade-off of the paper's figure 8: more s_T is further from the input, more s_I is nearer to it."""

    def moved(s_T, s_I):
        edit = toybox_instructions.editor(shelf, text_guidance=s_T, image_guidance=s_I)
        return np.mean([toybox_instructions.change(one, edit(one, i).rgb) for i, one in enumerate(items[:FEW])])

    weak, usual, strong, held = moved(1.0, 1.5), moved(3.0, 1.5), moved(7.5, 1.5), moved(3.0, 3.0)
    assert weak < usual < strong and held < usual


def test_the_encoder_binds_words_and_sounds_to_pictures():
    """Figures on scenes and sounds that were not trained on, coarser than the card's."""
    encoder = toybox_perception.opened(PACK / "encoder", PACK / "tokenizer")
    rng = np.random.default_rng(77)
    scenes = [random_scene(rng) for _ in range(64)]
    found = toybox_perception.by_words(encoder, scenes)
    assert min(found["perception_image_to_text"], found["perception_text_to_image"]) > 0.9
    plain = [scene for scene in scenes if scene.tone == "colour"]
    assert np.mean(toybox_perception.attribute(encoder.network, encoder.words, plain, ATTRIBUTES["shape"])) > 0.5
    assert toybox_perception.by_sounds(encoder, rng, 64)["perception_sound_to_image"] > 0.6
