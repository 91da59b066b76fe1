"""A mask that a tool has found by itself is asked about like a place: yes, no, or a box or a brush stroke instead."""

import numpy as np
import pytest

from agent import asking
from agent.events import Asked
from agent.plan import Plan
from sessions import turns
from sessions.errors import Unsure
from sessions.values import Picture
from tests.agent.conftest import end
from tools import registry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.pixels import marked

FIND = {"tool": "find", "args": {}}


@tool("find", args=ToolArgs, region="optional")
def find(ctx: EditContext, args: ToolArgs) -> Edit:
    """Blacken what it thinks is meant: the upper left quarter."""
    yield Progress(0.1)
    mask = np.zeros(ctx.image.pixels.shape[:2], np.uint8)
    mask[: ctx.image.height // 2, : ctx.image.width // 2] = 255
    if ctx.mask is None and not ctx.confirmed:
        raise Unsure("Is this it?", "Say yes.", 0.2, mask, marked(ctx.image, mask))
    black = Picture(np.zeros_like(ctx.image.pixels))
    return EditResult(black, mask if ctx.mask is None else None)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    known = registry.registered() | {"find": find}
    monkeypatch.setattr(registry, "registered", lambda: known)


def masked(store, session: str, events: list) -> np.ndarray:
    """Where the turn's one revision changed something, bool (H, W)."""
    (made,) = end(events).revisions
    revision = store.revision(session, made)
    before = store.picture(session, store.revision(session, revision.parents[0]).image).pixels
    after = store.picture(session, revision.image).pixels
    stored = store.picture(session, revision.mask).pixels > 0
    assert np.array_equal(before[~stored], after[~stored])
    return stored


def test_it_is_asked_with_its_mask_and_shown_again(say, store, session):
    events = say(FIND, request_id="q")
    asked = next(event for event in events if isinstance(event, Asked))
    assert end(events).state == "waiting" and asked.ask.mask and asked.ask.slot == "steps.0.confirmed"
    assert asked.mask.shape == (200, 240) and asked.pictures[0].size == (240, 200)
    again = asking.again(store, turns.get(store, session, "q"))
    assert np.array_equal(again.mask, asked.mask)


def test_yes_uses_it(say, assistant, store, session):
    say(FIND, request_id="q")
    where = masked(store, session, list(assistant.turn(session, "yes")))
    assert where[:100, :120].all() and where.sum() == 100 * 120


def test_no_leaves_everything_alone(say, assistant, session):
    say(FIND, request_id="q")
    assert end(list(assistant.turn(session, "no"))).revisions == ()


def test_a_box_instead_is_the_steps_place(say, assistant, store, session):
    say(FIND, request_id="q")
    plan = Plan.of(turns.get(store, session, "q"))
    step = plan.steps[0].model_copy(update={"region": {"box": [0.5, 0.5, 1.0, 1.0]}, "confirmed": True})
    assistant.amend(session, "q", plan.model_copy(update={"steps": (step,)}))
    where = masked(store, session, list(assistant.turn(session, "", request_id="q")))
    assert where[110:, 130:].all() and not where[:90].any() and not where[:, :110].any()
