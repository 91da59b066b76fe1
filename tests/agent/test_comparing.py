"""Compare: measures checked against the definition, versions laid onto each other, what is told of steps and places."""

import gc
import weakref

import numpy as np
import pytest
from skimage.color import deltaE_cie76, rgb2lab

from agent import comparing
from agent.comparing import LEVELS, VISIBLE, compare, distance
from agent.events import Compared
from sessions import history, moves
from sessions.errors import BadArguments
from sessions.values import Picture
from tests.agent.conftest import end
from tests.agent.sketch import Sketch

DARK = {"tool": "adjust", "args": {"exposure": -0.3}}
TOP_LEFT = {"box": [0.0, 0.0, 0.33, 0.33]}


@pytest.fixture
def compared(store, session):
    def run(one: str, other: str) -> comparing.Comparison:
        graph = history.graph(store, session)
        return compare(store, graph, history.resolve(graph, one), history.resolve(graph, other))

    return run


def test_distance_is_the_one_of_cie_1976():
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 256, (40, 30, 3), np.uint8) for _ in range(2))
    expected = deltaE_cie76(rgb2lab(one), rgb2lab(other))
    assert np.abs(distance(Picture(one), Picture(other)) - expected).max() < 1
    assert np.abs(distance(Picture(one), Picture(other)) - expected).mean() < 0.15
    white, black = (Picture(np.full((2, 2, 3), v, np.uint8)) for v in (255, 0))
    assert distance(white, black) == pytest.approx(np.full((2, 2), 100), abs=0.01)


def test_the_same_revision_differs_nowhere(say, compared):
    found = compared("#1", "#1")
    assert (found.changed, found.visible, found.mean, found.largest) == (0, 0, 0, 0)
    assert not found.difference.any()
    assert "bit for bit" in found.sentence


def test_a_local_edit_is_found_where_it_is(say, compared, store, session):
    say(DARK | {"region": TOP_LEFT})
    found = compared("original", "head")
    before, after = (store.picture(session, store.revision(session, r.id).image) for r in (found.before, found.after))
    differs = (before.pixels != after.pixels).any(axis=2)
    apart = distance(before, after)
    assert found.changed == pytest.approx(differs.mean(), abs=1e-4)
    assert found.visible == pytest.approx((apart >= VISIBLE).mean(), abs=1e-4)
    assert found.mean == pytest.approx(apart.mean(), abs=1e-3)
    assert found.largest == pytest.approx(apart.max())
    assert np.abs(found.difference - np.minimum(apart * LEVELS, 255)).max() <= 0.51
    assert [one.where for one in found.places if one.changed] == ["top left"]
    [region] = found.regions
    assert (region.where, region.changed > 0.9) == ("box", True)
    assert "top left" in found.sentence
    assert [r.tool for r in found.steps[1]] == ["adjust"]
    assert found.steps[0] == ()


@pytest.mark.parametrize(
    "step",
    [
        {"tool": "flip", "args": {"axis": "horizontal"}},
        {"tool": "rotate", "args": {"degrees": 90}},
        {"tool": "crop", "args": {"box": [0.25, 0.1, 0.75, 0.9]}},
        {"tool": "border", "args": {"width": 0.1}},
    ],
)
def test_moving_pixels_alone_is_no_difference(say, compared, step):
    say(step)
    found = compared("original", "head")
    assert found.changed == 0
    assert found.shared == pytest.approx(0.4 if step["tool"] == "crop" else 1)
    assert found.notes
    assert compared("head", "original").changed == 0


def test_an_edit_after_a_crop_is_found_where_it_lies_on_the_original(say, compared):
    say({"tool": "crop", "args": {"box": [0.5, 0.5, 1.0, 1.0]}}, DARK | {"region": {"box": [0.5, 0.5, 1.0, 1.0]}})
    found = compared("original", "head")
    ys, xs = found.difference.nonzero()
    assert (ys.min(), xs.min()) == (150, 180)
    assert found.regions[0].changed > 0.9
    assert found.shared == pytest.approx(0.25)


def test_a_smaller_copy_differs_little(say, compared):
    say({"tool": "resize", "args": {"scale": 0.5}})
    assert compared("head", "original").mean < 1
    assert compared("original", "head").mean < 4


def test_both_sides_steps_since_they_parted(say, compared, store, session):
    moves.create_branch(store, session, "sepia", history.graph(store, session).head.id)
    say({"tool": "monochrome", "args": {"tone": "sepia"}}, branch="sepia")
    say(DARK, branch="main")
    found = compared("sepia", "main")
    assert [[r.tool for r in side] for side in found.steps] == [["monochrome"], ["adjust"]]
    assert found.base.seq == 1
    told = found.to_json()
    assert told["base"] == found.base.id
    assert len(told["places"]) == 9
    assert found.heat().size == found.picture.size


def test_the_pictures_that_were_looked_at_are_let_go_at_once():
    s = Sketch(Picture(np.zeros((4, 4, 3), np.uint8)))
    asked = weakref.ref(s)  # what the caches ask holds every picture
    gc.disable()
    try:
        compare(s, s.graph, s.root, s.root)
        del s
        assert asked() is None
    finally:
        gc.enable()


def test_different_photos_of_different_sizes_are_a_sentence(say, compared, cup):
    say(DARK, files=[("cup.png", cup)])
    with pytest.raises(BadArguments, match="different photos"):
        compared("#1", "cup")


def test_parts_that_do_not_meet_are_a_sentence(say, compared, store, session):
    moves.create_branch(store, session, "right", history.graph(store, session).head.id)
    say({"tool": "crop", "args": {"box": [0.0, 0.0, 0.4, 1.0]}}, branch="main")
    say({"tool": "crop", "args": {"box": [0.6, 0.0, 1.0, 1.0]}}, branch="right")
    with pytest.raises(BadArguments, match="no part"):
        compared("main", "right")


def test_alpha_counts_as_it_looks(compared):
    def filled(*rgba: int) -> Picture:
        return Picture(np.full((4, 4, 4), rgba, np.uint8))

    assert not distance(filled(0, 0, 0, 0), filled(255, 0, 0, 0)).any()
    assert distance(filled(0, 0, 0, 0), filled(255, 0, 0, 255)).min() > 50


def test_a_face_is_told_and_nothing_is_moved(say, store, session):
    say(DARK)
    before = history.moves(store, session)
    events = say(command={"name": "compare", "target": "original"})
    [found] = [event for event in events if isinstance(event, Compared)]
    assert end(events).state == "done"
    assert end(events).reply == found.sentence
    assert end(events).revisions == ()
    assert (found.comparison.before.seq, found.comparison.after.seq) == (1, 2)
    assert history.moves(store, session) == before
