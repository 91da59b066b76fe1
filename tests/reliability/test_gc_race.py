"""R7. `gc` never takes what can be reached, not even what is being committed, and takes what cannot."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from sessions import commits, history, moves, schema
from sessions.errors import BlobMissing
from sessions.fsck import fsck
from sessions.store import Store
from sessions.upkeep import GRACE, LEAST_GRACE, Removed, Spared, gc, stats
from tests import making
from tests.reliability.crowd import crowd
from tests.reliability.crowd_work import SIDE, Place, digest
from tests.reliability.gc_work import branch_of, sweep_all, take_part

DAY = 86400.0


@pytest.fixture
def store() -> Iterator[Store]:
    with making.memory_folder() as folder, closing(Store(folder / "home")) as opened:
        yield opened


def grow_old(store: Store, days: float) -> None:
    long_ago = time.time() - days * DAY
    for path in (store.home / "blobs").rglob("*"):
        os.utime(path, (long_ago, long_ago))


def removed(store: Store, grace: timedelta = GRACE) -> list[str]:
    return [one.file for one in gc(store, grace) if isinstance(one, Removed)]


def check_undone_lines_stay(store: Store) -> None:
    """What was undone, reset, left behind on a branch: all of it is still there after any sweep."""
    made = making.everything(store)
    grow_old(store, 1000)
    assert not removed(store, LEAST_GRACE)
    for revision in made.revisions:
        assert store.picture(made.session, revision.image).pixels.tobytes() == made.pixels[revision.id]
        assert revision.mask is None or store.picture(made.session, revision.mask)
    assert not list(fsck(store))


def test_undone_lines_stay(store):
    check_undone_lines_stay(store)


def test_what_nothing_names_goes_after_its_grace_and_not_before(store):
    made = making.everything(store)
    (place,) = {place.blob for place in store.keep(made.session, making.picture(99)).places}
    for age, grace, gone in ((0, GRACE, 0), (13.9, GRACE, 0), (0.9, LEAST_GRACE, 0), (1.1, LEAST_GRACE, 1)):
        grow_old(store, age)
        assert removed(store, grace) == [place] * gone
    assert removed(store, LEAST_GRACE) == []
    store.keep(made.session, making.picture(99))
    grow_old(store, 14.1)
    assert removed(store) == [place]
    assert not list(fsck(store))


def test_a_shorter_grace_is_refused(store):
    with pytest.raises(ValueError):
        list(gc(store, timedelta(hours=23)))


def test_a_dry_run_takes_nothing_and_says_what_would_go(store):
    made = making.everything(store)
    store.keep(made.session, making.picture(99))
    grow_old(store, 30)
    told = list(gc(store, dry_run=True))
    assert stats(store).orphans == 1
    assert list(gc(store)) == told
    assert stats(store).orphans == 0


def test_stale_temporary_files_go_and_fresh_ones_stay(store):
    made = making.everything(store)
    part = store.home / "blobs" / made.session / f"{'0' * 64}.{'1' * 32}.part"
    part.write_bytes(b"half a fi")
    assert not removed(store)
    grow_old(store, 1.1)
    assert removed(store) == [part.name]


def test_what_was_found_in_place_is_young_again(store):
    """An old orphan is used by a new step: a sweep between its pixels and its row leaves it alone."""
    made = making.everything(store)
    store.keep(made.session, making.picture(99))
    grow_old(store, 30)
    kept = store.keep(made.session, making.picture(99))
    assert not removed(store)
    head = moves.branch(store, made.session, "main").head
    revision = commits.append(store, made.session, "main", commits.Draft(kept, (head,)), head)
    assert store.picture(made.session, revision.image)


def test_what_was_swept_between_its_pixels_and_its_row_is_not_committed(store):
    made = making.everything(store)
    kept = store.keep(made.session, making.picture(99))
    grow_old(store, 30)
    assert removed(store)
    head = moves.branch(store, made.session, "main").head
    with pytest.raises(BlobMissing):
        commits.append(store, made.session, "main", commits.Draft(kept, (head,)), head)
    assert moves.branch(store, made.session, "main").head == head
    assert not list(fsck(store))


def test_a_session_whose_records_are_damaged_is_left_alone(store):
    """A lost record may have named the file that nothing names now."""
    made = making.everything(store)
    tiles = schema.tiles
    with store.database.write() as connection:
        lost = connection.execute(tiles.select().limit(1)).one()
        connection.execute(tiles.delete().where(tiles.c.blob == lost.blob))
    grow_old(store, 1000)
    assert list(gc(store)) == [Spared(made.session)]
    assert store.files.path(store.blobs.name(made.session, lost.blob)).exists()


def test_the_files_of_a_session_that_is_no_more_go_with_their_folder(store):
    making.everything(store)
    stray = store.home / "blobs" / ("0" * 32)
    stray.mkdir()
    (stray / ("1" * 64)).write_bytes(b"x")
    grow_old(store, 30)
    assert removed(store) == ["1" * 64]
    assert not stray.exists()


def check_race(seconds: float, writers: int, sessions: int, home: Path) -> tuple[int, int]:
    """Writers, and one who makes everything old and sweeps; (revisions made, files taken from under their hands)."""
    with closing(Store(home)) as store:
        places = []
        for _ in range(sessions):
            places.append(Place(home, store.database.url, store.owner, store.create_session("cat.png").id))
            root, _ = making.upload(store, places[-1].session, making.picture(0, SIDE, SIDE))
            for number in range(1, 1 + writers):
                moves.create_branch(store, places[-1].session, branch_of(number), root.id)
        sweeper, *said = crowd(1 + writers, take_part, places, seconds, seconds=seconds)
        for number, wrote in enumerate(said, 1):
            session = places[number % sessions].session
            there = {revision.id: revision.image for revision in history.graph(store, session).revisions}
            for revision, shown in wrote.made.items():
                assert digest(store.picture(session, there[revision])) == shown
        assert not [problem for problem in fsck(store) if problem.damage]
        sweep_all(store)
        assert sweep_all(store) == 0, "the second sweep found something"
        assert not list(fsck(store))
    assert sweeper.rounds > 1
    return sum(len(wrote.made) for wrote in said), sweeper.files


@pytest.mark.reliability
def test_sweeping_beside_writers_takes_nothing_that_is_named():
    with making.memory_folder() as folder:
        made, taken = check_race(2, 2, 1, folder / "home")
    assert made > 10
    assert taken > 0


@pytest.mark.reliability
def test_sweeping_for_a_minute_beside_eight_writers_takes_nothing_that_is_named():
    with making.memory_folder() as folder:
        made, taken = check_race(60, 8, 2, folder / "home")
    print(f"{made} revisions, {taken} files swept")
    assert made > 500
    assert taken > 100
