"""What a prefix keeps from reading to reading, and that what it says is what a fresh conversation would say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.llm.prefix import Prefix
from sessions.errors import TooLarge
from tests.agent.llm import models
from tests.agent.llm.models import apart, some

ROWS = np.random.default_rng(1).normal(0, 0.3, (4, models.WIDTH)).astype(np.float32)


def same_as_fresh(prefix, llm, ids, spliced, marks):
    states, logits = prefix.read(ids, spliced, marks)
    fresh = llm.open().feed(ids, spliced, marks)
    assert states.shape == (len(marks), llm.width)
    assert apart(logits, fresh.logits) < 1e-4
    assert not len(marks) or apart(states, fresh.states) < 1e-4


def test_a_second_turn_feeds_only_what_is_new(llm):
    prefix, ids = Prefix(llm.open()), some(60)
    same_as_fresh(prefix, llm, ids[:40], {5: ROWS[0]}, [5, 9])
    assert prefix.fed == 40
    same_as_fresh(prefix, llm, [*ids[:35], *ids[40:]], {5: ROWS[0].copy(), 37: ROWS[1]}, [5, 9, 37])
    assert prefix.fed == 20


def test_the_states_of_marks_that_stay_are_not_computed_again(llm):
    prefix, ids = Prefix(llm.open()), some(30)
    first, _ = prefix.read(ids[:20], {}, [3, 12])
    second, _ = prefix.read(ids, {}, [12, 3, 25])
    assert np.array_equal(first[::-1], second[:2])
    assert prefix.fed == 10


def test_what_is_fed_while_a_plan_is_written_is_forgotten(llm):
    prefix, ids = Prefix(llm.open()), some(30)
    prefix.read(ids[:20], {}, [])
    prefix.feed(ids[20:25], {1: ROWS[0]}, [1])
    prefix.feed([7])
    prefix.rewind(22)
    assert prefix.length == 22
    prefix.rewind(3)
    assert prefix.length == 20, "the prompt stays"
    prefix.feed([9, 9, 9])
    same_as_fresh(prefix, llm, ids, {}, [21, 29])
    assert prefix.fed == 10


def test_the_same_prompt_again_feeds_one_token(llm):
    prefix, ids = Prefix(llm.open()), some(20)
    for fed in (20, 1, 1):
        same_as_fresh(prefix, llm, ids, {19: ROWS[0], 4: ROWS[1]}, [4, 19])
        assert prefix.fed == fed


@pytest.mark.parametrize(
    ("change", "fed"), [({3: ROWS[1]}, 17), ({}, 17), ({3: ROWS[0], 6: ROWS[1]}, 14), ({6: ROWS[0]}, 17)]
)
def test_another_row_is_fed_again_from_where_it_stands(llm, change, fed):
    prefix, ids = Prefix(llm.open()), some(20)
    prefix.read(ids, {3: ROWS[0]}, [2, 10])
    same_as_fresh(prefix, llm, ids, change, [2, 10])
    assert prefix.fed == fed


def test_a_mark_that_was_not_read_is_gone_back_for(llm):
    prefix, ids = Prefix(llm.open()), some(20)
    prefix.read(ids, {}, [15])
    same_as_fresh(prefix, llm, ids, {}, [8, 15])
    assert prefix.fed == 12


def test_a_shorter_prompt_and_a_compacted_one(llm):
    prefix, ids = Prefix(llm.open()), some(40)
    prefix.read(ids, {}, [30])
    same_as_fresh(prefix, llm, ids[:15], {}, [14])
    assert prefix.fed == 1
    same_as_fresh(prefix, llm, [*ids[:5], *ids[20:40]], {}, [2, 24])
    assert prefix.fed == 23, "back to the mark at 2"


def test_a_prompt_that_does_not_fit_leaves_a_prefix_that_works(llm):
    prefix, ids = Prefix(llm.open()), some(models.CONTEXT + 1)
    prefix.read(ids[:30], {}, [4])
    with pytest.raises(TooLarge):
        prefix.read(ids, {}, [4])
    same_as_fresh(prefix, llm, ids[:25], {}, [4])
    assert prefix.fed == 1


class Failing:
    """A thread that breaks off after it has taken a part of what it is fed."""

    def __init__(self, thread) -> None:
        self._thread, self.failing = thread, False

    @property
    def length(self) -> int:
        return self._thread.length

    def rewind(self, length: int) -> None:
        self._thread.rewind(length)

    def feed(self, ids, spliced, read):
        if self.failing:
            self._thread.feed(ids[:2])
            raise KeyboardInterrupt
        return self._thread.feed(ids, spliced, read)


def test_a_reading_that_is_broken_off_is_made_up_for(llm):
    thread = Failing(llm.open())
    prefix, ids = Prefix(thread), some(30)
    prefix.read(ids[:20], {}, [3])
    thread.failing = True
    with pytest.raises(KeyboardInterrupt):
        prefix.read([*ids[:10], 1, 2, 3, 4], {}, [3])
    thread.failing = False
    same_as_fresh(prefix, llm, ids, {}, [3, 29])
    assert prefix.fed == 20


prompts = st.tuples(
    st.lists(st.integers(0, 2), min_size=1, max_size=10), st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9))
)


@settings(max_examples=25, deadline=None)
@given(st.lists(prompts, min_size=1, max_size=4))
def test_whatever_is_read_in_whatever_order(loaded, turns):
    llm = loaded("plain", "torch")
    prefix = Prefix(llm.open())
    for ids, at, marks in turns:
        spliced = {offset: ROWS[offset % 4] for offset in at if offset < len(ids)}
        same_as_fresh(prefix, llm, ids, spliced, [mark for mark in marks if mark < len(ids)])
        prefix.feed([1, 2])
