"""The conversation without a browser: what runs, waits and asks in it, and whose."""

import pytest

from agent.plan import Ask, Candidate, Plan, PlanStep
from sessions import history, turns
from sessions.store import Store
from tests.agent.conftest import cat, png  # noqa: F401
from tests.ui.test_app import button, does, flip, page, run, sepia, session, settled, store  # noqa: F401
from tests.ui.test_worker import PATIENCE, Told
from tools import regions
from ui import server
from ui.worker import Call

# ruff: noqa: F811


def words(app):
    """Everything on the page that is HTML of ours."""
    return "\n".join(one.proto.body for one in app.get("html"))


def labels(app):
    return [one.label for one in app.button]


@pytest.fixture
def worker(store: Store):
    return server.desk().worker


@pytest.fixture
def slow(worker):
    """The planner, until it is let go."""
    worker.assistant.planner = Told(Plan(steps=(sepia(),)), at_once=False)
    yield worker.assistant.planner
    worker.assistant.planner.go_on.set()


def says(worker, session, text, **call):
    worker.start(said := Call(session, text, branch=call.pop("branch", "main"), **call))
    return said.request_id


# What runs and what waits


def test_what_waits_is_shown_and_can_be_cancelled(worker, store, session, slow):
    says(worker, session, "sepia")
    assert slow.began.wait(PATIENCE)
    waiting = says(worker, session, "mirror it")
    app = page(s=session, b="main", turn=waiting)
    assert "After the one that runs: <strong>mirror it</strong>" in words(app)
    app.button(key=f"cancel-{waiting}").click()
    app = run(app)
    assert "After the one that runs" not in words(run(app)) and "mirror it" in words(app)
    slow.go_on.set()
    assert [live.call.text for live in worker.running(session)] in (["sepia"], [])


def test_what_is_sent_from_the_page_while_a_turn_runs_begins_where_that_ends(worker, store, session, slow):
    first = says(worker, session, "sepia")
    assert slow.began.wait(PATIENCE)
    app = page(s=session, b="main", turn=first)
    app.chat_input(key="say").set_value("again")
    app = run(app)
    slow.go_on.set()
    settled(app)
    graph = history.graph(store, session)
    assert list(graph.branches) == ["main"] and len(list(graph.line(graph.head.id))) == 3


def test_reading_a_message_can_be_cancelled(worker, store, session, slow):
    request = says(worker, session, "sepia")
    assert slow.began.wait(PATIENCE)
    app = page(s=session, b="main", turn=request)
    app.button(key="cancel").click()
    run(app)
    slow.go_on.set()
    assert "Stopped. Nothing was changed." in words(settled(app))
    assert len(history.graph(store, session).revisions) == 1


def test_what_has_no_words_is_shown_while_it_waits(worker, session, slow):
    """As a turn that is gone on with."""
    says(worker, session, "sepia", branch="other")
    assert slow.began.wait(PATIENCE)
    says(worker, session, "")
    app = page(s=session, b="main")
    assert "Cancel" in labels(app) and app.get("status")[0].label == "Waiting for the turn before it"


def test_a_turn_is_shown_on_its_own_branch(worker, store, session, does, slow):
    does("main", flip())
    does("main", sepia(base=history.graph(store, session).revisions[0].id))
    says(worker, session, "make it brighter")
    assert slow.began.wait(PATIENCE)
    assert "Cancel" in labels(page(s=session, b="main"))
    assert "Cancel" not in labels(page(s=session, b="sepia"))


def test_words_that_were_refused_stay_in_the_conversation(worker, session):
    refused = says(worker, session, "put this in the corner", files=(("holiday.jpg", b"\xff\xd8 nothing"),))
    assert worker.wait(refused, PATIENCE)
    app = page(s=session, b="main", turn=refused)
    assert "put this in the corner" in words(app) and "holiday" in app.error[0].value
    mirrored = says(worker, session, "mirror it", plan=Plan(steps=(flip(),)))
    assert worker.wait(mirrored, PATIENCE)
    said = words(page(s=session, b="main", turn=mirrored))
    assert said.index("put this in the corner") < said.index("with holiday.jpg") < said.index("mirror it")


# What is asked

SHAPES = (Candidate(label="square", value="1:1"), Candidate(label="wide", value="16:9"))
WHICH = Plan(
    steps=(PlanStep(tool="crop"),), ask=Ask(question="Which shape?", candidates=SHAPES, slot="steps.0.args.aspect")
)


