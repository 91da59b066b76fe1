"""A planner's weights as a folder, and the planner that they are: an LLM, its tokenizer, its heads, and a card.

    planner.json  tokenizer.json  heads.safetensors  and  config.json + model.safetensors  or  model.gguf

What the card says goes with the weights: how sessions are written for them, and from which confidence on they are sure.
Where the folder comes from is the shelf's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent import heads, tokens
from agent.grammar import compiled
from agent.llm import Llm
from agent.perception import Perception
from agent.planners.shelved import CARD
from agent.planners.token_heads import Pinned, TokenHeads
from agent.pointer import Mode
from agent.prompt import BRIEF, Template
from sessions.errors import BadWeights
from tools import registry
from tools.weights import World

HEADS, GGUF = "heads.safetensors", "model.gguf"
Backend = Literal["torch", "llama.cpp"]
TEMPLATES = {"vicuna": Template(), "brief": BRIEF}


class Card(BaseModel):
    """What goes with the weights. `sure`, `like`: as `agent.planners.token_heads.Pinned` has them.

    `tools`: those that it has learnt to call; all where empty. `encoder`: the digest of the encoder whose embeddings it
    was taught with; another's would mean nothing to it. `world`: what pictures it has seen. `photos`: whether one that
    has seen drawn scenes alone plans sessions of photos too, which it is not shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    template: Literal["vicuna", "brief"] = "vicuna"
    mode: Mode = "fused"
    sure: float = Field(default=0.0, ge=0, le=1)
    like: float | None = Field(default=None, ge=-1, le=1)
    encoder: str = ""
    tools: tuple[str, ...] = ()
    world: World = "photos"
    photos: bool = False


def card(folder: Path) -> Card:
    """The card of a folder; BadWeights where there is none."""
    try:
        return Card.model_validate_json((folder / CARD).read_bytes())
    except (OSError, ValidationError) as error:
        raise BadWeights(f"{folder.name} is no planner: {CARD} cannot be read.") from error


def load(folder: Path, perception: Perception, backend: Backend = "torch") -> TokenHeads:
    """The planner of a folder.

    BadWeights, in a sentence, where a file is missing or damaged, the vocabulary lacks the plan's tokens, the heads are
    for another width, or it was taught with another encoder than `perception`'s.
    """
    says = card(folder)
    if says.encoder and says.encoder != perception.encoder.digest:
        raise BadWeights(
            f"{says.name} was taught with another encoder than {perception.encoder.name}.", "pentimento models list"
        )
    llm = _llm(folder, backend)
    vocabulary = tokens.vocabulary(folder, llm.vocabulary)
    there = heads.load(folder / HEADS, llm.width)
    if there.space != perception.encoder.width:
        has = perception.encoder.width
        raise BadWeights(f"{says.name} wants embeddings of {there.space} numbers, and the encoder's have {has}.")
    offered = [tool for tool in registry.registered().values() if not says.tools or tool.name in says.tools]
    if not offered:
        raise BadWeights(f"{says.name} has learnt to call {', '.join(says.tools)}, and none of these is installed.")
    pinned = Pinned(says.name, TEMPLATES[says.template], says.sure, says.like, says.mode, says.world, says.photos)
    return TokenHeads(llm, there, compiled(vocabulary, tuple(offered)), perception, pinned)


def _llm(folder: Path, backend: Backend) -> Llm:
    if backend == "llama.cpp":
        from agent.llm import llama_cpp

        return llama_cpp.load(folder / GGUF)
    from agent.llm import torch_llama

    return torch_llama.load(folder)
