"""The layout of the history tree: laws over random histories, and the small cases as a person would draw them."""

import dataclasses
import json
import time

from hypothesis import given
from hypothesis import strategies as st

from sessions.history import Graph
from sessions.values import IDENTITY, Json, Revision, Session
from ui.timeline import MAX_WORDS, Pair, Pick, _pair, _pick, layout

SESSION = Session("s", "o", "n", 0, "", "")


def revision(seq: int, *parents: int) -> Revision:
    ids = tuple(str(p) for p in parents)
    return Revision(str(seq), "s", ids, None, "", None, IDENTITY, "upload", 30, 20, seq, "", name=f"p{seq}")


def graph(heads: dict[str, int], *revisions: Revision, words: dict[str, str] | None = None) -> Graph:
    branches = {name: str(head) for name, head in heads.items()}
    return Graph(SESSION, revisions, branches, next(iter(heads), None), words or {}, None)


def drawn(history: Graph, here: str | None = None) -> Json:
    return layout(history, lambda r: f"/{r.seq}.webp", here)


def rows(data: Json) -> list[str]:
    """Each row as text: the label, then the numbers by column, `.` where nothing stands."""
    lines = []
    for row, lane in enumerate(data["lanes"]):
        there = {node["column"]: node["seq"] for node in data["nodes"] if node["row"] == row}
        lines.append(
            " ".join([",".join(lane["names"]) or "-", *(str(there.get(c, ".")) for c in range(max(there) + 1))])
        )
    return lines


def test_an_empty_session():
    assert drawn(graph({})) == {"nodes": [], "lanes": [], "here": None}


def test_the_history_of_the_sketch():
    history = graph(
        {"main": 4, "sepia": 6},
        *(revision(1), revision(2, 1), revision(3, 2), revision(4, 3), revision(5, 2), revision(6, 5), revision(7, 1)),
    )
    data = drawn(history)
    assert rows(data) == ["main 1 2 3 4", "sepia . . 5 6", "- . 7"]
    assert [node["seq"] for node in data["nodes"] if not node["live"]] == [7]
    assert data["here"] == "4"
    assert [lane["tip"] for lane in data["lanes"]] == ["4", "6", None]


def test_the_current_branch_is_on_top():
    history = graph({"sepia": 4, "main": 3}, revision(1), revision(2, 1), revision(3, 2), revision(4, 1))
    assert rows(drawn(history)) == ["sepia . 4", "main 1 2 3"]


def test_after_undo_the_line_goes_on_and_the_undone_stays_below():
    undone = (revision(1), revision(2, 1), revision(3, 2))
    assert rows(drawn(graph({"main": 2}, *undone))) == ["main 1 2", "- . . 3"]
    assert rows(drawn(graph({"main": 4}, *undone, revision(4, 2)))) == ["main 1 2 4", "- . . 3"]


def test_undone_lines_share_a_row_where_there_is_room():
    line = [revision(1), *(revision(i, i - 1) for i in range(2, 7))]
    undone = [revision(7, 1), revision(8, 2), revision(9, 4)]
    assert rows(drawn(graph({"main": 6}, *line, *undone))) == ["main 1 2 3 4 5 6", "- . 7 . . 9", "- . . 8"]


def test_a_merge_stands_right_of_both_parents():
    history = graph({"main": 5}, revision(1), revision(2, 1), revision(3, 1), revision(4, 3), revision(5, 2, 4))
    data = drawn(history)
    assert rows(data) == ["main 1 2 . 5", "- . 3 4"]
    assert data["nodes"][-1]["parents"] == ["2", "4"]
    assert data["lanes"][1]["tip"] == "4", "merged, but not undone"


def test_several_roots():
    assert rows(drawn(graph({"main": 1, "dog": 2}, revision(1), revision(2)))) == ["main 1", "dog 2"]


def test_a_branch_in_the_middle_of_a_line_and_a_tag_are_flags():
    history = graph({"main": 3, "early": 2}, revision(1), revision(2, 1), revision(3, 2))
    history = dataclasses.replace(history, tags={"best": "2", "first": "1"})
    data = drawn(history)
    assert [node["flags"] for node in data["nodes"]] == [["first"], ["best", "early"], []]
    assert rows(data) == ["main 1 2 3"]


def test_two_branches_on_one_head_share_the_label_the_current_first():
    assert rows(drawn(graph({"main": 1, "copy": 1}, revision(1)))) == ["main,copy 1"]


def test_the_phones_line_follows_the_branch_or_what_was_picked():
    history = graph({"main": 3, "sepia": 4}, revision(1), revision(2, 1), revision(3, 2), revision(4, 1))

    def shown(here: str | None) -> list[int]:
        return [node["seq"] for node in drawn(history, here)["nodes"] if node["line"]]

    assert shown(None) == shown("2") == [1, 2, 3]
    assert shown("4") == [1, 4]


