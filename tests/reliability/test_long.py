"""R26: a session of a thousand turns opens, undoes and commits as a new one does, and takes no more memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.reliability.long_work import TURNS

ROOT = Path(__file__).parents[2]
LIMIT = 360
"""Seconds after which the thousand turns are taken for hanging."""


def p95(times: list[list[float]]) -> tuple[float, float]:
    """By the clock, and of processor time."""
    clock, processor = np.percentile(times, 95, axis=0)
    return float(clock), float(processor)


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> dict:
    home = tmp_path_factory.mktemp("long") / "home"
    command = [sys.executable, "-m", "tests.reliability.long_work", str(home)]
    ran = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=LIMIT
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.reliability
def test_a_thousand_turns_are_all_there(figures):
    edits = len(figures["edit"])
    assert edits + len(figures["undo"]) == TURNS
    assert figures["revisions"] == edits + 1 and figures["damage"] == 0


@pytest.mark.reliability
@pytest.mark.parametrize(("what", "limit"), [("opening", 0.050), ("undo", 0.050), ("edit", 0.100), ("commit", 0.100)])
def test_it_stays_fast(figures, what, limit, record_property):
    """An undo is its whole turn; an edit is its turn without the tool. The clock runs slower on a crowded machine."""
    clock, processor = p95(figures[what])
    record_property(what, {"clock": clock, "processor": processor, "crowding": figures["crowding"]})
    assert len(figures[what]) >= 100
    assert processor <= limit
    assert clock <= limit * figures["crowding"]


@pytest.mark.reliability
def test_memory_does_not_grow(figures, record_property):
    early, *_, late = figures["memory"]
    record_property("memory", figures["memory"])
    assert late <= 1.05 * early
