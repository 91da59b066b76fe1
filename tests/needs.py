"""What a machine may lack. A test that needs it is skipped with the reason, or fails where it must be there.

The only place of these tests that skips: `PENTIMENTO_REQUIRE_POSTGRES=1` and its like (`.ci/run` sets them) turn every
skip into a failure.
"""

from __future__ import annotations

import os
from typing import Literal

import pytest


def need(found: bool, what: Literal["POSTGRES", "BROWSER", "COMPOSE", "LLAMA", "CUDA"], reason: str) -> None:
    """Go on only where it was found; `reason`: what is missing, and how one gets it."""
    if found:
        return
    if os.environ.get(f"PENTIMENTO_REQUIRE_{what}"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
