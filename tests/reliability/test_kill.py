"""R1. A process killed at any moment loses nothing it was told was done, and leaves nothing half-done."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from sessions import history, turns
from sessions.errors import NotFound
from sessions.fsck import fsck
from sessions.store import Store
from tests.making import memory_folder
from tests.postgres import Databases, Server, private_server
from tests.reliability.kill_worker import LOST, NAME, Diary
from tests.reliability.nursery import Nursery, nursery

LIVES, YOUNG = 20, 5
"""Kills per data folder, and how many of them may come while it is still being opened, and migrated."""

KILLS = {"sqlite": 1000, "postgresql": 200}
SPANS = {"sqlite": (0.04, 0.1), "postgresql": (0.4, 0.3)}
"""Seconds that a life lasts at most: one that opens a data folder for the first time, any other."""

STOPS, WRITERS = 20, 3
"""How often the server is stopped, and how many lives it is stopped under."""

NewDatabase = Callable[[], AbstractContextManager[str]]


def no_server() -> AbstractContextManager[str]:
    return nullcontext("")


STEPS = {"work": 2, "turn": 3}
"""How many steps a turn of each kind has: the store's part alone, and the whole of it through the assistant."""


def check(folder: Path, seen: int, url: str) -> int:
    """The store against the diary, from line `seen` on; the number of lines."""
    lines = Diary(folder / "diary").read()
    if any(line["event"] == "opened" for line in lines):
        with closing(Store(folder / "home", url)) as store:
            compare(store, [line for line in lines[seen:] if line["event"] == "ack"])
    return len(lines)


def compare(store: Store, acknowledged: list[dict[str, Any]]) -> None:
    session = store.create_session("cat.png", NAME).id
    assert not [problem for problem in fsck(store) if problem.damage]
    done = history.moves(store, session, limit=10**6)
    for line in acknowledged:
        for revision, digest in line["made"]:
            image = store.revision(session, revision).image
            assert hashlib.sha256(store.picture(session, image).pixels.tobytes()).hexdigest() == digest
        if line["op"] in STEPS:
            asked, made = turns.get(store, session, line["id"]), [revision for revision, _ in line["made"]]
            assert (asked.state, turns.revisions(store, asked)) == ("done", made)
            assert asked.next_step == len(made) == STEPS[line["op"]]
            assert [move.after for move in done if move.turn == line["id"]] == made[::-1]
        if line["op"] in ("undo", "redo", "branch"):
            assert sum(move.turn == line["id"] for move in done) <= 1
        if line["op"] == "branch":
            assert sum(move.turn == line["id"] for move in done) == 1
    steps = Counter((r.turn, r.step.seed) for r in history.graph(store, session).revisions if r.turn and r.step)
    assert set(steps.values()) <= {1}, "a turn that was sent again made a step twice"


def sent_again(folder: Path) -> int:
    """How many requests were acknowledged that had to be sent more than once."""
    lines = Diary(folder / "diary").read()
    asked = Counter(line["id"] for line in lines if line["event"] == "ask")
    return sum(asked[line["id"]] > 1 for line in lines if line["event"] == "ack")


def one_folder(children: Nursery, folder: Path, seed: int, url: str) -> Counter[str]:
    """Kill `LIVES` processes on a new data folder; what each of them was doing."""
    dice, interrupted, seen = random.Random(seed), Counter[str](), 0
    spans = SPANS["postgresql" if url else "sqlite"]
    for life in range(LIVES):
        newborn = life < YOUNG
        status = children.run(
            "tests.reliability.kill_worker:live",
            folder,
            seed * LIVES + life,
            url,
            kill_after=dice.uniform(0, spans[0 if newborn else 1]),
            once_started=not newborn,
        )
        assert status == -9, f"the worker ended by itself with {status}"
        lines = Diary(folder / "diary").read()
        last = lines[-1] if lines else {"event": "fork"}
        interrupted[
            "migrate"
            if last["event"] == "open" and last["new"]
            else last["op"]
            if last["event"] == "ask"
            else "between"
        ] += 1
        seen = check(folder, seen, url)
    return interrupted


def kill(folders: int, database: NewDatabase = no_server) -> Counter[str]:
    interrupted = Counter[str]()
    with nursery() as children, memory_folder() as folder:
        for seed in range(folders):
            (folder / str(seed)).mkdir()
            with database() as url:
                interrupted += one_folder(children, folder / str(seed), seed, url)
    return interrupted


def test_a_few_kills_lose_nothing():
    assert kill(1).total() == LIVES


@pytest.mark.reliability
def test_many_kills_lose_nothing(engine, request):
    kills = KILLS[engine]
    server = request.getfixturevalue("postgres") if engine == "postgresql" else None
    interrupted = kill(kills // LIVES, server.empty if server else no_server)
    print(interrupted)
    assert interrupted.total() == kills
    for operation in ("work", "turn", "upload", "undo", "redo", "branch", "gc", "migrate"):
        assert interrupted[operation] >= kills // 100, interrupted


# The server


def stop_under_load(server: Server, lives: list[tuple[Nursery, Path, int, str]], seconds: float) -> None:
    """After so many seconds of that many lives at once; each of them ends with an error, and the server comes back."""
    with ThreadPoolExecutor(len(lives)) as threads:
        working = [
            threads.submit(children.run, "tests.reliability.kill_worker:live_on_a_server", folder, seed, url)
            for children, folder, seed, url in lives
        ]
        stop = Timer(seconds, server.stop)
        stop.start()
        assert {life.result() for life in working} == {LOST}, "a life ended otherwise"
        stop.join()
    server.start()


def stop_again_and_again(folder: Path, durable: bool) -> int:
    """Stop a server `STOPS` times under `WRITERS` lives and check them; how many requests had to be sent again."""
    dice, seen = random.Random(0), {folder / str(number): 0 for number in range(WRITERS)}
    with private_server(durable) as server, ExitStack() as to_the_end:
        there = Databases(server.url)
        workers = {
            home: (to_the_end.enter_context(nursery()), to_the_end.enter_context(there.empty())) for home in seen
        }
        for home in seen:
            home.mkdir()
        for stop in range(STOPS):
            lives = [(children, home, stop, url) for home, (children, url) in workers.items()]
            stop_under_load(server, lives, dice.uniform(0.2, 2))
            seen = {home: check(home, seen[home], url) for home, (_, url) in workers.items()}
    return sum(sent_again(home) for home in seen)


@pytest.mark.reliability
def test_a_server_that_stops_at_any_moment_loses_nothing():
    with memory_folder() as folder:
        assert stop_again_and_again(folder, durable=True) >= STOPS


@pytest.mark.reliability
def test_a_server_that_forgets_is_found_out():
    """It says that a commit is done before it is."""
    with memory_folder() as folder, pytest.raises((AssertionError, NotFound)) as lost:
        stop_again_and_again(folder, durable=False)
    assert "a life ended otherwise" not in str(lost.value)
