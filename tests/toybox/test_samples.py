"""What the page offers to try small networks on is what `toybox.samples` makes."""

import io

import numpy as np
import soundfile
from PIL import Image

from tools.diffusion.world import in_world
from toybox.drawing import draw
from toybox.samples import SCENES, SOUNDS, TAKE, write
from toybox.scenes import HELD_OUT
from toybox.sounds import RATE, sound
from ui import gallery


def test_the_pages_copies_are_the_samples():
    with Image.open(io.BytesIO(gallery.example(gallery.SCENE))) as copy:
        assert np.array_equal(np.asarray(copy), draw(SCENES[gallery.SCENE]).rgb)
    heard, rate = soundfile.read(io.BytesIO(gallery.sample("crickets.flac")))
    assert rate == RATE and abs(heard - sound("crickets", TAKE)).max() < 2**-14


def test_samples_are_of_the_world_and_nothing_that_is_held_out(tmp_path):
    write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *(f"{name}.png" for name in SCENES),
        *(f"{name}.flac" for name in SOUNDS),
    }
    for scene in SCENES.values():
        assert in_world(draw(scene).rgb)
        assert not any((thing.shape, thing.colour) in HELD_OUT for thing in scene.things)
