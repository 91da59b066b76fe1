"""The tiny Llamas on both back ends, each in full precision."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from agent.llm import Llm, gguf, llama_cpp, torch_llama
from tests.agent.llm import models
from tests.needs import need

BACKENDS = ("torch", "llama.cpp")


def need_llama_cpp() -> None:
    """Go on only where llama.cpp is built."""
    need(
        find_spec("llama_cpp") is not None,
        "LLAMA",
        "planners from GGUF files (make llama; it needs a compiler: apt-get install g++)",
    )


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A plain Llama, and one whose query heads share their keys and whose two tables are one."""
    home = tmp_path_factory.mktemp("llamas")
    made = {
        "plain": models.llama(home / "plain"),
        "grouped": models.llama(home / "grouped", kv_heads=2, tied=True),
    }
    for folder in made.values():
        models.byte_level(folder)
    return made


@pytest.fixture(scope="session")
def loaded(folders: dict[str, Path]) -> Callable[[str, str], Llm]:
    """(which, back end) → a model that is loaded once."""
    known: dict[tuple[str, str], Llm] = {}

    def one(which: str, backend: str) -> Llm:
        if backend == "llama.cpp":
            need_llama_cpp()
        if (which, backend) not in known:
            known[which, backend] = load(folders[which], backend)
        return known[which, backend]

    return one


def load(folder: Path, backend: str) -> Llm:
    if backend == "torch":
        return torch_llama.load(folder, torch.device("cpu"), torch.float32)
    file = folder / "exact.gguf"
    if not file.exists():
        gguf.export(folder, file, "F32")
    return llama_cpp.load(file, threads=1, exact=True)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def llm(loaded: Callable[[str, str], Llm], backend: str) -> Llm:
    """The plain Llama on each back end."""
    return loaded("plain", backend)
