"""GGUF files of Llamas: written from a folder of the Hub's layout, and their table of input embeddings read.

Holds the names, the order of the rotary pairs and the tokenizer as llama.cpp expects them. Runs nothing: that is
`agent.llm.llama_cpp`.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from agent.llm import Floats, checkpoint
from sessions.errors import BadWeights, MissingWeights, StorageFull

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["F32", "F16", "Q8_0"]
BLOCK = 32
"""Numbers that share a scale in Q8_0."""
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""Kinds of tokens, as GGUF numbers them."""
TEXT, ARRAY = 8, 9
NUMBERS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Kinds of metadata, as GGUF numbers them: text, arrays, and numbers with their bytes."""
ALIGNMENT = 32
"""Tensors begin at a multiple of it, where a file says nothing else."""
OUTER = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""What GGUF calls the parts of a layer."""


def export(folder: Path, target: Path, kind: Kind = "F16") -> None:
    """Write the Llama in a folder (weights, config.json, tokenizer.json) as one GGUF file, as `write` does.

    MissingWeights where a file is not there, or the package that writes GGUF.
    """
    if find_spec("gguf") is None:
        raise MissingWeights("Writing a GGUF file needs the package gguf.", "pip install 'pentimento[llama]'")
    sizes = checkpoint.sizes(folder)
    tensors = {name: tensor for shard in checkpoint.shards(folder) for name, tensor in shard.items()}
    try:
        tokenizer = json.loads((folder / "tokenizer.json").read_bytes())
    except OSError as error:
        raise MissingWeights(f"{folder} has no tokenizer.json that can be read.") from error
    except (ValueError, RecursionError) as error:
        raise BadWeights(f"{folder / 'tokenizer.json'} is no tokenizer.") from error
    write(target, sizes, tensors, tokenizer, kind)


def write(
    target: Path, sizes: checkpoint.Sizes, tensors: Mapping[str, Tensor], tokenizer: Any, kind: Kind = "F16"
) -> None:
    """Write a Llama's tensors, under their names in transformers, and a parsed tokenizer.json; replace the file whole.

    Vectors stay F32 whatever the `kind`. BadWeights for what GGUF has no place for, StorageFull where the disk refuses.
    """
    names = _names(sizes)
    if missing := [name for name in names if name not in tensors]:
        raise BadWeights(f"This is no whole Llama: {missing[0]} is missing.")
    rows = len(tensors["model.embed_tokens.weight"])
    for name in names:
        wanted, found = _shape(name, sizes, rows), tuple(tensors[name].shape)
        if found != wanted:
            raise BadWeights(f"These are no weights of this config.json: {name} is {found}, not {wanted}.")
    described = _described(sizes, kind) | _tokens_and_merges(tokenizer, rows)
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(part, described, {ours: (tensors[name], _heads(name, sizes)) for name, ours in names.items()}, kind)
        part.replace(target)
    except OSError as error:
        raise StorageFull(f"The disk refused {target}: {error}.", "Free some space, and try again.") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _names(sizes: checkpoint.Sizes) -> dict[str, str]:
    """GGUF's name of each of the tensors."""
    outer = {name: ours for name, ours in OUTER.items() if not (sizes.tie_word_embeddings and name == "lm_head.weight")}
    return outer | {
        f"model.layers.{layer}.{name}.weight": f"blk.{layer}.{ours}.weight"
        for layer in range(sizes.num_hidden_layers)
        for name, ours in LAYER.items()
    }


def _shape(name: str, sizes: checkpoint.Sizes, rows: int) -> tuple[int, ...]:
    """What a tensor must be, for as many tokens as the table of embeddings has rows."""
    width, inner = sizes.hidden_size, sizes.intermediate_size
    queries, keys = sizes.num_attention_heads * sizes.head, sizes.groups * sizes.head
    kinds = {
        "embed_tokens": (rows, width), "lm_head": (rows, width), "norm": (width,),
        "input_layernorm": (width,), "post_attention_layernorm": (width,),
        "q_proj": (queries, width), "k_proj": (keys, width), "v_proj": (keys, width), "o_proj": (width, queries),
        "gate_proj": (inner, width), "up_proj": (inner, width), "down_proj": (width, inner),
    }  # fmt: skip
    return kinds[name.split(".")[-2]]


def _heads(name: str, sizes: checkpoint.Sizes) -> int:
    """How many heads' rows a tensor holds whose order changes; 0 for those that stay as they are."""
    if name.endswith("q_proj.weight"):
        return sizes.num_attention_heads
    return sizes.groups if name.endswith("k_proj.weight") else 0


