"""What the planner's language model costs on llama.cpp: the first token of a later turn, and each token after it.

    python -m benchmarks.llm [--json [PATH]]

A Llama of more than a billion random weights (Q8_0, 32 000 tokens) is written into a folder that goes away. 960 tokens
tell the tools; each turn of the conversation adds a line of 60 with a picture's embedding, whose state is read, and 40
of the turn's own come last. At turn 10, 1 500 tokens are those of turn 9. A compaction rewrites the lines in half of
their length. Bounds: `prefix_ratio`, the time to the first token of turn 10
over that of the same prompt from the beginning, ≤ 0.1; `llamacpp_ratio`, tokens a second, each with its hidden state,
over those of a plain loop of `llama_decode` and argmax with as many threads, both in turn, ≥ 0.95. Medians; the spread
is from the lowest to the highest.
"""

from __future__ import annotations

import ctypes
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent.llm import Floats, gguf, llama_cpp
from agent.llm.checkpoint import Sizes
from agent.llm.llama_cpp import LlamaCpp
from agent.llm.prefix import Prefix
from benchmarks.measure import report, seconds

TOKENS = 32_000
SIZES = Sizes(
    hidden_size=2048,
    intermediate_size=5632,
    num_hidden_layers=20,
    num_attention_heads=16,
    max_position_embeddings=4096,
    rms_norm_eps=1e-5,
)
"""1.16 billion numbers, in Vicuna's proportions."""
TOOLS, LINE, OWN, TURN = 960, 60, 40, 10
ROUNDS, STRETCH = 12, 16


