"""CLIP's tokenizer over the toybox's words: byte-level BPE whose merges make every known word one token.

Any other text still has tokens (its bytes), as with the public vocabulary of 49 408.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from torch import Tensor, tensor
from transformers import CLIPTokenizer

from sessions.errors import BadWeights
from toybox.words import vocabulary

LENGTH = 77
START, END = "<|startoftext|>", "<|endoftext|>"
SUFFIX = "</w>"


def byte_letters() -> list[str]:
    """The 256 printable characters that stand for bytes in byte-level BPE (GPT-2's table)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + i) for i in range(len(others))]


def merges_for(words: list[str]) -> list[tuple[str, str]]:
    """The most frequent pair first (ties by alphabet), until every word is one piece."""
    pieces = [[*word[:-1], word[-1] + SUFFIX] for word in words]
    merges = []
    while pairs := Counter(pair for word in pieces for pair in pairwise(word)):
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        pieces = [_merged(word, best) for word in pieces]
    return merges


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out


def write(folder: Path) -> None:
    """vocab.json, merges.txt, tokenizer_config.json. BadWeights where others are there: some net learnt them."""
    files = _files()
    for name, text in files.items():
        if (folder / name).exists() and (folder / name).read_text(encoding="utf-8") != text:
            raise BadWeights(f"{folder} has other words than the toybox has now.", "Choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _files() -> dict[str, str]:
    """What is in each file."""
    merges = merges_for(vocabulary())
    letters = byte_letters()
    names = [*letters, *(letter + SUFFIX for letter in letters), *(a + b for a, b in merges), START, END]
    vocab = {name: i for i, name in enumerate(dict.fromkeys(names))}
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, **special}
    return {
        "vocab.json": json.dumps(vocab, ensure_ascii=False),
        "merges.txt": "\n".join(lines) + "\n",
        "tokenizer_config.json": json.dumps(config, indent=2),
    }


def ids(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """(B, 77) token numbers, padded with the end token as Stable Diffusion's are, cut where they are more."""
    rows = [tokenizer(text, truncation=True, max_length=LENGTH).input_ids for text in texts]
    return tensor([row + [tokenizer.pad_token_id] * (LENGTH - len(row)) for row in rows])
