"""R10: every schema that was ever released opens with today's code, and a newer one is not touched.

A stored data folder per schema; an upgrade that dies before each of its statements, politely (an exception, a rollback)
and not (the files as they lay at that moment); the tables of the code against those of the migrations.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, event, inspect

from sessions import database, schema
from sessions.database import KNOWN_SCHEMAS, SCHEMA, Database
from sessions.errors import SchemaTooNew
from sessions.fsck import fsck
from sessions.migrations import run
from sessions.store import Store
from tests.fixtures.remake import HERE as FIXTURES
from tests.fixtures.remake import told
from tests.making import edit, everything, memory_folder, picture

LEAST_STATEMENTS = 20
"""So that the loops over the statements of the upgrade cannot shrink unseen."""
LEAST_STATEMENTS_OF_ONE = 5
OLDER = KNOWN_SCHEMAS[:-1]


class Died(BaseException):
    """Not an Exception: nothing of ours may catch it."""


@pytest.fixture
def home():
    with memory_folder() as folder:
        yield folder / "home"


@pytest.fixture
def stored(home: Path, request) -> Path:
    """A copy of the stored data folder of one schema, SCHEMA if none is named."""
    shutil.copytree(FIXTURES / f"schema-{getattr(request, 'param', SCHEMA)}", home)
    return home


def expected(home: Path) -> dict:
    return json.loads((home / "told.json").read_text(encoding="utf-8"))


def contents(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def dumped(home: Path) -> list[str]:
    with closing(sqlite3.connect(home / "sessions.db")) as connection:
        return list(connection.iterdump())


def complete(home: Path) -> bool:
    """Opens, has the newest schema, and can be worked with."""
    with closing(Store(home)) as store:
        made = everything(store)
        return store.database.schema() == SCHEMA and not list(fsck(store)) and len(made.pixels) == len(made.revisions)


# Stored data folders


@pytest.mark.parametrize("stored", KNOWN_SCHEMAS, indirect=True)
def test_what_an_older_version_wrote_is_all_there(stored):
    before = expected(stored)
    with closing(Store(stored)) as store:
        assert store.database.schema() == SCHEMA
        assert told(store, before["session"]) == before
        assert len(before["revisions"]) == 9 and len(before["branches"]) == 3
        assert list(fsck(store)) == []


@pytest.mark.parametrize("stored", KNOWN_SCHEMAS, indirect=True)
def test_what_an_older_version_wrote_can_be_continued(stored):
    before = expected(stored)
    with closing(Store(stored)) as store:
        new = edit(store, before["session"], "main", picture(77))
        assert new.parents == (before["branches"]["main"],) and new.seq == len(before["revisions"]) + 1
        assert told(store, before["session"])["revisions"][:-1] == before["revisions"]
        assert list(fsck(store)) == []


def test_every_known_schema_has_a_stored_folder_and_no_other():
    assert sorted(f"schema-{version}" for version in KNOWN_SCHEMAS) == sorted(p.name for p in FIXTURES.glob("schema-*"))
    assert KNOWN_SCHEMAS[-1] == SCHEMA


def test_ids_are_not_an_accident_of_this_run(stored, home):
    """The same pictures and steps, made by today's code, have the ids that are stored."""
    before = expected(stored)
    shutil.rmtree(home)
    with closing(Store(home)) as store:
        assert [r.id for r in everything(store).revisions] == [r["id"] for r in before["revisions"]]


# Twice


def test_the_second_upgrade_does_nothing(stored):
    Store(stored).close()
    before = dumped(stored)
    with closing(Database(f"sqlite:///{stored / 'sessions.db'}")) as database:
        with statements() as seen, database.write() as connection:
            run.upgrade(connection)
        assert seen.pop() == "COMMIT"
        assert not [said for said in seen if not said.lstrip().upper().startswith(("BEGIN", "SELECT", "PRAGMA"))]
    assert dumped(stored) == before


# Dying


@contextmanager
def statements(at: int = -1, reached=lambda index: None) -> Iterator[list[str]]:
    """What any engine is about to do, COMMIT included; before each `reached`, before number `at` the end."""
    seen: list[str] = []

    def before(statement: str) -> None:
        seen.append(statement)
        reached(len(seen) - 1)
        if len(seen) - 1 == at:
            raise Died

    def before_statement(_connection, _cursor, statement, *_rest):
        before(statement)

    def before_commit(_connection):
        before("COMMIT")

    event.listen(Engine, "before_cursor_execute", before_statement)
    event.listen(Engine, "commit", before_commit)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", before_statement)
        event.remove(Engine, "commit", before_commit)


def statements_of_an_upgrade() -> int:
    with memory_folder() as folder, statements() as seen:
        Store(folder / "home").close()
    return len(seen)