def test_steps_wait_to_be_approved(worker, store, session):
    worker.assistant.planner = Told(Plan(steps=(flip(),)))
    app = page(s=session, b="main", review="1")
    app.chat_input(key="say").set_value("mirror it")
    assert "This is the plan." in words(settled(run(app)))
    assert len(history.graph(store, session).revisions) == 1


def test_where_plans_wait_a_question_is_asked_and_its_answer_done(worker, store, session):
    worker.assistant.planner = Told(WHICH)
    app = page(s=session, b="main", review="1")
    app.chat_input(key="say").set_value("crop it")
    app = settled(run(app))
    assert not any("Run this plan" in one for one in labels(app))
    button(app, "square").click()
    settled(run(app))
    assert history.graph(store, session).head.tool == "crop"


def test_a_question_that_was_held_back_is_asked_all_the_same(worker, store, session):
    worker.assistant.planner = Told(WHICH)
    worker.assistant.propose(session, "crop it", branch="main")
    assert any("square" in one for one in labels(settled(page(s=session, b="main"))))


@pytest.fixture
def doubtful(monkeypatch):
    monkeypatch.setattr(regions, "SURE", 2.0)


@pytest.mark.usefixtures("doubtful")
def test_a_doubtful_place_is_shown_on_the_canvas_and_may_be_corrected(session, does):
    does("main", PlanStep(tool="blur", region={"words": "the top half"}))
    app = page(s=session, b="main")
    assert "Tinted: what it would change" in words(app) and "class='choice" not in words(app)
    assert any("Draw a box instead" in one for one in labels(app))


@pytest.mark.usefixtures("doubtful")
def test_a_doubtful_cut_out_is_shown_with_its_answer_and_is_no_place(store, session, does, cat):
    insert = PlanStep(tool="insert_subject", args={"subject": "the top half"})
    assert does("main", insert, files=[("other.png", cat)]).state == "waiting"
    app = page(s=session, b="main")
    [turn] = turns.open_turns(store, session)
    assert f"<img class='choice large' src='/pictures/{session}/asked/{turn.request_id}/" in words(app)
    assert "Tinted" not in words(app) and not any("Draw a box" in one for one in labels(app))


def test_the_choices_of_a_merge_are_shown(store, session, does):
    root = history.graph(store, session).revisions[0].id
    for exposure in (0.5, -0.5):
        does("main", PlanStep(tool="adjust", args={"exposure": exposure}, base=root))
    names = sorted(history.graph(store, session).branches)
    assert does("main", command={"name": "merge", "target": names[0]}).state == "waiting"
    assert words(page(s=session, b="main")).count("<img class='choice'") == 3


def test_who_goes_back_and_is_asked_is_asked_where_they_then_are(store, session, does, doubtful):
    does("main", flip())
    blur = PlanStep(tool="blur", region={"words": "the top half"})
    end = does("main", blur, command={"name": "switch", "target": "#1"})
    assert end.state == "waiting" and end.branch != "main"
    app = page(s=session, b=end.branch)
    assert any("use it" in one for one in labels(app)) and "Tinted" in words(app)


# Who understands it


def test_a_tab_chooses_who_understands_it_from_what_is_offered(worker, store, session):
    worker.assistant.planner = Told(Plan(steps=(flip(),)))
    worker.planners = {"usual": worker.assistant.planner, "rules": Told(Plan(steps=(sepia(),)))}
    app = page(s=session, b="main")
    [choice] = [one for one in app.selectbox if one.label == "Who understands messages"]
    assert choice.options == ["The rules, then usual", "The rules alone"]
    choice.set_value("rules")
    app = run(app)
    assert app.query_params["planner"] == "rules"
    app.chat_input(key="say").set_value("do it")
    settled(run(app))
    assert history.graph(store, session).head.tool == "monochrome"


def test_an_address_names_no_planner_that_is_not_offered(worker, store, session):
    worker.assistant.planner = Told(Plan(steps=(flip(),)))
    worker.planners = {"chat:a:b": worker.assistant.planner}
    app = page(s=session, b="main", planner="chat:evil:model")
    assert "chat:a:b" in [one.value for one in app.selectbox]
    assert any("What the rules leave goes to" in one.value for one in app.caption)
    app.chat_input(key="say").set_value("do it")
    settled(run(app))
    assert history.graph(store, session).head.tool == "flip"
