"""R11 and R24 for tools with weights: the same bytes again and again, and running out of memory is only an answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from sessions.errors import OutOfMemory
from tests.reliability.neural_work import STEPS, worked
from tools.diffusion.denoiser import Network

ROOT = Path(__file__).parents[2]
REPEATS = 20


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def restarted(tool: str, home: Path) -> str:
    command = [sys.executable, "-m", "tests.reliability.neural_work", str(home), tool]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.reliability
@pytest.mark.parametrize("tool", STEPS)
def test_the_same_bytes_in_twenty_repeats_and_after_a_restart(tool, tiny_shelf):
    made = {worked(tool, tiny_shelf) for _ in range(REPEATS)}
    assert made == {restarted(tool, tiny_shelf.folder.parent)}


@contextmanager
def evaluations(monkeypatch: pytest.MonkeyPatch, fails_at: int | None = None) -> Iterator[list[int]]:
    """Count the evaluations of the network; one of them finds no memory."""
    seen: list[int] = []
    eps = Network.eps

    def counted(self, *args):
        seen.append(len(seen))
        if seen[-1] == fails_at:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return eps(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Network, "eps", counted)
        yield seen


def every_evaluation(tool: str, on, monkeypatch) -> int:
    """Let each evaluation of a tool fail, and do the whole again; how many were tried."""
    with evaluations(monkeypatch) as seen:
        whole = worked(tool, on)
    assert len(seen) >= 2
    for number in range(len(seen)):
        with evaluations(monkeypatch, number) as begun, pytest.raises(OutOfMemory):
            worked(tool, on)
        assert len(begun) == number + 1
        assert on.held() == 0, "something loaded was not let go"
        assert worked(tool, on) == whole
    return len(seen)


@pytest.mark.reliability
@pytest.mark.parametrize("tool", STEPS)
def test_out_of_memory_at_every_evaluation_is_an_answer_and_the_next_turn_works(tool, tiny_shelf, monkeypatch):
    print(tool, every_evaluation(tool, tiny_shelf, monkeypatch))
