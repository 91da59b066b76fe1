"""Merge as an algebra, on random masks and paint: it commutes, it associates, and no overlap is settled silently."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.merging import Conflict
from sessions import lineage
from sessions.values import Picture, Revision, Step
from tests.agent.sketch import Sketch

SHAPE = (6, 9)
QUIET = settings(max_examples=60, deadline=None, derandomize=True, database=None)


class Painted(Sketch):
    """A photo and branches of paint; the tool `paint` is none that could be run again."""

    def __init__(self, seed: int, sides: int = 3) -> None:
        self.rng = np.random.default_rng(seed)
        self.owner_of = self.rng.integers(0, sides + 1, SHAPE)
        super().__init__(Picture(self.rng.integers(0, 256, (*SHAPE, 3), np.uint8)))

    def paint(self, base: Revision, where: np.ndarray) -> Revision:
        """Colours, some of them as they were before, on a mask with soft edges."""
        mask = np.where(where, self.rng.integers(1, 256, SHAPE), 0).astype(np.uint8)
        fresh = (mask > 0) & (self.rng.random(SHAPE) < 0.7)
        paint = self.rng.integers(0, 256, (*SHAPE, 3), np.uint8)
        picture = Picture(np.where(fresh[..., None], paint, self.pixels(base)))
        return self.add(
            picture, (base.id,), Step("paint", "1", {"colour": int(self.rng.integers(2**40))}, base.id), mask
        )

    def side(self, number: int, base: Revision | None = None) -> Revision:
        """One to three steps, each somewhere in the part of the picture that belongs to this side."""
        here = base or self.root
        for _ in range(int(self.rng.integers(1, 4))):
            here = self.paint(here, (self.owner_of == number) & (self.rng.random(SHAPE) < 0.6))
        return here

    def composited(self, ours: Revision, theirs: Revision) -> Revision:
        """A merge without anything done again."""
        made = self.merged(ours, theirs)
        assert not made.facts["replayed"]
        return made


@given(st.integers(0, 2**32))
@QUIET
def test_disjoint_edits_commute_bit_for_bit(seed):
    s = Painted(seed)
    a, b = s.side(1), s.side(2)
    expected = np.where((s.owner_of == 2)[..., None], s.pixels(b), s.pixels(a))
    one, other = s.outcome(a, b), s.outcome(b, a)
    assert np.array_equal(one.picture.pixels, expected)
    assert np.array_equal(other.picture.pixels, expected)
    assert np.array_equal(one.mask > 0, (expected != s.pixels(a)).any(axis=2))


@given(st.integers(0, 2**32))
@QUIET
def test_disjoint_edits_associate_and_merging_again_is_nothing(seed):
    s = Painted(seed)
    a, b, c = (s.side(number) for number in (1, 2, 3))
    ab = s.composited(a, b)
    left = s.composited(ab, c)
    right = s.composited(a, s.composited(b, c))
    assert np.array_equal(s.pixels(left), s.pixels(right))
    assert _names(s, left) == _names(s, right) == {step for one in (a, b, c) for step in _names(s, one)}
    assert s.outcome(left, left) is None
    assert s.outcome(left, b) is None
    assert s.outcome(left, s.root) is None


def _names(s: Painted, revision: Revision) -> set[str]:
    return {step.id for step in lineage.steps(s.graph, revision.id)}


@given(st.integers(0, 2**32))
@QUIET
def test_lines_merged_across_each_other_bring_only_what_is_new(seed):
    s = Painted(seed)
    a, b = s.side(1), s.side(2)
    one, other = s.composited(a, b), s.outcome(b, a)
    crossed = s.keep(other)
    further = s.side(3, crossed)
    made = s.outcome(one, further)
    assert np.array_equal(made.picture.pixels, s.pixels(further))
    assert set(made.facts["composited"]) <= {r.id for r in s.graph.line(further.id)}
    assert not set(made.facts["composited"]) & {r.id for r in s.graph.line(b.id)}


@given(st.integers(0, 2**32))
@QUIET
def test_a_step_is_laid_down_as_it_is_only_where_nothing_changed_under_its_mask(seed):
    s = Painted(seed)
    ours = s.paint(s.root, s.rng.random(SHAPE) < 0.1)
    theirs = s.paint(s.root, s.rng.random(SHAPE) < 0.1)
    changed = (s.pixels(ours) != s.pixels(s.root)).any(axis=2)
    mask = s.images[theirs.mask].pixels > 0
    made = s.outcome(ours, theirs)
    assert isinstance(made, Conflict) == bool((changed & mask).any())
    if isinstance(made, Conflict):
        assert "ours" in made.shown
        kept = s.outcome(ours, theirs, {theirs.id: "ours"})
        assert np.array_equal(kept.picture.pixels, s.pixels(ours))
        assert np.array_equal(s.outcome(ours, theirs, {theirs.id: "theirs"}).picture.pixels, s.pixels(theirs))
