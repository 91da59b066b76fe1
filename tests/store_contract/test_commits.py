"""Appending: ids are hashes of what a revision is, heads move by compare-and-set, names are found."""

import pytest
from sqlalchemy import event

from sessions import commits, history, moves
from sessions.errors import HeadMoved, NotFound, TurnBusy
from sessions.identity import revision_id
from tests import making


def draft(store, session, head, seed, **more) -> commits.Draft:
    return commits.Draft(store.keep(session, making.picture(seed)), (head,), making.step(head, seed), **more)


def test_a_revision_is_named_by_what_it_is(store, session):
    root, _ = making.upload(store, session, making.picture(1))
    made = making.edit(store, session, "main", making.picture(2), where=making.mask(2))
    assert made.id == revision_id(made.parents, made.step, made.geometry, made.image, made.mask)
    assert made.parents == (root.id,)
    assert store.revision(session, made.id) == made
    assert (root.seq, made.seq) == (1, 2)


def test_session_time_name_and_facts_take_no_part_in_the_id(store, session):
    ids = set()
    for name in ("one", "two"):
        there = store.create_session(name).id
        kept = store.keep(there, making.picture(1))
        facts = commits.Draft(kept, source="upload", name=name, facts={"seconds": len(ids)}, made_with={"device": name})
        ids.add(commits.append_on_new_branch(store, there, "main", facts)[0].id)
    assert len(ids) == 1


def test_the_same_photo_brought_twice_at_once_is_one_root_on_one_branch(store, session):
    """Both have looked before either of them wrote."""
    photo = commits.Draft(store.keep(session, making.picture(1)), source="upload", name="cat.png")
    root, branch = commits.append_on_new_branch(store, session, "main", photo)
    moves.create_branch(store, session, "again", root.id)
    for wanted in ("main", "other"):
        assert commits.append_on_new_branch(store, session, wanted, photo) == (root, "again")
    assert branch == "main"
    assert [one.name for one in history.branches(store, session)] == ["again", "main"]
    making.edit(store, session, "main", making.picture(2))
    making.edit(store, session, "again", making.picture(3))
    assert commits.append_on_new_branch(store, session, "main", photo) == (root, "main-2")


def test_a_head_that_moved_is_an_error_and_never_a_fork(store, session):
    root, _ = making.upload(store, session, making.picture(1))
    making.edit(store, session, "main", making.picture(2))
    with pytest.raises(HeadMoved):
        commits.append(store, session, "main", draft(store, session, root.id, 3), root.id)
    assert len(history.page(store, session)) == 2
    assert [b.name for b in history.branches(store, session)] == ["main"]


def test_who_comes_too_late_learns_it_before_writing_anything(store, session):
    """Others wait for the session meanwhile: many racing for one branch are only as quick as losing is."""
    root, _ = making.upload(store, session, making.picture(1))
    making.edit(store, session, "main", making.picture(2))
    late, said = draft(store, session, root.id, 3), []

    def note(_connection, _cursor, statement, *_):
        said.append(statement.split()[0])

    event.listen(store.database.engine, "before_cursor_execute", note)
    with pytest.raises(HeadMoved):
        commits.append(store, session, "main", late, root.id)
    assert [word for word in said if word != "BEGIN"] == ["UPDATE", "SELECT"]


def test_a_branch_that_is_not_there_is_not_found(store, session):
    root, _ = making.upload(store, session, making.picture(1))
    with pytest.raises(NotFound):
        commits.append(store, session, "sepia", draft(store, session, root.id, 2), root.id)


def test_every_append_moves_the_version_and_leaves_a_move(store, session):
    making.upload(store, session, making.picture(1))
    for seed in (2, 3):
        making.edit(store, session, "main", making.picture(seed))
    assert moves.branch(store, session, "main").version == 3
    assert [m.kind for m in history.moves(store, session)] == ["append", "append", "root"]


def test_a_fork_gets_the_first_free_name(store, session):
    root, _ = making.upload(store, session, making.picture(1))
    names = [
        commits.append_on_new_branch(store, session, "sepia", draft(store, session, root.id, seed))[1]
        for seed in range(2, 6)
    ]
    assert names == ["sepia", "sepia-2", "sepia-3", "sepia-4"]
    assert [m.kind for m in history.moves(store, session, 2)] == ["append", "branch"]


def test_names_that_begin_alike_do_not_get_in_the_way(store, session):
    root, _ = making.upload(store, session, making.picture(1), "sepia")
    for taken in ("sepia-3", "Sepia", "sepia_2"):
        moves.create_branch(store, session, taken, root.id)
    assert commits.append_on_new_branch(store, session, "sepia", draft(store, session, root.id, 2))[1] == "sepia-2"


def test_the_same_step_again_is_the_same_revision(store, session):
    making.upload(store, session, making.picture(1))
    first = making.edit(store, session, "main", making.picture(2))
    moves.undo(store, session, "main")
    again = making.edit(store, session, "main", making.picture(2))
    assert again == first
    assert len(history.page(store, session)) == 2
    assert moves.branch(store, session, "main").head == first.id


def test_a_step_can_only_be_claimed_by_who_holds_the_turn(store, session):
    making.upload(store, session, making.picture(1))
    root = moves.branch(store, session, "main").head
    for claim in (commits.Claim("nobody", 0, "me"), commits.Claim("nobody", 1, "")):
        with pytest.raises(TurnBusy):
            commits.append(store, session, "main", draft(store, session, root, 2, claim=claim), root)
    assert moves.branch(store, session, "main").head == root


def test_a_merge_has_two_parents(store, session):
    root, _ = making.upload(store, session, making.picture(1))
    ours = making.edit(store, session, "main", making.picture(2))
    theirs, _ = commits.append_on_new_branch(store, session, "sepia", draft(store, session, root.id, 3))
    kept = store.keep(session, making.picture(4))
    both = commits.Draft(kept, (ours.id, theirs.id), source="merge")
    made = commits.append(store, session, "main", both, ours.id)
    assert store.revision(session, made.id).parents == (ours.id, theirs.id)
