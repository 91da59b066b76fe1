"""Tags, and other names for branches and sessions: one word, one revision; history goes on under the new name."""

from __future__ import annotations

from contextlib import closing
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions import commits, history, moves, names, schema, turns
from sessions.errors import HeadMoved, NameTaken, NotFound, NothingToUndo, PentimentoError
from sessions.fsck import fsck
from sessions.identity import new_id
from sessions.repair import repair
from sessions.store import Store
from tests import making
from tests.making import memory_folder


@pytest.fixture
def line(store, session) -> list[str]:
    """A root and two steps on main."""
    made = [making.upload(store, session, making.picture(1))[0]]
    made += [making.edit(store, session, "main", making.picture(seed)) for seed in (2, 3)]
    return [revision.id for revision in made]


def head(store, session, branch) -> str:
    return moves.branch(store, session, branch).head


def graph(store, session) -> history.Graph:
    return history.graph(store, session)


# Tags


def test_a_tag_stands_where_a_revision_does(store, session, line):
    made = names.tag(store, session, "best", line[1])
    assert history.tags(store, session) == [made]
    assert graph(store, session).tags == {"best": line[1]}
    found = graph(store, session)
    assert [history.resolve(found, text).id for text in ("best", "best~", "best~1")] == [line[1], line[0], line[0]]


def test_a_tag_stays_where_it_is_while_history_goes_on(store, session, line):
    names.tag(store, session, "best", line[2])
    making.edit(store, session, "main", making.picture(4))
    moves.undo(store, session, "main")
    moves.undo(store, session, "main")
    assert graph(store, session).tags == {"best": line[2]}


def test_a_tag_moves_only_if_asked(store, session, line):
    first = names.tag(store, session, "best", line[1])
    assert names.tag(store, session, "best", line[1]) == first
    with pytest.raises(NameTaken, match="another revision"):
        names.tag(store, session, "best", line[2])
    assert graph(store, session).tags == {"best": line[1]}
    names.tag(store, session, "best", line[2], move=True)
    assert graph(store, session).tags == {"best": line[2]}


def test_a_tag_is_taken_off(store, session, line):
    made = names.tag(store, session, "best", line[1])
    assert names.untag(store, session, "best") == made
    assert graph(store, session).tags == {}
    with pytest.raises(NotFound, match="no tag"):
        names.untag(store, session, "best")
    assert store.revision(session, line[1]).id == line[1]


def test_one_revision_may_have_several_tags(store, session, line):
    for name in ("c", "a", "b"):
        names.tag(store, session, name, line[0])
    assert list(graph(store, session).tags) == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["", "head", "Original", "prev", "7", "a b", "-x", "x" * 65, "a/b", "é"])
def test_names_that_mean_something_else_or_nothing(store, session, line, name):
    with pytest.raises(NameTaken):
        names.tag(store, session, name, line[0])
    with pytest.raises(NameTaken):
        names.rename_branch(store, session, "main", name)


def test_tags_and_branches_never_share_a_name(store, session, line):
    names.tag(store, session, "sepia", line[1])
    with pytest.raises(NameTaken, match="tag called 'sepia'"):
        moves.create_branch(store, session, "sepia", line[0])
    with pytest.raises(NameTaken, match="tag called 'sepia'"):
        names.rename_branch(store, session, "main", "sepia")
    with pytest.raises(NameTaken, match="branch called 'main'"):
        names.tag(store, session, "main", line[0])
    assert moves.create_branch(store, session, "sepia", line[0], exact=False).name == "sepia-2"
    draft = commits.Draft(store.keep(session, making.picture(8)), (line[0],), making.step(line[0], 8))
    assert commits.append_on_new_branch(store, session, "sepia", draft)[1] == "sepia-3"


def test_a_tag_needs_a_revision_of_this_session(store, session, line):
    other = store.create_session("dog.png").id
    there = making.upload(store, other, making.picture(50))[0].id
    for revision in (there, "r1:" + "0" * 64, "", line[0][:20]):
        with pytest.raises(NotFound, match="no such revision"):
            names.tag(store, session, "best", revision)


def test_a_tag_that_leads_nowhere_is_a_problem_with_its_name(tmp_path):
    with closing(Store(tmp_path / "home")) as store:
        session = store.create_session("cat.png").id
        root = making.upload(store, session, making.picture(1))[0].id
        names.tag(store, session, "best", root)
        names.tag(store, session, "last", root)
        for change in ("UPDATE tags SET revision = 'r1:x' WHERE name = 'best'", "UPDATE branches SET name = 'last'"):
            with closing(store.database.engine.raw_connection()) as raw:
                raw.cursor().execute("PRAGMA foreign_keys=OFF")
                raw.cursor().execute(change)
        found = [(p.word, p.name) for p in fsck(store, session) if p.what == "tag"]
    assert found == [("dangling", "best"), ("mismatch", "last")]


