"""What a sound is understood as: the starter's encoder on its own sounds, and nothing where that would be a guess."""

from io import BytesIO

import numpy as np
import pytest
import soundfile

from agent.assistant import Assistant
from agent.hearing import BANKS, heard
from agent.plan import Plan
from agent.planners.given import Given
from sessions import intake, uploads
from sessions.errors import MissingWeights
from tests import tiny_encoders
from tests.agent.conftest import png
from tools import adding, shelf
from tools.encoders.imagebind import ImageBindEncoder
from toybox.drawing import draw
from toybox.scenes import random_scene
from toybox.sounds import MEANINGS, NAMES, RATE, sound

FIRST_TAKE = 10**6
"""Takes of sounds from here on are not trained on."""


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    made = shelf.Shelf(tmp_path_factory.mktemp("shelf"))
    yield made
    made.clear()


def wav(samples) -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, RATE, format="WAV")
    return file.getvalue()


@pytest.fixture
def scene(store):
    """A session that began with a drawn scene."""
    drawn = png(draw(random_scene(np.random.default_rng(7))).rgb)
    return Assistant(store, Given(Plan())).new(("scene.png", drawn))[0].id


def attached(store, session, name, take=FIRST_TAKE) -> str:
    return uploads.receive(store, session, intake.admit(wav(sound(name, take))), f"{name}.wav").sha256


def meant(name: str) -> str:
    meaning = MEANINGS[name]
    if meaning.kind == "shape":
        return f"a {meaning.value}"
    said = {"warm": "warm light", "cool": "cool light", "comic": "a comic"}
    weather = {"rainy": "rain", "snowy": "snow", "foggy": "fog"}
    return {**said, **weather}.get(meaning.value, meaning.value)


def test_the_starter_says_what_its_own_sounds_stand_for(starter, store, scene):
    assert set(map(meant, NAMES)) == set(BANKS["toybox"])
    found = {name: heard(starter, store, scene, attached(store, scene, name)) for name in NAMES}
    assert sum(one.words == meant(name) for name, one in found.items()) >= 15
    assert all(one.among == 17 and -1 <= one.cosine <= 1 for one in found.values())
    assert str(found["crickets"]) == f"heard as: night ({found['crickets'].cosine:.2f}, nearest of 17)"


def test_a_sound_is_listened_to_once(starter, store, scene, monkeypatch):
    name = attached(store, scene, "crickets", FIRST_TAKE + 1)
    first = heard(starter, store, scene, name)
    for sense in ("sounds", "texts"):
        monkeypatch.setattr(ImageBindEncoder, sense, None)
    assert first is not None and heard(starter, store, scene, name) == first


def test_what_has_seen_drawn_scenes_only_is_not_asked_in_a_session_of_photos(store, cat, starter, monkeypatch):
    session = Assistant(store, Given(Plan())).new(("cat.png", cat))[0].id
    monkeypatch.setattr(shelf.Shelf, "encoder", None)
    assert heard(starter, store, session, attached(store, session, "crickets")) is None


def test_two_spaces_say_nothing_of_each_other(empty, tmp_path, store, scene):
    adding.add(empty, tiny_encoders.clap_clip(tmp_path / "both"), "encoder", "mine")
    assert heard(empty, store, scene, attached(store, scene, "bell")) is None


@pytest.mark.parametrize("with_words", [True, False])
def test_everyday_words_are_for_what_has_seen_photos_and_reads(empty, tmp_path, store, scene, with_words):
    made = tiny_encoders.imagebind(tmp_path / "made")
    if not with_words:
        (made / "tokenizer").rename(tmp_path / "elsewhere")
    adding.add(empty, made, "encoder", "mine")
    found = heard(empty, store, scene, attached(store, scene, "bell"))
    assert (found is not None) is with_words
    if found is not None:
        assert found.words in BANKS["photos"] and found.among == len(BANKS["photos"])


def test_where_no_encoder_is_nothing_can_be_said(empty, store, scene):
    with pytest.raises(MissingWeights):
        heard(empty, store, scene, attached(store, scene, "bell"))


def test_a_sound_that_is_lost_is_understood_as_nothing(starter, store, scene):
    name = attached(store, scene, "bell", FIRST_TAKE + 2)
    store.blobs.files.path(store.blobs.name(scene, name)).unlink()
    assert heard(starter, store, scene, name) is None
