"""A sound on the page: its waveform and its player, whose it is, and a sentence where it cannot be read."""

import threading
import xml.etree.ElementTree as ET
from dataclasses import replace
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from agent.assistant import Assistant
from agent.hearing import Heard
from agent.plan import Plan, PlanStep
from agent.planners.given import Given
from sessions import history, intake, turns, uploads
from sessions.errors import MissingWeights
from sessions.identity import bytes_hash
from sessions.store import Store
from sessions.values import Asset
from tests.agent.conftest import cat, png  # noqa: F401
from tests.ui.test_app import page, run, session, settled, store  # noqa: F401
from tests.ui.test_chat import words
from tests.ui.test_server import browser, client  # noqa: F401
from tools.sounds import Sound, peaks
from ui import chat, microphone, plancard, server, sounding, waveform
from ui.ears import Ears
from ui.gallery import Cache, Gallery
from ui.waveform import Shown
from ui.worker import Call, Worker

# ruff: noqa: F811

PATIENCE = 60
TONE = (0.8 * np.sin(np.arange(32_000) / 5)).astype(np.float32)
RAIN = Shown("rain.wav, 2.0 s", "/w.svg", "/f.flac", "heard as: night (0.83, nearest of 12)")


def wav(samples: np.ndarray = TONE) -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, 16_000, format="WAV")
    return file.getvalue()


@pytest.fixture
def ears(store, monkeypatch):
    """What is heard, and by which thread; nothing unless a test says so."""
    told = SimpleNamespace(words=None, threads=[])

    def hear(*_):
        told.threads.append(threading.current_thread())
        return told.words

    monkeypatch.setattr(server.desk().gallery, "ears", Ears(store, hear))
    return told


@pytest.fixture
def sound(store, session):
    """The name of a sound of the session."""
    return uploads.receive(store, session, intake.admit(wav()), "rain.wav").sha256


def kept(store: Store, session: str, data: bytes) -> str:
    """A sound that lies in the store as no door would let it."""
    asset = Asset(bytes_hash(data), store.owner, "audio", "audio/flac", seconds=2.0, name="odd.flac")
    return store.add_asset(session, asset, b"as it came" + data, None, data).sha256


# The shape


def test_peaks_are_the_least_and_the_greatest_of_each_piece():
    found = peaks(Sound(np.array([0, 0.5, -0.25, 0, 0.125, 1], np.float32), 8000), 3)
    assert found.dtype == np.float32 and found.tolist() == [[0, 0.5], [-0.25, 0], [0.125, 1]]


@pytest.mark.parametrize("count", [1, 5, 95, 97, 1000])
def test_every_sample_counts_whether_there_are_many_or_few(count):
    samples = np.linspace(-1, 1, count, dtype=np.float32)
    found = peaks(Sound(samples, 8000), 96)
    assert found.shape == (96, 2) and (found[:, 0] <= found[:, 1]).all()
    assert (found.min(), found.max()) == (samples.min(), samples.max())
    assert np.ptp(found, axis=1).max() * count <= 2 * -(-count // 96) + 1e-3  # none is longer than the others


def strokes(drawn: bytes) -> list[tuple[float, float]]:
    path = ET.fromstring(drawn)[0].get("d", "")
    return [tuple(map(float, one.split(" ")[1].split("V"))) for one in path.split("M")[1:]]


@pytest.mark.parametrize(("loud", "high"), [(1.0, 64), (0.2, 64), (0.05, 32), (0.0, 1)])
def test_a_waveform_fills_its_height_unless_it_is_quiet(loud, high):
    drawn = strokes(waveform.svg(np.array([[-loud, loud]] * 5, np.float32)))
    assert len(drawn) == 5 and all(bottom - top == high for top, bottom in drawn)


def test_names_are_text_and_trouble_is_a_sentence_without_a_player():
    shown = waveform.figure(replace(RAIN, label="<b>'x'"))
    assert "<b>" not in shown and "aria-label='&lt;b&gt;&#x27;x&#x27;'" in shown and shown.count("/w.svg") == 1
    told = waveform.figure(replace(RAIN, trouble="It is <damaged>."))
    assert "rain.wav, 2.0 s. It is &lt;damaged&gt;." in told
    assert not any(sign in told for sign in ("<audio", "<img", "/w.svg", "night"))


# Its addresses


def test_a_sound_is_served_as_it_is_kept_whole_or_in_part(browser, store, session, sound):
    whole = browser.get(f"/sounds/{session}/{sound}.flac")
    assert whole.status_code == 200 and whole.content == store.asset_bytes(session, sound)
    assert whole.headers["content-type"] == "audio/flac" and whole.headers["accept-ranges"] == "bytes"
    assert "immutable" in whole.headers["cache-control"]
    assert whole.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=5-999999999", 206, slice(5, None)),
        ("bytes=999999999-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
        ("bytes=0-1,4-5", 200, slice(None)),
        ("bytes=9-3", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
        ("pages=1-2", 200, slice(None)),
    ],
)
def test_a_player_may_ask_for_a_part(browser, store, session, sound, asked, status, part):
    data = store.asset_bytes(session, sound)
    answer = browser.get(f"/sounds/{session}/{sound}.flac", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, data[part])
    if status == 206:
        first = part.indices(len(data))[0]
        last = first + len(answer.content) - 1
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(data)}"
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(data)}"


