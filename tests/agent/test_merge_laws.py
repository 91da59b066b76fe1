"""Merge as an algebra, on random masks and paint: it commutes, it associates, and no overlap is settled silently."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import merging
from agent.merging import Conflict, Merged
from sessions import commits, history
from sessions.commits import Draft
from sessions.store import Store
from sessions.values import Picture, Revision, Step
from tests import making

SHAPE = (6, 9)
QUIET = settings(
    max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with making.memory_folder() as folder:
        opened = Store(folder / "home")
        yield opened
        opened.close()


class Session:
    """A photo and branches of paint; the tool `paint` is none that could be run again."""

    def __init__(self, store: Store, seed: int, sides: int = 3) -> None:
        self.store = store
        self.rng = np.random.default_rng(seed)
        self.id = store.create_session("paint").id
        self.owner_of = self.rng.integers(0, sides + 1, SHAPE)
        root = Picture(self.rng.integers(0, 256, (*SHAPE, 3), np.uint8))
        self.root, _ = making.upload(store, self.id, root)

    def pixels(self, revision: Revision) -> np.ndarray:
        return self.store.picture(self.id, revision.image).pixels

    def paint(self, base: Revision, where: np.ndarray) -> Revision:
        """Colours, some of them as they were before, on a mask with soft edges."""
        mask = np.where(where, self.rng.integers(1, 256, SHAPE), 0).astype(np.uint8)
        fresh = (mask > 0) & (self.rng.random(SHAPE) < 0.7)
        paint = self.rng.integers(0, 256, (*SHAPE, 3), np.uint8)
        picture = Picture(np.where(fresh[..., None], paint, self.pixels(base)))
        step = Step("paint", "1", {"colour": int(self.rng.integers(2**40))}, base.id)
        kept = self.store.keep(self.id, picture, mask)
        return commits.append_on_new_branch(self.store, self.id, "b", Draft(kept, (base.id,), step))[0]

    def side(self, number: int, base: Revision | None = None) -> Revision:
        """One to three steps, each somewhere in the part of the picture that belongs to this side."""
        here = base or self.root
        for _ in range(int(self.rng.integers(1, 4))):
            here = self.paint(here, (self.owner_of == number) & (self.rng.random(SHAPE) < 0.6))
        return here

    def outcome(self, ours: Revision, theirs: Revision, take: dict | None = None) -> Merged | Conflict | None:
        way = merging.merge(self.store, history.graph(self.store, self.id), ours, theirs, take or {})
        try:
            while True:
                next(way)
        except StopIteration as end:
            return end.value

    def merged(self, ours: Revision, theirs: Revision) -> Revision:
        made = self.outcome(ours, theirs)
        assert isinstance(made, Merged)
        assert not made.facts["replayed"]
        heads = history.graph(self.store, self.id).branches
        return merging.commit(self.store, next(name for name, head in heads.items() if head == ours.id), made, "it")


@given(st.integers(0, 2**32))
@QUIET
def test_disjoint_edits_commute_bit_for_bit(store, seed):
    s = Session(store, seed)
    a, b = s.side(1), s.side(2)
    expected = np.where((s.owner_of == 2)[..., None], s.pixels(b), s.pixels(a))
    one, other = s.outcome(a, b), s.outcome(b, a)
    assert np.array_equal(one.picture.pixels, expected)
    assert np.array_equal(other.picture.pixels, expected)
    assert np.array_equal(one.mask > 0, (expected != s.pixels(a)).any(axis=2))


@given(st.integers(0, 2**32))
@QUIET
def test_disjoint_edits_associate_and_merging_again_is_nothing(store, seed):
    s = Session(store, seed)
    a, b, c = (s.side(number) for number in (1, 2, 3))
    ab = s.merged(a, b)
    left = s.merged(ab, c)
    right = s.outcome(a, s.merged(b, c))
    assert np.array_equal(s.pixels(left), right.picture.pixels)
    assert s.outcome(left, left) is None
    assert s.outcome(left, b) is None
    assert s.outcome(left, s.root) is None


@given(st.integers(0, 2**32))
@QUIET
def test_lines_merged_across_each_other_bring_only_what_is_new(store, seed):
    s = Session(store, seed)
    a, b = s.side(1), s.side(2)
    one, other = s.merged(a, b), s.outcome(b, a)
    crossed = merging.commit(s.store, _branch_at(s, b), other, "it")
    further = s.side(3, crossed)
    made = s.outcome(one, further)
    assert np.array_equal(made.picture.pixels, s.pixels(further))
    assert set(made.facts["composited"]) <= {r.id for r in history.graph(store, s.id).line(further.id)}
    assert not set(made.facts["composited"]) & {r.id for r in history.graph(store, s.id).line(b.id)}


def _branch_at(s: Session, revision: Revision) -> str:
    return next(name for name, head in history.graph(s.store, s.id).branches.items() if head == revision.id)


@given(st.integers(0, 2**32))
@QUIET
def test_a_step_is_laid_down_as_it_is_only_where_nothing_changed_under_its_mask(store, seed):
    s = Session(store, seed)
    ours = s.paint(s.root, s.rng.random(SHAPE) < 0.1)
    theirs = s.paint(s.root, s.rng.random(SHAPE) < 0.1)
    changed = (s.pixels(ours) != s.pixels(s.root)).any(axis=2)
    mask = s.store.picture(s.id, theirs.mask).pixels > 0
    made = s.outcome(ours, theirs)
    assert isinstance(made, Conflict) == bool((changed & mask).any())
    if isinstance(made, Conflict):
        assert "ours" in made.shown
        kept = s.outcome(ours, theirs, {theirs.id: "ours"})
        assert np.array_equal(kept.picture.pixels, s.pixels(ours))
        assert np.array_equal(s.outcome(ours, theirs, {theirs.id: "theirs"}).picture.pixels, s.pixels(theirs))
