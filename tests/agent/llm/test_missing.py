"""What an installation without networks, or without llama.cpp, can still do, and what it says of the rest."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agent.llm import gguf, llama_cpp
from sessions.errors import MissingWeights


def test_the_interface_imports_no_network_library():
    parts = ", ".join(
        f"agent.llm{part}" for part in ("", ".prefix", ".checkpoint", ".gguf", ".llama_cpp", ".torch_llama")
    )
    heavy = {"torch", "transformers", "safetensors", "llama_cpp", "gguf"}
    subprocess.run([sys.executable, "-c", f"import sys, {parts}; assert not {heavy} & set(sys.modules)"], check=True)


def test_where_llama_cpp_is_missing_the_command_that_installs_it_is_said(monkeypatch, tmp_path):
    for module in (llama_cpp, gguf):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    for call in (llama_cpp.library.__wrapped__, lambda: gguf.export(tmp_path, tmp_path / "model.gguf")):
        with pytest.raises(MissingWeights) as raised:
            call()
        assert raised.value.hint == "pip install 'pentimento[llama]'"
