"""A PostgreSQL server of the tests' own, in a folder that goes away, and a fresh database for each test.

Where PENTIMENTO_TEST_POSTGRES names a server (`postgresql+psycopg://…`, a user who may create databases), the databases
are made there. Knows nothing of what is stored but how to make the tables once.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from sessions.database import Database
from sessions.identity import new_id
from tests.making import memory_folder
from tests.needs import need

NAMED = os.environ.get("PENTIMENTO_TEST_POSTGRES", "")
SECONDS = 60
"""How long a server may take to start, recovery included, or to stop."""

_SETTINGS = "listen_addresses = ''\nunix_socket_directories = '{folder}'\n"
_FORGETFUL = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"


def programs() -> Path | None:
    """The folder of the newest server's programs: Debian keeps them off the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class Databases:
    """Fresh databases on a server that runs."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._template = "template0"
        self._engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def _do(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(statement))

    @contextmanager
    def _copy(self, template: str) -> Iterator[str]:
        name = f"pentimento_{new_id()}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield self.url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._do(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def with_tables(self) -> Iterator[Databases]:
        """From here on `fresh` copies a database that was migrated once, which is quick."""
        with self._copy("template0") as url:
            Database(url).close()
            self._template = str(make_url(url).database)
            yield self

    def empty(self) -> AbstractContextManager[str]:
        """The URL of a database without tables, which is dropped in the end."""
        return self._copy("template0")

    def copy(self, url: str) -> AbstractContextManager[str]:
        """The URL of a copy of another database, to which nobody is connected; it is dropped in the end."""
        return self._copy(str(make_url(url).database))

    def fresh(self) -> AbstractContextManager[str]:
        """The URL of a database that has the tables and nothing in them, which is dropped in the end."""
        return self._copy(self._template)


class Server:
    """A server on a socket in `folder`. Not `durable`: it does not wait for the disk, and forgets in a power cut."""

    def __init__(self, folder: Path, durable: bool) -> None:
        found = programs()
        need(found is not None, "POSTGRES", "This needs a PostgreSQL server's programs (apt-get install postgresql).")
        self.folder, self._data, self._programs = folder, folder / "data", found
        self._as = {}
        if os.geteuid() == 0:  # PostgreSQL does not run as root
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        self._run("initdb", "--username=tests", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(_SETTINGS.format(folder=folder) + ("" if durable else _FORGETFUL))

    @property
    def url(self) -> URL:
        return URL.create("postgresql+psycopg", "tests", database="postgres", query={"host": str(self.folder)})

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._run(*self._control("start"), f"--log={self.folder / 'log'}")

    def stop(self) -> None:
        """As if it had crashed."""
        self._run(*self._control("stop"), "--mode=immediate")

    @contextmanager
    def stopped_at_the_end(self) -> Iterator[None]:
        """Of the block, or of this process: a shell waits for the end of a pipe that nobody else holds.

        In a session of its own, so that what ends all processes of a terminal or of `timeout` does not end it too.
        """
        stop = [str(self._programs / "pg_ctl"), "stop", "--mode=immediate", f"--pgdata={self._data}"]
        guard = ["/bin/sh", "-c", 'read _; "$@"', "guard", *stop]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        with subprocess.Popen(guard, stdin=subprocess.PIPE, cwd=self.folder, **quiet, **self._as):
            yield

    def _control(self, what: str) -> list[str]:
        return ["pg_ctl", what, "--wait", f"--timeout={SECONDS}"]

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments, f"--pgdata={self._data}"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=2 * SECONDS, **self._as)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"


@contextmanager
def private_server(durable: bool) -> Iterator[Server]:
    """A server that runs until the end of the block; a durable one on the disk, another in memory."""
    with TemporaryDirectory(prefix="pentimento-") if durable else memory_folder() as folder:
        server = Server(Path(folder), durable)
        server.start()
        with server.stopped_at_the_end():
            yield server


@contextmanager
def databases(durable: bool) -> Iterator[Databases]:
    """On the server that the environment names, or else on one of our own."""
    with ExitStack() as until_the_end:
        url = make_url(NAMED) if NAMED else until_the_end.enter_context(private_server(durable)).url
        yield until_the_end.enter_context(Databases(url).with_tables())
