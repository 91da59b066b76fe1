"""A step done instead of an earlier one that networks have painted over since: they paint again, without it."""

import numpy as np
import pytest

from agent.telling import began
from sessions import history, lineage
from sessions.store import Store
from tests import tiny
from tests.agent.test_latents import BRIGHTER, MORNING, NIGHT, WINTER, Told, painted

OIL, SNOW, CUBIST = painted("as an oil painting"), painted("let it snow", 2), painted("as a cubist painting", 3)
CORNER = BRIGHTER | {"region": {"box": [0, 0, 0.5, 0.5]}}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    tiny.shelf(home)
    opened = Store(home)
    yield opened
    opened.close()


@pytest.fixture
def told(store):
    return Told(store)


def steps(told: Told) -> tuple:
    graph = history.graph(told.store, told.session)
    return lineage.steps(graph, graph.revisions[-1].id)


def test_it_is_as_if_the_first_had_never_been_said(told):
    told.do(OIL)
    told.do(SNOW)
    over = told.do(CUBIST)
    other = Told(told.store)
    expected = other.do(SNOW, CUBIST)
    instead = Told(told.store)
    instead.do(OIL, SNOW)
    assert np.array_equal(instead.do(CUBIST | {"replaces": "#2"}), expected)
    assert not np.array_equal(over, expected)


def test_history_says_what_was_left_out_and_what_was_done_again(told):
    told.do(OIL, SNOW)
    told.do(CUBIST | {"replaces": "#2"})
    photo, oil, snow, cubist = (told.revision(at) for at in range(4))
    assert cubist.parents == (snow.id,) and cubist.step.base == photo.id
    assert cubist.facts[lineage.LEFT_OUT] == [oil.id] and cubist.facts[lineage.REPLAYED] == [snow.id]
    assert steps(told) == (snow, cubist)
    graph = history.graph(told.store, told.session)
    assert began(graph, cubist) == "from #1, instead of #2, with #3 done again"


def test_the_next_goes_on_from_its_latent_while_that_is_kept(told):
    told.do(OIL, SNOW)
    told.do(CUBIST | {"replaces": "#2"})
    other = Told(told.store)
    expected = other.do(SNOW, CUBIST, OIL)
    assert np.array_equal(told.do(OIL), expected)
    told.forget()
    assert told.latent(3) is None


def test_what_lay_on_top_comes_on_top_again(told):
    told.do(OIL, SNOW, CORNER)
    other = Told(told.store)
    assert np.array_equal(told.do(CUBIST | {"replaces": "#2"}), other.do(SNOW, CUBIST, CORNER))
    assert told.latent(-1) is None
    assert steps(told) == tuple(told.revision(at) for at in (2, 3, 4))


def test_what_a_network_has_painted_over_comes_before_it_too(told):
    told.do(OIL, CORNER, SNOW)
    other = Told(told.store)
    assert np.array_equal(told.do(CUBIST | {"replaces": "#2"}), other.do(CORNER, SNOW, CUBIST))


def test_of_ten_wishes_of_two_kinds_two_are_in_the_picture(told):
    wishes = [painted(f"make it {value}", seed) for seed, value in enumerate(("night", "winter", "dawn", "summer") * 2)]
    for turn, wish in enumerate(wishes):
        told.do(wish)
        assert len(steps(told)) == min(turn + 1, 2)
    other = Told(told.store)
    assert np.array_equal(told.pixels(-1), other.do(*wishes[-2:]))


def test_a_wish_over_what_would_come_out_as_something_else_replaces_nothing(told):
    told.do(NIGHT, OIL)
    told.do(MORNING)
    assert lineage.LEFT_OUT not in told.revision(-1).facts
    told.do(WINTER)
    told.do(NIGHT)
    assert told.revision(-1).facts[lineage.LEFT_OUT] == [told.revision(3).id]
