"""The files of a Llama as folders of the Hub have them: its sizes, and its tensors under their plain names.

Safetensors or PyTorch's own format (read without running anything in it), one file or shards with an index. Builds no
network (`torch_llama`), and chooses nothing among the tensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sessions.errors import BadWeights, MissingWeights
from tools import weights

if TYPE_CHECKING:
    from torch import Tensor

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLES = ("model.safetensors", "pytorch_model.bin")
WRAPPERS = ("module.", "base_model.")
"""What wrappers of training put before the names of a network's tensors."""


class Sizes(BaseModel):
    """What of a `config.json` decides how a Llama computes; all else in it is not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    hidden_size: int = Field(4096, gt=0)
    intermediate_size: int = Field(11008, gt=0)
    num_hidden_layers: int = Field(32, gt=0, le=1000)
    num_attention_heads: int = Field(32, gt=0)
    num_key_value_heads: int | None = Field(None, gt=0)
    head_dim: int | None = Field(None, gt=0)
    max_position_embeddings: int = Field(2048, gt=0)
    rms_norm_eps: float = Field(1e-6, gt=0)
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    rope_theta: float = 10000.0
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2

    @property
    def rope(self) -> dict[str, Any]:
        """The rotation's parameters, wherever this version of the file says them."""
        scaling = dict(self.rope_scaling or {})
        scaling.setdefault("rope_type", scaling.pop("type", "default"))
        return {"rope_theta": self.rope_theta, **scaling, **(self.rope_parameters or {})}

    @property
    def head(self) -> int:
        """Numbers of one attention head."""
        return self.head_dim or self.hidden_size // self.num_attention_heads

    @property
    def groups(self) -> int:
        """Heads of keys and values; fewer than those of queries where several share one."""
        return self.num_key_value_heads or self.num_attention_heads


def sizes(folder: Path) -> Sizes:
    """What the folder's `config.json` says; BadWeights where it says something else than a Llama's sizes."""
    try:
        return Sizes.model_validate_json((folder / "config.json").read_bytes())
    except OSError as error:
        raise MissingWeights(f"{folder} has no config.json that can be read.", "pentimento models doctor") from error
    except ValidationError as error:
        raise BadWeights(f"{folder / 'config.json'} does not say the sizes of a Llama.") from error


def shards(folder: Path) -> Iterator[dict[str, Tensor]]:
    """The tensors of each weight file by their plain names, one file at a time."""
    for name in _files(folder):
        found = weights.tensors(folder / name) if name.endswith(weights.SUFFIX) else weights.pickled(folder / name)
        yield {plain(key): tensor for key, tensor in found.items()}


def names(folder: Path) -> set[str]:
    """The plain names of all tensors; none where the folder has no weights that are read here."""
    for name in INDEXES:
        if (folder / name).is_file():
            return set(map(plain, _places(folder / name)))
    found = (folder / name for name in SINGLES if (folder / name).is_file())
    return {plain(name) for path in found for name in weights.shapes(path)}


def plain(name: str) -> str:
    """A tensor's name without what wrappers of training put before it."""
    bare = name
    while bare.startswith(WRAPPERS):
        bare = bare.partition(".")[2]
    wrapped = bare != name and bare.startswith(("model.model.", "model.lm_head."))
    return bare.removeprefix("model.") if wrapped else bare


def _files(folder: Path) -> list[str]:
    for name in INDEXES:
        if (folder / name).is_file():
            return _indexed(folder / name)
    for name in SINGLES:
        if (folder / name).is_file():
            return [name]
    raise MissingWeights(f"{folder} has no weights: none of {', '.join((*INDEXES, *SINGLES))}.")


def _indexed(index: Path) -> list[str]:
    """The files an index names."""
    return sorted(set(_places(index).values()))


def _places(index: Path) -> dict[str, str]:
    """The file of each tensor, all of them in the index's own folder."""
    try:
        places: dict[str, str] = json.loads(index.read_bytes())["weight_map"]
        files = places.values()
        if not all(name == Path(name).name and name.endswith((weights.SUFFIX, ".bin")) for name in files):
            raise ValueError("it names a file elsewhere")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadWeights(f"{index} is not the index of a model's files: {error}.") from error
    return places
