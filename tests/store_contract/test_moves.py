"""Undo, redo, reset, switch, branch: the laws of moving heads. Nothing is ever recomputed or lost."""

import pytest

from sessions import commits, history, moves
from sessions.errors import NameTaken, NotFound, NothingToUndo
from tests import making


def head(store, session, branch="main") -> str:
    return moves.branch(store, session, branch).head


@pytest.fixture
def line(store, session) -> list[str]:
    """A root, one step of its own, and a turn of two steps, on main."""
    made = [making.upload(store, session, making.picture(1))[0], making.edit(store, session, "main", making.picture(2))]
    made += making.work(store, session, "main", "turn", [making.picture(3), making.picture(4)])
    return [revision.id for revision in made]


def test_undo_takes_a_whole_turn_back(store, session, line):
    assert moves.undo(store, session, "main").head == line[1]
    assert moves.undo(store, session, "main").head == line[0]


def test_undo_by_step_takes_one_revision_back(store, session, line):
    assert moves.undo(store, session, "main", step=True).head == line[2]
    assert moves.undo(store, session, "main", step=True).head == line[1]


def test_undo_from_inside_a_turn_takes_the_rest_of_it_back(store, session, line):
    moves.undo(store, session, "main", step=True)
    assert moves.undo(store, session, "main").head == line[1]


def test_at_the_original_there_is_nothing_to_undo_and_nothing_moves(store, session, line):
    moves.reset(store, session, "main")
    before = history.moves(store, session)
    for verb in (moves.undo, moves.reset):
        with pytest.raises(NothingToUndo):
            verb(store, session, "main")
    assert history.moves(store, session) == before


def test_a_turn_that_began_with_its_photo_is_undone_to_the_photo(store, session):
    begun = making.work(store, session, "none", "turn", [])
    assert begun == []
    root, branch = making.upload(store, session, making.picture(1), "main", turn="turn")
    making.edit(store, session, branch, making.picture(2), turn="turn")
    making.edit(store, session, branch, making.picture(3), turn="turn")
    assert moves.undo(store, session, branch).head == root.id


def test_undo_stays_on_its_own_line_when_the_turn_worked_on_two(store, session, line):
    """One message edited two pictures: undoing one of them must not take that branch to the other's past."""
    other, branch = making.upload(store, session, making.picture(9), "other")
    making.work(store, session, "main", "both", [making.picture(10)])
    made = making.edit(store, session, branch, making.picture(11), turn="both")
    assert moves.undo(store, session, branch).head == other.id
    assert moves.redo(store, session, branch).head == made.id


def test_redo_inverts_undo_one_by_one(store, session, line):
    for _ in range(2):
        moves.undo(store, session, "main")
    assert moves.redo(store, session, "main").head == line[1]
    assert moves.redo(store, session, "main").head == line[3]
    with pytest.raises(NothingToUndo):
        moves.redo(store, session, "main")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_would_be_reached_is_what_is_reached(store, session, line, count):
    making.work(store, session, "main", "another", [making.picture(10)])
    moves.create_branch(store, session, "other", line[0])
    for reach, verb in ((moves.undone, moves.undo), (moves.redone, moves.redo)):
        before, expected = history.moves(store, session), reach(store, session, "main", count)
        assert history.moves(store, session) == before
        assert [verb(store, session, "main").head for _ in range(count)][-1] == expected


def test_redo_would_invert_reset_too(store, session, line):
    moves.undo(store, session, "main")
    moves.reset(store, session, "main")
    assert [moves.redone(store, session, "main", count) for count in (1, 2, 9)] == [line[1], line[3], line[3]]


def test_what_would_be_reached_where_there_is_nothing(store, session, line):
    assert moves.redone(store, session, "main", 3) == line[3]
    assert moves.undone(store, session, "main", 1000) == line[0]
    for reach in (moves.undone, moves.redone):
        with pytest.raises(NotFound):
            reach(store, session, "sepia")


