"""R3. The harness can fail: each of six planted bugs is caught by the check that is there for it.

What passes with a bug in it proves nothing. Every check is first run without the bug, where it passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sessions import commits
from sessions.errors import StorageError
from sessions.identity import new_id
from sessions.store import Store
from tests import making
from tests.reliability.mutants import MUTANTS
from tests.reliability.nursery import nursery
from tests.reliability.test_concurrency import check_fork
from tests.reliability.test_damage import check_flips
from tests.reliability.test_faults import loop, prepare
from tests.reliability.test_gc_race import check_undone_lines_stay
from tests.store_contract.test_ownership import check_stranger


@pytest.fixture
def folder() -> Iterator[Path]:
    with making.memory_folder() as place:
        yield place


def with_faults(folder: Path, mutant: str) -> None:
    """R2's check: die at every point of an append."""
    prepare(folder / "template")
    with nursery() as children:
        loop(children, folder, "append", "die", mutant)


def with_two_tabs(folder: Path, _mutant: str) -> None:
    """R13's check: many go on from one head."""
    with closing(Store(folder / "home")) as store:
        making.upload(store, store.create_session("cat.png").id, making.picture(1))
        check_fork(store)


def with_damage(folder: Path, _mutant: str) -> None:
    """R5's check: flipped bits."""
    with closing(Store(folder / "home")) as store:
        making.everything(store)
        check_flips(store, 10)


def with_gc(folder: Path, _mutant: str) -> None:
    """R7's check: undone lines outlive every sweep."""
    with closing(Store(folder / "home")) as store:
        check_undone_lines_stay(store)


def with_a_stranger(folder: Path, _mutant: str) -> None:
    """R14's check, the store's part: another owner's picture is as if it never was."""
    with (
        closing(Store(folder / "home", owner=new_id())) as store,
        closing(Store(folder / "home", owner=new_id())) as stranger,
    ):
        check_stranger(store, stranger, making.everything(store), "Store.picture")


CHECKS: dict[str, Callable[[Path, str], None]] = {
    "row_before_blob": with_faults,
    "no_compare_and_set": with_two_tabs,
    "head_before_revision": with_faults,
    "hash_not_checked": with_damage,
    "gc_forgets_undone_lines": with_gc,
    "owner_not_in_where": with_a_stranger,
}
IN_CHILDREN = (with_faults,)
"""Checks whose bug lives in the process that dies, not in the one that looks. Without it they are `test_faults`."""


def test_every_mutant_has_its_check():
    assert set(CHECKS) == set(MUTANTS)


@pytest.mark.parametrize("check", [c for c in dict.fromkeys(CHECKS.values()) if c not in IN_CHILDREN])
def test_without_the_bug_the_check_passes(folder, check):
    check(folder, "")


@pytest.mark.parametrize(
    "mutant",
    [pytest.param(name, marks=[pytest.mark.reliability] * (CHECKS[name] in IN_CHILDREN)) for name in CHECKS],
)
def test_the_bug_is_caught(folder, monkeypatch, mutant):
    check = CHECKS[mutant]
    if check not in IN_CHILDREN:
        MUTANTS[mutant](monkeypatch.setattr)
    with pytest.raises(AssertionError) as caught:
        check(folder, mutant)
    assert "ended with" not in str(caught.value), "the bug broke the worker and proved nothing"


def test_the_database_itself_refuses_a_head_without_a_revision(folder):
    """The third mutant has to take this guard away before it can do any harm."""
    with closing(Store(folder / "home")) as store:
        session = store.create_session("cat.png").id
        root, _ = making.upload(store, session, making.picture(1))
        with pytest.raises(StorageError), store.database.write() as connection:
            commits.advance(connection, (session, "main"), root.id, "r1:" + "0" * 64)
