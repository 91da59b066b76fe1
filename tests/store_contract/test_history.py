"""Reading history: the graph, the log, pages, and what people mean by the names they give to revisions."""

import dataclasses

import pytest

from sessions import history, moves
from sessions.errors import Ambiguous, NotFound


def test_the_graph_holds_everything_in_order_of_commit(store, made):
    graph = history.graph(store, made.session)
    assert graph.revisions == made.revisions
    assert [r.seq for r in graph.revisions] == list(range(1, len(made.revisions) + 1))
    assert graph.branches == {b.name: b.head for b in history.branches(store, made.session)}
    assert graph.current == history.current_branch(store, made.session) == "main"
    assert graph.head.id == graph.branches["main"]


def test_undone_lines_stay_in_the_tree(store, made):
    graph = history.graph(store, made.session)
    undone = {r.id for r in graph.revisions} - graph.live
    assert {r.turn for r in graph.revisions if r.id in undone} == {"turn-0", None}
    assert len(undone) == 3


def test_the_graph_knows_what_redo_would_bring_back(store, made):
    assert history.graph(store, made.session).undone is None
    moves.switch(store, made.session, "warm")
    undone = history.graph(store, made.session).undone
    assert undone == moves.redo(store, made.session, "warm").head


def test_the_words_of_a_turn_lead_to_its_revisions(store, made):
    words = history.graph(store, made.session).words
    assert {words[r.id] for r in made.revisions if r.turn == "turn-0"} == {"make it sepia"}


def test_the_log_is_one_line_newest_first(store, made):
    graph = history.graph(store, made.session)
    head = graph.branches["main"]
    assert history.log(store, made.session, head) == list(graph.line(head))
    assert len(history.log(store, made.session, head, limit=2)) == 2
    assert history.log(store, made.session, "r1:" + "0" * 64) == []


def test_pages_meet_without_gap_or_overlap(store, made):
    pages, before = [], 2**31 - 1
    while page := history.page(store, made.session, 2, before):
        pages += page
        before = page[-1].seq
    assert pages == list(reversed(made.revisions))


def test_an_empty_session_has_no_branch_and_no_head(store, session):
    graph = history.graph(store, session)
    assert (graph.head, graph.current, graph.revisions) == (None, None, ())
    with pytest.raises(NotFound):
        history.current_branch(store, session)


@pytest.mark.parametrize(
    ("text", "seq"),
    [
        ("#1", 1),
        ("3", 3),
        (" #3 ", 3),
        ("main", 7),
        ("head", 7),
        ("HEAD", 7),
        ("main~1", 4),
        ("head~", 4),
        ("#4~2", 2),
        ("head~0", 7),
        ("original", 1),
        ("other", 9),
        ("warm", 1),
    ],
)
def test_what_names_mean(store, made, text, seq):
    assert history.resolve(history.graph(store, made.session), text).seq == seq


def test_ids_may_be_shortened_to_four_letters(store, made):
    graph = history.graph(store, made.session)
    for revision in graph.revisions:
        for text in (revision.id, revision.id[3:], revision.id[:15], revision.id[3:15].upper()):
            assert history.resolve(graph, text) == revision


def test_a_name_is_seen_from_the_branch_one_is_on(store, made):
    graph = history.graph(store, made.session)
    assert history.resolve(graph, "head", "other").seq == 9
    assert history.resolve(graph, "original", "other").seq == 9


@pytest.mark.parametrize(
    "text", ["", "~", "#0", "#99", "nothing", "abc", "head~99", "#1~1", "head~x", "r1:", "999999999"]
)
def test_names_that_mean_nothing(store, made, text):
    with pytest.raises(NotFound):
        history.resolve(history.graph(store, made.session), text)


def test_a_beginning_that_fits_two_ids_is_ambiguous(store, made):
    graph = history.graph(store, made.session)
    one = graph.revisions[0]
    twin = dataclasses.replace(one, id=one.id[:-1] + ("0" if one.id[-1] != "0" else "1"))
    both = dataclasses.replace(graph, revisions=(one, twin))
    with pytest.raises(Ambiguous) as refusal:
        history.resolve(both, one.id[:20])
    assert refusal.value.candidates == (one.id, twin.id)
