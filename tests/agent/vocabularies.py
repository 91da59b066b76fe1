"""Tokenizers of the two kinds that the planner reads, small or of full size, trained on made-up words. No weights."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from agent.tokens import SPECIALS, Vocabulary, vocabulary_of
from tools.registry import registered

KINDS = ("byte level", "byte fallback")
_SYLLABLES = "ba ce di fo gu ha ki lo mu ne pa ri so tu va we xi yo zu är éc iñ ßo ка ми 日 本 語 光 😀".split()
_SAID = "make the sky a little warmer and blur the background of the first picture please, but keep the cat sharp"


@cache
def vocabulary(kind: str, size: int = 1000) -> Vocabulary:
    """One of KINDS with so many rows, or a few more."""
    return vocabulary_of({"byte level": byte_level, "byte fallback": byte_fallback}[kind](size - len(SPECIALS)), size)


def byte_level(size: int) -> Tokenizer:
    """As ours will be."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    _train(tokenizer, size, ["</s>"], pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_special_tokens(added())
    return tokenizer


def byte_fallback(size: int) -> Tokenizer:
    """In Vicuna's layout: <unk>, <s>, </s>, 256 bytes, then pieces in which ▁ is a space."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # only so that training is quick
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    first = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    _train(tokenizer, size, first, [])
    spec = json.loads(tokenizer.to_str())
    spec["pre_tokenizer"], spec["added_tokens"] = None, spec["added_tokens"][:3]
    whole = Tokenizer.from_str(json.dumps(spec))
    whole.add_special_tokens(added())
    return whole


def added() -> list[AddedToken]:
    return [AddedToken(token, special=True, normalized=False) for token in SPECIALS]


def _train(tokenizer: Tokenizer, size: int, first: list[str], alphabet: list[str]) -> None:
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=first, initial_alphabet=alphabet, min_frequency=1, show_progress=False
    )
    tokenizer.train_from_iterator(_texts(size), trainer)


def _texts(size: int) -> Iterator[str]:
    """What is said and written of the tools, and as many made-up words as a vocabulary of that size needs."""
    rng = random.Random(size)
    for tool in registered().values():
        yield f'{_SAID} {tool.name}{{"' + '":0.5,"'.join(tool.schema().get("properties", {})) + '":-1}'
    for _ in range(size):
        yield " ".join("".join(rng.choices(_SYLLABLES, k=rng.randint(1, 5))) for _ in range(4))
