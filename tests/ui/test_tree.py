"""The text tree: lanes, joints, undone lines."""

from sessions.history import Graph
from sessions.values import IDENTITY, Revision, Session
from ui.tree import tree


def revision(seq: int, *parents: int) -> Revision:
    ids = tuple(str(p) for p in parents)
    return Revision(str(seq), "s", ids, None, "", None, IDENTITY, "upload", 1, 1, seq, "", name=f"p{seq}")


def drawn(heads: dict[str, int], *revisions: Revision) -> list[str]:
    branches = {name: str(head) for name, head in heads.items()}
    graph = Graph(Session("s", "o", "n", 0, "", ""), revisions, branches, next(iter(heads)), {}, None)
    return [f"{row.lanes} {row.revision.seq if row.revision else ''}".strip() for row in tree(graph)]


def test_a_line():
    assert drawn({"main": 2}, revision(1), revision(2, 1)) == ["* 2", "* 1"]


def test_a_fork():
    revisions = [revision(1), revision(2, 1), revision(3, 2), revision(4, 1)]
    assert drawn({"main": 3, "sepia": 4}, *revisions) == ["* 4", "| * 3", "| * 2", "|/", "* 1".ljust(3).strip()]


def test_undone_lines_are_drawn_open():
    assert drawn({"main": 1}, revision(1), revision(2, 1)) == ["o 2", "* 1"]


def test_two_roots():
    assert drawn({"main": 1, "dog": 2}, revision(1), revision(2)) == ["* 2", "* 1"]


def test_three_lanes_close_one_by_one():
    revisions = [revision(1), revision(2, 1), revision(3, 1), revision(4, 1)]
    assert drawn({"a": 2, "b": 3, "c": 4}, *revisions) == ["* 4", "| * 3", "| | * 2", "| |/", "|/", "* 1"]


def test_a_merge_opens_a_lane_for_its_second_parent():
    revisions = [revision(1), revision(2, 1), revision(3, 1), revision(4, 2, 3)]
    assert drawn({"main": 4, "sepia": 3}, *revisions) == ["* 4", "|\\", "| * 3", "* | 2", "|/", "* 1"]


def test_a_merge_joins_the_lane_that_waits_for_its_second_parent_already():
    revisions = [revision(1), revision(2, 1), revision(3, 1), revision(4, 2, 3), revision(5, 3)]
    expected = ["* 5", "| * 4", "|/|", "* | 3", "| * 2", "|/", "* 1"]
    assert drawn({"sepia": 5, "main": 4}, *revisions) == expected


def test_the_nearest_lanes_close_first():
    revisions = [revision(1), revision(2, 1), revision(3, 1), revision(4, 1), revision(5, 3), revision(6, 4, 2)]
    expected = ["* 6", "|\\", "| | * 5", "* | | 4", "| | * 3", "| * | 2", "| |/", "|/", "* 1"]
    assert drawn({"a": 6, "b": 5}, *revisions) == expected


def test_an_edge_runs_past_the_lanes_between_and_past_free_ones():
    roots = [revision(1), revision(2), revision(3, 1), revision(4, 2), revision(5, 1)]
    assert drawn({"a": 5, "b": 4, "c": 3}, *roots) == ["* 5", "| * 4", "| | * 3", "| * | 2", "|__/", "* 1"]
    crossed = [revision(1), revision(2, 1), revision(3, 1), revision(4, 2, 3), revision(5, 3, 2)]
    crossed += [revision(6, 4), revision(7, 5)]
    drawing = drawn({"a": 7, "b": 6}, *crossed)
    assert drawing == ["* 7", "| * 6", "* | 5", "|_|\\", "| * | 4", "|/| |", "* | | 3", "| |/", "| * 2", "|/", "* 1"]
