"""What a machine lacks: its tests are skipped and named in the last line of the run, or fail where it must be there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TWO = """
from tests.conftest import pytest_unconfigure
from tests.needs import need

def test_one(): need(False, "LLAMA", "a thing (make thing)")
def test_other(): need(False, "LLAMA", "a thing (make thing)")
def test_found(): need(True, "LLAMA", "another thing")
"""


def run(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run of two tests that need what is not there."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_unconfigure\n")
    (tmp_path / "test_two.py").write_text(TWO)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    known = {name: value for name, value in os.environ.items() if not name.startswith("PENTIMENTO_REQUIRE")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:langsmith_plugin", tmp_path]
    environment |= {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=known | environment, capture_output=True, text=True, cwd=tmp_path)


def test_the_last_line_names_what_was_not_tested_and_the_command_that_changes_it(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "Not tested: a thing (make thing)"
    assert done.stdout.count("Not tested") == 1


def test_where_it_must_be_there_what_is_missing_fails(tmp_path):
    done = run(tmp_path, PENTIMENTO_REQUIRE_LLAMA="1")
    assert done.returncode == 1
    assert "2 failed, 1 passed" in done.stdout and "Not tested" not in done.stdout


def test_the_checks_of_every_change_require_all_of_it():
    said = set(
        re.findall(r'"([A-Z]+)"', (ROOT / "tests/needs.py").read_text("utf-8").split("Literal[")[1].split("]")[0])
    )
    checks = (ROOT / ".ci/run").read_text("utf-8")
    assert said - set(re.findall(r"PENTIMENTO_REQUIRE_([A-Z]+)=1", checks)) == {"COMPOSE"}
