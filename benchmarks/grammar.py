"""What the grammar of plans costs and keeps: milliseconds a mask, and the share of random decodes that are read.

    python -m benchmarks.grammar [--json [PATH]]

For both kinds of tokenizer, with 1 000 and 32 000 entries: `mask_ms` (median) and `mask_ms_p95` of `Decoding.mask`,
`consume_ms`, `compile_ms` (once a vocabulary and set of tools), `start_ms` (a plan) and `parse_rate`. In half of the
decodes the closing tokens are raised by a random bias, as in the tests. Of a step that is read, its tool's validators
may still refuse what no grammar says (a box turned inside out): `accepted` is the share of steps that pass them too.
Bounds: mask_ms ≤ 1 at 32 000, parse_rate = 1.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import suppress
from time import perf_counter
from typing import Any

import numpy as np

from agent.grammar import Decoding, Grammar, WrittenStep, read
from agent.plan import PlanStep
from agent.turns import check_call
from benchmarks.measure import report, seconds
from sessions.errors import PlanError
from tests.agent.vocabularies import KINDS, vocabulary
from tests.agent.writing import PICTURES, SOUNDS, at_random
from tools.registry import registered

DECODES = 500
SIZES = (1_000, 32_000)


def measured(kind: str, size: int, decodes: int = DECODES) -> dict[str, Any]:
    """The figures of one vocabulary; times in milliseconds."""
    words, tools, rng = vocabulary(kind, size), tuple(registered().values()), np.random.default_rng(0)
    compile_ms = 1000 * statistics.median(seconds(lambda: Grammar(words, tools)) for _ in range(3))
    plans = Grammar(words, tools)
    masks, taken, starts, steps, parsed = list[float](), list[float](), list[float](), list[WrittenStep](), 0
    for number in range(decodes):
        starts.append(seconds(lambda: plans.start(PICTURES, SOUNDS)))
        decoding, ids = plans.start(PICTURES, SOUNDS), list[int]()
        for mask_s, consume_s, token in timed(decoding, rng, rng.uniform(0, 15) if number % 2 else 0.0):
            masks.append(mask_s)
            taken.append(consume_s)
            ids.append(token)
        with suppress(PlanError):
            steps += read(plans, ids).steps
            parsed += 1
    return {
        "tokens": len(masks), "longest_step": plans.longest_step,
        "mask_ms": 1000 * statistics.median(masks), "mask_ms_p95": 1000 * float(np.percentile(masks, 95)),
        "mask_ms_max": 1000 * max(masks), "consume_ms": 1000 * statistics.median(taken), "compile_ms": compile_ms,
        "start_ms": 1000 * statistics.median(starts), "parse_rate": parsed / decodes, "accepted": accepted(steps),
    }  # fmt: skip


def timed(decoding: Decoding, rng: np.random.Generator, bias: float) -> Iterator[tuple[float, float, int]]:
    """A random decode: the seconds of each mask and of going on, and the token."""
    choose = at_random(rng, bias)
    while not decoding.done:
        began = perf_counter()
        mask = decoding.mask()
        masked = perf_counter()
        token = choose(decoding, mask)
        chosen = perf_counter()
        decoding.consume(token)
        yield masked - began, perf_counter() - chosen, token


def accepted(steps: list[WrittenStep]) -> float:
    """The share of steps whose tools take them."""
    passed = 0
    for step in steps:
        region = None if step.where is None else {"words": step.where}
        with suppress(PlanError):
            check_call(PlanStep(tool=step.tool, args=step.args, subjects=("r",) * len(step.subjects), region=region))
            passed += 1
    return passed / max(1, len(steps))


def run() -> dict[str, dict[str, Any]]:
    return {f"{kind}, {size}": measured(kind, size) for size in SIZES for kind in KINDS}


if __name__ == "__main__":
    report((__doc__ or "").splitlines()[0], run)