def _described(sizes: checkpoint.Sizes, kind: Kind) -> dict[str, Any]:
    """The metadata of the network."""
    if sizes.attention_bias or sizes.mlp_bias or sizes.rope.get("rope_type") != "default":
        raise BadWeights("A Llama with biases or a stretched context is not exported.")
    return {
        "general.file_type": {"F32": 0, "F16": 1, "Q8_0": 7}[kind],
        "llama.context_length": sizes.max_position_embeddings,
        "llama.embedding_length": sizes.hidden_size,
        "llama.block_count": sizes.num_hidden_layers,
        "llama.feed_forward_length": sizes.intermediate_size,
        "llama.attention.head_count": sizes.num_attention_heads,
        "llama.attention.head_count_kv": sizes.groups,
        "llama.attention.key_length": sizes.head,
        "llama.attention.value_length": sizes.head,
        "llama.attention.layer_norm_rms_epsilon": float(sizes.rms_norm_eps),
        "llama.rope.dimension_count": sizes.head,
        "llama.rope.freq_base": float(sizes.rope["rope_theta"]),
    } | _ends(sizes)


def _ends(sizes: checkpoint.Sizes) -> dict[str, int]:
    ends = {"bos": sizes.bos_token_id, "eos": sizes.eos_token_id}
    first = {name: said[0] if isinstance(said, list) else said for name, said in ends.items()}
    return {f"tokenizer.ggml.{name}_token_id": said for name, said in first.items() if said is not None}


