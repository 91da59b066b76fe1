"""Instruct models without tokens for plans, tiny and with random weights: folders as the Hub has them, and GGUF files.

Of both kinds of tokenizer: SentencePiece's with `tokenizer.model` alone, as Vicuna was published, and byte-level BPE
with `tokenizer.json`. Their words are learnt from what the planner says, so that its prompt is short.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

from agent.llm import checkpoint, gguf, sentencepiece
from agent.planners import in_context_prompt
from agent.planners.in_context_prompt import RULES
from agent.prompt import SYSTEM, described
from tools.registry import registered

KINDS = ("byte fallback", "byte level")
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
    "{{ '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CONTROL = {"byte fallback": ("<unk>", "<s>", "</s>"), "byte level": ("<|endoftext|>", "<|im_start|>", "<|im_end|>")}


def texts() -> Iterator[str]:
    """What a prompt and a plan are made of."""
    yield from [RULES, SYSTEM, *map(described, registered().values())] * 2
    for example in in_context_prompt.EXAMPLES:
        yield in_context_prompt.message(example.text)


def tokenizer(kind: str, folder: Path, size: int) -> None:
    """Write one of KINDS, of so many words or a few less."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "byte level":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trained(made, size, CONTROL[kind], pre_tokenizers.ByteLevel.alphabet())
        return made.save(str(folder / "tokenizer.json"))
    return sentencepiece_model(folder / "tokenizer.model", pieces(size - 259))


def pieces(count: int) -> list[str]:
    """SentencePiece's of what is said: the longer ones in the order in which they are joined, then the letters."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace("▁", "always")
    trained(made, count + 1, ["<unk>"], [])
    learnt = sorted(made.get_vocab(), key=made.token_to_id)[1:]
    return sorted(learnt, key=lambda piece: len(piece) == 1)


def trained(made: Tokenizer, size: int, first: Iterable[str], alphabet: Iterable[str]) -> None:
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(first), initial_alphabet=list(alphabet), show_progress=False
    )
    made.train_from_iterator(texts(), trainer)


def sentencepiece_model(path: Path, said: Iterable[str], kind: int = sentencepiece.BPE) -> None:
    """`tokenizer.model` with <unk>, <s>, </s>, 256 bytes, and these pieces, the best first."""
    first = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    first += [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    every = [*first, *((piece, -float(rank), 1) for rank, piece in enumerate(said))]
    data = b"".join(
        field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + number(3, kind))
        for text, score, kind in every
    )
    path.write_bytes(data + field(2, number(3, kind)))


def field(place: int, value: bytes) -> bytes:
    return varint(place << 3 | 2) + varint(len(value)) + value


def number(place: int, value: int) -> bytes:
    return varint(place << 3) + varint(value)


def varint(value: int) -> bytes:
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def model(kind: str, folder: Path, size: int = 1000, context: int = 4096, width: int = 64) -> Path:
    """Fill a folder with an untrained Llama and its tokenizer."""
    tokenizer(kind, folder, size)
    torch.manual_seed(size + 1)  # whose plans have many steps, and are short
    network = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=context,
            initializer_range=0.1,
            bos_token_id=1 if kind == "byte fallback" else None,
            eos_token_id=2,
        )
    )
    network.save_pretrained(folder)
    return folder


def gguf_file(folder: Path, target: Path, extra: Mapping[str, object]) -> Path:
    """The folder's model as one GGUF file in full precision, with more said in its metadata."""
    beside = folder / "tokenizer.json"
    words = Tokenizer.from_file(str(beside)) if beside.exists() else sentencepiece.tokenizer(folder / "tokenizer.model")
    described, tensors = gguf._described, load_file(folder / "model.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gguf, "_described", lambda sizes, kind: described(sizes, kind) | dict(extra))
        gguf.write(target, checkpoint.sizes(folder), tensors, json.loads(words.to_str()), "F32")
    return target
