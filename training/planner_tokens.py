"""The starter planner's tokenizer: byte-level BPE learnt on what its prompts and plans say, and the plan's own tokens.

Byte-level, so that any text has tokens; saved as one tokenizer.json, which `agent.tokens` and the GGUF export read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

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
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    return tokenizer


def write(texts: Iterable[str], folder: Path, size: int = SIZE) -> Path:
    """tokenizer.json in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    learnt(texts, size).save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"
