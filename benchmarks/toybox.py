"""What all tools and the planner can do in the toybox, as one flat table: `pentimento eval toybox`.

    python -m benchmarks.toybox [--tool NAME …] [--planner DIR] [--count N] [--pack DIR] [--report DIR] [--json]

Each part measures fresh items with exact truth and names its figures itself, baselines among them; beside every mean
stands its 95 % interval (`…_ci`). Without `--tool` all parts are measured; `--count` is for a quick look. The parts:

* `instruct_pix2pix`, and `seconds`, which one of its edits takes: `benchmarks.toybox_instructions`;
* `diffedit`: `benchmarks.toybox_masks`; `any2pix`: `benchmarks.any2pix`; `planner`: `benchmarks.dialogues`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import any2pix, dialogues, toybox_instructions, toybox_masks, toybox_report, world
from benchmarks.toybox_report import Row
from benchmarks.world import Figures
from sessions.errors import BadArguments
from tools.shelf import PLANNER, STARTER, Shelf


@dataclass(frozen=True, eq=False)
class Subject:
    """What is measured: the weights of a shelf, and the folder of a planner."""

    weights: Shelf
    planner: Path = STARTER.parent / PLANNER


Part = Callable[[Subject, int], tuple[Figures, Sequence[Row]]]
"""A subject and a number of items → figures, and rows for the report."""


def _any2pix(subject: Subject, count: int) -> tuple[Figures, Sequence[Row]]:
    found = any2pix.measured(subject.weights, count) | any2pix.judged(subject.weights)
    named = {f"any2pix_{name.removesuffix('_gain')}": value for name, value in found.items()}
    return flat(named), ()


PLANNER_KEYS = {"tools": "tool_accuracy", "base": "base_at_1", "base_history": "base_at_1_history", "sub": "sub_at_1"}
"""What the planner's figures are called here."""


def _planner(subject: Subject, count: int) -> tuple[Figures, Sequence[Row]]:
    lessons = dialogues.looked_at(subject.weights.encoder(), range(dialogues.EXAMINED, dialogues.EXAMINED + count))
    found = dialogues.examine(dialogues.candidate(subject.planner), lessons)
    whole = {PLANNER_KEYS.get(name, name): value for name, value in found.pop("planner").items()}
    return whole | {f"{part}_{name}": value for part, row in found.items() for name, value in row.items()}, ()


def flat(found: Mapping[str, Any]) -> Figures:
    """Means that stand with their interval as [mean, low, high], and tables, each number under its own name."""
    apart: Figures = {}
    for name, value in found.items():
        if isinstance(value, list):
            apart |= {name: value[0], f"{name}_ci": value[1:]}
        elif isinstance(value, Mapping):
            apart |= {f"{name}_{part}": number for part, number in value.items()}
        else:
            apart[name] = value
    return apart


PARTS: Mapping[str, tuple[Part, int]] = {
    "instruct_pix2pix": (lambda subject, count: toybox_instructions.figures(subject.weights, count), 500),
    "diffedit": (lambda subject, count: toybox_masks.figures(subject.weights, count), 200),
    "any2pix": (_any2pix, 200),
    "planner": (_planner, 200),
    "seconds": (lambda subject, count: (toybox_instructions.seconds(subject.weights, min(count, 5)), ()), 5),
}
"""The parts in their order, each with its usual number of items."""


def measured(
    subject: Subject, parts: Sequence[str] = (), count: int | None = None
) -> tuple[Figures, dict[str, list[Row]]]:
    """The figures of some parts, or of all; and the rows of those that have some."""
    if unknown := [name for name in parts if name not in PARTS]:
        raise BadArguments(f"There is no part {unknown[0]!r} in the toybox.", f"There are: {', '.join(PARTS)}.")
    found: Figures = {}
    rows: dict[str, list[Row]] = {}
    for name in parts or PARTS:
        part, usual = PARTS[name]
        figures, shown = part(subject, count or usual)
        found |= figures
        if shown:
            rows[name] = list(shown)
    return found, rows


def run(
    parts: Sequence[str] = (),
    planner: Path | None = None,
    count: int | None = None,
    pack: Path = STARTER.parent,
    report: Path | None = None,
) -> Figures:
    """The figures of a pack and a planner, by default its own; with `report` a page of pictures in that folder."""
    with TemporaryDirectory() as home:
        found, rows = measured(Subject(world.shelf(Path(home), pack), planner or pack / PLANNER), parts, count)
    if report:
        toybox_report.write(report, found, rows)
    return found


def text(found: Figures) -> str:
    """The figures as lines, each mean with its interval."""
    lines = []
    for name, value in found.items():
        if not name.endswith("_ci"):
            between = found.get(f"{name}_ci")
            lines.append(f"{name:<36} {value}" + (f"  [{between[0]}, {between[1]}]" if between else ""))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.toybox", description=__doc__)
    parser.add_argument("--tool", action="append", choices=PARTS, default=[], help="only this part; may be said again")
    parser.add_argument("--planner", type=Path, help="by default the pack's")
    parser.add_argument("--count", type=int, help="so many items of each part, for a quick look")
    parser.add_argument("--pack", type=Path, default=STARTER.parent)
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write a page with the pictures")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = run(args.tool, args.planner, args.count, args.pack, args.report)
    print(json.dumps(found, indent=1) if args.json else text(found))


if __name__ == "__main__":
    main()
