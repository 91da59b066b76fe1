"""What any2pix cannot do is refused in the conversation: a typed error, a sentence, and history as it was."""

import io
import json

import numpy as np
import pytest
import soundfile

from agent.assistant import Assistant
from sessions import history, intake, turns, uploads
from sessions.errors import Damaged
from sessions.intake import Admitted
from sessions.store import Store
from tests import tiny, tiny_encoders
from tests.agent.conftest import ScriptedPlanner, end, png
from tools import adding, meanings, shelf

PHOTO = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
TONE = (np.sin(np.arange(16_000) * 0.2) / 2).astype(np.float32)
STEP = {"tool": "any2pix", "args": {"steps": 2}}


def wav(samples: np.ndarray, kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format=kind)
    return file.getvalue()


RAIN = "rain.wav", wav(TONE)


class Told:
    """A session whose messages are plans, done in this process."""

    def __init__(self, store: Store, photo: np.ndarray = PHOTO) -> None:
        self.store, self.assistant = store, Assistant(store, ScriptedPlanner())
        self.session = self.assistant.new(("noise.png", png(photo)))[0].id

    def said(self, step: dict, files=()) -> tuple[str, str]:
        """The code of the error and the sentence that a step ends in; history must be as it was."""
        before = history.graph(self.store, self.session).revisions
        *_, last = self.going(step, files)
        assert last.state == "refused" and history.graph(self.store, self.session).revisions == before
        return turns.get(self.store, self.session, "r").outcome["error"]["code"], last.reply

    def going(self, step: dict, files=()):
        turn = self.assistant.propose(self.session, json.dumps({"steps": [step]}), files, request_id="r")
        return self.assistant.carry_out(turn, None)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A data folder with an encoder and any2pix's weights."""
    folder = tmp_path_factory.mktemp("home")
    eyes = adding.add(shelf.at(folder), tiny_encoders.imagebind(folder / "eyes"), "encoder")
    adding.add(shelf.at(folder), tiny.any2pix(folder / "tiny", encoder=eyes.digest), "any2pix")
    return folder


@pytest.fixture
def opened(home):
    store = Store(home)
    yield store
    store.close()


def refused(events: list) -> str:
    assert end(events).state == "refused"
    return end(events).reply


# Before any weights are asked for


def test_a_sound_is_no_picture_to_begin_with(say, store, session):
    rain = uploads.receive(store, session, intake.admit(RAIN[1], RAIN[0]), RAIN[0]).sha256
    assert refused(say(STEP | {"base": rain}, files=[RAIN])) == (
        "any2pix needs a picture, and rain.wav is a sound. Name a picture."
    )
    assert len(history.graph(store, session).revisions) == 1


def test_where_there_is_no_picture_one_is_asked_for(say, store):
    empty = store.create_session("empty").id
    for files in ([], [RAIN]):
        assert refused(say(STEP, files=files, session=empty)).startswith("There is no picture to edit yet.")
    assert not history.graph(store, empty).revisions


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"alpha": 1.5}, "any2pix alpha: Input should be less than or equal to 1"),
        ({"guidance": -1}, "any2pix guidance: Input should be greater than or equal to 0"),
        ({"steps": 1}, "any2pix steps: Input should be greater than or equal to 2"),
        ({"refined_weight": 11}, "any2pix refined_weight: Input should be less than or equal to 10"),
        (
            {"meant_weight": 0, "refined_weight": 0},
            "any2pix: base_weight, meant_weight and refined_weight are all 0, so nothing is meant",
        ),
        ({"norm": 0}, "any2pix norm: Input should be greater than 0"),
    ],
)
def test_what_is_out_of_range_is_named_and_refused(say, store, session, args, said):
    assert refused(say(STEP | {"args": args}, files=[RAIN])).startswith(said)
    assert len(history.graph(store, session).revisions) == 1