def _tokens_and_merges(said: Any, rows: int) -> dict[str, Any]:
    """The metadata of the tokenizer: bytes or Unicode pieces, as its model says; a token for each of the `rows`."""
    try:
        tokens, kinds = _tokens(said, rows)
        merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in said["model"]["merges"]]
        common = {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": kinds}
        return common | (_pieces(said, tokens, merges) if said["model"].get("byte_fallback") else _bytes(said, merges))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise BadWeights(f"This tokenizer is none that GGUF can hold: {error}.") from error


def _tokens(said: Mapping[str, Any], rows: int) -> tuple[list[str], list[int]]:
    """The text and kind of each token, rows without one included."""
    tokens, kinds = [f"[unused {row}]" for row in range(rows)], [UNUSED] * rows
    for text, number in said["model"]["vocab"].items():
        tokens[number], kinds[number] = text, BYTE if _is_byte(text) else NORMAL
    for added in said["added_tokens"]:
        tokens[added["id"]], kinds[added["id"]] = added["content"], CONTROL if added["special"] else USER_DEFINED
    if (unknown := said["model"].get("unk_token")) is not None:
        kinds[tokens.index(unknown)] = UNKNOWN
    return tokens, kinds


def _is_byte(text: str) -> bool:
    return len(text) == 6 and text.startswith("<0x") and text.endswith(">")


def _bytes(said: Mapping[str, Any], merges: Sequence[str]) -> dict[str, Any]:
    """Byte-level BPE, words split as GPT-2 splits them."""
    split = said["pre_tokenizer"]
    if split["type"] != "ByteLevel" or split["add_prefix_space"] or not split["use_regex"] or said["normalizer"]:
        raise ValueError("its words are not split as GPT-2 splits them")
    return {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.merges": list(merges)}


def _pieces(said: Mapping[str, Any], tokens: Sequence[str], merges: Sequence[str]) -> dict[str, Any]:
    """SentencePiece's BPE with bytes for what it does not know: the earlier a merge, the higher its result scores."""
    scores: dict[str, float] = {}
    for rank, pair in enumerate(merges):
        scores.setdefault(pair.replace(" ", ""), -float(rank))
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.scores": [scores.get(token, -float(len(merges))) for token in tokens],
        "tokenizer.ggml.add_space_prefix": _prefixed(said),
    }


def _prefixed(said: Mapping[str, Any]) -> bool:
    """Whether a text is read as if it began with a blank."""
    normalizer, split = said["normalizer"] or {}, said["pre_tokenizer"] or {}
    parts = normalizer.get("normalizers", [normalizer])
    return any(part.get("type") == "Prepend" for part in parts) or split.get("prepend_scheme", "never") != "never"


def _write(path: Path, described: Mapping[str, Any], tensors: Mapping[str, tuple[Tensor, int]], kind: Kind) -> None:
    """Header, metadata, and the tensors one by one: numpy has only one of them in memory at a time."""
    from gguf import GGMLQuantizationType, GGUFWriter

    with closing(GGUFWriter(path, "llama")) as writer:
        for key, value in described.items():
            _add(writer, key, value)
        for name, (tensor, _) in tensors.items():
            stored = GGMLQuantizationType[_stored(tensor, kind)]
            writer.add_tensor_info(name, tensor.shape, np.dtype(np.float32), _bytes_of(tensor, stored), stored)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor, heads in tensors.values():
            writer.write_tensor_data(_numbers(tensor, heads, _stored(tensor, kind)))


def _add(writer: Any, key: str, value: Any) -> None:
    """One entry of the metadata, of the type that its key has everywhere."""
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def _stored(tensor: Tensor, kind: Kind) -> Kind:
    """Vectors as they are; rows that do not divide into blocks in half precision."""
    if tensor.dim() == 1:
        return "F32"
    return "F16" if kind == "Q8_0" and tensor.shape[-1] % BLOCK else kind


def _bytes_of(tensor: Tensor, stored: Any) -> int:
    from gguf import GGML_QUANT_SIZES

    block, size = GGML_QUANT_SIZES[stored]
    return tensor.numel() // int(block) * int(size)


def _numbers(tensor: Tensor, heads: int, stored: Kind) -> np.ndarray[Any, Any]:
    """A tensor as it is written. Its rows of `heads` heads go from halves (0…, d/2…) to rotary pairs (0, d/2, 1, …)."""
    from gguf import GGMLQuantizationType, quants

    numbers = tensor.float().numpy()
    if heads:
        halves = numbers.reshape(heads, 2, -1, numbers.shape[-1])
        numbers = halves.swapaxes(1, 2).reshape(numbers.shape)
    written: np.ndarray[Any, Any] = quants.quantize(np.ascontiguousarray(numbers), GGMLQuantizationType[stored])
    return written


def embeddings(path: Path) -> Callable[[Sequence[int]], Floats]:
    """The table of input embeddings in a file that llama.cpp has loaded: rows by id, as llama.cpp computes them."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

    try:
        with path.open("rb") as file:
            (width, rows), number, offset = _place(file, "token_embd.weight")
        stored = GGMLQuantizationType(number)
        block, size = GGML_QUANT_SIZES[stored]
        table = np.memmap(path, np.uint8, "r", offset, (rows, width // block * size))
        quants.dequantize(table[:1], stored)
    except (OSError, ValueError, KeyError, ArithmeticError, NotImplementedError, struct.error) as error:
        raise BadWeights(f"{path.name} has no table of embeddings that can be read: {error}.") from error

    def found(ids: Sequence[int]) -> Floats:
        if not len(ids):
            return np.zeros((0, width), np.float32)
        numbers: Floats = quants.dequantize(table[list(ids)], stored)
        return numbers

    return found


def _place(file: BinaryIO, name: str) -> tuple[list[int], int, int]:
    """Where a tensor lies: its shape, the number of its kind, its offset. The header is walked through, not kept.

    (gguf's own reader makes an object of every token: seconds for a vocabulary of 32 000.)
    """
    _, _, tensors, entries = struct.unpack("<4sIQQ", file.read(24))
    alignment = ALIGNMENT
    for _ in range(entries):
        key, (kind,) = _text(file), struct.unpack("<I", file.read(4))
        if key == b"general.alignment":
            [alignment] = struct.unpack("<I", file.read(4))
        else:
            _skip(file, kind)
    places = {}
    for _ in range(tensors):
        at, (dimensions,) = _text(file), struct.unpack("<I", file.read(4))
        *shape, number, offset = struct.unpack(f"<{dimensions}QIQ", file.read(8 * dimensions + 12))
        places[at] = shape, number, offset
    shape, number, offset = places[name.encode()]
    return shape, number, offset + -(-file.tell() // alignment) * alignment


def _text(file: BinaryIO) -> bytes:
    [length] = struct.unpack("<Q", file.read(8))
    return file.read(length)


def _skip(file: BinaryIO, kind: int) -> None:
    """Go past a value: an array, a text, or a number of so many bytes."""
    if kind == TEXT:
        _text(file)
    elif kind == ARRAY:
        inner, count = struct.unpack("<IQ", file.read(12))
        if inner in NUMBERS:
            file.seek(count * NUMBERS[inner], os.SEEK_CUR)
        else:
            for _ in range(count):
                _skip(file, inner)
    else:
        file.seek(NUMBERS[kind], os.SEEK_CUR)