# Branches


def test_a_renamed_branch_is_the_same_branch(store, session, line):
    turns.begin(store, making.planned(session, "t", "main"), "call it portrait")
    before = moves.branch(store, session, "main")
    renamed = names.rename_branch(store, session, "main", "portrait", turn="t")
    assert (renamed.name, renamed.head, renamed.version) == ("portrait", before.head, before.version + 1)
    assert [branch.name for branch in history.branches(store, session)] == ["portrait"]
    assert history.current_branch(store, session) == "portrait"
    with pytest.raises(NotFound):
        moves.branch(store, session, "main")
    newest = history.moves(store, session, 1)[0]
    assert (newest.kind, newest.branch, newest.old_name, newest.turn) == ("rename", "portrait", "main", "t")
    assert moves.made_by(store, session, "t") == 1


def test_undo_and_redo_work_across_a_rename(store, session, line):
    moves.undo(store, session, "main")
    moves.undo(store, session, "main")
    names.rename_branch(store, session, "main", "a")
    assert graph(store, session).undone == line[1]
    assert moves.redo(store, session, "a").head == line[1]
    names.rename_branch(store, session, "a", "b")
    assert moves.redo(store, session, "b").head == line[2]
    with pytest.raises(NothingToUndo):
        moves.redo(store, session, "b")
    assert moves.reset(store, session, "b").head == line[0]
    names.rename_branch(store, session, "b", "main")
    assert moves.redo(store, session, "main").head == line[2]


def test_an_append_before_a_rename_still_ends_redo(store, session, line):
    moves.undo(store, session, "main")
    making.edit(store, session, "main", making.picture(9))
    names.rename_branch(store, session, "main", "a")
    with pytest.raises(NothingToUndo):
        moves.redo(store, session, "a")


def test_whoever_takes_the_old_name_does_not_inherit_its_moves(store, session, line):
    moves.undo(store, session, "main")
    names.rename_branch(store, session, "main", "a")
    moves.create_branch(store, session, "main", line[0])
    with pytest.raises(NothingToUndo):
        moves.redo(store, session, "main")
    names.rename_branch(store, session, "main", "b")
    names.rename_branch(store, session, "a", "main")
    assert moves.redo(store, session, "main").head == line[2]
    with pytest.raises(NothingToUndo):
        moves.redo(store, session, "b")


def test_what_is_undone_under_the_old_name_later_is_nothing_to_the_renamed_branch(store, session, line):
    names.rename_branch(store, session, "main", "a")
    moves.create_branch(store, session, "main", line[2])
    moves.undo(store, session, "main")
    with pytest.raises(NothingToUndo):
        moves.redo(store, session, "a")


def test_renaming_another_branch_leaves_the_current_one_current(store, session, line):
    moves.create_branch(store, session, "warm", line[0])
    names.rename_branch(store, session, "main", "cold")
    assert history.current_branch(store, session) == "warm"
    assert [move.kind for move in history.moves(store, session, 2)] == ["switch", "rename"]


def test_a_branch_cannot_take_a_name_that_is_taken_nor_one_that_is_not_there_be_renamed(store, session, line):
    moves.create_branch(store, session, "warm", line[0])
    for name in ("warm", "main"):
        with pytest.raises(NameTaken, match="already"):
            names.rename_branch(store, session, "main", name)
    with pytest.raises(NotFound, match="no branch called 'cold'"):
        names.rename_branch(store, session, "cold", "hot")


def test_a_step_that_is_being_made_lands_on_the_renamed_branch(store, session, line):
    """Whoever kept the old name since before two renames finds the branch; compare-and-set still guards its head."""
    turns.begin(store, making.planned(session, "turn", "main", line[2]), "sepia")
    turns.take(store, session, "turn", "me")
    names.rename_branch(store, session, "main", "a")
    names.rename_branch(store, session, "a", "b")
    assert turns.get(store, session, "turn").branch == "b"
    claim = commits.Claim("turn", 0, "me")
    draft = commits.Draft(store.keep(session, making.picture(7)), (line[2],), making.step(line[2], 7), claim=claim)
    made = commits.append(store, session, "main", draft, line[2])
    assert head(store, session, "b") == made.id
    done = turns.finish(store, turns.get(store, session, "turn"), "done", {}, "Done.")
    assert (done.branch, turns.revisions(store, done)) == ("b", [made.id])
    with pytest.raises(HeadMoved):
        commits.append(store, session, "main", draft, line[2])


def test_a_name_that_was_taken_again_is_not_followed(store, session, line):
    names.rename_branch(store, session, "main", "a")
    moves.create_branch(store, session, "main", line[0])
    draft = commits.Draft(store.keep(session, making.picture(7)), (line[2],), making.step(line[2], 7))
    with pytest.raises(HeadMoved):
        commits.append(store, session, "main", draft, line[2])