def test_undo_would_stay_on_its_own_line_too(store, session, line):
    """A turn that worked on two lines, as in `test_undo_stays_on_its_own_line_when_the_turn_worked_on_two`."""
    other, branch = making.upload(store, session, making.picture(9), "other")
    making.work(store, session, "main", "both", [making.picture(10)])
    making.edit(store, session, branch, making.picture(11), turn="both")
    assert moves.undone(store, session, branch) == other.id
    assert moves.undone(store, session, "main") == line[3]


def test_redo_inverts_reset(store, session, line):
    moves.undo(store, session, "main")
    assert moves.reset(store, session, "main").head == line[0]
    assert moves.redo(store, session, "main").head == line[1]
    assert moves.redo(store, session, "main").head == line[3]


def test_after_an_append_there_is_nothing_to_redo(store, session, line):
    moves.undo(store, session, "main")
    making.edit(store, session, "main", making.picture(5))
    with pytest.raises(NothingToUndo):
        moves.redo(store, session, "main")
    assert {r.id for r in history.page(store, session)} > set(line)


def test_an_append_on_one_branch_leaves_the_redo_of_another(store, session, line):
    moves.create_branch(store, session, "warm", line[1])
    moves.undo(store, session, "main")
    making.edit(store, session, "warm", making.picture(5))
    assert moves.redo(store, session, "main").head == line[3]


def test_undoing_a_merge_goes_to_its_first_parent(store, session, line):
    ours = head(store, session)
    moves.create_branch(store, session, "warm", line[0])
    theirs = making.edit(store, session, "warm", making.picture(5))
    merged = commits.Draft(store.keep(session, making.picture(6)), (ours, theirs.id), source="merge")
    commits.append(store, session, "main", merged, ours)
    assert moves.undo(store, session, "main").head == ours


def test_reset_goes_to_the_root_of_the_first_parents(store, session, line):
    other, _ = making.upload(store, session, making.picture(7), "other")
    ours = head(store, session)
    merged = commits.Draft(store.keep(session, making.picture(6)), (ours, other.id), source="merge")
    commits.append(store, session, "main", merged, ours)
    assert moves.reset(store, session, "main").head == line[0]


def test_the_branch_that_moved_last_is_the_current_one(store, session, line):
    moves.create_branch(store, session, "warm", line[1])
    assert history.current_branch(store, session) == "warm"
    moves.switch(store, session, "main")
    assert history.current_branch(store, session) == "main"
    assert head(store, session) == line[3]


def test_branch_names(store, session, line):
    assert moves.create_branch(store, session, "warm", line[1]).head == line[1]
    with pytest.raises(NameTaken):
        moves.create_branch(store, session, "warm", line[1])
    assert moves.create_branch(store, session, "warm", line[1], exact=False).name == "warm-2"
    for wrong in ("", "two words", "-x", "original", "HEAD", "7", "a" * 65, "a/b", "#7", "ä"):
        with pytest.raises(NameTaken):
            moves.create_branch(store, session, wrong, line[1])


@pytest.mark.parametrize("words", ["My Dog.jpg", "", "7", "original", "../..", "ÄÖÜ", "x" * 200, "prev"])
def test_any_words_make_a_legal_name(words):
    assert moves.check_name(moves.branch_name(words))


def test_a_turn_counts_its_moves(store, session, line):
    making.work(store, session, "main", "undo-twice", [])
    moves.undo(store, session, "main", turn="undo-twice")
    moves.undo(store, session, "main", turn="undo-twice")
    assert moves.made_by(store, session, "undo-twice") == 2
    assert moves.made_by(store, session, "other") == 0


@pytest.mark.parametrize("verb", [moves.undo, moves.redo, moves.reset, moves.switch])
def test_a_branch_that_is_not_there(store, session, line, verb):
    with pytest.raises(NotFound):
        verb(store, session, "sepia")
