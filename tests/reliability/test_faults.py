"""R2. Any single failure of the disk or the database leaves the old state or the new one, and one may go on.

For k = 1, 2, … the k-th thing that could fail fails, until the operation gets through untouched.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from sessions import backup, history, schema
from sessions.fsck import fsck
from sessions.store import Store
from tests import making
from tests.reliability.fault_worker import BORNE, DIED, MODES, MOVES, REFUSED, UNTOUCHED, operate
from tests.reliability.nursery import Nursery, nursery

LEAST = {"append": 20, "undo": 8, "upload": 40, "gc": 20, "migrate": 30, "backup": 30, "delete": 20}
"""How many points each operation has at the very least, so that the loops cannot shrink unseen."""
QUICK = [("undo", "EIO")]


@pytest.fixture(scope="module")
def children() -> Iterator[Nursery]:
    with nursery() as born:
        yield born


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with making.memory_folder() as place:
        prepare(place / "template")
        yield place


def prepare(here: Path) -> None:
    """A store with three revisions, what crashes leave behind, and a backup from before the last step."""
    with closing(Store(here / "home")) as store:
        session = store.create_session("cat.png").id
        making.upload(store, session, making.wide(0))
        making.edit(store, session, "main", making.picture(1))
        backup.backup(store, here / "backup")
        making.edit(store, session, "main", making.wide(2, changed=1), where=making.mask(2, 1100, 4))
        assert len(history.moves(store, session)) == MOVES
        for seed in range(20, 23):
            store.keep(session, making.picture(seed))
    blobs = here / "home" / "blobs" / session
    (blobs / f"{'0' * 64}.{'1' * 32}.part").write_bytes(b"half a fi")
    long_ago = time.time() - 30 * 86400
    for path in blobs.iterdir():
        os.utime(path, (long_ago, long_ago))


def state(home: Path) -> list[str]:
    """All that is recorded, without the times and without where tiles lie."""
    with closing(Store(home)) as store, store.database.read() as connection:
        tables = (table for table in schema.metadata.sorted_tables if table is not schema.tiles)
        rows = [(table.name, dict(row._mapping)) for table in tables for row in connection.execute(table.select())]
    for _, row in rows:
        for name in ("created_at", "touched_at"):
            row.pop(name, None)
    return sorted(json.dumps(row, default=bytes.hex, sort_keys=True) for row in rows)


def states_on_the_way(op: str, folder: Path) -> list[list[str]]:
    """What is recorded before and after each transaction of an operation that nothing disturbs."""
    here = folder / "undisturbed"
    shutil.copytree(folder / "template", here)
    states = [state(here / "home")]
    with closing(Store(here / "home")) as store:
        write = store.database.write

        def noted() -> Any:
            states.append(state(here / "home"))
            return write()

        store.database.write = noted  # type: ignore[method-assign]
        operate(store, op, here)
    states.append(state(here / "home"))
    shutil.rmtree(here)
    return states


def check(op: str, here: Path, allowed: list[list[str]]) -> None:
    """Old or new, never between; sound; and when the same is sent again all is as if nothing had happened."""
    if op == "migrate":
        with closing(Store(here / "home")) as store:
            assert making.everything(store).pixels
            assert not list(fsck(store))
        return
    assert state(here / "home") in allowed
    if op == "backup":
        assert restored(here, "one") in (2, 3)
    with closing(Store(here / "home")) as store:
        assert not [problem for problem in fsck(store) if problem.damage]
        operate(store, op, here)
        assert [problem.word for problem in fsck(store) if op in ("gc", "delete") or problem.damage] == []
    if op == "backup":
        assert restored(here, "two") == 3
    assert state(here / "home") == allowed[-1]


def restored(here: Path, name: str) -> int:
    """How many revisions a backup brings back, all of them sound."""
    assert not backup.restore(here / "backup", here / name)
    with closing(Store(here / name)) as store:
        return len(history.page(store, store.sessions()[0].id))


def loop(children: Nursery, folder: Path, op: str, mode: str, mutant: str = "") -> int:
    """Fail at each point once; the number of points."""
    allowed = states_on_the_way(op, folder) if op != "migrate" else []
    here = folder / "disturbed"
    for at in range(1, 500):
        shutil.rmtree(here, ignore_errors=True)
        if op == "migrate":
            here.mkdir()
        else:
            shutil.copytree(folder / "template", here)
        status = children.run("tests.reliability.fault_worker:run", here, op, mode, at, mutant)
        if status == UNTOUCHED:
            return at - 1
        assert status in ((DIED,) if mode == "die" else (REFUSED, BORNE)), f"{op}, {mode} at {at}: ended with {status}"
        check(op, here, allowed)
    raise AssertionError(f"{op} has no end")


@pytest.mark.parametrize(("op", "mode"), QUICK)
def test_one_failure_leaves_old_or_new(children, folder, op, mode):
    assert loop(children, folder, op, mode) >= LEAST[op]


@pytest.mark.reliability
@pytest.mark.parametrize(("op", "mode"), [pair for pair in product(LEAST, MODES) if pair not in QUICK])
def test_one_failure_leaves_old_or_new_in_everything_else(children, folder, op, mode):
    points = loop(children, folder, op, mode)
    print(f"{op}, {mode}: {points} points")
    assert points >= LEAST[op]