def test_waiting_turns_follow_and_finished_ones_stay(store, session, line):
    for name in ("done", "waiting"):
        turns.begin(store, making.planned(session, name, "main"), name)
    turns.finish(store, turns.get(store, session, "done"), "done", {}, "Done.")
    turns.wait(store, turns.get(store, session, "waiting"), {}, "Which?")
    names.rename_branch(store, session, "main", "a")
    assert [turn.request_id for turn in turns.open_turns(store, session, "a")] == ["waiting"]
    assert turns.get(store, session, "done").branch == "main"


def test_appends_and_renames_at_once_lose_nothing(store, session, line):
    """Two write steps on the name they first knew, one renames to and fro: every step is on the one branch."""
    rounds, told, failed, start = 12, [], [], Barrier(3)

    def write(worker: int) -> None:
        with closing(Store(store.home, store.database.url, store.owner)) as mine:
            start.wait()
            for number in range(rounds):
                kept = mine.keep(session, making.picture(100 * worker + number))
                while True:
                    here = history.branches(mine, session)[0]
                    draft = commits.Draft(kept, (here.head,), making.step(here.head, number))
                    try:
                        told.append(commits.append(mine, session, "main", draft, here.head).id)
                        break
                    except HeadMoved:
                        continue

    def rename() -> None:
        with closing(Store(store.home, store.database.url, store.owner)) as mine:
            start.wait()
            for number in range(rounds):
                names.rename_branch(mine, session, history.current_branch(mine, session), f"name-{number}")

    def guarded(job, *arguments) -> None:
        try:
            job(*arguments)
        except PentimentoError as error:
            failed.append(error)

    threads = [Thread(target=guarded, args=job) for job in ((write, 1), (write, 2), (rename,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failed == []
    found = graph(store, session)
    assert list(found.branches) == [f"name-{rounds - 1}"]
    assert {r.id for r in found.line(found.branches[found.current])} == {*line, *told}
    assert len(told) == 2 * rounds


def test_a_lost_head_goes_back_along_the_moves_under_its_old_name(tmp_path):
    with closing(Store(tmp_path / "home")) as store:
        session = store.create_session("cat.png").id
        root = making.upload(store, session, making.picture(1))[0].id
        lost = making.edit(store, session, "main", making.picture(2)).id
        names.rename_branch(store, session, "main", "a")
        with closing(store.database.engine.raw_connection()) as raw:
            raw.cursor().execute("PRAGMA foreign_keys=OFF")
            raw.cursor().execute(f"DELETE FROM {schema.revisions.name} WHERE id = '{lost}'")
        done = list(repair(store, fsck(store, session)))
        assert [(one.name, one.to) for one in done if one.what == "branch"] == [("a", root)]
        assert head(store, session, "a") == root


# Any story


STORY = st.lists(
    st.tuples(st.sampled_from(("rename", "undo", "redo", "append", "branch")), st.integers(0, 3), st.integers(0, 4)),
    max_size=25,
)


def test_a_renamed_branch_does_what_it_would_have_done(tmp_path):
    """The same story with and without its renames: the same heads, the same redo, on every branch."""

    @settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(STORY)
    def told(story) -> None:
        with memory_folder() as folder, closing(Store(folder)) as store:
            assert _told(store, story, renames=True) == _told(store, story, renames=False)

    told()


def _told(store: Store, story, renames: bool) -> list[object]:
    session = store.create_session("cat.png").id
    making.upload(store, session, making.picture(1))
    called, seen = ["main"], []  # by number, the name each branch has now
    for what, which, spare in story:
        number = which % len(called)
        branch = called[number]
        if what == "rename" and renames and f"n{spare}" not in called:
            called[number] = names.rename_branch(store, session, branch, f"n{spare}").name
        elif what == "append":
            making.edit(store, session, branch, making.picture(spare))
        elif what == "branch":
            name = f"b{len(called)}" if not renames else f"n{spare}"
            if name not in called:
                called.append(moves.create_branch(store, session, name, head(store, session, branch)).name)
            elif renames:
                called.append(moves.create_branch(store, session, new_id(), head(store, session, branch)).name)
        elif what in ("undo", "redo"):
            try:
                getattr(moves, what)(store, session, branch)
            except NothingToUndo:
                seen.append("nothing")
        seen.append([head(store, session, name) for name in called])
        seen.append(what == "rename" or called.index(history.current_branch(store, session)))
    assert not list(fsck(store, session))
    return seen


# Sessions


def test_a_session_is_renamed(store, session):
    assert names.rename_session(store, session, "  Our cat, 2024 ").name == "Our cat, 2024"
    assert store.session(session).name == "Our cat, 2024"
    for name in ("", "  ", "x" * 201, "two\nlines", "\x1b[31m"):
        with pytest.raises(NameTaken):
            names.rename_session(store, session, name)
    assert store.session(session).name == "Our cat, 2024"
