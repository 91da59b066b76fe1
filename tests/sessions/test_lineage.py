"""Ancestors, the best common one and the steps since, on histories drawn by hand and at random."""

from hypothesis import given
from hypothesis import strategies as st

from sessions import lineage
from sessions.history import Graph
from sessions.values import IDENTITY, Revision, Session, Step


def graph(*parents: tuple[int, ...], left_out: dict[int, tuple[int, ...]] | None = None) -> Graph:
    """Revisions 0, 1 … with these parents; those with one parent were made by a tool."""
    revisions = []
    for number, above in enumerate(parents):
        step = Step("blur", "1", {}, str(above[0])) if len(above) == 1 else None
        gone = [str(one) for one in (left_out or {}).get(number, ())]
        names = tuple(str(p) for p in above)
        revisions.append(
            Revision(
                str(number), "s", names, step, "", None, IDENTITY, "edit", 1, 1, number, "", facts={"left_out": gone}
            )
        )
    return Graph(Session("s", "o", "n", 0, "", ""), tuple(revisions), {}, None, {}, None)


def names(revisions) -> list[int]:
    return [int(one.id) for one in revisions]


def test_a_fork_parted_where_it_forked():
    found = graph((), (0,), (1,), (2,), (1,), (4,))
    assert lineage.common(found, "3", "5").id == "1"
    assert names(lineage.since(found, "5", "3")) == [4, 5]
    assert lineage.common(found, "3", "2").id == "2"
    assert names(lineage.since(found, "2", "3")) == []


def test_a_merge_moves_the_common_ancestor_up():
    found = graph((), (0,), (0,), (1, 2), (2,))
    assert lineage.common(found, "3", "4").id == "2"
    assert names(lineage.steps_since(found, "4", "3")) == [4]
    assert names(lineage.steps_since(found, "3", "4")) == [1]


def test_two_photos_share_nothing():
    assert lineage.common(graph((), ()), "0", "1") is None


def test_lines_merged_across_each_other_have_one_best_ancestor_whichever_way_one_asks():
    crossed = graph((), (0,), (0,), (1, 2), (2, 1), (3,), (4,))
    assert lineage.common(crossed, "5", "6") == lineage.common(crossed, "6", "5")
    assert lineage.common(crossed, "5", "6").id == "1"
    assert names(lineage.steps_since(crossed, "6", "5")) == [6]


def test_a_first_parents_line_comes_before_a_seconds():
    assert names(lineage.since(graph((), (0,), (0,), (2, 1)), "3", "0")) == [2, 1, 3]


def test_what_a_merge_left_out_is_not_among_the_steps():
    found = graph((), (0,), (1,), (0,), (3, 2), left_out={4: (1,)})
    assert names(lineage.steps_since(found, "4", "0")) == [3, 2]


def test_without_goes_back_to_before_the_step_even_through_a_merge():
    found = graph((), (0,), (0,), (1, 2), (3,))
    assert lineage.without(found, "4", frozenset({"2"})).id == "1"
    assert lineage.without(found, "4", frozenset()).id == "4"


@st.composite
def histories(draw) -> Graph:
    parents: list[tuple[int, ...]] = [()]
    for number in range(1, draw(st.integers(1, 12))):
        count = draw(st.integers(1, min(2, number)))
        parents.append(tuple(draw(st.permutations(range(number)))[:count]))
    return graph(*parents)


@given(histories(), st.data())
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
    since = lineage.since(found, one, other)
    assert {r.id for r in since} == mine - theirs
    assert len(since) == len(mine - theirs)
    for place, revision in enumerate(since):
        assert not set(revision.parents) & {later.id for later in since[place:]}
