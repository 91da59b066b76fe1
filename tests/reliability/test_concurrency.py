"""R12, R13. Many at once lose no update: a line has them all, and who comes late opens a branch."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from sessions import commits, history, moves
from sessions.errors import HeadMoved
from sessions.fsck import fsck
from sessions.store import Store
from tests import making
from tests.reliability.crowd import crowd
from tests.reliability.crowd_work import Place, append_many, digest, run_turn

PROCESSES, APPENDS, TURNS = 16, 25, 32
SECONDS = {"sqlite": 5.0, "postgresql": 10.0}
"""What the appends may take on a disk that syncs at once."""


@pytest.fixture
def store(tmp_path: Path, url: str) -> Iterator[Store]:
    """A session with one photo."""
    with closing(Store(tmp_path / "home", url)) as opened:
        making.upload(opened, opened.create_session("cat.png").id, making.picture(1))
        yield opened


def place(store: Store) -> Place:
    return Place(store.home, store.database.url, store.owner, store.sessions()[0].id)


def seconds_per_fsync(folder: Path) -> float:
    """The median on this disk, now."""
    taken = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


@pytest.mark.reliability
def test_sixteen_processes_on_one_branch_lose_no_update(store, engine, tmp_path):
    session, total = store.sessions()[0].id, PROCESSES * APPENDS
    before = seconds_per_fsync(tmp_path)
    said = crowd(PROCESSES, append_many, place(store), APPENDS)
    fsync = max(before, seconds_per_fsync(tmp_path))
    assert max(one.began for one in said) < min(one.ended for one in said), "they did not overlap"
    assert sum(one.late for one in said) > 0, "they never met"
    graph = history.graph(store, session)
    line = [revision.id for revision in graph.line(graph.branches["main"])]
    assert set(line[:-1]) == {made for one in said for made in one.made}
    assert len(line) == len(graph.revisions) == moves.branch(store, session, "main").version == 1 + total
    assert not list(fsck(store, session))
    allowed = max(SECONDS[engine], 4 * fsync * total)
    taken = max(one.ended for one in said) - min(one.began for one in said)
    print(f"{engine}: {total} appends, {sum(one.late for one in said)} came too late; {taken:.1f} s of {allowed:.1f} s")
    assert taken <= allowed


@pytest.mark.reliability
def test_of_many_messages_planned_on_one_head_one_moves_the_branch(store):
    """The same in whole turns, each in a process of its own: planned together, run together, nobody's work lost."""
    session = store.sessions()[0].id
    said = crowd(PROCESSES, run_turn, place(store))
    assert max(one.began for one in said) < min(one.ended for one in said), "they did not overlap"
    assert {one.state for one in said} == {"done"}
    assert len({one.branch for one in said}) == PROCESSES
    assert "main" in {one.branch for one in said}
    graph = history.graph(store, session)
    assert {graph.branches[one.branch] for one in said} == {one.revision for one in said}
    for one in said:
        assert digest(store.picture(session, graph.by_id[one.revision].image)) == one.digest
    assert not list(fsck(store, session))


def check_fork(store: Store) -> None:
    """So many at once continue from one head: one moves the branch, the others open branches of their own."""
    session = store.sessions()[0].id
    head = moves.branch(store, session, "main").head
    barrier = threading.Barrier(TURNS)

    def turn(number: int) -> str:
        shown = making.picture(100 + number)
        draft = commits.Draft(store.keep(session, shown), (head,), making.step(head, number))
        barrier.wait(timeout=30)
        try:
            commits.append(store, session, "main", draft, head)
            return "main"
        except HeadMoved:
            return commits.append_on_new_branch(store, session, "sepia", draft)[1]

    with ThreadPoolExecutor(TURNS) as threads:
        branches = list(threads.map(turn, range(TURNS)))
    assert sorted(branches) == sorted(["main", "sepia", *(f"sepia-{n}" for n in range(2, TURNS))])
    graph = history.graph(store, session)
    assert len(graph.revisions) == 1 + TURNS
    for number, branch in enumerate(branches):
        image = graph.by_id[graph.branches[branch]].image
        assert store.picture(session, image).pixels.tobytes() == making.picture(100 + number).pixels.tobytes()
    assert not list(fsck(store, session))


def test_of_thirty_two_turns_from_one_head_one_moves_the_branch(store):
    check_fork(store)


def test_many_may_open_a_new_data_folder_at_once(tmp_path):
    """Each finds no schema; one migrates and the others wait for it."""
    barrier = threading.Barrier(8)

    def open_it(_number: int) -> str:
        barrier.wait(timeout=30)
        with closing(Store(tmp_path / "home")) as store:
            return store.create_session("cat.png").id

    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(open_it, range(8)))
    with closing(Store(tmp_path / "home")) as store:
        assert {session.id for session in store.sessions()} == made
        assert len(made) == 8