def test_a_waveform_is_served_and_made_once(browser, session, sound, monkeypatch):
    drawn = browser.get(f"/sounds/{session}/{sound}.svg")
    assert drawn.headers["content-type"] == "image/svg+xml" and len(strokes(drawn.content)) == waveform.COLUMNS
    monkeypatch.setattr(waveform, "svg", None)
    assert browser.get(f"/sounds/{session}/{sound}.svg").content == drawn.content


@pytest.mark.parametrize("ending", ["svg", "flac"])
def test_a_sound_is_its_owners_and_a_picture_is_none(store, session, sound, ending, monkeypatch):
    picture = history.graph(store, session).revisions[0].image
    with client() as mine:
        assert mine.get(f"/sounds/{session}/{sound}.{ending}").status_code == 200
        assert mine.get(f"/sounds/{session}/{picture}.{ending}").status_code == 404
        assert mine.get(f"/sounds/{'0' * 32}/{sound}.{ending}").status_code == 404
        assert mine.get(f"/pictures/{session}/attached/{sound}.webp").status_code == 404
    theirs = store.of("somebody else")
    desk = server.Desk(Worker(Assistant(theirs, Given(Plan()))), Gallery(theirs))
    desk.gallery.cache = server.desk().gallery.cache
    monkeypatch.setattr(server, "desk", lambda: desk)
    with client() as other:
        assert other.get(f"/sounds/{session}/{sound}.{ending}").status_code == 404


# In the conversation


def says(session, text, *files):
    worker = server.desk().worker
    worker.assistant.planner = Given(Plan(chat="I heard it."))
    request = worker.start(Call(session, text, files, "main")).call.request_id
    assert worker.wait(request, PATIENCE)
    return page(s=session, b="main")


def test_an_attached_sound_is_seen_and_can_be_played(store, session, ears):
    app = says(session, "listen", ("rain.wav", wav()))
    [row] = [one for one in words(app).split("<div class='said ") if "listen" in one]
    assert "role='img' aria-label='rain.wav, 2.0 s'" in row and "<audio controls preload='none'" in row
    assert "<img" not in row and "heard as" not in row


def test_what_it_was_understood_as_is_said_once_that_is_known_and_the_page_never_listens_itself(session, ears):
    ears.words = Heard("night", 0.834, 12)
    app = says(session, "listen", ("rain.wav", wav()))
    server.desk().gallery.ears._pool.shutdown()
    assert "rain.wav, 2.0 s · heard as: night (0.83, nearest of 12)" in words(run(app))
    assert [one.name for one in ears.threads] == ["ears_0"]


def test_the_page_does_not_wait_for_what_is_being_listened_to(store):
    go_on = threading.Event()
    listens = Ears(store, lambda *_: go_on.wait(PATIENCE) and Heard("night", 0.5, 2))
    assert listens.heard("s", "a") is None and listens.heard("s", "a") is None and listens.busy
    go_on.set()
    listens._pool.shutdown()
    assert listens.heard("s", "a") == Heard("night", 0.5, 2) and not listens.busy


