"""Runs commands of ours, each in a process of its own that is forked from one which has imported what they need.

A command so takes its own time only, not two seconds of imports each. Nothing else is shared: folder, environment,
output and exit status are the process's own. How a command starts from nothing is tested in tests/ui/test_cli.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from pathlib import Path

LIMIT = 120.0
"""Seconds after which a command is taken for hanging."""

_forked = get_context("forkserver")
_forked.set_forkserver_preload(
    [
        "ui.cli",
        "ui.terminal",
        "ui.batch",
        "agent.runtime",
        "agent.replaying",
        "tools.pulling",
        "tools.regions",
        "sessions.migrations.run",
        "tests.warm",
    ]
)


def run(
    main: Callable[[], int | None], words: list[str], environment: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """What an entry point does when called with these words in a folder; its output as text."""
    with tempfile.TemporaryDirectory() as name:
        out, err = Path(name, "out"), Path(name, "err")
        process = _forked.Process(target=_command, args=(main, words, dict(environment), folder, out, err))
        process.start()
        process.join(LIMIT)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, LIMIT)
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))


def _command(
    main: Callable[[], int | None], words: list[str], environment: dict[str, str], folder: Path, out: Path, err: Path
) -> None:
    for stream, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [main.__module__, *words]
    sys.exit(main())
