"""R25. Stop means stop: every tool ends within two seconds on a camera's photo, and nothing half-done is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from agent.assistant import Assistant
from agent.events import Finished, Working
from sessions import history, intake, turns, upkeep, uploads
from sessions.files import TEMP_SUFFIX
from sessions.fsck import fsck
from sessions.identity import new_id
from sessions.store import Store
from tests.agent.conftest import ScriptedPlanner
from tests.reliability.long_work import crowding, schedule
from tools import registry

ROOT = Path(__file__).parents[2]
CAMERA, TERMINATED = (6000, 4000), (2400, 1600)
STOPPED, ENDED = 2.0, 10.0
"""Seconds from the wish to stop to the end: of a turn in a process that goes on, and of a process told to terminate."""

MOMENTS, SIGNALS, LIFE = (0.0, 0.05, 0.2), 12, 4.0
"""Seconds after the beginning of a step at which it is stopped; how many processes are terminated within which time."""

NEEDED = {
    "crop": {"aspect": "1:1"},
    "resize": {"scale": 0.7},
    "rotate": {"degrees": 7},
    "straighten": {"degrees": 3},
    "text": {"text": "Hello"},
    "adjust": {"exposure": 0.4, "highlights": 0.4},
    "vignette": {"amount": 0.5},
    "replace_background": {"color": "#ff0000"},
    "insert_subject": {"at": "bottom right", "scale": 0.5, "blend": "poisson"},
}
"""Arguments of tools that need some, or that would do nothing without."""

OTHERS = {"insert_subject": ("#3",), "match_colors": ("#2",), "analogy": ("#1", "#2")}
"""The other pictures of tools that need some: #2 is the photo in other colours, #3 a cut-out."""


def grainy(size: tuple[int, int]) -> bytes:
    """A photo with a camera's noise, as a PNG."""
    pixels = cv2.resize(data.coffee(), size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    pixels += np.random.default_rng(0).integers(-9, 10, pixels.shape, np.int16)
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)[..., ::-1]
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


@dataclass(frozen=True)
class Room:
    """A data folder with one photo in it."""

    store: Store
    assistant: Assistant
    session: str


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with closing(Store(tmp_path_factory.mktemp("camera") / "home")) as store:
        assistant = Assistant(store, ScriptedPlanner())
        session = assistant.new(("coffee.png", grainy(CAMERA)))[0].id
        *_, toned = assistant.turn(session, '{"steps": [{"tool": "monochrome", "args": {"tone": "sepia"}}]}')
        assert toned.state == "done"
        uploads.root(store, session, uploads.receive(store, session, intake.admit(ellipse()), "cup.png"), "cup")
        yield Room(store, assistant, session)


def ellipse() -> bytes:
    """A cup that is cut out already, as a PNG."""
    cup = cv2.resize(data.coffee(), (1200, 800))[..., ::-1]
    alpha = cv2.ellipse(np.zeros((800, 1200), np.uint8), (600, 400), (420, 300), 0, 0, 360, 255, -1)
    return cv2.imencode(".png", np.dstack([cup, alpha]))[1].tobytes()


def message(tool: str, before: tuple[dict, ...] = ()) -> str:
    """The tool on the photo, on a branch of its own."""
    step: dict = {"tool": tool, "args": NEEDED.get(tool, {})}
    step["subjects"] = OTHERS.get(tool, ())
    if registry.get(tool).region == "required":
        step["region"] = {"box": [0.3, 0.3, 0.6, 0.6]}
    steps = [*before, step]
    steps[0] = steps[0] | {"base": "#1"}
    return json.dumps({"steps": steps})


def stopped_after(room: Room, text: str, index: int, moment: float) -> tuple[Finished, float]:
    """Run a message, stop it so many seconds after one of its steps began; how it ended, and how long that took."""
    request, asked = new_id(), []

    def stop() -> None:
        asked.append(time.monotonic())
        turns.cancel(room.store, room.session, request)

    timer: threading.Timer | None = None
    end: object = None
    for event in room.assistant.turn(room.session, text, request_id=request):
        if timer is None and isinstance(event, Working) and event.index == index:
            timer = threading.Timer(moment, stop)
            timer.start()
        end = event
    ended = time.monotonic()
    assert isinstance(end, Finished) and timer is not None
    timer.join()
    turn = turns.get(room.store, room.session, request)
    assert turn.state == end.state
    assert turns.revisions(room.store, turn) == list(end.revisions)
    return end, max(0.0, ended - asked[0])


