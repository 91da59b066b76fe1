"""The engines under proof: SQLite, and PostgreSQL on a durable server of the tests' own."""

from collections.abc import Iterator

import pytest

from tests.postgres import Databases, databases


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    with databases(durable=True) as there:
        yield there


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request) -> str:
    """A test that takes this runs on both."""
    return request.param


@pytest.fixture
def url(engine, request) -> Iterator[str]:
    """A database of the test's own; empty for SQLite, which lies in the data folder."""
    if engine == "sqlite":
        yield ""
    else:
        with request.getfixturevalue("postgres").fresh() as made:
            yield made