def model(target: Path, sizes: Sizes = SIZES, tokens: int = TOKENS) -> Path:
    """Random weights as GGUF; the layers are all the same, which takes no less time to compute."""
    torch.manual_seed(0)
    width, inner = sizes.hidden_size, sizes.intermediate_size
    shapes = {f"self_attn.{part}_proj": (width, width) for part in "qkvo"}
    shapes |= {"mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width), "mlp.down_proj": (width, inner)}
    layer = {name: torch.randn(shape) * shape[1] ** -0.5 for name, shape in shapes.items()}
    layer |= {name: torch.ones(width) for name in ("input_layernorm", "post_attention_layernorm")}
    tensors = {
        f"model.layers.{number}.{name}.weight": tensor
        for number in range(sizes.num_hidden_layers)
        for name, tensor in layer.items()
    }
    table = torch.randn(tokens, width)
    tensors |= {"model.embed_tokens.weight": table, "lm_head.weight": table, "model.norm.weight": torch.ones(width)}
    words = {"vocab": {f"<{number}>": number for number in range(tokens)}, "merges": [], "byte_fallback": True}
    tokenizer = {"model": words, "added_tokens": [], "normalizer": None, "pre_tokenizer": None}
    gguf.write(target, sizes, tensors, tokenizer, "Q8_0")
    return target


def prompt(turn: int, vocabulary: int, width: int) -> tuple[list[int], dict[int, Floats], list[int]]:
    """What is read at a turn: ids, spliced embeddings, marks; the beginning is that of the turn before."""
    rng = np.random.default_rng(0)
    tools, lines, own = (rng.integers(0, vocabulary, count) for count in (TOOLS, LINE * TURN, OWN * TURN))
    ids = [*tools, *lines[: LINE * turn], *own[OWN * (turn - 1) : OWN * turn]]
    marks = [TOOLS + LINE * line for line in range(turn)]
    rows = rng.normal(size=(TURN, width)).astype(np.float32)
    return [int(number) for number in ids], dict(zip(marks, rows, strict=False)), marks


def compacted(vocabulary: int, width: int) -> tuple[list[int], dict[int, Floats], list[int]]:
    """Turn 10 where its lines were written anew in half of their length."""
    ids, spliced, marks = prompt(TURN, vocabulary, width)
    short = np.random.default_rng(1).integers(0, vocabulary, LINE * TURN // 2)
    moved = [TOOLS + (mark - TOOLS) // 2 for mark in marks]
    rows = dict(zip(moved, spliced.values(), strict=True))
    return [*ids[:TOOLS], *(int(number) for number in short), *ids[-OWN:]], rows, moved


def first_tokens(llm: LlamaCpp, rounds: int = 3) -> dict[str, Any]:
    """Seconds to the first token of turn 10: after turn 9, after a compaction, and from the beginning."""
    before, turn = (prompt(number, llm.vocabulary, llm.width) for number in (TURN - 1, TURN))
    short = compacted(llm.vocabulary, llm.width)
    taken: dict[str, list[float]] = {"kept": [], "compaction": [], "whole": []}
    for _ in range(rounds):
        prefix = Prefix(llm.open())
        taken["whole"].append(seconds(lambda prefix=prefix: prefix.read(*turn)))
        for name, read in (("kept", turn), ("compaction", short)):
            prefix.read(*before)
            taken[name].append(seconds(lambda prefix=prefix, read=read: prefix.read(*read)))
    whole = statistics.median(taken["whole"])
    figures = {f"first_token_{name}_s": round(statistics.median(times), 3) for name, times in taken.items()}
    figures |= {f"first_token_{name}_spread_s": _spread(times) for name, times in taken.items()}
    return figures | {
        "prefix_ratio": round(statistics.median(taken["kept"]) / whole, 4),
        "compaction_ratio": round(statistics.median(taken["compaction"]) / whole, 4),
    }


class Plain:
    """The loop that everyone writes: `llama_decode` of one token, argmax of its logits."""

    def __init__(self, llm: LlamaCpp) -> None:
        self._library = llama_cpp.library()
        parameters = self._library.llama_context_default_params()
        parameters.n_ctx, parameters.n_threads, parameters.n_threads_batch = llm.context, llm.threads, llm.threads
        self._context = self._library.llama_init_from_model(llm.model, parameters)
        self._vocabulary, self._next = llm.vocabulary, (ctypes.c_int32 * 1)(1)

    def stretch(self, count: int) -> None:
        """Go on by that many tokens."""
        for _ in range(count):
            if self._library.llama_decode(self._context, self._library.llama_batch_get_one(self._next, 1)):
                raise RuntimeError("llama_decode failed")
            logits = self._library.llama_get_logits_ith(self._context, -1)
            self._next[0] = int(np.ctypeslib.as_array(logits, (self._vocabulary,)).argmax())

    def close(self) -> None:
        """Give its memory back."""
        self._library.llama_free(self._context)


class Ours:
    """The same through a prefix, as the planner decodes, with the hidden state of every token."""

    def __init__(self, llm: LlamaCpp) -> None:
        self._prefix, self._next = Prefix(llm.open()), 1

    def stretch(self, count: int) -> None:
        """Go on by that many tokens."""
        for _ in range(count):
            self._next = int(self._prefix.feed([self._next], read=[0]).logits.argmax())


@contextmanager
def both(llm: LlamaCpp) -> Iterator[tuple[Ours, Plain]]:
    """The two loops."""
    plain = Plain(llm)
    try:
        yield Ours(llm), plain
    finally:
        plain.close()


def decoding(llm: LlamaCpp, rounds: int = ROUNDS, count: int = STRETCH) -> dict[str, Any]:
    """Tokens a second of both loops, in turn, the one that begins changing every time."""
    taken: dict[str, list[float]] = {"ours": [], "plain": []}
    with both(llm) as (ours, plain):
        loops = {"ours": ours, "plain": plain}
        for loop in loops.values():
            loop.stretch(count)  # the first tokens make room
        for turn in range(rounds):
            for name in sorted(loops, reverse=bool(turn % 2)):
                taken[name].append(seconds(lambda name=name: loops[name].stretch(count)))
    speeds = {name: [count / time for time in times] for name, times in taken.items()}
    ratios = [one / other for one, other in zip(speeds["ours"], speeds["plain"], strict=True)]
    figures = {f"{name}_tokens_per_s": round(statistics.median(values), 2) for name, values in speeds.items()}
    figures |= {f"{name}_spread": _spread(values) for name, values in speeds.items()}
    return figures | {
        "llamacpp_ratio": round(statistics.median(ratios), 4),
        "llamacpp_ratio_spread": _spread(ratios),
    }


def _spread(values: list[float]) -> str:
    return f"{min(values):.3f}…{max(values):.3f}"


def figures() -> dict[str, Any]:
    """All of them."""
    with tempfile.TemporaryDirectory() as folder:
        file = model(Path(folder, "random.gguf"))
        llm = llama_cpp.load(file)
        return {"bytes": file.stat().st_size, "threads": llm.threads, **decoding(llm), **first_tokens(llm)}


if __name__ == "__main__":
    report("What the planner's language model costs on llama.cpp.", figures)