def check_sound(store: Store) -> None:
    """Nothing is damaged, and after a sweep nothing lies about, no file half-written either."""
    assert not [problem for problem in fsck(store) if problem.damage]
    for path in (store.home / "blobs").rglob("*"):
        os.utime(path, (0, 0))
    list(upkeep.gc(store))
    assert not list(fsck(store))
    assert not list((store.home / "blobs").rglob(f"*{TEMP_SUFFIX}"))


@pytest.mark.reliability
def test_every_tool_stops_within_two_seconds(camera):
    tools = [name for name, tool in registry.registered().items() if not tool.weights]
    longest: dict[str, float] = {}
    states, began = [], schedule()
    for tool in tools:
        for moment in MOMENTS:
            end, seconds = stopped_after(camera, message(tool), 0, moment)
            assert (end.state, len(end.revisions)) in (("cancelled", 0), ("done", 1)), tool
            longest[tool] = max(seconds, longest.get(tool, 0.0))
            states.append(end.state)
    print({tool: round(seconds, 2) for tool, seconds in longest.items()}, states.count("cancelled"), len(states))
    assert states.count("cancelled") >= len(tools)
    assert max(longest.values()) <= STOPPED * crowding(began), longest
    check_sound(camera.store)


@pytest.mark.reliability
def test_a_step_that_was_finished_stays_and_the_one_that_was_running_goes(camera):
    began = schedule()
    for moment in MOMENTS:
        end, seconds = stopped_after(camera, message("denoise", before=({"tool": "flip"},)), 1, moment)
        assert (end.state, len(end.revisions)) == ("cancelled", 1)
        assert camera.store.revision(camera.session, end.revisions[0]).tool == "flip"
        print(round(seconds, 2))
        assert seconds <= STOPPED * crowding(began)
    check_sound(camera.store)


@pytest.mark.reliability
def test_a_process_told_to_terminate_leaves_a_whole_history(tmp_path):
    """At any moment of its life: while it starts, reads, plans, works, commits."""
    home, seen = tmp_path / "home", []
    with closing(Store(home)) as store:
        assistant = Assistant(store, ScriptedPlanner())
        session = assistant.new(("coffee.png", grainy(TERMINATED)))[0].id
    for number in range(SIGNALS):
        seconds = terminate(home, f"request-{number}", LIFE * number / SIGNALS)
        with closing(Store(home)) as store:
            seen.append((found(store, session, f"request-{number}"), round(seconds, 2)))
    print(seen)
    assert max(seconds for _, seconds in seen) <= ENDED
    assert sum(state.startswith("cancelled") for state, _ in seen) >= SIGNALS // 4
    with closing(Store(home)) as store:
        check_sound(store)
        again = list(Assistant(store, ScriptedPlanner()).turn(session, '{"steps": [{"tool": "flip"}]}'))
        assert again[-1].state == "done"


def terminate(home: Path, request: str, after: float) -> float:
    """Begin a message of two steps in a process of its own, terminate it so long after; how long it took to end."""
    words = "make it warmer and denoise it a lot"
    command = [sys.executable, "-m", "ui.cli", "say", words, "--request-id", request]
    environment = os.environ | {"PENTIMENTO_HOME": str(home), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as running:
        timer = threading.Timer(after, running.send_signal, [signal.SIGTERM])
        timer.start()
        timer.join()
        began = time.monotonic()
        said = running.communicate(timeout=60)[1]
        assert b"Traceback" not in said, said.decode()
        return time.monotonic() - began


def found(store: Store, session: str, request: str) -> str:
    """What a terminated process left of its turn: whole steps, each once, and never more than it says."""
    turn = turns.find(store, session, request)
    made = [revision.id for revision in history.graph(store, session).revisions if revision.turn == request]
    if turn is None:
        assert not made
        return "not begun"
    assert turns.revisions(store, turn) == made
    assert turn.next_step == len(made) == {"done": 2}.get(turn.state, min(len(made), 1))
    assert all(store.picture(session, store.revision(session, revision).image) for revision in made)
    return f"{turn.state} after {len(made)}"
