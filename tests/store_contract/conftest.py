"""The engines under test: SQLite always, PostgreSQL where PENTIMENTO_TEST_POSTGRES names a database."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.fsck import fsck
from sessions.identity import new_id
from sessions.store import Store
from tests.making import memory_folder

POSTGRES = os.environ.get("PENTIMENTO_TEST_POSTGRES", "")


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES else [])])
def url(request) -> str:
    """Empty for SQLite, which lies in the data folder."""
    return POSTGRES if request.param == "postgresql" else ""


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
