"""The page without a browser: what its buttons do, which are there, and what is said where something goes wrong."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agent.assistant import Assistant
from agent.plan import Command, Plan, PlanStep
from agent.planners.given import Given
from sessions import history
from sessions.errors import StorageError
from sessions.store import Store
from tests.agent.conftest import cat, png  # noqa: F401
from ui import canvas, server
from ui.gallery import Gallery
from ui.place import short
from ui.timeline import Pick
from ui.worker import Worker

PAGE = Path(server.__file__).parent / "app.py"
PATIENCE = 60


@pytest.fixture
def store(tmp_path, monkeypatch):
    opened = Store(tmp_path / "home")
    desk = server.Desk(Worker(Assistant(opened, Given(Plan()))), Gallery(opened))
    monkeypatch.setattr(server, "desk", lambda: desk)
    yield opened
    assert desk.worker.rest(PATIENCE)
    opened.close()


@pytest.fixture
def session(store, cat):  # noqa: F811
    return Assistant(store, Given(Plan())).new(("cat.png", cat))[0].id


@pytest.fixture
def does(store, session):
    """A message with its plan, on a branch; how it ended."""

    def done(branch, *steps, files=(), **plan):
        told = Plan(steps=steps, **plan)
        *_, end = Assistant(store, Given(told)).turn(session, "go", files, branch=branch)
        return end

    return done


def flip(**of):
    return PlanStep(tool="flip", args={"axis": "horizontal"}, **of)


def sepia(**of):
    return PlanStep(tool="monochrome", args={"tone": "sepia"}, **of)


def page(**address):
    app = AppTest.from_file(str(PAGE), default_timeout=PATIENCE)
    for name, value in address.items():
        app.query_params[name] = value
    return run(app)


def run(app):
    app.run()
    assert not app.exception, [one.value for one in app.exception]
    return app


def button(app, label):
    return next(one for one in app.button if label in one.label)


def heads(store, session):
    graph = history.graph(store, session)
    return {name: graph.by_id[head].seq for name, head in graph.branches.items()}


# Branches


@pytest.fixture
def two(store, session, does):
    """main at #2, sepia at #3, both made from #1."""
    does("main", flip())
    root = history.graph(store, session).revisions[0].id
    does("main", sepia(base=root))
    return history.graph(store, session)


def test_picking_the_end_of_another_branch_goes_to_that_branch(two, session, monkeypatch):
    """Undo then takes back what is looked at."""
    monkeypatch.setattr(canvas, "timeline", lambda *_: Pick(two.branches["sepia"]) if picks.pop() else None)
    picks = [False, False, True]
    app = page(s=session, b="main")
    assert app.query_params["b"] == "sepia" and "at" not in app.query_params
    assert not button(app, "Undo").disabled


def test_only_the_end_of_the_branch_can_be_taken_back(two, session):
    app = page(s=session, b="main", at=short(two.revisions[0].id))
    assert button(app, "Undo").disabled and button(app, "Redo").disabled
    assert "#2" in button(app, "Undo").help


def test_redo_is_offered_for_what_was_undone_on_this_branch(two, store, session, does):
    does("main", command=Command(name="undo"))
    does("sepia", flip())
    assert not button(page(s=session, b="main"), "Redo").disabled
    assert button(page(s=session, b="sepia"), "Redo").disabled
    does("sepia", command=Command(name="undo"))
    does("main", command=Command(name="redo"))
    assert button(page(s=session, b="main"), "Redo").disabled
    assert not button(page(s=session, b="sepia"), "Redo").disabled
