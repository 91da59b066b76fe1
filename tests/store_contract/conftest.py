"""The engines under test: SQLite, and PostgreSQL on a server of the tests' own.

What a test begins with, a new data folder or one with a bit of everything, is made once for each engine and copied.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

from sessions.fsck import fsck
from sessions.identity import new_id
from sessions.store import Store
from tests.making import Made, everything, memory_folder
from tests.postgres import Databases, databases


@dataclass(frozen=True)
class Pattern:
    """A data folder and its database (an empty URL for SQLite's, which lies in the folder), to be copied."""

    home: Path
    url: str
    made: Made | None

    def copied(self, folder: Path) -> Path:
        return Path(shutil.copytree(self.home, folder / "home"))


class Patterns:
    """Made when a test first asks. The disk is not waited for here; `tests/reliability` does."""

    def __init__(self, folder: Path, to_the_end: ExitStack) -> None:
        self._folder, self._to_the_end = folder, to_the_end

    @cached_property
    def postgres(self) -> Databases:
        return self._to_the_end.enter_context(databases(durable=False))

    @cache  # noqa: B019 (there is one, to the end)
    def of(self, engine: str, furnished: bool, /) -> Pattern:
        home = self._folder / f"{engine}-{furnished}"
        url = self._to_the_end.enter_context(self.postgres.fresh()) if engine == "postgresql" else ""
        with closing(Store(home, url)) as store:
            return Pattern(home, url, everything(store) if furnished else None)


@pytest.fixture(scope="session")
def patterns() -> Iterator[Patterns]:
    with memory_folder() as folder, ExitStack() as to_the_end:
        yield Patterns(folder, to_the_end)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request) -> str:
    return request.param


@pytest.fixture
def pattern(patterns: Patterns, engine: str, request) -> Pattern:
    return patterns.of(engine, "made" in request.fixturenames)


@pytest.fixture
def url(patterns: Patterns, pattern: Pattern) -> Iterator[str]:
    """A database of the test's own; empty for SQLite, which lies in the data folder."""
    if pattern.url:
        with patterns.postgres.copy(pattern.url) as copied:
            yield copied
    else:
        yield ""


@pytest.fixture
def store(pattern: Pattern, url: str) -> Iterator[Store]:
    """A data folder of the test's own. What the test leaves behind is clean."""
    with memory_folder() as folder:
        yield from opened_and_checked(pattern.copied(folder), url)


def opened_and_checked(home: Path, url: str) -> Iterator[Store]:
    opened = Store(home, url)
    yield opened
    here = [session.id for session in opened.sessions(limit=1000)]
    damage = [problem for session in here for problem in fsck(opened, session) if problem.damage]
    opened.close()
    assert not damage


@pytest.fixture
def made(pattern: Pattern) -> Made:
    """What is in the store already for a test that asks for this: a bit of everything."""
    return pattern.made


@pytest.fixture
def stranger(store: Store):
    """Somebody else on the same data folder and database."""
    opened = Store(store.home, store.database.url, owner=new_id())
    yield opened
    opened.close()


@pytest.fixture
def elsewhere(patterns: Patterns) -> Iterator[Store]:
    """Somebody else on another data folder, always of SQLite."""
    with (
        memory_folder() as folder,
        closing(Store(patterns.of("sqlite", False).copied(folder), owner=new_id())) as opened,
    ):
        yield opened


@pytest.fixture
def session(store: Store) -> str:
    return store.create_session("cat.png").id
