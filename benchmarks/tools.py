"""All the speed figures of the tools with weights, each file of measurements in a process of its own.

    python -m benchmarks.tools [--json [PATH]]

Equality is checked first in each of them; see their docstrings for what is compared with what. At full size this takes
an hour on two cores; `PENTIMENTO_BENCH_WIDTH=64` makes it a sketch of some minutes, whose ratios say little.
`misses` names the figures outside their bounds. Measures nothing itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.measure import report

MEASUREMENTS = ("overhead", "attention", "diffedit", "instructions", "subjects")
BOUNDS = {
    "diffedit_cold_ratio": (1.4, None),
    "diffedit_second_ratio": (2.0, None),
    "analogist_attention_ratio": (2.0, None),
    "analogist_ratio": (1.15, None),
    "analogist_peak_memory_ratio": (3.0, None),
    "analogist_memory_growth": (None, 5.0),
    "ip2p_ratio": (1.0, None),
    "ip2p_ratio_unit": (1.3, None),
    "blip_edit_ratio": (1.2, None),
    "repeat_ms": (None, 10.0),
    "overhead_share": (None, 0.01),
}
"""Least and most of each figure."""


def figures() -> dict[str, Any]:
    """Every file's figures, and which of them miss their bounds."""
    found: dict[str, Any] = {}
    for name in MEASUREMENTS:
        found |= {key: value for key, value in measured(name).items() if key not in ("python", "cpus")}
    return found | {"misses": [name for name in BOUNDS if not within(name, found.get(name))]}


def measured(name: str) -> dict[str, Any]:
    """What one file measures."""
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}", "--json"]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, Any] = json.loads(told[told.index("{") :])
    return figures


def within(name: str, value: float | None) -> bool:
    """Whether a figure keeps its bounds; one that was not measured does not."""
    least, most = BOUNDS[name]
    return value is not None and (least is None or value >= least) and (most is None or value <= most)


if __name__ == "__main__":
    report("The speed of the tools with weights.", figures)
