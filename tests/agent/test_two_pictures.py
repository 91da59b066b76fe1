"""A second picture on its way from the message to the tool: attached, named, missing, or unsure; and what is stored."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from agent.assistant import Assistant
from agent.events import Asked, Committed
from agent.plan import Plan, PlanStep
from agent.planners.rules import RulesPlanner
from sessions import history
from tests.agent.conftest import end
from tests.tools.darkroom.tones import ellipse
from tools import regions
from tools.pixels import mask_box

INSERT = {"tool": "insert_subject", "args": {"at": "bottom right", "scale": 0.3}}
MATCH = {"tool": "match_colors", "args": {"amount": 1}}


@pytest.fixture(scope="module")
def sticker() -> tuple[str, bytes]:
    """A green ellipse that is cut out already."""
    pixels = np.dstack([np.full((80, 100, 3), (40, 180, 60), np.uint8), ellipse(80, 100)])
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return "sticker.png", file.getvalue()


def made(events: list) -> list:
    return [event.revision for event in events if isinstance(event, Committed)]


def test_an_attached_photo_is_what_a_step_that_needs_one_works_with_and_the_head_stays_its_base(
    say, store, session, sticker
):
    [revision] = made(say(INSERT, files=[sticker]))
    root = history.resolve(history.graph(store, session), "#1")
    assert revision.parents == (root.id,)
    assert len(revision.step.subjects) == 1
    assert store.asset(session, revision.step.subjects[0]).name == "sticker.png"
    before, after = (store.picture(session, image).pixels for image in (root.image, revision.image))
    mask = store.picture(session, revision.mask).pixels
    x0, y0, x1, y1 = mask_box(mask)
    assert x0 > 120 and y0 > 100
    assert np.array_equal(before[mask == 0], after[mask == 0])
    assert (after[(y0 + y1) // 2, (x0 + x1) // 2] == (40, 180, 60)).all()
    assert revision.facts["pixels_changed_outside"] == 0


def test_a_photo_that_no_step_works_with_is_still_the_base(say, store, session, sticker):
    [flipped] = made(say({"tool": "flip", "args": {"axis": "horizontal"}}, files=[sticker]))
    root = store.revision(session, flipped.parents[0])
    assert (root.width, root.height) == (100, 80)


def test_of_two_attached_the_one_that_is_left_is_the_base(say, store, session, sticker, cup):
    say({"tool": "flip", "args": {"axis": "horizontal"}}, files=[sticker])
    asset = next(m for m in history.graph(store, session).revisions if m.name == "sticker.png").image
    [revision] = made(say(INSERT | {"subjects": [asset]}, files=[sticker, ("cup.png", cup)]))
    base = store.revision(session, revision.parents[0])
    assert (base.width, base.height) == (160, 160)


def test_a_version_of_the_session_may_be_the_other_picture(say, store, session):
    say({"tool": "monochrome", "args": {"tone": "sepia"}})
    [revision] = made(say(MATCH | {"base": "#1", "subjects": ["#2"]}))
    sepia = history.resolve(history.graph(store, session), "#2")
    assert revision.step.subjects == (sepia.id,)
    pixels = store.picture(session, revision.image).pixels.reshape(-1, 3).astype(float)
    wanted = store.picture(session, sepia.image).pixels.reshape(-1, 3).astype(float)
    assert np.abs(pixels.mean(axis=0) - wanted.mean(axis=0)).max() < 8


@pytest.mark.parametrize("subjects", [[], ["#9"], ["0" * 64]])
def test_a_picture_that_is_not_there_is_a_refusal(say, subjects):
    assert end(say(MATCH | {"subjects": subjects})).state == "refused"


ASKING = {
    "question": "Which picture?",
    "slot": "steps.0.subjects.0",
    "candidates": [{"label": "sepia", "revision": ""}],
}


def test_a_missing_picture_is_asked_for_and_a_version_answers(say, assistant, store, session):
    say({"tool": "monochrome", "args": {"tone": "sepia"}})
    sepia = history.resolve(history.graph(store, session), "#2").id
    ask = ASKING | {"candidates": [{"label": "sepia", "revision": sepia}]}
    assert end(say(MATCH | {"base": "#1"}, ask=ask)).state == "waiting"
    [revision] = made(list(assistant.turn(session, "sepia")))
    assert revision.step.subjects == (sepia,)


def test_a_photo_sent_as_the_answer_is_the_missing_picture(say, assistant, session, sticker):
    assert end(say(INSERT, ask=ASKING | {"candidates": []})).state == "waiting"
    [revision] = made(list(assistant.turn(session, "this one", files=[sticker])))
    assert revision.tool == "insert_subject"
    assert revision.parents[0] != revision.step.subjects[0]


def test_an_unsure_cut_out_is_shown_and_yes_puts_it_in(say, assistant, session, cup, monkeypatch):
    def doubtful(image, region, brush=None):
        yield 0.5
        mask = np.zeros((image.height, image.width), np.uint8)
        mask[40:100, 40:100] = 255
        return regions.Grounding(mask, 0.4, region.words)

    monkeypatch.setattr(regions, "ground_steps", doubtful)
    events = say(INSERT, files=[("cup.png", cup)])
    [asked] = [event for event in events if isinstance(event, Asked)]
    assert "the subject" in asked.ask.question
    assert asked.pictures[0].size == (160, 160)
    [revision] = made(list(assistant.turn(session, "yes")))
    assert revision.tool == "insert_subject"


def test_what_is_spoken_is_what_happens(store, session, sticker):
    assistant = Assistant(store, RulesPlanner())
    [put_in] = made(list(assistant.turn(session, "add this at the top left, small", files=[sticker])))
    assert put_in.step.args["scale"] == 0.2
    [blended] = made(list(assistant.turn(session, "blend it in")))
    assert blended.parents == put_in.parents
    assert blended.step.args == put_in.step.args | {"blend": "poisson"}
    [matched] = made(list(assistant.turn(session, "match the colours of #2")))
    assert matched.step.subjects == (put_in.id,)


def test_an_answer_lands_in_its_place_among_the_subjects():
    plan = Plan(steps=(PlanStep(tool="x", subjects=("a",)),), ask={"question": "?", "slot": "steps.0.subjects.1"})
    assert plan.answered("b").steps[0].subjects == ("a", "b")
    plan = plan.model_copy(update={"ask": plan.ask.model_copy(update={"slot": "steps.0.subjects.0"})})
    assert plan.answered("b").steps[0].subjects == ("b",)
    assert json.loads(json.dumps(plan.to_json()))["steps"][0]["subjects"] == ["a"]