def test_long_words_are_shortened_and_all_of_it_is_json():
    data = drawn(graph({"main": 1}, revision(1), words={"1": "warmer " * 200}))
    assert len(data["nodes"][0]["words"]) <= MAX_WORDS
    assert json.loads(json.dumps(data)) == data


@st.composite
def histories(draw) -> Graph:
    """Random histories: edits, forks from anywhere, merges, undo, new photos."""
    revisions: list[Revision] = []
    heads: dict[str, int] = {}
    for seq in range(1, draw(st.integers(1, 25)) + 1):
        kind = draw(st.sampled_from(["append", "append", "append", "fork", "merge", "undo", "root"]))
        branch = draw(st.sampled_from(sorted(heads))) if heads else "b0"
        if not heads or kind == "root":
            branch, parents = f"b{len(heads)}", []
        elif kind == "fork":
            branch, parents = f"b{len(heads)}", [draw(st.integers(1, seq - 1))]
        else:
            parents = [heads[branch]]
        if kind == "merge" and len(set(heads.values())) > 1:
            parents.append(draw(st.sampled_from(sorted(set(heads.values()) - set(parents)))))
        if kind == "undo" and parents and revisions[parents[0] - 1].parents:
            parents = [int(revisions[parents[0] - 1].parents[0])]
        revisions.append(revision(seq, *parents))
        heads[branch] = seq
    branches = {name: str(head) for name, head in heads.items()}
    return Graph(SESSION, tuple(revisions), branches, draw(st.sampled_from(sorted(heads))), {}, None)


@given(histories())
def test_each_revision_stands_once_in_a_place_of_its_own_right_of_its_parents(history):
    nodes = drawn(history)["nodes"]
    assert [node["id"] for node in nodes] == [r.id for r in history.revisions]
    assert len({(node["column"], node["row"]) for node in nodes}) == len(nodes)
    by_id = {node["id"]: node for node in nodes}
    for node in nodes:
        assert all(by_id[parent]["column"] < node["column"] for parent in node["parents"])


@given(histories())
def test_the_current_line_is_on_top_and_undone_ones_at_the_bottom(history):
    data = drawn(history)
    undone = [node["row"] for node in data["nodes"] if not node["live"]]
    live = [node["row"] for node in data["nodes"] if node["live"]]
    assert max(live) < min(undone, default=99)
    assert next(node["row"] for node in data["nodes"] if node["id"] == data["here"]) == 0
    labels = [name for lane in data["lanes"] for name in lane["names"]]
    flags = [name for node in data["nodes"] for name in node["flags"]]
    assert sorted(labels + flags) == sorted(history.branches), "each branch is named once"


@given(histories(), st.data())
def test_a_new_revision_moves_nothing_but_makes_room(history, data):
    """On a head or as a new branch from any live revision: columns stay, and rows below the top keep their order."""
    old = drawn(history)
    seq = len(history.revisions) + 1
    forking = data.draw(st.booleans())
    name = "new" if forking else data.draw(st.sampled_from(sorted(history.branches)))
    parent = data.draw(st.sampled_from(sorted(history.live))) if forking else history.branches[name]
    grown = dataclasses.replace(
        history,
        revisions=(*history.revisions, revision(seq, int(parent))),
        branches={**history.branches, name: str(seq)},
    )
    new = drawn(grown)
    assert [node["column"] for node in new["nodes"][:-1]] == [node["column"] for node in old["nodes"]]
    rows = [(a["row"], b["row"]) for a, b in zip(old["nodes"], new["nodes"][:-1], strict=True)]
    assert len({before for before, _ in rows}) == len({after for _, after in rows}) == len(set(rows)), "no line is torn"
    others = sorted((before, after) for before, after in set(rows) if before and after)
    assert [after for _, after in others] == sorted(after for _, after in others), "only the top line may change"


def test_two_hundred_revisions_in_twelve_branches_take_no_time():
    revisions = [revision(1)]
    heads = {f"b{i}": 1 for i in range(12)}
    for seq in range(2, 201):
        name = f"b{seq % 12}"
        revisions.append(revision(seq, heads[name]))
        heads[name] = seq
    history = graph(heads, *revisions)
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        drawn(dataclasses.replace(history))
        taken.append(time.perf_counter() - started)
    assert min(taken) < 0.02


def test_only_revisions_that_are_shown_can_be_picked_or_paired():
    known = {"a", "b"}
    assert _pick("a", known) == Pick("a")
    assert _pair({"a": "a", "b": "b", "what": "merge"}, known) == Pair("a", "b", "merge")
    for value in (None, "c", 1, ["a"], {"a": "a"}):
        assert _pick(value, known) is None
    for value in ({}, {"a": "a", "b": "a", "what": "merge"}, {"a": "a", "b": "c", "what": "merge"}):
        assert _pair(value, known) is None
    for value in ("a", {"a": "a", "b": "b", "what": "delete"}, {"a": ["a"], "b": "b", "what": "merge"}):
        assert _pair(value, known) is None
