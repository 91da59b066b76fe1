"""Steps done again: the law of the same ids, after a restart too; elsewhere words are found anew, or left out."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skimage import data

from agent.assistant import Assistant
from agent.events import Asked, Finished, Working
from agent.plan import LONGEST_PLAN, MAX_STEPS, Plan
from agent.recipe_files import bring, receive
from agent.recipes import RecipeStep, plan_of, recipe_of
from agent.replaying import once, replay
from sessions import history, moves, turns
from sessions.errors import Cancelled, StorageFull
from sessions.store import Store
from sessions.values import Picture
from tests.agent.conftest import ScriptedPlanner, end, png
from tools import regions

ADJUST = {"tool": "adjust", "args": {"exposure": 0.3}}
FLIP = {"tool": "flip", "args": {"axis": "horizontal"}}
CROP = {"tool": "crop", "args": {"aspect": "1:1"}}
SEPIA = {"tool": "monochrome", "args": {"tone": "sepia"}}
BLUR_TOP = {"tool": "blur", "region": {"words": "the top half"}}
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


def recipe_after(store, session, say, *steps):
    say(*steps)
    return recipe_at(store, session)


def with_step(recipe, at, step):
    """The recipe with one more step, which the photo it was made on did not need to understand."""
    more = RecipeStep(tool_version="1", seed=7, **({"args": {}} | step))
    return recipe.model_copy(update={"steps": (*recipe.steps[:at], more, *recipe.steps[at:])})


def line(store, session, head):
    return [r.id for r in history.graph(store, session).line(head)]


def tools_of(store, session, head):
    return [r.tool for r in history.graph(store, session).line(head)][-2::-1]


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
    st.sampled_from(
        [FLIP, CROP, SEPIA, {"tool": "auto"}, {"tool": "vignette"}, {"tool": "rotate", "args": {"degrees": 90}}]
    ),
    st.builds(lambda r: {"tool": "blur", "region": r}, places),
    st.builds(lambda r: {"tool": "sharpen", "region": r}, places),
    st.builds(lambda r: {"tool": "denoise", "region": r, "args": {"amount": 0.4}}, places),
    boxes.map(lambda b: {"tool": "remove", "region": {"box": [0.4, 0.4, 0.4 + b[0] / 40 + 0.02, 0.5]}}),
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


@pytest.mark.reliability
def test_twenty_repeats_give_the_same_bytes(store, assistant):
    small = data.chelsea()[100:164, 100:196]
    session = photo(store, small).session
    said = [ADJUST, {"tool": "remove", "region": {"box": [0.4, 0.4, 0.5, 0.5]}}, {"tool": "denoise"}, BLUR_TOP]
    list(assistant.turn(session, json.dumps({"steps": said})))
    recipe, head = recipe_at(store, session), history.graph(store, session).head
    assert len(recipe.steps) == 4
    seen = set()
    for _ in range(20):
        base = photo(store, small)
        _, came = lead(replay(store, recipe, base, "again"))
        made = store.revision(base.session, came.head)
        seen.add((made.id, store.picture(base.session, made.image).pixels.tobytes()))
    assert seen == {(head.id, store.picture(session, head.image).pixels.tobytes())}


# Elsewhere


def test_words_are_found_anew_boxes_are_fractions_and_masks_scale(store, session, say):
    brush = receive(store, session, Picture(PAINTED)).sha256
    boxed = {"tool": "blur", "region": {"box": [0.5, 0, 1, 1]}}
    say(boxed, {"tool": "blur", "region": {"mask": brush}}, {"tool": "sharpen", "region": {"words": "the top half"}})
    recipe, pictures = recipe_at(store, session), {brush: Picture(PAINTED)}
    other = photo(store, data.astronaut()[:400, :300])
    _, came = lead(replay(store, bring(store, other.session, recipe, pictures), other, "again"))
    masks = [mask_of(store, other.session, one) for one in line(store, other.session, came.head)[-2::-1]]
    assert [mask.shape for mask in masks] == [(400, 300)] * 3
    assert not masks[0][:, :148].any() and (masks[0][:, 152:] == 255).all()
    painted = np.argwhere(masks[1] > 127)
    assert np.abs(painted.min(0) - (80, 100)).max() <= 3 and np.abs(painted.max(0) - (239, 249)).max() <= 3
    assert masks[2][:190].all() and not masks[2][210:].any()


def mask_of(store, session, revision):
    return store.picture(session, store.revision(session, revision).mask).pixels


def test_a_step_whose_words_are_not_found_is_left_out_and_said_and_the_others_are_done(store, session, say, cup):
    recipe = with_step(recipe_after(store, session, say, ADJUST, FLIP), 1, BLUR_UNICORN)
    base = photo(store, data.coffee()[:160, :160])
    _, came = lead(replay(store, recipe, base, "again"))
    assert [bool(step.why) for step in came.steps] == [False, True, False]
    assert "purple" in came.left_out[0].why
    assert tools_of(store, base.session, came.head) == ["adjust", "flip"]
    said = [message.text for message in turns.messages(store, base.session) if message.role == "user"]
    assert [text.partition(",")[2] for text in said] == ["", " from step 3"], "the conversation shows both turns"


def test_strict_ends_at_the_first_step_that_cannot_be_done_and_can_be_loosened_later(store, session, say):
    recipe = with_step(recipe_after(store, session, say, ADJUST, FLIP), 1, BLUR_UNICORN)
    base = photo(store, data.coffee()[:160, :160])
    _, came = lead(replay(store, recipe, base, "again", strict=True))
    assert len(came.steps) == 2
    _, came = lead(replay(store, recipe, base, "again"))
    assert tools_of(store, base.session, came.head) == ["adjust", "flip"]


@pytest.fixture
def unsure(monkeypatch):
    """No region is certain."""
    ground_steps = regions.ground_steps

    def doubtful(image, region, brush=None):
        found = yield from ground_steps(image, region, brush)
        return regions.Grounding(found.mask, 0.4, found.label)

    monkeypatch.setattr(regions, "ground_steps", doubtful)


def test_what_was_accepted_on_one_photo_is_asked_about_on_another(store, session, say, assistant, unsure):
    assert any(isinstance(event, Asked) for event in say(BLUR_TOP))
    list(assistant.turn(session, "yes"))
    recipe, base = recipe_at(store, session), photo(store, data.coffee()[:160, :160])
    assert recipe.steps[0].confirmed
    assert plan_of(recipe, root(store, session)).steps[0].confirmed
    assert not plan_of(recipe, base).steps[0].confirmed
    _, came = lead(replay(store, recipe, base, "again"))
    assert [step.why for step in came.steps] == ["I am not sure where 'the top half' is in this picture (40% sure)."]
    assert not turns.open_turns(store, base.session), "nothing is left waiting"


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"tool": "replace_background", "args": {"color": "#ffffff"}}, "where 'the background' is in this picture"),
        ({"tool": "insert_subject", "args": {"subject": "the cup"}}, "of what insert_subject found"),
    ],
)
def test_a_step_that_is_unsure_of_a_place_it_was_not_told_is_left_out_too(store, session, say, monkeypatch, step, why):
    def doubtful(image, region, brush=None):
        yield 0.5
        return regions.Grounding(np.full((image.height, image.width), 255, np.uint8), 0.4, "it")

    monkeypatch.setattr(regions, "ground_steps", doubtful)
    base = photo(store, data.coffee()[:99, :80])
    other = receive(store, base.session, Picture(data.coffee()[:40, :60])).sha256
    subjects = {"subjects": (other,)} if step["tool"] == "insert_subject" else {}
    recipe = with_step(recipe_after(store, session, say, FLIP), 0, step | subjects)
    for _ in range(2):
        _, came = lead(replay(store, recipe, base, "again"))
        assert [one.why for one in came.steps] == [f"I am not sure {why} (40% sure).", ""]
    assert tools_of(store, base.session, came.head) == ["flip"]


def test_a_single_replay_in_the_conversation_asks(store, session, say, assistant, unsure):
    say(BLUR_TOP)
    list(assistant.turn(session, "yes"))
    base = photo(store, data.coffee()[:160, :160])
    events = list(once(store, plan_of(recipe_at(store, session), base), base.session, "replay it"))
    assert [type(event) for event in events if isinstance(event, Asked)] == [Asked]
    assert end(list(assistant.turn(base.session, "yes"))).state == "done"


def test_replays_are_turns_whose_revisions_say_so(store, session, say, assistant):
    recipe = recipe_after(store, session, say, ADJUST, FLIP)
    base = photo(store, data.coffee()[:160, :160])
    lead(replay(store, recipe, base, "again"))
    graph = history.graph(store, base.session)
    assert [r.source for r in graph.revisions] == ["upload", "replay", "replay"]
    assert set(graph.words.values()) == {f"replay {recipe.name}"}
    moves.undo(store, base.session, "main")
    assert history.graph(store, base.session).head == base, "undo takes back the whole replay"


def test_a_recipe_may_be_longer_than_what_a_message_may_ask_for(store, session, say):
    for _ in range(3):
        say(*[FLIP] * 4)
    recipe = recipe_at(store, session)
    assert len(recipe.steps) == 12 > MAX_STEPS
    base = photo(store, data.coffee()[:80, :80])
    events, came = lead(replay(store, recipe, base, "again"))
    assert len(tools_of(store, base.session, came.head)) == 12
    assert sum(isinstance(event, Finished) for event in events) == 1, "one turn"
    with pytest.raises(ValueError, match="at most 8 new steps"):
        Plan(steps=[FLIP] * (MAX_STEPS + 1))
    with pytest.raises(ValueError):
        Plan(steps=[FLIP | {"seed": 0}] * (LONGEST_PLAN + 1))


# Stopped


@pytest.mark.parametrize("after", range(3))
def test_stopped_anywhere_it_goes_on_at_the_next_step(store, session, say, after):
    recipe = recipe_after(store, session, say, ADJUST, FLIP, SEPIA)
    _, whole = lead(replay(store, recipe, photo(store, data.coffee()[:99, :80]), "again"))
    base = photo(store, data.coffee()[:99, :80])
    going = replay(store, recipe, base, "again")
    for event in going:
        if isinstance(event, Working) and event.index == after:
            going.close()
    _, came = lead(replay(store, recipe, base, "again"))
    assert came.head == whole.head
    assert [r.tool for r in history.graph(store, base.session).revisions] == ["upload", "adjust", "flip", "monochrome"]
    assert len(came.steps) == 3


def test_done_again_under_the_same_name_it_runs_nothing(store, session, say):
    recipe = with_step(recipe_after(store, session, say, ADJUST, FLIP), 1, BLUR_UNICORN)
    base = photo(store, data.coffee()[:99, :80])
    _, first = lead(replay(store, recipe, base, "again"))
    events, second = lead(replay(store, recipe, base, "again"))
    assert not events
    assert second == first


def test_a_full_disk_is_raised_and_no_step_is_left_out_for_it(store, session, say, monkeypatch):
    recipe = recipe_after(store, session, say, ADJUST, FLIP)
    base = photo(store, data.coffee()[:99, :80])

    def full(*args, **kwargs):
        raise StorageFull("The disk is full; nothing was changed.")

    with monkeypatch.context() as patch:
        patch.setattr(store, "keep", full)
        with pytest.raises(StorageFull):
            lead(replay(store, recipe, base, "again"))
    _, came = lead(replay(store, recipe, base, "again"))
    assert [step.why for step in came.steps] == ["", ""]


def test_cancelled_from_another_window_it_says_so_and_goes_on_when_asked_again(store, session, say):
    recipe = recipe_after(store, session, say, ADJUST, FLIP)
    base = photo(store, data.coffee()[:99, :80])
    with pytest.raises(Cancelled):
        for event in replay(store, recipe, base, "again"):
            if isinstance(event, Working):
                turns.cancel(store, base.session, "again.0")
    _, came = lead(replay(store, recipe, base, "again"))
    assert tools_of(store, base.session, came.head) == ["adjust", "flip"]


# In words


def test_the_edits_of_one_photo_on_another_in_the_same_conversation(store, session, say, assistant, cup):
    say(ADJUST, FLIP)
    done = history.graph(store, session).head
    events = say(files=[("cup.png", cup)], command={"name": "replay"})
    graph = history.graph(store, session)
    assert [r.tool for r in graph.line(events[-1].revisions[-1])] == ["flip", "adjust", "upload"]
    assert graph.head.id != done.id
    assert graph.head.step.seed == done.step.seed


def test_a_photo_as_it_came_has_nothing_to_do_again(say):
    finished = end(say(command={"name": "replay", "target": "#1"}))
    assert finished.state == "refused"
    assert "no steps to do again" in finished.reply


def test_a_replay_and_more_in_one_message(store, say, session):
    say(ADJUST)
    say(FLIP, command={"name": "replay", "target": "#1", "other": "main"})
    head = history.graph(store, session).head
    assert tools_of(store, session, head.id) == ["adjust", "flip"]
    assert [r.source for r in history.graph(store, session).line(head.id)] == ["edit", "edit", "upload"]
