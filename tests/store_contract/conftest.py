"""The engines under test: SQLite, and PostgreSQL on a server of the tests' own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.fsck import fsck
from sessions.identity import new_id
from sessions.store import Store
from tests.making import memory_folder
from tests.postgres import Databases, databases


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """The disk is not waited for here; `tests/reliability` does."""
    with databases(durable=False) as there:
        yield there


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request) -> Iterator[str]:
    """A database of the test's own; empty for SQLite, which lies in the data folder."""
    if request.param == "sqlite":
        yield ""
    else:
        with request.getfixturevalue("postgres").fresh() as made:
            yield made


@pytest.fixture
def store(url: str):
    """An owner nobody else is, in a data folder of its own. What the test leaves behind is clean."""
    with memory_folder() as folder:
        yield from opened_and_checked(folder, url)


def opened_and_checked(folder: Path, url: str) -> Iterator[Store]:
    opened = Store(folder / "home", url, owner=new_id())
    yield opened
    here = [session.id for session in opened.sessions(limit=1000)]
    damage = [problem for session in here for problem in fsck(opened, session) if problem.damage]
    opened.close()
    assert not damage


@pytest.fixture
def stranger(store: Store):
    """Somebody else on the same data folder and database."""
    opened = Store(store.home, store.database.url, owner=new_id())
    yield opened
    opened.close()


@pytest.fixture
def session(store: Store) -> str:
    return store.create_session("cat.png").id
