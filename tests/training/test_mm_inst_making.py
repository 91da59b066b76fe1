"""One's own pictures and sounds become a folder to learn from; the chat model is LangChain's fake one."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from sessions.errors import Damaged, NotFound
from tests import tiny_encoders
from tests.agent.conftest import png
from tests.agent.vocabularies import vocabulary
from tools import registry
from tools.encoders import imagebind
from toybox.drawing import draw
from toybox.scenes import seeded
from training import courses, mm_inst_making
from training.mm_inst import Media
from training.mm_inst_making import made
from training.mm_inst_turns import Writing
from training.mm_inst_writing import drawn

SAID = {
    "picture": {"[a pond at noon]": "0.png", "a heron": "1.png", "a boat": "2.png"},
    "sound": {"rain on a roof": "rain.wav"},
    "music": {"a slow waltz": "waltz.wav"},
}


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    """ImageBind's space and all its branches, small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_encoders, "SMALL", replace(tiny_encoders.SMALL, space=1024))
        folder = tiny_encoders.imagebind(tmp_path_factory.mktemp("eyes"))
    return imagebind.load(folder, torch.device("cpu"), torch.float32, "d1")


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    for n in range(3):
        (folder / f"{n}.png").write_bytes(png(draw(seeded(n)).rgb))
    for name in ("rain.wav", "waltz.wav"):
        wave, file = np.random.default_rng(len(name)).normal(size=16_000) * 0.1, io.BytesIO()
        soundfile.write(file, wave, 16_000, format="WAV")
        (folder / name).write_bytes(file.getvalue())
    (folder / "captions.json").write_text(json.dumps(SAID))
    return folder


def replies(first, count, seed):
    """What an obedient model answers to the questions that a generator of this seed leads to, results numbered."""
    known = {kind: [name.strip("[]") for name in files] for kind, files in SAID.items()}
    rng, told = np.random.default_rng(seed), []
    for n in range(first, first + count):
        category, given = drawn(known, rng)
        named = " and ".join(f"[{caption}]" for caption in given)
        added = [f"thing {i}" for i in category.added]
        told.append(
            json.dumps({"instruction": f"do {named}", "reply": "Yes.", "result": f"result {n}", "added": added})
        )
    return told


def test_what_is_made_is_learnt_from(media, eyes, tmp_path):
    model = FakeListChatModel(responses=[*replies(0, 4, 0), "no"])
    assert made(media, tmp_path, model, eyes, 4) == 4
    there = Media(tmp_path)
    seen = eyes.pictures([draw(seeded(1)).rgb])[0]
    assert np.abs(there.vector("a heron") - seen).max() < 1e-6
    assert np.abs(there.vector("result 2") - eyes.texts(["result 2"])[0]).max() < 1e-6
    kinds = {name: there.reference(name).kind for name in ("a pond at noon", "rain on a roof", "a slow waltz")}
    assert kinds == {"a pond at noon": "picture", "rain on a roof": "sound", "a slow waltz": "sound"}
    writing, follower = Writing(vocabulary("byte level")), registry.get("instruct_pix2pix")
    course = courses.mm_inst(5, courses.collected(tmp_path), writing, follower, seed=0)
    assert len(course.lengths) == 4 and not course.skipped
    assert all(course.turn(place, 0).gens for place in range(4))


def test_it_goes_on_with_what_there_is(media, eyes, tmp_path, monkeypatch):
    monkeypatch.setattr(mm_inst_making, "PORTION", 2)
    made(media, tmp_path, FakeListChatModel(responses=replies(0, 2, 0)), eyes, 2)
    before = (tmp_path / "records.json").read_text()
    monkeypatch.setattr(mm_inst_making, "_vector", None)
    assert made(media, tmp_path, FakeListChatModel(responses=replies(2, 2, 2)), eyes, 4) == 4
    assert (tmp_path / "records.json").read_text().startswith(before.rstrip("]\n"))
    assert len(list(tmp_path.glob("*.npz"))) == len(json.loads((tmp_path / "media.json").read_text())) == 9


def test_replies_of_no_use_end_it(media, eyes, tmp_path):
    assert made(media, tmp_path, FakeListChatModel(responses=["no"]), eyes, 3) == 0
    assert not (tmp_path / "records.json").exists()


def test_a_folder_without_captions_is_refused(tmp_path, eyes):
    with pytest.raises(NotFound, match=r"no captions\.json"):
        made(tmp_path, tmp_path / "out", FakeListChatModel(responses=[""]), eyes, 1)
    (tmp_path / "captions.json").write_text('{"film": {}}')
    with pytest.raises(Damaged, match="no table of captions"):
        made(tmp_path, tmp_path / "out", FakeListChatModel(responses=[""]), eyes, 1)
