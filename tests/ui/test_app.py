"""The page without a browser: what its buttons do, which are there, and what is said where something goes wrong."""

from pathlib import Path

import numpy as np
import pytest
from skimage import data
from streamlit.testing.v1 import AppTest

from agent.assistant import Assistant
from agent.plan import Command, Plan, PlanStep
from agent.planners.given import Given
from sessions import history, turns
from sessions.errors import PlanError, StorageError
from sessions.store import Store
from tests.agent.conftest import cat, png  # noqa: F401
from tools import regions
from ui import canvas, frame, place, plancard, server
from ui.gallery import Gallery
from ui.place import short
from ui.stage import Painted
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


# What is said where something goes wrong


def test_a_store_that_fails_is_a_sentence_and_can_be_tried_again(session, monkeypatch):
    def refused(*_):
        raise StorageError("The disk refused.", "Make some room.")

    with monkeypatch.context() as broken:
        broken.setattr(history, "graph", refused)
        app = page(s=session)
        assert [one.value for one in app.error] == [r"The disk refused\. Make some room\."]
    button(app, "Try again").click()
    assert not run(app).error


def test_a_session_that_is_not_there_leads_back_to_the_beginning(store):
    app = page(s="0" * 32)
    assert app.error
    button(app, "Start with a photo").click()
    assert button(run(app), "Use the cat")


@pytest.mark.parametrize(("field", "typed"), [("size", "abc"), ("size", "20000%"), ("most", "lots")])
def test_a_download_that_cannot_be_is_a_sentence_and_no_link(session, field, typed):
    app = page(s=session)
    assert any("as .jpg" in one.proto.body for one in app.get("html"))
    app.text_input(key=field).set_value(typed)
    run(app)
    assert app.error and not any("as .jpg" in one.proto.body for one in app.get("html"))


def test_an_answer_drawn_to_a_question_that_is_over_is_an_error_and_marks_nothing(store, session, does, monkeypatch):
    monkeypatch.setattr(regions, "SURE", 2.0)
    assert does("main", PlanStep(tool="blur", region={"words": "the top half"})).state == "waiting"
    monkeypatch.setattr(Assistant, "amend", refuses)
    drawn = [Painted(box=(0.1, 0.1, 0.5, 0.5)), None]
    monkeypatch.setattr(canvas, "stage", lambda *_: drawn.pop() if drawn else None)
    app = page(s=session, b="main")
    run(app)
    assert [one.value for one in app.error] == [r"It is over\."] and "mark" not in app.query_params


def refuses(*_):
    raise PlanError("It is over.")


def test_two_photos_that_cannot_be_compared_are_a_sentence(store, session, does):
    beside = history.graph(store, session).revisions[0]
    small = PlanStep(tool="flip", args={"axis": "horizontal"})
    does("main", small, files=[("cup.png", png(data.coffee()[:90, :80]))])
    app = page(s=session, b="cup", beside=short(beside.id))
    assert "different sizes" in app.error[0].value
    button(app, "Close").click()
    assert not run(app).error


def test_names_are_text_in_labels(store, cat):  # noqa: F811
    session = Assistant(store, Given(Plan())).new(("![x](https://example.org/a.png) $a$", cat))[0]
    assert button(page(s=session.id), r"\!\[x\]\(https\:")


# Clicks


def settled(app):
    """The page once the turn has ended that it waits for."""
    assert server.desk().worker.wait(app.query_params["turn"], PATIENCE)
    return run(app)


def edits(monkeypatch):
    """The form of the last plan, sent once as it stands; not that of the tools."""
    sent = []

    def editor(plan, key, _label):
        return None if sent or key.startswith("tool-") else sent.append(plan) or plan

    monkeypatch.setattr(plancard, "editor", editor)


def test_what_began_with_an_attached_photo_can_be_done_again(store, session, does, monkeypatch):
    end = does("main", flip(), files=[("cup.png", png(data.coffee()[:90, :80]))])
    edits(monkeypatch)
    settled(page(s=session, b=end.branch))
    assert heads(store, session) == {"main": 1, "cup": 4}
    assert turns.recent(store, session, 1)[-1].state == "done"


def test_what_is_drawn_on_the_picture_is_for_the_next_words_and_not_for_a_click(store, session, does, monkeypatch):
    does("main", PlanStep(tool="adjust", args={"exposure": 0.3}))
    edits(monkeypatch)
    app = settled(page(s=session, b="main", mark="box:0.1000,0.1000,0.5000,0.5000"))
    made = history.graph(store, session).revisions[-1]
    assert made.seq == 3 and made.step.region is None and made.mask is None
    assert app.query_params["mark"].startswith("box:")


@pytest.mark.parametrize(
    ("step", "offered"),
    [
        (PlanStep(tool="blur", region={"box": [0.2, 0.2, 0.6, 0.6]}), True),
        (PlanStep(tool="text", args={"text": "hello"}), False),
    ],
)
def test_a_mask_is_corrected_where_the_step_has_a_place(session, does, step, offered):
    does("main", step)
    app = page(s=session, b="main")
    app.session_state["mode"] = "mask"
    assert any("Correct the mask" in one.label for one in run(app).button) is offered


@pytest.mark.parametrize(("mode", "changed"), [("brush", True), ("look", False)])
def test_what_is_being_painted_goes_with_a_message_that_is_sent_before_it_is_handed_over(
    store, session, monkeypatch, mode, changed
):
    mask = np.zeros((200, 240), np.uint8)
    mask[40:80, 60:100] = 255
    shown = history.graph(store, session).revisions[-1]
    drafts = {("stage", place.picture(shown)): Painted(mask=mask)}
    monkeypatch.setattr(frame, "draft", lambda *asked: drafts.get(asked))
    server.desk().worker.assistant.planner = Given(Plan(steps=(sepia(),)))
    app = AppTest.from_file(str(PAGE), default_timeout=PATIENCE)
    app.session_state["mode"] = mode
    app.query_params["s"] = session
    run(app).chat_input(key="say").set_value("make it sepia")
    settled(run(app))
    made = history.graph(store, session).revisions[-1]
    assert made.seq == 2 and (made.mask is not None) is changed
    if changed:
        assert np.array_equal(store.picture(session, made.mask).pixels[40:80, 60:100], mask[40:80, 60:100])
