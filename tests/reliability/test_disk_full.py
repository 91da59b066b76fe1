"""R8. A full disk is an error and not a disaster: nothing is lost, one may go back, and with room again one goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reliability.full_work import MOVES

ROOT = Path(__file__).parents[2]


def told(folder: Path) -> dict:
    """What the worker says that had a disk of ten megabytes to itself."""
    unshare = shutil.which("unshare")
    assert unshare, "This proof needs a small disk of its own, and for that the program unshare (package util-linux)."
    worker = [sys.executable, "-m", "tests.reliability.full_work", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    private = [unshare, "--map-root-user", "--mount", *worker]
    done = subprocess.run(private, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"No small disk, or the worker failed on it: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


@pytest.mark.reliability
def test_a_disk_that_fills_up_loses_nothing_and_can_be_used_again(tmp_path):
    said = told(tmp_path)
    assert said["room"] == [["done", ""]] * 3
    assert said["little room"] == ["refused", "storage_full"]
    assert said["undone"] == [True, True]
    assert 1 <= said["crumbs"] < MOVES
    assert said["no room"][1] == "storage_full"
    assert said["all the way back"]
    assert said["room again"] == ["done", ""]
    assert said["kept"] and said["with crumbs kept"] and said["still kept"] and said["and kept"]
    assert said["damage"] == []
