"""Lessons: which dialogues are learnt, in which order, and that looking at them can be stopped and gone on with."""

import math
from itertools import islice

import torch

from agent.tokens import SLOTS
from tests.agent.vocabularies import vocabulary
from training import lessons, packs, planner, starter_planner
from training.dialogue_turns import taught
from training.mm_inst_turns import Writing
from training.starter_planner import School


def test_two_of_three_are_short():
    some = list(islice(lessons.chosen(), 60))
    assert [len(one.items) <= lessons.SHORT for one in some] == [True, True, False] * 20
    assert len({one.message for one in some}) > 50


def test_looking_goes_on_where_it_was_stopped(tmp_path):
    eyes = packs.encoder()
    lessons.make(tmp_path / "stopped", eyes, 4, math.inf)
    assert lessons.make(tmp_path / "stopped", eyes, 7, math.inf)
    lessons.make(tmp_path / "whole", eyes, 7, math.inf)
    stopped, whole = lessons.read(tmp_path / "stopped"), lessons.read(tmp_path / "whole")
    assert [one.dialogue for one in stopped] == [one.dialogue for one in whole] == list(islice(lessons.chosen(), 7))
    for one, other in zip(stopped, whole, strict=True):
        assert torch.allclose(one.seen, other.seen, atol=2e-3)
        assert torch.allclose(one.results, other.results, atol=2e-3, equal_nan=True)
        assert torch.allclose(one.seen.norm(dim=-1), torch.ones(len(one.dialogue.items)), atol=2e-3)


def test_training_begins_with_what_is_short():
    words = vocabulary("byte level", 1000)
    some = [
        lessons.Lesson(one, torch.zeros(len(one.items), 4), torch.zeros(len(one.results), 4))
        for one in islice(lessons.chosen(), 60)
    ]
    lengths = sorted(len(taught(one, words, range(SLOTS)).ids) for one in some)
    school = School(some, words, seed=1, steps=100)

    def longest(steps: range) -> int:
        return max(int(school.batch(step, 4).there.sum(1).max()) for step in steps)

    assert longest(range(5)) < lengths[40] and longest(range(90, 110)) > lengths[50]
    assert int(School(some, words, seed=1).batch(0, 60).there.sum(1).max()) == lengths[-1]


def test_of_eight_batches_one_describes_and_one_draws():
    words = vocabulary("byte level", 1000)
    some = [
        lessons.Lesson(one, torch.randn(len(one.items), 4), torch.randn(len(one.results), 4))
        for one in islice(lessons.chosen(), 40)
    ]
    turns = starter_planner.mixed(School(some, words, seed=1), some, Writing(words), 6)
    eight = [turns(step) for step in range(8, 16)]
    whole = [len(one.refs) > 0 for one in eight]
    assert whole == [True, True, True, False, True, True, True, False]
    describing, drawing = eight[3], eight[7]
    assert len(describing.spliced) == len(describing.ids) and not len(describing.gens)
    assert len(drawing.gens) == len(drawing.ids)
    assert torch.equal(turns(11).ids, describing.ids) and not torch.equal(turns(19).ids, describing.ids)


def test_half_of_the_turns_have_their_slots_in_order_and_all_slots_are_dealt():
    words = vocabulary("byte level", 1000)
    one = next(one for one in lessons.chosen() if len(one.items) == 4)
    school = School([lessons.Lesson(one, torch.randn(4, 4), torch.zeros(len(one.results), 4))], words, seed=1)
    slots = [school.turn(0, step).slots for step in range(200)]
    ordered = [words.slot(slot) for slot in range(4)]
    assert 80 <= sum(list(some) == ordered for some in slots) <= 120
    assert len({slot for some in slots for slot in some}) == SLOTS


def test_photos_are_not_looked_at_and_stay_nothing(tmp_path):
    """Lessons of theirs cost no look, keep 0 under noise, and nothing is to be read out of them."""

    class Blind:
        width = 4

    assert lessons.make(tmp_path, Blind(), 6, math.inf, lessons.photographed)
    made = lessons.read(tmp_path, lessons.photographed)
    assert [one.dialogue for one in made] == list(islice(lessons.photographed(), 6))
    assert not any(one.seen.any() for one in made) and all(one.results.isnan().all() for one in made)
    words = vocabulary("byte level", 1000)
    school = School(made, words, seed=1)
    assert not any(school.turn(place, step).h.any() for place in range(6) for step in range(3))
    turns = school.batch(0, 6)
    net = starter_planner.network(words, 4, seed=3)
    losses = planner.losses(net, turns)
    assert len(turns.refs) and not losses.reading and not losses.contrast and losses.pointing > 0
    losses.whole.backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in net.parameters())


def test_scenes_keep_their_noise_and_length():
    words = vocabulary("byte level", 1000)
    one = next(one for one in lessons.chosen() if len(one.items) == 2)
    seen = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]])
    h = School([lessons.Lesson(one, seen, torch.zeros(len(one.results), 4))], words, seed=1).turn(0, 3).h
    assert torch.allclose(h.norm(dim=-1), torch.tensor([1.0, 0.0])) and 0.9 < h[0, 0] < 1
