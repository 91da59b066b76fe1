"""Merges on random histories of real tools: the steps a picture is said to have, done in order, are that picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import merging
from agent.comparing import compare
from agent.merging import ALL, Merged
from agent.plan import PlanStep
from agent.recipes import recipe_of, steps_of
from sessions import lineage
from sessions.errors import EditError
from sessions.values import Picture, Pixels, Revision
from tests.agent.sketch import Sketch, work_of

QUIET = settings(max_examples=20, deadline=None, derandomize=True, database=None)
PHOTO = Picture(np.random.default_rng(7).integers(0, 256, (12, 16, 3), np.uint8))
BOXES = ([0.0, 0.0, 0.4, 1.0], [0.6, 0.0, 1.0, 1.0], [0.3, 0.3, 0.7, 0.9])
BRIGHT, DARK, WARM, SEPIA, FLIP, BLUR = (
    PlanStep(tool=tool, args=args)
    for tool, args in (
        ("adjust", {"exposure": 0.3}),
        ("adjust", {"exposure": -0.3}),
        ("adjust", {"temperature": 0.4}),
        ("monochrome", {"tone": "sepia"}),
        ("flip", {"axis": "horizontal"}),
        ("blur", {"amount": 0.2}),
    )
)
WHOLE = (BRIGHT, DARK, WARM, SEPIA, FLIP, BLUR)
LOCAL = tuple(step.model_copy(update={"region": {"box": box}}) for step in (BRIGHT, WARM, SEPIA) for box in BOXES)
"""Edits of a pixel that look at no other one: what is composited and what is done again cannot be told apart."""

LINES = st.integers(0, 2)
CHOICES = st.sampled_from(["ours", "theirs", "both"])
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), LINES, st.integers(0, 8)),
        st.tuples(st.just("merge"), LINES, LINES, CHOICES),
        st.tuples(st.just("undo"), LINES),
    ),
    min_size=4,
    max_size=14,
)


def lived(deeds: list[tuple], edits: tuple[PlanStep, ...]) -> tuple[Sketch, list[Revision]]:
    """A session in which that was done on three lines, and their heads; merges that cannot be made are not."""
    s = Sketch(PHOTO)
    heads = [s.root] * 3
    for name, line, *more in deeds:
        if name == "edit":
            heads[line] = s.edit(heads[line], edits[more[0] % len(edits)])
        elif name == "merge":
            made = settled(s, heads[line], heads[more[0]], more[1])
            heads[line] = s.keep(made) if isinstance(made, Merged) else heads[line]
        elif heads[line].parents:
            heads[line] = s.revisions[heads[line].parents[0]]
    return s, heads


def settled(s: Sketch, ours: Revision, theirs: Revision, choice: str = "both"):
    try:
        return s.outcome(ours, theirs, {ALL: choice})
    except EditError:
        return None


def named(s: Sketch, revision: Revision) -> list[str]:
    return [step.id for step in lineage.steps(s.graph, revision.id)]


def done_again(s: Sketch, revision: Revision) -> Pixels:
    """The recipe of a revision, on the photo."""
    picture = PHOTO
    for step in steps_of(recipe_of(s.graph, revision)) if named(s, revision) else ():
        picture = work_of(picture, step, step.seed).edit.image
    return picture.pixels


@pytest.mark.parametrize("edits", [WHOLE, LOCAL])
@given(deeds=DEEDS)
@QUIET
def test_a_recipe_done_on_the_photo_is_the_very_picture(edits, deeds):
    s, heads = lived(deeds, edits)
    for head in heads:
        assert np.array_equal(done_again(s, head), s.pixels(head))
        names = named(s, head)
        assert len(names) == len(set(names))
        assert set(names) <= lineage.ancestors(s.graph, head.id)


@given(deeds=DEEDS, edit=st.sampled_from(WHOLE))
@QUIET
def test_merging_again_brings_only_what_is_new(deeds, edit):
    s, (ours, theirs, _) = lived(deeds, WHOLE)
    known = lineage.ancestors(s.graph, ours.id)
    new = [step for step in named(s, theirs) if step not in known]
    made = settled(s, ours, theirs)
    if not isinstance(made, Merged):
        return
    settled_steps = [step for name in ("composited", "replayed", "already") for step in made.facts[name]]
    assert sorted(settled_steps) == sorted(new)
    ours = s.keep(made)
    assert s.outcome(ours, theirs) is None
    later = s.edit(theirs, edit)
    again = settled(s, ours, later)
    assert [step for name in ("composited", "replayed", "already") for step in again.facts[name]] == [later.id]


@given(st.permutations([0, 1, 2]), st.permutations([0, 1, 2]))
@QUIET
def test_the_order_of_merges_is_immaterial_where_no_place_is_touched_twice(one, other):
    s = Sketch(PHOTO)
    sides = [
        s.edit(s.root, BRIGHT.model_copy(update={"region": {"box": [i / 3, 0.0, i / 3 + 0.2, 1.0]}})) for i in range(3)
    ]
    ends = []
    for order in (one, other):
        here = sides[order[0]]
        for side in order[1:]:
            here = s.merged(here, sides[side])
        ends.append(here)
    assert np.array_equal(s.pixels(ends[0]), s.pixels(ends[1]))
    assert set(named(s, ends[0])) == set(named(s, ends[1])) == {side.id for side in sides}


@pytest.mark.parametrize("choice", ["ours", "both"])
def test_one_choice_for_all_conflicts_walks_once_and_comes_to_what_a_choice_for_each_does(choice, monkeypatch):
    s, tried = Sketch(PHOTO), []
    ours, cool = line(s, BRIGHT, SEPIA, BLUR), PlanStep(tool="monochrome", args={"tone": "cool"})
    theirs = [line(s, FLIP, *steps) for steps in ((), (DARK,), (DARK, cool))]
    each = s.outcome(ours, theirs[-1], {step.id: choice for step in theirs[1:]})
    replayed = merging.replayed
    monkeypatch.setattr(merging, "replayed", lambda *args: tried.append(args[3].id) or replayed(*args))
    made = s.outcome(ours, theirs[-1], {ALL: choice})
    assert tried == [step.id for step in theirs]
    assert np.array_equal(made.picture.pixels, each.picture.pixels)
    assert made.facts | {"seconds": 0} == each.facts | {"seconds": 0}
    assert [one["took"] for one in made.facts["decided"]] == [choice, choice]


# Histories that went wrong once


def seen(s: Sketch, revision: Revision) -> list[tuple]:
    """The steps of a recipe in short."""
    steps = recipe_of(s.graph, revision).steps
    return [(step.tool, step.args.get("exposure")) for step in steps]


def line(s: Sketch, *steps: PlanStep, base: Revision | None = None) -> Revision:
    here = base or s.root
    for step in steps:
        here = s.edit(here, step)
    return here


def test_what_was_there_already_is_in_the_picture_once_and_comes_once_to_a_third_line():
    s = Sketch(PHOTO)
    ours, theirs = line(s, BRIGHT, SEPIA), line(s, BLUR, BRIGHT, FLIP)
    both = s.merged(ours, theirs)
    expected = [("adjust", 0.3), ("monochrome", None), ("blur", None), ("flip", None)]
    assert seen(s, both) == expected
    third = s.merged(line(s, WARM), both)
    assert seen(s, third) == [("adjust", 0.0), *expected]
    assert len(third.facts["replayed"]) == 4


def test_what_was_there_already_is_no_conflict_later_and_no_difference():
    s = Sketch(PHOTO)
    theirs = line(s, BLUR, BRIGHT)
    both = s.merged(line(s, BRIGHT, SEPIA), theirs)
    mine, other = compare(s, s.graph, both, theirs).steps
    assert [step.tool for step in mine] == ["monochrome"]
    assert not other
    later = line(s, DARK, base=theirs)
    assert s.merged(both, later).facts["replayed"] == [later.id]


def test_what_one_line_left_out_stays_in_another_where_both_meet():
    s = Sketch(PHOTO)
    ours, theirs, other = line(s, WARM, BRIGHT), line(s, DARK), line(s, SEPIA)
    chosen = s.merged(ours, theirs, {ALL: "ours"})
    other = s.merged(other, theirs)
    met = s.outcome(other, chosen)
    assert [step.id for step in met.against] == [theirs.id], "they were never told to be instead of each other here"
    kept = s.merged(other, chosen, {ALL: "both"})
    assert seen(s, kept) == [("monochrome", None), ("adjust", -0.3), ("adjust", 0.0), ("adjust", 0.3)]
    fourth = s.merged(line(s, FLIP), kept)
    assert len(fourth.facts["replayed"]) == 4


def test_what_ours_once_left_out_is_not_asked_about_again():
    s = Sketch(PHOTO)
    theirs = line(s, DARK)
    ours = s.merged(line(s, BRIGHT), theirs, {ALL: "ours"})
    later = line(s, FLIP, base=theirs)
    assert s.merged(ours, later).facts["replayed"] == [later.id]


def test_to_go_on_from_ours_without_a_step_of_ours_says_so():
    s = Sketch(PHOTO)
    ours = line(s, BRIGHT)
    theirs = s.merged(line(s, DARK), ours, {ALL: "ours"})
    made = s.merged(ours, theirs)
    assert made.facts["left_out"] == [ours.id]
    assert np.array_equal(s.pixels(made), s.pixels(theirs))
    assert seen(s, made) == [("adjust", -0.3)]


def test_theirs_over_a_step_that_an_earlier_merge_brought_keeps_what_that_merge_left_out_away():
    s = Sketch(PHOTO)
    ours = s.merged(line(s, BRIGHT, SEPIA), line(s, DARK), {ALL: "theirs"})
    bright_blur = line(s, BLUR.model_copy(update={"args": {"amount": 0.4}}))
    blurred = line(s, BLUR, base=ours)
    made = s.merged(blurred, bright_blur, {ALL: "theirs"})
    assert seen(s, made) == [("monochrome", None), ("adjust", -0.3), ("blur", None)]
    assert np.array_equal(done_again(s, made), s.pixels(made))
