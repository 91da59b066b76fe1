"""A planner's tokens: the starter's own tokenizer, and the plan's tokens beside those that an LLM has already.

The starter's is byte-level BPE learnt on what its prompts and plans say: byte-level, so that any text has tokens. Each
is saved as one tokenizer.json, which `agent.tokens` and the GGUF export read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import LlamaForCausalLM

from agent.tokens import SPECIALS

BOS, EOS = "<s>", "</s>"
SIZE = 1024
"""Of the whole vocabulary, the plan's tokens included."""


def learnt(texts: Iterable[str], size: int = SIZE) -> Tokenizer:
    """A tokenizer with `size` entries: bytes, merges, <s>, </s> and the plan's tokens, which come last."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=size - len(SPECIALS),
        special_tokens=[BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return added(tokenizer)


def added(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer with the plan's tokens; those that it lacks come last, in their order."""
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    return tokenizer


def rows(tokenizer: Tokenizer) -> int:
    """How many rows of a table its ids reach over."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1


def grown(llm: LlamaForCausalLM, known: int, wanted: int, seed: int = 0) -> LlamaForCausalLM:
    """An LLM with `wanted` rows for tokens, at least; those from `known` on are drawn as all once were.

    With the deviation that the LLM's config names, in the table and in the head, as InstructAny2Pix's nine are.
    """
    generator = torch.Generator().manual_seed(seed)
    if wanted > llm.config.vocab_size:
        llm.resize_token_embeddings(wanted, mean_resizing=False)
    head = () if llm.config.tie_word_embeddings else (llm.lm_head,)
    for table in (llm.get_input_embeddings(), *head):
        new = table.weight.data[known:wanted]
        new.copy_(torch.randn(new.shape, generator=generator) * llm.config.initializer_range)
    return llm


def write(texts: Iterable[str], folder: Path, size: int = SIZE) -> Path:
    """tokenizer.json in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    learnt(texts, size).save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"
