"""A step done instead of an earlier one: what is fed, what is laid on top again, what history and recipes say of it."""

import json

import numpy as np
import pytest

from agent import recipes
from agent.telling import began
from sessions import history, lineage, moves
from sessions.fsck import fsck
from tests.agent.conftest import end
from ui import terminal

LEFT, RIGHT = {"box": [0, 0, 0.4, 1]}, {"box": [0.6, 0, 1, 1]}
WARM = {"tool": "adjust", "args": {"temperature": 0.8}, "region": LEFT}
COOL = {"tool": "adjust", "args": {"temperature": -0.8}, "region": LEFT}
GREY = {"tool": "monochrome", "args": {}, "region": RIGHT}


@pytest.fixture
def pixels(store, session):
    """The pixels of a revision by its number."""

    def of(seq: int) -> np.ndarray:
        found = history.graph(store, session).revisions[seq - 1]
        return store.picture(session, found.image).pixels

    return of


def revision(store, session, seq: int):
    return history.graph(store, session).revisions[seq - 1]


def test_it_is_as_if_the_other_had_never_been_done(say, store, session, pixels):
    say(WARM)
    say(COOL | {"replaces": "#2"})
    say(COOL | {"base": "#1"})
    assert np.array_equal(pixels(3), pixels(4)) and not np.array_equal(pixels(2), pixels(3))


def test_it_follows_the_head_and_names_the_picture_that_was_fed(say, store, session):
    say(WARM)
    say(COOL | {"replaces": "#2"})
    photo, warm, cool = history.graph(store, session).revisions
    assert cool.parents == (warm.id,) and cool.step.base == photo.id
    assert cool.facts[lineage.LEFT_OUT] == [warm.id]
    graph = history.graph(store, session)
    assert graph.branches == {"main": cool.id}
    assert [began(graph, one) for one in graph.revisions] == ["", "from #1", "from #1, instead of #2"]
    assert terminal.fact(graph, lineage.LEFT_OUT, cool.facts[lineage.LEFT_OUT]) == "#2"
    assert terminal.fact(graph, "drift", {"changed": 0.0851, "detail": 0.566}) == (
        "colours 8.5% from the photo's, fine detail 57% of the photo's"
    )


def test_what_came_later_elsewhere_is_laid_on_top_bit_for_bit(say, pixels):
    say(WARM)
    say(GREY)
    say(COOL | {"replaces": "#2"})
    half = pixels(4).shape[1] // 2
    assert np.array_equal(pixels(4)[:, half:], pixels(3)[:, half:])
    assert not np.array_equal(pixels(4)[:, :half], pixels(3)[:, :half])


def test_what_came_later_in_the_same_place_is_done_again(say, pixels):
    say(WARM)
    say({"tool": "adjust", "args": {"exposure": 0.4}, "region": LEFT})
    say(COOL | {"replaces": "#2"})
    say(COOL | {"base": "#1"}, {"tool": "adjust", "args": {"exposure": 0.4}, "region": LEFT})
    assert np.array_equal(pixels(4), pixels(6))


def test_what_came_later_at_a_place_in_words_stays_in_that_place(say, store, session, pixels, request):
    brighter = {"tool": "adjust", "args": {"exposure": 0.4}, "confirmed": True}
    say(WARM)
    say(brighter | {"region": {"words": "the background"}})
    request.getfixturevalue("unsure")
    assert end(say(COOL | {"replaces": "#2", "confirmed": True})).state == "done"
    place = revision(store, session, 3).mask
    say(COOL | {"base": "#1", "confirmed": True}, brighter | {"region": {"mask": place}})
    assert np.array_equal(pixels(4), pixels(6)) and not np.array_equal(pixels(4), pixels(5))


def test_its_mask_is_what_it_changed_and_nothing_else_changed(say, store, session, pixels):
    say(WARM)
    say(COOL | {"replaces": "#2"})
    made = revision(store, session, 3)
    mask = store.picture(session, made.mask).pixels
    assert np.array_equal(mask > 0, (pixels(2) != pixels(3)).any(axis=2))
    assert made.facts["pixels_changed_outside"] == 0


def test_undo_brings_the_other_back_and_the_reply_says_so(say, store, session):
    assert "instead" not in end(say(WARM)).reply
    assert end(say(COOL | {"replaces": "#2"})).reply.endswith("This is instead of #2; undo brings that back.")
    assert moves.undo(store, session, "main").head == revision(store, session, 2).id


def test_a_recipe_has_only_what_is_in_the_picture(say, store, session):
    say(WARM)
    say(GREY)
    say(COOL | {"replaces": "#2"})
    graph = history.graph(store, session)
    steps = recipes.recipe_of(graph, graph.revisions[-1]).steps
    assert [(step.tool, step.args.get("temperature")) for step in steps] == [("monochrome", None), ("adjust", -0.8)]


def test_what_is_replaced_twice_is_gone_twice(say, store, session, pixels):
    say(WARM)
    say(COOL | {"replaces": "#2"})
    say(WARM | {"replaces": "#3"})
    assert np.array_equal(pixels(4), pixels(2))
    graph = history.graph(store, session)
    assert lineage.steps(graph, graph.revisions[-1].id) == (graph.revisions[-1],)


@pytest.mark.parametrize("wrong", ["#1", "#3"])
def test_only_a_step_of_the_picture_can_be_replaced(say, store, session, wrong):
    say(WARM)
    say(GREY | {"base": "#1"}, branch="main")
    made = end(say(COOL | {"replaces": wrong, "base": "#2"}))
    assert made.state == "refused" and not made.revisions
    assert end(say(GREY)).state == "done"


def test_a_crop_cannot_be_replaced_in_this_way(say):
    say({"tool": "crop", "args": {"aspect": "1:1"}})
    assert "moved the picture's pixels" in end(say({"tool": "flip", "replaces": "#2"})).reply


def test_the_history_stays_sound(say, store, session, assistant):
    say(WARM)
    say(GREY)
    say(COOL | {"replaces": "#2"}, GREY)
    plan = json.dumps({"steps": [WARM | {"replaces": "#4"}]})
    assert end(list(assistant.turn(session, plan, request_id="again"))).state == "done"
    assert end(list(assistant.turn(session, plan, request_id="again"))).state == "done"
    assert len(history.graph(store, session).revisions) == 6
    assert not list(fsck(store))
