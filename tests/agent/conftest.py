"""A store in a temporary folder, an assistant whose planner does as it is told, and small real photos."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from agent.assistant import Assistant
from agent.events import Finished
from agent.plan import Context, Plan
from sessions import turns
from sessions.store import Store
from tests.decoded import decoded_once  # noqa: F401
from tools import regions


class ScriptedPlanner:
    """Takes the message itself for the plan's JSON; words that are not JSON are not understood."""

    name = "scripted@1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def plan(self, text: str, context: Context) -> Plan:
        self.asked.append(text)
        try:
            return Plan.model_validate(json.loads(text))
        except ValueError:
            return Plan(chat="I did not understand that.")


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def cat() -> bytes:
    return png(data.chelsea()[:200, :240])


@pytest.fixture(scope="session")
def cup() -> bytes:
    return png(data.coffee()[:160, :160])


@pytest.fixture(scope="session")
def new_database(tmp_path_factory) -> Path:
    """A database with nothing in it yet: its migrations take longer than most tests."""
    home = tmp_path_factory.mktemp("new")
    Store(home).close()
    return home / "sessions.db"


@pytest.fixture
def store(tmp_path: Path, new_database: Path):
    (tmp_path / "home").mkdir()
    shutil.copy(new_database, tmp_path / "home")
    opened = Store(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def assistant(store: Store) -> Assistant:
    return Assistant(store, ScriptedPlanner())


@pytest.fixture
def session(assistant: Assistant, cat: bytes) -> str:
    return assistant.new(("cat.png", cat))[0].id


@pytest.fixture
def say(assistant: Assistant, session: str):
    """Send a plan as a message; gives the events."""

    def send(*steps: dict, **kwargs) -> list:
        plan = {"steps": list(steps)} | {k: kwargs.pop(k) for k in ("command", "ask", "chat", "then") if k in kwargs}
        return list(assistant.turn(kwargs.pop("session", session), json.dumps(plan), **kwargs))

    return send


@pytest.fixture
def unsure(monkeypatch):
    """Every place is found, and none for certain."""
    ground_steps = regions.ground_steps

    def doubtful(image, region, brush=None):
        found = yield from ground_steps(image, region, brush)
        return regions.Grounding(found.mask, 0.3, "a corner")

    monkeypatch.setattr(regions, "ground_steps", doubtful)


def killed(store: Store, session: str, going, request_id: str = "r") -> None:
    """As if the process were gone: the turn stays as it is stored, and its lease can be taken."""
    before = turns.get(store, session, request_id)
    going.close()
    values = {"state": before.state, "session": session, "request_id": request_id}
    with store.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE turns SET state = :state, lease = NULL, heartbeat = NULL, outcome = '{}'"
            " WHERE session = :session AND request_id = :request_id",
            values,
        )


def end(events: list) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]
