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

PROCESSES, APPENDS, TURNS = 16, 25, 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "home")) as opened:
        making.upload(opened, opened.create_session("cat.png").id, making.picture(1))
        yield opened


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
def test_sixteen_processes_on_one_branch_lose_no_update(store, tmp_path):
    session, total = store.sessions()[0].id, PROCESSES * APPENDS
    before = seconds_per_fsync(tmp_path)
    said = crowd(PROCESSES, "line", store.home, APPENDS)
    fsync = max(before, seconds_per_fsync(tmp_path))
    began, ended = [one["began"] for one in said], [one["ended"] for one in said]
    assert max(began) < min(ended), "they did not overlap"
    assert sum(one["conflicts"] for one in said) > 0, "they never met"
    graph = history.graph(store, session)
    assert len(list(graph.line(graph.branches["main"]))) == 1 + total
    assert len(graph.revisions) == 1 + total
    assert moves.branch(store, session, "main").version == 1 + total
    assert not list(fsck(store))
    allowed = max(5.0, 4 * fsync * total)
    assert max(ended) - min(began) <= allowed


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
    assert not list(fsck(store))


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
