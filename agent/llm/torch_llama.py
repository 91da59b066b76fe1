"""A Llama on torch: transformers' own network, with embeddings spliced into its input and hidden states read out.

Takes any checkpoint with a Llama's tensors in it, whatever else is there (`agent.llm.checkpoint`). Knows no tokenizer,
and none of the layers that go round an LLM in InstructAny2Pix: their tensors are left where they are, and named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent.llm import CONTEXT, NOTHING, Floats, Reading, checkpoint, reading, require_room
from sessions.errors import BadWeights
from tools import devices

if TYPE_CHECKING:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

EMBEDDINGS, HEAD = "model.embed_tokens.weight", "lm_head.weight"


class TorchLlama:
    """A loaded Llama. `ignored`: the checkpoint's tensors that are no part of one."""

    def __init__(self, network: LlamaForCausalLM, name: str = "llama", ignored: Sequence[str] = ()) -> None:
        config = network.config
        self.network = network
        self.name = name
        self.ignored = tuple(ignored)
        self.width: int = config.hidden_size
        self.vocabulary: int = config.vocab_size
        self.context: int = min(config.max_position_embeddings, CONTEXT)

    def embeddings(self, ids: Sequence[int]) -> Floats:
        """Rows of the input table, float32 (len(ids), width)."""
        import torch

        with torch.inference_mode():
            return _floats(self.rows(ids))

    def rows(self, ids: Sequence[int]) -> torch.Tensor:  # (len(ids), width), as the network takes them
        """Rows of the input table where the network is, in its own precision."""
        import torch

        table = self.network.get_input_embeddings()
        embedded: torch.Tensor = table(torch.tensor(ids, dtype=torch.long, device=self.network.device))
        return embedded

    def open(self) -> TorchThread:
        """A conversation of its own, empty."""
        return TorchThread(self)


class TorchThread:
    """One conversation's keys and values, on the network's device."""

    def __init__(self, llm: TorchLlama) -> None:
        from transformers import DynamicCache

        self._llm = llm
        self._cache = DynamicCache(config=llm.network.config)

    @property
    def length(self) -> int:
        """Positions that are fed."""
        return int(self._cache.get_seq_length())

    def feed(self, ids: Sequence[int], spliced: Mapping[int, Floats] = NOTHING, read: Sequence[int] = ()) -> Reading:
        """As `Thread.feed`."""
        import torch

        require_room(self.length, len(ids), self._llm.context)
        network, inputs = self._llm.network, self._llm.rows(ids)
        with torch.inference_mode():
            if spliced:
                rows = torch.from_numpy(np.stack(list(spliced.values()))).to(inputs)
                inputs = inputs.index_copy(0, torch.tensor(list(spliced), device=inputs.device), rows)
            states = self._states(inputs)
            return reading(_floats(states[list(read)]), _floats(network.lm_head(states[-1])))

    def _states(self, inputs: torch.Tensor) -> torch.Tensor:  # (n, width), as `inputs`
        """Last hidden states. The cache is away meanwhile: a feed that is broken off leaves an empty thread."""
        from tools.diffusion.steps import guarded_device

        cache, self._cache = self._cache, type(self._cache)(config=self._llm.network.config)
        with guarded_device():
            fed = self._llm.network.model(inputs_embeds=inputs[None], past_key_values=cache, use_cache=True)
        self._cache = cache
        states: torch.Tensor = fed.last_hidden_state[0]
        return states

    def rewind(self, length: int) -> None:
        """Keep the first `length` positions and forget the rest."""
        if length < self.length:
            self._cache.crop(length - self.length)


def load(folder: Path, device: torch.device | None = None, dtype: torch.dtype | None = None) -> TorchLlama:
    """The Llama in a folder of the Hub's layout; on the best device and in its best precision where none is said.

    MissingWeights where there is no model; BadWeights, with the name, where a tensor is missing or of another shape.
    """
    devices.require_torch()
    network, ignored = _assembled(folder, device or devices.best(), dtype)
    network.eval()  # type: ignore[no-untyped-call]
    return TorchLlama(network.requires_grad_(False), folder.name, ignored)


def _assembled(
    folder: Path, device: torch.device, dtype: torch.dtype | None
) -> tuple[LlamaForCausalLM, tuple[str, ...]]:
    """The network with the folder's tensors in it, and the names of those that have no place there."""
    found = {name: tensor for shard in checkpoint.shards(folder) for name, tensor in shard.items()}
    network = _unfilled(folder, found)
    dtype = dtype or devices.precision(device, sum(tensor.nbytes for tensor in found.values()))
    tied = network.config.tie_word_embeddings
    wanted = {name: place.shape for name, place in network.state_dict().items() if not (tied and name == HEAD)}
    for name, shape in wanted.items():
        if name not in found or found[name].shape != shape:
            there = f"{tuple(found[name].shape)}" if name in found else "missing"
            raise BadWeights(f"{folder.name}: {name} should be {tuple(shape)}, and is {there}.")
    filled = {name: found.pop(name).to(device, dtype) for name in wanted}
    network.load_state_dict(filled, strict=not tied, assign=True)
    if tied:
        network.lm_head.weight = network.model.embed_tokens.weight
    network.model.rotary_emb = type(network.model.rotary_emb)(network.config).to(device)  # its angles are in no file
    return network, tuple(sorted(found))


def _unfilled(folder: Path, found: Mapping[str, torch.Tensor]) -> LlamaForCausalLM:
    """A network of the folder's sizes that holds no numbers yet; as many tokens as its table has rows."""
    import torch
    from transformers import LlamaForCausalLM

    if EMBEDDINGS not in found:
        raise BadWeights(f"{folder.name} is no Llama: {EMBEDDINGS} is missing.")
    config = _config(checkpoint.sizes(folder), len(found[EMBEDDINGS]))
    with torch.device("meta"):
        return LlamaForCausalLM(config)


def _config(sizes: checkpoint.Sizes, vocabulary: int) -> LlamaConfig:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import LlamaConfig

    said = sizes.model_dump(exclude={"rope_theta", "rope_scaling", "rope_parameters"})
    try:
        return LlamaConfig(**said, rope_parameters=sizes.rope, vocab_size=vocabulary)
    except (StrictDataclassError, ValueError, KeyError) as error:
        raise BadWeights(f"There is no Llama of these sizes: {error}.") from error


def _floats(tensor: torch.Tensor) -> Floats:
    return tensor.float().cpu().numpy()
