"""The database: one engine, short transactions, and a schema that is checked at every opening and upgraded when old.

SQLite in WAL mode with `synchronous=FULL` by default; PostgreSQL by its URL. A write transaction takes SQLite's write
lock at its start, so that it waits for others instead of failing half-way. Knows no tables but Alembic's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from sessions.errors import SchemaTooNew, StorageError, StorageFull
from sessions.files import storage_errors

SCHEMA = "0002"
"""The newest migration this code knows."""

KNOWN_SCHEMAS = ("0001", "0002")
BUSY_SECONDS = 60
_DISK_FULL = "53100"  # PostgreSQL's; SQLite says it in words


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves; the driver's own habit starts transactions too late
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY_SECONDS * 1000}", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    mode = "IMMEDIATE" if connection.get_execution_options().get("writes") else ""
    connection.exec_driver_sql(f"BEGIN {mode}")


@contextmanager
def translated() -> Iterator[None]:
    """Failures of the database → one of our errors, with a sentence."""
    try:
        yield
    except DBAPIError as error:
        cause = str(error.orig)
        if error.connection_invalidated:  # nobody can know whether the server got to its COMMIT
            raise StorageError(
                "The connection to the session database was lost.", "Send it again; what was kept is not done twice."
            ) from error
        if "full" in cause or getattr(error.orig, "sqlstate", "") == _DISK_FULL:
            raise StorageFull("The disk is full; nothing was changed.", "Free some space and send it again.") from error
        raise StorageError(f"The session database failed ({cause}); nothing was changed.") from error


def _from_anywhere(url: str) -> str:
    """The URL as a process that stands in another folder needs it: the file of SQLite by its whole path."""
    parsed = make_url(url)
    file = parsed.database or ""
    if parsed.get_backend_name() != "sqlite" or not file or file.startswith(("/", ":", "file:")):
        return url
    return parsed.set(database=str(Path(file).absolute())).render_as_string(hide_password=False)


class Database:
    """Short read and write transactions on the session database."""

    def __init__(self, url: str) -> None:
        self.url = _from_anywhere(url)
        self.engine = self._engine()
        self._writer = self.engine.execution_options(writes=True)
        self.sqlite = self.engine.dialect.name == "sqlite"
        # PostgreSQL would otherwise show each statement of a reading another state
        self._reader = self.engine.execution_options(**({} if self.sqlite else {"isolation_level": "REPEATABLE READ"}))
        with translated():
            self._check_schema()

    def _engine(self) -> Engine:
        engine = create_engine(self.url, pool_pre_ping=True)  # a server may have been restarted since the last time
        if engine.dialect.name == "sqlite":
            if engine.url.database:
                with storage_errors():
                    Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
            event.listen(engine, "connect", _configure_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view."""
        with translated(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """All or nothing; durable when the block has been left without an exception."""
        with translated(), self._writer.begin() as connection:
            yield connection

    def schema(self) -> str | None:
        """The schema version the database is at, None when it is new."""
        with translated(), self.engine.connect() as connection:
            try:
                return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            except (OperationalError, ProgrammingError) as error:
                if "alembic_version" not in str(error.orig):
                    raise
                return None

    def _check_schema(self) -> None:
        version = self.schema()
        if version == SCHEMA:
            return
        if version is not None and version not in KNOWN_SCHEMAS:
            raise SchemaTooNew(
                "These sessions were written by a newer Pentimento.", "Update Pentimento; nothing was changed."
            )
        if version is None and self.sqlite:
            self._use_wal()
        from sessions.migrations.run import upgrade

        with self._writer.begin() as connection:
            upgrade(connection)

    def _use_wal(self) -> None:
        """Only once, in a database that is ours from now on: the mode is kept in the file."""
        connection = self.engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()

    def close(self) -> None:
        self.engine.dispose()
