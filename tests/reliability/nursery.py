"""A process that has everything imported and forks children which may be killed: a thousand lives in a minute.

Run as `python -m tests.reliability.nursery`; one JSON request a line in, one exit status a line out. It opens no store
itself, so that no connection and no thread is carried across a fork. Knows nothing of what its children do.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIMIT = 60.0
"""Seconds after which a child that nobody wanted dead is taken for hanging."""


class Nursery:
    """The side of the test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, job: str, *arguments: Any, kill_after: float | None = None, once_started: bool = False) -> int:
        """Run `module:function` in a child; its exit status, or −9 where it was killed after so many seconds.

        `once_started`: the function is given another function, and the seconds count from when it calls that.
        """
        request = {"job": job, "arguments": [str(a) if isinstance(a, Path) else a for a in arguments]}
        request |= {"kill_after": kill_after, "once_started": once_started}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


@contextmanager
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, "-m", __name__]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        yield Nursery(process)


def _child(request: dict[str, Any], line_home: int) -> None:
    module, function = request["job"].split(":")
    status = 1
    try:
        more = [lambda: os.write(line_home, b"!")] if request["once_started"] else []
        status = int(getattr(import_module(module), function)(*request["arguments"], *more) or 0)
    except BaseException:  # noqa: BLE001 (the child ends here, whatever it was)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _serve() -> None:
    for module in (
        "tests.reliability.kill_worker",
        "tests.reliability.fault_worker",
        "sessions.migrations.run",
        "psycopg",
    ):
        import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ours)
            _child(request, theirs)
        os.close(theirs)
        wanted = request["kill_after"]
        if request["once_started"] and select.select([ours], [], [], LIMIT)[0]:
            os.read(ours, 1)
        alive = not select.select([ours], [], [], LIMIT if wanted is None else wanted)[0]  # its end closes when it dies
        os.close(ours)
        if alive:
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(-1 if alive and wanted is None else status, flush=True)


if __name__ == "__main__":
    _serve()
