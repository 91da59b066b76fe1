"""The planner's figures in one place: its language, the LLM that writes it, and what it makes of dialogues.

    python -m benchmarks.planner [--json [PATH]]

* `parse_rate` (bound 1), `mask_ms` (≤ 1), `mask_ms_p95` beside it: the worse of both kinds of tokenizer at 32 000
  entries, 500 random decodes each (`benchmarks.grammar`);
* `prefix_ratio` (≤ 0.1), `compaction_ratio` beside it, `llamacpp_ratio` (≥ 0.95): `benchmarks.llm`, where llama.cpp is;
* `base`, `base_history`, `sub`, `plan`, …: the starter's planner on dialogues it has never seen, with its baselines
  (`benchmarks.dialogues`).

How the rules read everyday messages is `benchmarks.everyday`.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from benchmarks import dialogues, grammar
from benchmarks.measure import report
from tests.agent.vocabularies import KINDS
from tools.shelf import PLANNER, STARTER

SIZE, DIALOGUES = 32_000, 200


def language() -> dict[str, float]:
    """What the grammar costs and keeps."""
    found = [grammar.measured(kind, SIZE) for kind in KINDS]
    return {
        "parse_rate": min(one["parse_rate"] for one in found),
        **{name: max(one[name] for one in found) for name in ("mask_ms", "mask_ms_p95")},
    }


def llm() -> dict[str, Any]:
    """What the LLM costs; nothing where there is no llama.cpp to measure."""
    if find_spec("llama_cpp") is None:
        return {"prefix_ratio": "not measured: make llama"}
    from benchmarks import llm

    return llm.figures()


def planning() -> dict[str, Any]:
    """What the starter's planner makes of dialogues; nothing where there is none to ask."""
    if not (STARTER.parent / PLANNER).exists():
        return {"plan": "not measured: the starter has no planner"}
    examined = dialogues.starter(DIALOGUES)
    return examined["planner"] | {f"{name}_base": value for name, value in examined["baselines"].items()}


def figures() -> dict[str, Any]:
    """All of them."""
    return language() | llm() | planning()


if __name__ == "__main__":
    report((__doc__ or "").splitlines()[0], figures)
