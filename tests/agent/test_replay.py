"""Steps done again: the law of the same ids, after a restart too; elsewhere words are found anew, or left out and said."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skimage import data

from agent.assistant import Assistant
from agent.events import Asked, Committed, Finished, Working
from agent.plan import LONGEST_PLAN, MAX_STEPS, PREV, Plan
from agent.recipe_files import receive
from agent.recipes import plan_of, recipe_of
from agent.replaying import Recorded, once, replay
from sessions import history, intake, turns, uploads
from sessions.errors import Cancelled, NotFound, StorageFull
from sessions.identity import new_id
from sessions.store import Store
from sessions.values import Picture
from tests.agent.conftest import ScriptedPlanner, end, png

ADJUST = {"tool": "adjust", "args": {"exposure": 0.3}}
FLIP = {"tool": "flip", "args": {"axis": "horizontal"}}
CROP = {"tool": "crop", "args": {"aspect": "1:1"}}
SEPIA = {"tool": "monochrome", "args": {"tone": "sepia"}}
BLUR_CAT = {"tool": "blur", "args": {"amount": 0.5}, "region": {"words": "the cat"}}
BLUR_UNICORN = {"tool": "blur", "region": {"words": "the purple unicorn"}}
PAINTED = np.zeros((50, 60), np.uint8)
PAINTED[10:30, 20:50] = 255


def lead(generator):
    """A generator's events, and what it returned."""
    events = []
    while True:
        try:
            events.append(next(generator))
        except StopIteration as ended:
            return events, ended.value


def root(store, session):
    return history.graph(store, session).revisions[0]


def photo(store, pixels, name="other.png"):
    """A session of its own with one photo; its root."""
    return Assistant(store, ScriptedPlanner()).new((name, png(pixels)))[1]


def recipe_at(store, session, what="head"):
    graph = history.graph(store, session)
    return recipe_of(graph, history.resolve(graph, what))


def line(store, session, head):
    return [r.id for r in history.graph(store, session).line(head)]


# The law

fractions = st.floats(-1, 1).map(lambda x: round(x, 2))
boxes = st.tuples(*[st.integers(0, 9)] * 4).filter(lambda b: b[0] != b[2] and b[1] != b[3])
places = st.one_of(
    st.none(),
    boxes.map(lambda b: {"box": [min(b[0], b[2]) / 9, min(b[1], b[3]) / 9, max(b[0], b[2]) / 9, max(b[1], b[3]) / 9]}),
    st.sampled_from([{"words": "the top left"}, {"words": "the red parts"}, "brush"]),
)
steps = st.one_of(
    st.builds(lambda e, c: {"tool": "adjust", "args": {"exposure": e, "contrast": c}}, fractions, fractions),
    st.sampled_from([FLIP, CROP, SEPIA, {"tool": "auto"}, {"tool": "vignette"}, {"tool": "rotate", "args": {"degrees": 90}}]),
    st.builds(lambda r: {"tool": "blur", "region": r}, places),
    st.builds(lambda r: {"tool": "sharpen", "region": r}, places),
    st.builds(lambda r: {"tool": "denoise", "region": r, "args": {"amount": 0.4}}, places),
    boxes.map(lambda b: {"tool": "remove", "region": {"box": [0.4, 0.4, 0.4 + b[0] / 40 + 0.02, 0.5]}}),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(steps, min_size=1, max_size=4), cut=st.integers(0, 4))
def test_replayed_on_its_own_root_a_line_gets_the_same_ids_and_so_it_does_after_a_restart(store, cup, plan, cut):
    session = Assistant(store, ScriptedPlanner()).new(("cup.png", cup))[0].id
    brush = receive(store, session, Picture(PAINTED)).sha256
    for step in plan:
        said = dict(step) | ({"region": {"mask": brush}} if step.get("region") == "brush" else {})
        events = list(Assistant(store, ScriptedPlanner()).turn(session, json.dumps({"steps": [said]})))
        if any(isinstance(event, Asked) for event in events):
            list(Assistant(store, ScriptedPlanner()).turn(session, "yes"))
    graph = history.graph(store, session)
    if len(graph.revisions) == 1:
        return
    recipe = recipe_of(graph, graph.head)
    _, came = lead(replay(store, recipe, root(store, session), "again"))
    assert came.head == graph.head.id
    assert len(history.graph(store, session).revisions) == len(graph.revisions), "nothing new was made"
    reopened = Store(store.home)
    elsewhere = Assistant(reopened, ScriptedPlanner()).new(("cup.png", cup))[1]
    receive(reopened, elsewhere.session, Picture(PAINTED))
    _, came = lead(replay(reopened, recipe, elsewhere, "again"))
    assert line(reopened, elsewhere.session, came.head) == line(store, session, graph.head.id)
    reopened.close()


def test_twenty_repeats_give_the_same_bytes(store, session, say, cat):
    say(ADJUST, {"tool": "remove", "region": {"box": [0.4, 0.4, 0.5, 0.5]}}, {"tool": "denoise"}, BLUR_CAT)
    list(Assistant(store, ScriptedPlanner()).turn(session, "yes"))
    recipe, head = recipe_at(store, session), history.graph(store, session).head
    assert len(recipe.steps) == 4
    seen = set()
    for _ in range(20):
        base = Assistant(store, ScriptedPlanner()).new(("cat.png", cat))[1]
        _, came = lead(replay(store, recipe, base, "again"))
        made = store.revision(base.session, came.head)
        seen.add((made.id, store.picture(base.session, made.image).pixels.tobytes()))
    assert seen == {(head.id, store.picture(session, head.image).pixels.tobytes())}
