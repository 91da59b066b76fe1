"""How the tests share the machine, and a shelf with tiny weights for every role, made once for all that ask for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: processes side by side, each with a thread of its own

if TYPE_CHECKING:
    from tools.shelf import Shelf


@pytest.fixture(scope="session")
def tiny_shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    from tests import tiny

    return tiny.shelf(tmp_path_factory.mktemp("tiny"))


def pytest_xdist_auto_num_workers() -> int:
    """More than there are cores: browsers, servers and disks are waited for."""
    return 2 * (os.cpu_count() or 1)
