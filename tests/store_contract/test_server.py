"""What only a server can do: lose a connection, be restarted, run out of room, disagree with the migrations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from sessions.errors import StorageError, StorageFull
from sessions.store import Store
from tests import making
from tests.reliability.test_migrations import differences
from tests.store_contract.conftest import Patterns, opened_and_checked

_HANG_UP = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
)


@pytest.fixture
def engine() -> str:
    return "postgresql"


@pytest.fixture
def other(store: Store) -> Iterator[Store]:
    """The same database through connections of its own."""
    opened = Store(store.home, store.database.url)
    yield opened
    opened.close()


def hang_up(store: Store, other: Store) -> int:
    """End every connection of the store, as a server does that is restarted; how many there were."""
    with other.database.write() as connection:
        return len(connection.execute(_HANG_UP, {"name": store.database.engine.url.database}).all())


def test_a_connection_lost_in_the_middle_is_an_error_that_promises_nothing(store, session, other):
    with pytest.raises(StorageError) as lost, store.database.write() as connection:
        assert hang_up(store, other) >= 1
        connection.execute(text("SELECT 1"))
    assert "nothing was changed" not in lost.value.message
    assert store.session(session).id == session


def test_a_server_that_was_restarted_meanwhile_goes_unnoticed(store, session, other):
    assert hang_up(store, other) >= 1
    assert store.session(session).id == session


def test_a_server_without_room_is_a_full_disk(store):
    with pytest.raises(StorageFull), store.database.write() as connection:
        connection.execute(
            text("DO $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$")
        )


def test_a_server_that_is_not_there_is_an_error_that_changed_nothing(tmp_path: Path):
    with pytest.raises(StorageError) as refused:
        Store(tmp_path / "home", f"postgresql+psycopg://nobody@/none?host={tmp_path}")
    assert "nothing was changed" in refused.value.message


def test_the_tables_of_the_code_are_those_of_the_migrations(store):
    assert differences(store.database.engine) == []


def test_a_new_database_is_migrated(patterns: Patterns, tmp_path: Path):
    with patterns.postgres.empty() as url:
        for opened in opened_and_checked(tmp_path / "home", url):
            making.everything(opened)
