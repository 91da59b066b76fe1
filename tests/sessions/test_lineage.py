"""Ancestors, the best common one and the steps in a picture, on histories drawn by hand and at random."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sessions import lineage
from sessions.history import Graph
from sessions.values import IDENTITY, Revision, Session, Step

Facts = dict[int, tuple[int, ...]]


def graph(*parents: tuple[int, ...], brought: Facts | None = None, left_out: Facts | None = None) -> Graph:
    """Revisions 0, 1 … with these parents; those with one parent were made by a tool; what merges brought."""
    revisions = []
    for number, above in enumerate(parents):
        step = Step("blur", "1", {}, str(above[0])) if len(above) == 1 else None
        told = {"replayed": (brought or {}).get(number, ()), "left_out": (left_out or {}).get(number, ())}
        facts = {name: [str(one) for one in found] for name, found in told.items()}
        revisions.append(
            Revision(
                str(number),
                "s",
                tuple(str(p) for p in above),
                step,
                "",
                None,
                IDENTITY,
                "edit",
                1,
                1,
                number + 1,
                "",
                facts=facts,
            )
        )
    return Graph(Session("s", "o", "n", 0, "", ""), tuple(revisions), {}, None, {}, None)


def names(revisions) -> list[int]:
    return [int(one.id) for one in revisions]


def apart(found: Graph, one: str, other: str) -> tuple[list[int], list[int]]:
    mine, theirs = lineage.apart(found, one, other)
    return names(mine), names(theirs)


def test_a_fork_parted_where_it_forked():
    found = graph((), (0,), (1,), (2,), (1,), (4,))
    assert lineage.common(found, "3", "5").id == "1"
    assert apart(found, "3", "5") == ([2, 3], [4, 5])
    assert lineage.common(found, "3", "2").id == "2"
    assert apart(found, "2", "3") == ([], [3])


def test_a_merge_moves_the_common_ancestor_up():
    found = graph((), (0,), (0,), (1, 2), (2,), brought={3: (2,)})
    assert lineage.common(found, "3", "4").id == "2"
    assert apart(found, "4", "3") == ([4], [1])


def test_two_photos_share_nothing():
    assert lineage.common(graph((), ()), "0", "1") is None


def test_lines_merged_across_each_other_have_one_best_ancestor_whichever_way_one_asks():
    crossed = graph((), (0,), (0,), (1, 2), (2, 1), (3,), (4,), brought={3: (2,), 4: (1,)})
    assert lineage.common(crossed, "5", "6") == lineage.common(crossed, "6", "5")
    assert lineage.common(crossed, "5", "6").id == "1"
    assert apart(crossed, "6", "5") == ([6], [5])
    assert names(lineage.steps(crossed, "6")) == [2, 1, 6]


def test_what_a_merge_left_out_of_either_side_is_not_in_its_picture():
    found = graph((), (0,), (1,), (0,), (3,), (4, 2), brought={5: (2, 4)}, left_out={5: (1, 3)})
    assert names(lineage.steps(found, "5")) == [4, 2]
    assert names(lineage.steps(found, "4")) == [3, 4]


def test_what_a_merge_found_there_already_is_in_its_picture_once():
    found = graph((), (0,), (0,), (2,), (1, 3), brought={4: (3,)})
    assert names(lineage.steps(found, "4")) == [1, 3]


def test_what_one_line_left_out_another_one_keeps_where_they_meet():
    left = {"brought": {4: (), 5: (2,), 6: (1,)}, "left_out": {4: (2,)}}
    found = graph((), (0,), (0,), (0,), (1, 2), (3, 2), (5, 4), (0,), **left)
    assert names(lineage.steps(found, "6")) == [3, 2, 1]
    assert apart(found, "7", "6") == ([7], [3, 2, 1])


def test_where_theirs_goes_on_from_ours_its_picture_is_theirs_whatever_was_written_down():
    found = graph((), (0,), (0,), (2, 1), (1, 3), brought={3: (1,), 4: (2,)})
    assert names(lineage.steps(found, "4")) == [2, 1]
    found = graph((), (0,), (0,), (2, 1), (1, 3), brought={4: (2,)}, left_out={3: (1,)})
    assert names(lineage.steps(found, "4")) == [2]


def test_a_step_that_both_have_and_that_was_done_again_is_in_the_picture_once():
    found = graph((), (0,), (0,), (1, 2), (2,), (3, 4), brought={3: (2,), 5: (2, 4)}, left_out={5: (1,)})
    assert names(lineage.steps(found, "5")) == [2, 4]


def without(found: Graph, revision: str, *dropped: str) -> tuple[int, list[int]]:
    start, rest = lineage.without(found, revision, frozenset(dropped))
    return int(start.id), names(rest)


def test_without_goes_back_to_before_the_step_even_through_a_merge():
    found = graph((), (0,), (0,), (1, 2), (3,), brought={3: (2,)})
    assert without(found, "4", "2") == (1, [4])
    assert without(found, "4", "1") == (0, [2, 4])
    assert without(found, "4") == (4, [])


def test_without_does_not_begin_with_what_a_later_merge_left_out():
    found = graph((), (0,), (1,), (0,), (2, 3), (4,), brought={4: (2, 3)}, left_out={4: (1,)})
    assert without(found, "5", "2") == (0, [3, 5])


def test_without_does_not_begin_in_the_middle():
    found = graph((), (0,), (0,), (2,), (3, 1), (1, 4), brought={4: (1,), 5: (2, 3)})
    assert names(lineage.steps(found, "5")) == [2, 3, 1]
    assert without(found, "5", "3") == (0, [2, 1])


def test_a_long_history_of_merges():
    parents: list[tuple[int, ...]] = [(), (0,), (0,)]
    brought: Facts = {}
    for number in range(3, 600, 3):  # one line takes over what the other one has, and both go on
        parents += [(number - 2, number - 1), (number,), (number - 1,)]
        brought[number] = (number - 1,)
    found = graph(*parents, brought=brought)
    assert names(lineage.steps(found, "598"))[-3:] == [595, 596, 598]
    assert len(lineage.steps(found, "598")) == 399
    assert without(found, "598", "596") == (595, [598])


@st.composite
def histories(draw) -> Graph:
    parents: list[tuple[int, ...]] = [()]
    for number in range(1, draw(st.integers(1, 12))):
        count = draw(st.integers(1, min(2, number)))
        parents.append(tuple(draw(st.permutations(range(number)))[:count]))
    numbers = st.sets(st.integers(0, len(parents) - 1)).map(tuple)
    told = st.dictionaries(st.integers(0, len(parents) - 1), numbers)
    return graph(*parents, brought=draw(told), left_out=draw(told))


@given(histories(), st.data())
@settings(max_examples=50, deadline=None)
def test_laws(found: Graph, data):
    one, other = (data.draw(st.sampled_from([r.id for r in found.revisions])) for _ in range(2))
    best, mine, theirs = (
        lineage.common(found, one, other),
        lineage.ancestors(found, one),
        lineage.ancestors(found, other),
    )
    assert best == lineage.common(found, other, one)
    assert best.id in mine & theirs
    descends = [r for r in mine & theirs if r != best.id and best.id in lineage.ancestors(found, r)]
    assert not descends
    assert apart(found, one, other) == apart(found, other, one)[::-1]


@given(histories(), st.data())
@settings(max_examples=50, deadline=None)
def test_laws_of_pictures(found: Graph, data):
    one, other = (data.draw(st.sampled_from([r.id for r in found.revisions])) for _ in range(2))
    steps, theirs = lineage.steps(found, one), lineage.steps(found, other)
    assert {step.id for step in steps} <= lineage.ancestors(found, one)
    assert len(steps) == len(set(names(steps)))
    mine, _ = lineage.apart(found, one, other)
    assert mine == tuple(step for step in steps if step not in theirs)
    dropped = frozenset(data.draw(st.sets(st.sampled_from([r.id for r in found.revisions]))))
    start, rest = lineage.without(found, one, dropped)
    assert start in found.line(one)
    assert lineage.steps(found, start.id) + rest == tuple(step for step in steps if step.id not in dropped)
