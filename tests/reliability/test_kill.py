"""R1. A process killed at any moment loses nothing it was told was done, and leaves nothing half-done."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from pathlib import Path

import pytest

from sessions import history, turns
from sessions.fsck import fsck
from sessions.store import Store
from tests.making import memory_folder
from tests.reliability.kill_worker import NAME, Diary, owner_of
from tests.reliability.nursery import Nursery, nursery
from tests.store_contract.conftest import POSTGRES

LIVES, YOUNG = 20, 5
"""Kills per data folder, and how many of them may come while it is still being opened, and migrated."""


STEPS = {"work": 2, "turn": 3}
"""How many steps a turn of each kind has: the store's part alone, and the whole of it through the assistant."""


def check(folder: Path, seen: int, url: str) -> int:
    """The store against the diary, from line `seen` on; the number of lines."""
    lines = Diary(folder / "diary").read()
    if not any(line["event"] == "opened" for line in lines):
        return len(lines)
    store = Store(folder / "home", url, owner_of(folder))
    session = store.create_session("cat.png", NAME).id
    assert not [problem for problem in fsck(store, session if url else None) if problem.damage]
    done = history.moves(store, session, limit=10**6)
    for line in lines[seen:]:
        if line["event"] == "ack":
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
    store.close()
    return len(lines)


def one_folder(children: Nursery, folder: Path, seed: int, url: str) -> Counter[str]:
    """Kill `LIVES` processes on a new data folder; what each of them was doing."""
    dice, interrupted, seen = random.Random(seed), Counter[str](), 0
    for life in range(LIVES):
        newborn = life < YOUNG
        status = children.run(
            "tests.reliability.kill_worker:live",
            folder,
            seed * LIVES + life,
            url,
            kill_after=dice.uniform(0, 0.04 if newborn else 0.1),
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


def kill(folders: int, url: str = "") -> Counter[str]:
    interrupted = Counter[str]()
    with nursery() as children, memory_folder() as folder:
        for seed in range(folders):
            (folder / str(seed)).mkdir()
            interrupted += one_folder(children, folder / str(seed), seed, url)
    return interrupted


def test_a_few_kills_lose_nothing():
    assert kill(2).total() == 2 * LIVES


@pytest.mark.reliability
@pytest.mark.parametrize(("url", "kills"), [("", 1000), *([(POSTGRES, 200)] if POSTGRES else [])])
def test_many_kills_lose_nothing(url, kills):
    interrupted = kill(kills // LIVES, url)
    print(interrupted)
    assert interrupted.total() == kills
    for operation in ("work", "turn", "upload", "undo", "redo", "branch", "gc", *([] if url else ["migrate"])):
        assert interrupted[operation] >= kills // 100, interrupted
