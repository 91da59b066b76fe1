"""A planner for llama.cpp: the LLM as one GGUF file, and beside it what surrounds it."""

from __future__ import annotations

import shutil
from pathlib import Path

from agent.llm import gguf
from agent.llm.gguf import Kind
from agent.planners.checkpoint import CARD, GGUF, HEADS, card

BESIDE = (CARD, HEADS, "tokenizer.json")


def export(folder: Path, target: Path, kind: Kind = "F16") -> Path:
    """Fill a folder: model.gguf, heads.safetensors, tokenizer.json, planner.json. BadWeights where one is missing."""
    card(folder)
    target.mkdir(parents=True, exist_ok=True)
    gguf.export(folder, target / GGUF, kind)
    for name in BESIDE:
        shutil.copyfile(folder / name, target / name)
    return target
