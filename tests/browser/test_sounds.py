"""Sounds on the page, in a real browser with a microphone that beeps: attached, seen, played, recorded, sent.

`PENTIMENTO_ALBUM=folder` keeps screenshots.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from agent.assistant import Assistant
from agent.plan import Plan, PlanStep
from agent.planners.given import Given
from agent.runtime import open_store
from agent.settings import Settings
from tests.browser.conftest import QUIET, free_port
from tests.browser.person import Person, serving
from toybox import sounds
from toybox.drawing import draw
from toybox.scenes import random_scene

BEEPING = "--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
"""A microphone that beeps, and nobody who is asked about it."""
PLAYED = """async () => {
  const player = document.querySelector('.sound audio');
  player.muted = true;
  await player.play();
  player.pause();
  return [player.duration, player.seekable.length];
}"""
SEEN = """() => getComputedStyle(document.querySelector('.sound .wave')).maskImage"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def context(launch, tmp_path_factory):
    opened = launch(tmp_path_factory.mktemp("profile"), args=[*QUIET.split(), *BEEPING.split()])
    opened.grant_permissions(["microphone"])
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def ada(context, home):
    """Her tab stays open from chapter to chapter."""
    wanted = os.environ.get("PENTIMENTO_ALBUM")
    with serving(home, free_port()) as address:
        page = context.new_page()
        page.set_viewport_size({"width": 1280, "height": 800})
        yield Person(page, address, Path(wanted) if wanted else None)
        page.close()


@pytest.fixture(scope="module")
def rain(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sounds") / "rain.wav"
    t = np.arange(32_000) / 16_000
    soundfile.write(path, 0.8 * np.sin(2765 * t) * np.exp(-4 * (1.5 * t % 1)), 16_000)
    return path


def test_an_attached_sound_is_seen_with_its_message(ada, rain):
    ada.opens()
    ada.takes_example("coffee")
    ada.says("make it sepia", rain)
    ada.hears("main is at #2")
    wave = ada.page.get_by_role("img", name="rain.wav, 2.0 s")
    wave.wait_for()
    assert wave.bounding_box()["width"] > 90 and "/sounds/" in ada.page.evaluate(SEEN)
    assert not ada.page.locator(".talk img").count()
    ada.photographs("sound")


def test_it_can_be_played_and_only_by_its_owner(ada, home, monkeypatch):
    seconds, seekable = ada.page.evaluate(PLAYED)
    assert abs(seconds - 2) < 0.01 and seekable
    address = ada.page.locator(".sound audio").first.get_attribute("src")
    whole = ada.page.request.get(ada.address + address)
    part = ada.page.request.get(ada.address + address, headers={"Range": "bytes=0-3"})
    assert (whole.status, whole.headers["content-type"]) == (200, "audio/flac")
    assert (part.status, part.body()) == (206, b"fLaC") and whole.body().startswith(b"fLaC")
    monkeypatch.setenv("PENTIMENTO_OWNER", "somebody else")
    with serving(home, free_port()) as theirs:
        assert ada.page.request.get(theirs + address).status == 404
        assert ada.page.request.get(theirs + address.replace(".flac", ".svg")).status == 404


def test_what_is_recorded_can_be_heard_and_thrown_away(ada):
    records(ada)
    ada.page.get_by_role("button", name="Play", exact=True).wait_for()
    ada.sees("recording 1.wav goes with your next message.")
    ada.page.keyboard.press("Escape")
    ada.presses("Undo")  # a rerun of the page
    ada.hears("Undone: main is at #1")
    ada.sees("recording 1.wav goes with your next message.")
    ada.photographs("recorded")
    ada.presses("Take it away")
    ada.page.get_by_text("goes with your next message").wait_for(state="detached")


def records(person: Person) -> None:
    person.page.locator(".st-key-saying [data-testid=stPopoverButton]").first.click()
    recorder = person.page.get_by_test_id("stAudioInput")
    result = recorder.get_by_role("button", name=re.compile("^(Play|Reset)$"))
    for _ in range(3):  # the browser's recorder fails now and then; it says so, and people try again
        recorder.get_by_role("button", name="Record", exact=True).click()
        recorder.get_by_role("button", name="Stop recording").wait_for()
        person.page.wait_for_function(HEARD)
        recorder.get_by_role("button", name="Stop recording").click()
        result.wait_for()
        if result.get_attribute("aria-label") == "Play":
            return
        result.click()


HEARD = """() => /00:0[1-9]/.test(document.querySelector('[data-testid=stAudioInput]').innerText)"""
"""The recorder's clock has come to a second."""


def test_a_recording_goes_with_the_next_message(ada):
    records(ada)
    ada.sees("recording 2.wav goes with your next message.")
    ada.page.keyboard.press("Escape")
    ada.says("mirror it")
    ada.hears("main is at #3")
    ada.page.get_by_role("img", name="recording 2.wav, ").wait_for()
    assert not ada.page.get_by_text("goes with your next message").count()
    ada.photographs("sent")


@pytest.fixture(scope="module")
def planned(home) -> str:
    """A session of a drawn scene, where a plan that works with a sound waits to be approved."""
    scene, crickets = io.BytesIO(), io.BytesIO()
    Image.fromarray(draw(random_scene(np.random.default_rng(7))).rgb).save(scene, "PNG")
    soundfile.write(crickets, sounds.sound("crickets", 5), sounds.RATE, format="WAV")
    assistant = Assistant(open_store(Settings(home=home)), Given(Plan(steps=(PlanStep(tool="any2pix"),))))
    session, _ = assistant.new(("scene.png", scene.getvalue()))
    assistant.propose(session.id, "make it feel like this", [("crickets.wav", crickets.getvalue())])
    return session.id


def test_a_plan_says_what_its_sound_was_understood_as(ada, planned):
    ada.opens(f"/?s={planned}&b=main")
    ada.page.locator(".plan .sound", has_text="heard as: night (").wait_for()
    assert ada.page.locator(".plan .sound audio").count() == 1
    ada.page.locator(".said.you .sound", has_text="heard as: night (").wait_for()
    ada.photographs("planned")
    ada.presses("Cancel, change nothing")
    ada.page.locator("ol.plan-rows .sound", has_text="heard as: night (").wait_for()
    assert ada.page.evaluate(OVERFLOW) <= 0
    ada.photographs("left")


OVERFLOW = """() => {
  const right = (one) => one.getBoundingClientRect().right;
  const said = [...document.querySelectorAll('.talk *')].map(right);
  return Math.max(...said) - right(document.querySelector('.st-key-talk'));
}"""
"""How far what is said reaches out of its column."""
