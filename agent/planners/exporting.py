"""A planner for llama.cpp: the LLM as one GGUF file, and beside it what surrounds it."""

from __future__ import annotations

import shutil
from pathlib import Path

from agent.llm import gguf
from agent.llm.gguf import Kind
from agent.planners.checkpoint import GGUF, HEADS, card
from agent.planners.shelved import CARD
from sessions.errors import BadArguments, MissingWeights, StorageFull

BESIDE = (CARD, HEADS, "tokenizer.json")


def export(folder: Path, target: Path, kind: Kind = "F16") -> Path:
    """Fill a folder: model.gguf, heads.safetensors, tokenizer.json, planner.json.

    MissingWeights where one is missing, BadWeights for weights that are no Llama's, BadArguments where the target is
    the planner itself, StorageFull where nothing can be written there.
    """
    card(folder)
    if missing := [name for name in BESIDE if not (folder / name).is_file()]:
        raise MissingWeights(f"{folder} has no {missing[0]}.", "pentimento models doctor")
    if target.resolve() == folder.resolve():
        raise BadArguments(f"{target} is the planner's own folder.", "Name another one.")
    gguf.export(folder, target / GGUF, kind)
    try:
        for name in BESIDE:
            shutil.copyfile(folder / name, target / name)
    except OSError as error:
        raise StorageFull(f"The disk refused {target}: {error}.", "Free some space, and try again.") from error
    return target
