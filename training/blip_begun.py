"""What a subject encoder begins with where others have learnt before: CLIP's image tower, BERT's layers.

Folders are as transformers writes them (`openai/clip-vit-large-patch14`, `google-bert/bert-base-uncased`), safetensors
only. What neither has, queries, cross-attention, the queries' feed-forward and the LayerNorm behind the tower, is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from sessions.errors import BadWeights
from tools.nets.qformer import SubjectEncoder
from tools.weights import SUFFIX, tensors

TOWER = {"pre_layernorm": "pre_layrnorm", "self_attn.projection": "self_attn.out_proj"}
"""Our names → CLIP's, where they differ."""
OWN = ("visual_encoder.", "query_tokens", "proj_layer.")
"""How the names begin of what BERT has not."""
LOOSE = ("class_embedding", "position_embedding", "patch_embedding")


def read(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder. BadWeights where there are none."""
    found: dict[str, Tensor] = {}
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        found |= tensors(file)
    if not found:
        raise BadWeights(f"{folder} holds no safetensors file.")
    return found


@torch.no_grad()
def tower(encoder: SubjectEncoder, folder: Path) -> None:
    """CLIP's blocks but its last into the image tower, which keeps its own last LayerNorm."""
    state = {name.removeprefix("vision_model."): tensor for name, tensor in read(folder).items()}
    for name, weight in encoder.visual_encoder.named_parameters():
        if not name.startswith("post_layernorm"):
            _fill(weight, _of_clip(state, name), name)


def _of_clip(state: Mapping[str, Tensor], name: str) -> Tensor:
    theirs = name
    for ours, clip in TOWER.items():
        theirs = theirs.replace(ours, clip)
    if ".qkv." in theirs:
        return torch.cat([_found(state, theirs.replace(".qkv.", f".{part}_proj.")) for part in "qkv"])
    return _found(state, theirs + (".weight" if theirs.endswith("position_embedding") else ""))


@torch.no_grad()
def bert(encoder: SubjectEncoder, folder: Path) -> None:
    """BERT's embeddings, self-attention and feed-forward; its words fill the table's first rows, [DEC] is left.

    The queries' own feed-forward begins as the words', as in BLIP-2.
    """
    state = {name.removeprefix("bert."): tensor for name, tensor in read(folder).items()}
    for name, weight in encoder.named_parameters():
        if name.startswith(OWN) or "crossattention" in name:
            continue
        theirs = name.replace("_query.", ".").replace("attention.attention.", "attention.self.")
        found = state.get(theirs, state.get(theirs.replace("LayerNorm.weight", "LayerNorm.gamma")))
        found = state.get(theirs.replace("LayerNorm.bias", "LayerNorm.beta")) if found is None else found
        if found is None:
            raise BadWeights(f"{folder} has no {theirs}.")
        rows = weight[: len(found)] if name.endswith("word_embeddings.weight") else weight
        _fill(rows, found, name)


def _found(state: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in state:
        raise BadWeights(f"This CLIP has no {name}.")
    return state[name]


def _fill(weight: Tensor, found: Tensor, name: str) -> None:
    if weight.numel() != found.numel() or (weight.shape != found.shape and not any(one in name for one in LOOSE)):
        raise BadWeights(f"{name} is {list(found.shape)}, and {list(weight.shape)} is meant.")
    weight.copy_(found.view(weight.shape))
