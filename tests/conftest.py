"""A shelf with tiny weights for every role, made once for all tests that ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tools.shelf import Shelf


@pytest.fixture(scope="session")
def tiny_shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    from tests import tiny

    return tiny.shelf(tmp_path_factory.mktemp("tiny"))