@pytest.mark.parametrize("failure", [MissingWeights("There is no encoder."), RuntimeError("out of memory")])
def test_where_nothing_can_hear_nothing_is_said(store, failure):
    def fails(*_):
        raise failure

    listens = Ears(store, fails)
    listens.heard("s", "a")
    listens._pool.shutdown()
    assert listens.heard("s", "a") is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (wav(np.zeros(0, np.float32)), "This sound lasts 0 seconds."),
        (b"fLaC and nothing", "This sound cannot be read."),
    ],
    ids=["nothing", "damaged"],
)
def test_a_sound_that_cannot_be_read_is_a_sentence(browser, store, session, ears, data, why):
    name = kept(store, session, data)
    shown = sounding.shown(session, name)
    assert shown is not None and shown.trouble.startswith(why) and not ears.threads
    assert browser.get(f"/sounds/{session}/{name}.svg").status_code == 400


def test_a_sound_whose_file_is_damaged_or_lost_is_a_sentence_on_the_page(store, session, ears):
    says(session, "listen", ("rain.wav", wav()))
    [name] = turns.messages(store, session)[0].attachments
    file = store.blobs.files.path(store.blobs.name(session, name))
    server.desk().gallery.cache = Cache()
    file.chmod(0o600)
    file.write_bytes(b"fLaC")
    said = words(page(s=session, b="main"))
    assert "rain.wav, 2.0 s. " in said and "<audio" not in said and "class='wave'" not in said
    file.unlink()
    assert "rain.wav, 2.0 s. " in (again := words(page(s=session, b="main"))) and "<audio" not in again


def test_a_long_conversation_asks_the_store_nothing_of_what_it_has_shown(store, session, sound, ears, monkeypatch):
    picture = uploads.receive(store, session, intake.admit(png(np.zeros((9, 9, 3), np.uint8))), "dark.png").sha256
    before = [sounding.shown(session, one) for one in (sound, picture)]
    server.desk().gallery.ears._pool.shutdown()
    monkeypatch.setattr(store, "asset", None)
    assert [sounding.shown(session, one) for one in (sound, picture)] == before and before[1] is None


# In the plan


def test_a_step_that_works_with_a_sound_says_what_it_was_understood_as(store, session, sound, ears):
    ears.words = Heard("night", 0.834, 12)
    plan = Plan(steps=(PlanStep(tool="blur", subjects=(sound,)),))
    graph = history.graph(store, session)
    view = SimpleNamespace(graph=graph, place=SimpleNamespace(session=session))
    chat._pictures(view, plan, graph.head.id)
    server.desk().gallery.ears._pool.shutdown()
    shown = plancard.rows(plan, (), pictures=chat._pictures(view, plan, graph.head.id))
    assert "heard as: night (0.83, nearest of 12)" in shown and "<audio" in shown and "<img" not in shown


def test_the_form_of_a_plan_shows_its_sounds_and_its_pictures_each_as_such():
    form = plancard._form(PlanStep(tool="blur", subjects=("a", "b")), {"a": "/p.webp", "b": RAIN})
    assert form["pictures"] == ["/p.webp"]
    assert [(one["label"], one["wave"], one["file"]) for one in form["sounds"]] == [
        ("rain.wav, 2.0 s", "/w.svg", "/f.flac")
    ]


# The microphone


def test_what_was_recorded_goes_with_the_next_message_and_only_with_that(store, session, ears, monkeypatch):
    server.desk().worker.assistant.planner = Given(Plan(chat="I heard it."))
    takes = [wav()]
    monkeypatch.setattr(microphone, "recorded", lambda: [("recording 1.wav", takes[0])] if takes else [])
    monkeypatch.setattr(microphone, "forget", takes.clear)
    app = page(s=session, b="main")
    assert "recording 1.wav goes with your next message." in words(app)
    for said in ("listen", "and now"):
        app.chat_input(key="say").set_value(said)
        app = settled(run(app))
    assert words(app).count("aria-label='recording 1.wav, 2.0 s'") == 1
    assert "goes with your next message" not in words(app)
