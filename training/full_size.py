"""Vicuna-7B with heads, as its training would be: counted on the meta device; measured where there is CUDA.

    python -m training.full_size [--tokens 512] [--batch 4] [--steps 3] [--json]

Counts numbers, memory and operations of stage 5, whole and with LoRA, without the weights. Where CUDA is present a few
steps are done with random weights, which take as long as trained ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from agent.heads import Heads
from agent.tokens import SPECIALS
from training.loop import Recipe, Trainer
from training.planner import Planner
from training.stages import RANK, learning, placed, trained
from training.turns import Batch

VOCABULARY, WIDTH, LAYERS, SPACE = 32_000 + len(SPECIALS), 4096, 32, 1024
WORKING = 34
"""Activations of the layer at work, in units of its input; of all others gradient checkpointing keeps the input."""
WEIGHT, LEARNING = 2, 2 + 4 + 8 + 4
"""Bytes of a number in bfloat16; and besides of one that learns: float32 itself, it has a gradient, AdamW's two
moments and an average."""


@dataclass(frozen=True)
class Size:
    """A way of training. Memory in GB (10⁹ bytes), `teraflops` per step of `batch` turns of `tokens` tokens."""

    way: str
    numbers: int
    learning: int
    weights: float
    optimizer: float
    activations: float
    teraflops: float

    @property
    def memory(self) -> float:
        """All at once, without what the allocator wastes."""
        return self.weights + self.optimizer + self.activations


def on_meta(lora: bool) -> Planner:
    """The network with its sizes and no numbers."""
    with torch.device("meta"):
        config = LlamaConfig(vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=LAYERS, rms_norm_eps=1e-5)
        return learning(Planner(LlamaForCausalLM(config), Heads(WIDTH, SPACE)), 5, RANK if lora else 0)


def operations(net: Planner, tokens: int, batch: int) -> tuple[float, float]:
    """Of a step, forwards and backwards, a multiplication and an addition being two; with gradient checkpointing.

    Backwards are the inputs' gradients of all, the weights' of what learns, and the forward pass once more.
    """
    config, inputs = net.llm.config, tokens * batch
    tables = {id(net.llm.get_input_embeddings().weight)}
    matrices = [p for p in net.llm.parameters() if p.dim() == 2 and id(p) not in tables]
    scores = 2 * 2 * config.num_hidden_layers * config.hidden_size * tokens * inputs
    linear, learnt = (2 * inputs * sum(p.numel() for p in some) for some in (matrices, filter(_learns, matrices)))
    forward = linear + scores
    return forward, linear + learnt + 2 * scores + forward


def _learns(p: torch.Tensor) -> bool:
    return p.requires_grad


def sized(lora: bool, tokens: int, batch: int) -> Size:
    """Vicuna-7B's stage 5."""
    return counted(on_meta(lora), "LoRA" if lora else "whole", tokens, batch)


def counted(net: Planner, way: str, tokens: int, batch: int) -> Size:
    """What training a planner needs, counted from its own shapes and what of it learns."""
    numbers, learn, config = sum(p.numel() for p in net.parameters()), trained(net), net.llm.config
    return Size(
        way=way,
        numbers=numbers,
        learning=learn,
        weights=numbers * WEIGHT / 1e9,
        optimizer=learn * LEARNING / 1e9,
        activations=(config.num_hidden_layers + WORKING) * tokens * batch * config.hidden_size * 2 / 1e9,
        teraflops=sum(operations(net, tokens, batch)) / 1e12,
    )


def measured(lora: bool, tokens: int, batch: int, steps: int) -> dict[str, float]:
    """Seconds per step and GB at most, on CUDA, after one step that is not counted."""
    net, at = _random(on_meta(lora), torch.device("cuda")), some(tokens, batch).to(torch.device("cuda"))
    recipe = Recipe("measured", net, lambda step: net(at), steps + 1, rate=2e-5)
    with tempfile.TemporaryDirectory() as folder:
        trainer, took = Trainer(recipe, Path(folder)), []
        for _ in range(steps + 1):
            began = time.perf_counter()
            trainer.once()  # ends with the loss as a number: all is done
            took.append(time.perf_counter() - began)
    return {"seconds": sorted(took[1:])[steps // 2], "gigabytes": torch.cuda.max_memory_allocated() / 1e9}


def _random(net: Planner, device: torch.device) -> Planner:
    """A network that held no numbers, with some; its angles are computed anew."""
    net = placed(net.to(torch.bfloat16).to_empty(device=device), device)
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.02)
    net.llm.model.rotary_emb = type(net.llm.model.rotary_emb)(net.llm.config).to(device)
    return net


def some(tokens: int, batch: int, words: int = VOCABULARY, space: int = SPACE) -> Batch:
    """Turns of no meaning, of this length, a quarter of each a reply."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(words, (batch, tokens), generator=generator)
    labels = ids.clone()
    labels[:, : tokens * 3 // 4] = -100
    nothing = torch.zeros(0, 3, dtype=torch.long)
    row = torch.zeros(batch, 1, dtype=torch.long)
    return Batch(
        *(ids, torch.ones_like(ids, dtype=torch.bool), labels, torch.zeros(batch, 1, space), row, row, row),
        *(nothing, nothing, torch.zeros(0, 1, dtype=torch.bool), nothing[:, :2], torch.zeros(0, space)),
    )


def table(sizes: list[Size]) -> str:
    """One line per way."""
    columns = {"numbers": 10, "learn": 10, "weights": 10, "optimizer": 11, "kept": 8, "together": 10, "TFLOP/step": 12}
    head = " " * 8 + "".join(f"{name:>{width}}" for name, width in columns.items())
    rows = [
        f"{s.way:8}{s.numbers / 1e6:8.0f} M{s.learning / 1e6:8.0f} M{s.weights:7.1f} GB{s.optimizer:8.1f} GB"
        f"{s.activations:5.1f} GB{s.memory:7.1f} GB{s.teraflops:12.1f}"
        for s in sizes
    ]
    return "\n".join([head, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.full_size", description=__doc__)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    sizes = [sized(lora, args.tokens, args.batch) for lora in (False, True)]
    took = measured(True, args.tokens, args.batch, args.steps) if torch.cuda.is_available() else None
    if args.json:
        print(json.dumps({"planned": [asdict(s) for s in sizes], "measured": took}))
        return
    print(table(sizes))
    print(
        f"LoRA, measured: {took['seconds']:.2f} s a step, {took['gigabytes']:.1f} GB"
        if took
        else "no CUDA: planned only"
    )


if __name__ == "__main__":
    main()