def test_more_others_than_it_takes_are_counted(say, store, session):
    said = refused(say(STEP | {"subjects": ["#1"] * 9}))
    assert said.startswith("any2pix needs 0 to 8 other pictures or sounds, and 9 are named.")
    assert len(history.graph(store, session).revisions) == 1


def test_a_sound_of_no_time_is_refused_at_the_door_and_where_it_is_heard(store, opened):
    with pytest.raises(Damaged, match="There is no sound in this file"):
        list(Assistant(store, ScriptedPlanner()).turn(Told(store).session, "{}", files=[("a.wav", wav(TONE[:0]))]))
    told, none = Told(opened), wav(TONE[:0])
    kept = uploads.receive(opened, told.session, Admitted("audio", "audio/flac", None, none, 0.0, none), "none.wav")
    code, said = told.said(STEP | {"subjects": [kept.sha256]})
    assert code == "damaged_file" and said.startswith("This sound lasts 0 seconds.")


# With weights, or for want of them


def test_weights_that_are_missing_are_named_with_the_command_that_gets_them(store, monkeypatch, tmp_path):
    monkeypatch.setattr(shelf, "STARTER", tmp_path / "none.json")
    code, said = Told(store).said(STEP, [RAIN])
    assert code == "missing_weights" and "any2pix" in said and "pentimento models" in said


def test_an_encoder_that_is_missing_is_named_too(store, monkeypatch, tmp_path):
    monkeypatch.setattr(shelf, "STARTER", tmp_path / "none.json")
    adding.add(shelf.at(store.home), tiny.any2pix(tmp_path / "tiny"), "any2pix")
    code, said = Told(store).said(STEP, [RAIN])
    assert code == "missing_weights" and "encoder" in said


def test_a_refiner_that_is_missing_is_named_before_anything_is_drawn(opened):
    code, said = Told(opened).said(STEP | {"args": {"steps": 500, "refinement": 0.5}}, [RAIN])
    assert (code, said) == (
        "bad_arguments",
        "The refiner goes with SDXL, and these weights are smaller. Leave out refinement.",
    )


@pytest.mark.parametrize("what", ["another encoder", "too short", "not finite", "zeros", "no numbers", "no name"])
def test_what_is_meant_must_be_an_embedding_of_the_weights_encoder(opened, home, what):
    eyes = shelf.at(home).encoder()
    e = np.ones(eyes.width)
    meant = {
        "another encoder": meanings.written(e, "f" * 64),
        "too short": meanings.written(e[1:], eyes.digest),
        "not finite": meanings.written(e * np.nan, eyes.digest),
        "zeros": meanings.written(0 * e, eyes.digest),
        "no numbers": f"{eyes.digest[:16]}:what it is",
        "no name": meanings.packed(e),
    }[what]
    code, said = Told(opened).said({"tool": "any2pix", "args": {"steps": 2, "meant": meant}}, [RAIN])
    assert code == "bad_arguments" and said.startswith("What is meant") and "Say it again" in said


def test_a_subject_that_nothing_shows_is_named(opened):
    code, said = Told(opened).said({"tool": "any2pix", "args": {"subject": "the boat, the dog"}}, [RAIN])
    assert (code, said) == (
        "bad_arguments",
        "Nothing shows what 'the dog' is to look like. Attach a picture for it.",
    )


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (3, 200)])
def test_no_picture_is_too_small(opened, size):
    told = Told(opened, PHOTO[: size[0], :64] if size[1] <= 64 else np.tile(PHOTO, (1, 4, 1))[: size[0], : size[1]])
    *_, last = told.going(STEP, [RAIN])
    graph = history.graph(opened, told.session)
    assert last.state == "done" and graph.head.tool == "any2pix" and len(graph.head.step.subjects) == 1
    first, after = (opened.picture(told.session, one.image) for one in graph.revisions)
    assert after.size == first.size and not np.array_equal(after.pixels, first.pixels)