@pytest.mark.reliability
def test_an_upgrade_that_fails_before_any_statement_changes_nothing_and_can_be_run_again():
    count = statements_of_an_upgrade()
    assert count >= LEAST_STATEMENTS
    for at in range(count):
        with memory_folder() as folder:
            home = folder / "home"
            with statements(at), pytest.raises(Died):
                Store(home)
            with closing(sqlite3.connect(home / "sessions.db")) as connection:
                assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [], f"before statement {at}"
            assert complete(home), f"before statement {at}"


@pytest.mark.reliability
def test_a_process_killed_before_any_statement_of_an_upgrade_leaves_what_can_be_opened(home):
    """The files as they lay before each statement, journal and all, are what a kill leaves."""
    moments: list[Path] = []

    def photograph(index: int) -> None:
        moments.append(home.parent / f"moment-{index}")
        shutil.copytree(home, moments[-1])

    with statements(reached=photograph):
        Store(home).close()
    assert len(moments) >= LEAST_STATEMENTS
    for moment in moments:
        assert complete(moment), moment.name


@pytest.mark.parametrize("older", OLDER)
def test_an_upgrade_of_a_stored_folder_that_dies_anywhere_is_the_old_or_the_new(older):
    """From each older schema: dead before any statement, it is as it was; rerun, everything is there."""
    source = FIXTURES / f"schema-{older}"
    with memory_folder() as folder, statements() as seen:
        Store(shutil.copytree(source, folder / "home")).close()
    assert len(seen) >= LEAST_STATEMENTS_OF_ONE
    for at in range(len(seen)):
        with memory_folder() as folder:
            home = shutil.copytree(source, folder / "home")
            before = dumped(home)
            with statements(at), pytest.raises(Died):
                Store(home)
            assert dumped(home) == before, f"before statement {at}"
            with closing(Store(home)) as store:
                assert told(store, expected(home)["session"]) == expected(home), f"before statement {at}"
                assert list(fsck(store)) == []


@pytest.mark.parametrize("stored", OLDER, indirect=True)
def test_a_process_killed_during_an_upgrade_of_a_stored_folder_leaves_what_can_be_opened(stored):
    moments: list[Path] = []

    def photograph(index: int) -> None:
        moments.append(stored.parent / f"moment-{index}")
        shutil.copytree(stored, moments[-1])

    with statements(reached=photograph):
        Store(stored).close()
    assert len(moments) >= LEAST_STATEMENTS_OF_ONE
    for moment in moments:
        with closing(Store(moment)) as store:
            assert told(store, expected(moment)["session"]) == expected(moment), moment.name
            assert list(fsck(store)) == []


# Newer


@pytest.mark.parametrize("version", OLDER)
def test_older_code_refuses_what_this_code_wrote(stored, monkeypatch, version):
    before = expected(stored)
    known = KNOWN_SCHEMAS[: KNOWN_SCHEMAS.index(version) + 1]
    with monkeypatch.context() as patch:
        patch.setattr(database, "SCHEMA", version)
        patch.setattr(database, "KNOWN_SCHEMAS", known)
        with pytest.raises(SchemaTooNew):
            Store(stored)
    with closing(Store(stored)) as store:
        assert told(store, before["session"]) == before


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_newer_schema_is_refused_and_not_a_byte_is_written(stored, mode):
    with closing(sqlite3.connect(stored / "sessions.db")) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = contents(stored)
    with pytest.raises(SchemaTooNew) as refused:
        Store(stored)
    assert "newer" in refused.value.message and "Update" in refused.value.hint
    after = contents(stored)
    # SQLite's own empty journal and its shared memory may lie beside a database that somebody has looked at
    beside = {name: data for name, data in after.items() if name.endswith(("-wal", "-shm"))}
    assert {name: data for name, data in after.items() if name not in beside} == before
    assert beside.get("sessions.db-wal", b"") == b""


# The code and the migrations


def differences(engine: Engine) -> list:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return compare_metadata(context, schema.metadata)


def test_the_tables_of_the_code_are_those_of_the_migrations(home):
    with closing(Store(home)) as store:
        assert differences(store.database.engine) == []


def test_constraints_are_those_of_the_migrations(home):
    """What `compare_metadata` does not look at on SQLite: primary keys, and the columns that foreign keys join."""
    made = create_engine("sqlite://")
    schema.metadata.create_all(made)
    with closing(Store(home)) as store:
        old, new = inspect(store.database.engine), inspect(made)
        for table in schema.metadata.tables:
            assert old.get_pk_constraint(table) == new.get_pk_constraint(table)
            assert sorted(map(repr, old.get_foreign_keys(table))) == sorted(map(repr, new.get_foreign_keys(table)))
            assert old.get_unique_constraints(table) == new.get_unique_constraints(table)
    made.dispose()
