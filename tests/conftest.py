"""How the tests share the machine, and a shelf with tiny weights for every role, made once for all that ask for it."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: processes side by side, each with a thread of its own
MEMORY, ROOM = Path("/dev/shm"), 4 * 10**9

if TYPE_CHECKING:
    from tools.shelf import Shelf


@pytest.fixture(scope="session")
def tiny_shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    from tests import tiny

    return tiny.shelf(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """A shelf without anything, not even the starter's weights."""
    from tools import shelf

    monkeypatch.setattr(shelf, "STARTER", tmp_path / "nothing.json")
    made = shelf.Shelf(tmp_path / "weights")
    yield made
    made.clear()


def pytest_configure(config: pytest.Config) -> None:
    """Folders of tests lie in memory where there is room, unless the disk itself is on trial: `make reliability`."""
    if config.option.markexpr == "not reliability" and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last lines of a run say what this machine lacked, so that it was not tested, once each."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", ()) if reporter else ()
    for reason in dict.fromkeys(report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)):
        reporter.write_line(f"Not tested: {reason.removeprefix('Skipped: ')}")


@pytest.fixture(scope="module", autouse=True)
def settled() -> None:
    """What is there when a file's tests begin mostly stays: no collection of garbage searches it again."""
    gc.freeze()
