"""The lease of a data folder's one engine: taking it, asking whether somebody has it, starting a process that takes it.

It is a lock on a file, which the system lets go when its holder dies, however it dies. A data folder is what one
machine, or several over a shared disk, work on; what database it uses does not matter. The lease only keeps weights
from being loaded twice: that no step is done twice is the doing of each turn's own lease, in its row.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sessions.errors import ToolFailed
from sessions.files import storage_errors
from sessions.store import Store

LOCK = "engine.lock"
LOG = "engine.log"
LOG_BYTES = 1_000_000
"""A log that has grown larger than this begins anew with the next engine."""

TRIES, TRY_SECONDS = 5, 0.01
"""Those who only look hold the lock too, for an instant."""

COMMAND = [sys.executable, "-m", "agent.engine"]
PACKAGES = Path(__file__).parents[1]
"""Where `agent` is found by the process that is started, wherever it was called from."""

keepers: set[Path] = set()
"""The data folders whose lease this process takes as soon as it is free, so that no other process need be started."""

_started: dict[Path, subprocess.Popen[bytes]] = {}
_starting = threading.Lock()


@contextmanager
def lease(home: Path) -> Iterator[bool]:
    """Hold the lease for the length of the block; False, at once, where another process has it."""
    with _locked(home, fcntl.LOCK_EX) as ours:
        if ours:
            with suppress(OSError):  # for people; nothing reads it
                (home / LOCK).write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield ours


def held(home: Path) -> bool:
    """Whether an engine lives."""
    with _locked(home, fcntl.LOCK_SH) as free:
        return not free


@contextmanager
def _locked(home: Path, kind: int) -> Iterator[bool]:
    with storage_errors():
        descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield _lock(descriptor, kind)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    for _ in range(TRIES if kind == fcntl.LOCK_EX else 1):
        with storage_errors():
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                pass
        time.sleep(TRY_SECONDS)
    return False


def rouse(store: Store) -> None:
    """See to it that an engine lives, or soon will; ToolFailed where the one we started could not."""
    home = store.home.resolve()
    with _starting:
        if home in keepers or held(home):
            return
        child = _started.pop(home, None)
        status = child.poll() if child is not None else 0
        if child is not None and status is None:
            _started[home] = child  # on its way
        elif status > 0:  # type: ignore[operator]
            raise ToolFailed("The engine for tools with weights could not be started.", f"See {home / LOG}")
        else:
            _started[home] = _start(home, store.database.url)


def _start(home: Path, url: str) -> subprocess.Popen[bytes]:
    """An engine in a process of its own, which outlives this one."""
    environment = os.environ | {"PENTIMENTO_HOME": str(home), "PENTIMENTO_DATABASE_URL": url}
    path = home / LOG
    with storage_errors(), path.open("wb" if path.exists() and path.stat().st_size > LOG_BYTES else "ab") as log:
        return subprocess.Popen(
            COMMAND,
            cwd=PACKAGES,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
