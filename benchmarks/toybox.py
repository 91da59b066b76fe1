"""What all tools and the planner can do in the toybox, as one flat table: `pentimento eval toybox`.

    python -m benchmarks.toybox [--tool NAME …] [--planner DIR …] [--grader DIR] [--pack DIR] [--count N]
        [--report DIR] [--json]

Each part measures fresh items with exact truth and names its figures itself, baselines among them; beside every mean
stands its 95 % interval (`…_ci`), beside a mean over several planners each of theirs (`…_seeds`). Without `--tool` all
parts are measured; `--count` is for a quick look. A part whose weights a pack lacks is left out: its figures of `KEYS`
are null, and `skipped` says why. Damaged weights end everything. With `--grader` an encoder of another seed judges
edits too (`benchmarks.toybox_second`). The parts:

* `planner`: `benchmarks.toybox_planner`; `seconds`, which one of its plans and an edit of each tool take;
* `perception`: `benchmarks.toybox_perception`, what the encoder finds;
* `instruct_pix2pix`: `benchmarks.toybox_instructions`; `diffedit`: `benchmarks.toybox_masks`;
* `analogist`: `benchmarks.toybox_analogies`; `blip_diffusion`: `benchmarks.blip_diffusion`;
* `any2pix`: `benchmarks.any2pix`; `drift`: `benchmarks.drift`, ten turns on one picture.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import (
    any2pix,
    blip_diffusion,
    drift,
    toybox_analogies,
    toybox_instructions,
    toybox_masks,
    toybox_perception,
    toybox_planner,
    toybox_report,
    toybox_second,
    toybox_seconds,
    toybox_talks,
    world,
)
from benchmarks.toybox_report import Row
from benchmarks.world import Figures
from sessions.errors import BadArguments, MissingWeights, PentimentoError
from tools.encoders.imagebind import ImageBindEncoder
from tools.shelf import PLANNER, STARTER, Shelf

SKIPPED = "skipped"
"""Under this name stand the parts that could not be measured, or not wholly, and why."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What is measured: the weights of a shelf, and the folders of planners that differ in their seed. `grader`: of an
    encoder that judges besides."""

    weights: Shelf
    planners: tuple[Path, ...] = (STARTER.parent / PLANNER,)
    grader: Path | None = None


Found = tuple[Figures, Sequence[Row]]


@dataclass(frozen=True)
class Part:
    """How a part is measured: a subject and a number of items → figures, and rows for the report. `usual`: that number
    where nobody says another; `keys`: its figures that are null where it is skipped."""

    measure: Callable[[Subject, int], Found]
    usual: int
    keys: tuple[str, ...]


def _planner(subject: Subject, count: int) -> Found:
    found = toybox_planner.figures(subject.planners, subject.weights, count)
    return found, toybox_talks.rows(subject.planners[0], subject.weights, count)


def _perception(subject: Subject, count: int) -> Found:
    return toybox_perception.figures(subject.weights, count), ()


def _instructions(subject: Subject, count: int) -> Found:
    second, lack = _second(subject)
    found, shown = toybox_instructions.figures(subject.weights, count, second)
    return found | lack, shown


def _masks(subject: Subject, count: int) -> Found:
    return toybox_masks.figures(subject.weights, count)


def _analogies(subject: Subject, count: int) -> Found:
    return toybox_analogies.figures(subject.weights, count)


def _subjects(subject: Subject, count: int) -> Found:
    return blip_diffusion.measured(subject.weights, count)


def _any2pix(subject: Subject, count: int) -> Found:
    some = any2pix.items(max(2, count))
    results = any2pix.results(subject.weights, some)
    found = any2pix.gains(some, results) | any2pix.judged(subject.weights)
    second, lack = _second(subject)
    by_it = toybox_second.sounds(second, some, results) if second else lack
    return flat({f"any2pix_{name}": value for name, value in found.items()}) | by_it, any2pix.rows(some, results)


def _second(subject: Subject) -> tuple[ImageBindEncoder | None, Figures]:
    """The second grader; where there is none, why."""
    try:
        return toybox_second.opened(subject.grader), {}
    except MissingWeights as lack:
        return None, {SKIPPED: str(lack)}


def _drift(subject: Subject, count: int) -> Found:
    found, strips = drift.measured(subject.weights, count)
    return flat({f"drift_{name}": value for name, value in found.items()}), strips


def _seconds(subject: Subject, count: int) -> Found:
    found: Figures = {}
    for cost in (
        lambda: toybox_planner.cost(subject.planners[0], subject.weights, count),
        *(partial(toybox_seconds.cost, tool, subject.weights, count) for tool in toybox_seconds.JOBS),
    ):
        try:
            found |= cost()
        except MissingWeights as lack:
            found[SKIPPED] = f"{found.get(SKIPPED, '')} {lack}".strip()
    return found | {"edit_s": found.get("edit_s_instruct_pix2pix")}, ()


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


PARTS: Mapping[str, Part] = {
    "planner": Part(
        _planner,
        500,
        (
            *("parse_rate", "tool_accuracy", "base_at_1", "base_at_1_history", "base_at_1_history_latest", "sub_at_1"),
            *("base_at_1_of_8", *(f"base_at_1_of_8_{way}" for way in ("head", "latest", "original", "random"))),
            *("state_single", "state_2_3", "state_4", "ask_auroc", "sound_blind_drop"),
        ),
    ),
    "perception": Part(
        _perception, 256, tuple(f"perception_{way}" for way in ("image_to_text", "text_to_image", "sound_to_image"))
    ),
    "instruct_pix2pix": Part(_instructions, 500, ("ip2p_success", "ip2p_psnr", "ip2p_directional", "ip2p_agrees")),
    "diffedit": Part(_masks, 500, ("diffedit_iou", "diffedit_success")),
    "analogist": Part(_analogies, 504, ("analogist_success", "analogist_iou")),
    "blip_diffusion": Part(_subjects, 500, ("blip_subject", "blip_background")),
    "any2pix": Part(_any2pix, 500, ("any2pix_sound", "any2pix_directional", "any2pix_agrees")),
    "drift": Part(_drift, drift.ITEMS, ("drift_outside", "drift_outside_chained")),
    "seconds": Part(_seconds, 20, ("plan_s", "edit_s", *(f"edit_s_{tool}" for tool in toybox_seconds.JOBS))),
}
"""The parts in their order."""
KEYS = tuple(key for part in PARTS.values() for key in part.keys)
"""The figures that are always there, in their order."""


def measured(
    subject: Subject, parts: Sequence[str] = (), count: int | None = None
) -> tuple[Figures, dict[str, list[Row]]]:
    """The figures of some parts, or of all; and the rows of those that have some."""
    if unknown := [name for name in parts if name not in PARTS]:
        raise BadArguments(f"There is no part {unknown[0]!r} in the toybox.", f"There are: {', '.join(PARTS)}.")
    found: Figures = {key: None for name in parts or PARTS for key in PARTS[name].keys}
    rows: dict[str, list[Row]] = {}
    skipped: dict[str, str] = {}
    for name in parts or PARTS:
        try:
            figures, shown = PARTS[name].measure(subject, count or PARTS[name].usual)
        except MissingWeights as lack:
            figures, shown = {SKIPPED: str(lack)}, ()
        if why := figures.pop(SKIPPED, ""):
            skipped[name] = why
        found |= figures
        if shown:
            rows[name] = list(shown)
    return found | ({SKIPPED: skipped} if skipped else {}), rows


def run(
    parts: Sequence[str] = (),
    planners: Sequence[Path] = (),
    count: int | None = None,
    pack: Path = STARTER.parent,
    report: Path | None = None,
    grader: Path | None = None,
) -> Figures:
    """The figures of a pack and of planners, by default the pack's; with `report` also a page of their pictures in that
    folder, with `grader` also what the encoder there says."""
    with TemporaryDirectory() as home:
        subject = Subject(world.shelf(Path(home), pack), tuple(planners) or (pack / PLANNER,), grader)
        found, rows = measured(subject, parts, count)
        subject.weights.clear()
    if report:
        toybox_report.write(report, found, rows, KEYS)
    return found


def text(found: Figures) -> str:
    """The figures as lines, each mean with its interval; then what was not measured."""
    lines = []
    for name, value in found.items():
        if not name.endswith("_ci") and name != SKIPPED:
            between = found.get(f"{name}_ci")
            said = "not measured" if value is None else value
            ends = f"  [{between[0]}, {between[1]}]" if between and not name.endswith("_curve") else ""
            lines.append(f"{name:<36} {said}{ends}")
    return "\n".join([*lines, *(f"{name}, not measured: {why}" for name, why in found.get(SKIPPED, {}).items())])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.toybox", description=__doc__)
    parser.add_argument("--tool", action="append", choices=PARTS, default=[], help="only this part; may be said again")
    parser.add_argument("--planner", type=Path, action="append", default=[], help="a folder; again for other seeds")
    parser.add_argument("--count", type=int, help="so many items of each part, for a quick look")
    parser.add_argument("--pack", type=Path, default=STARTER.parent)
    parser.add_argument("--grader", type=Path, metavar="FOLDER", help="an encoder from another seed, which judges too")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write a page with the pictures")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        found = run(args.tool, args.planner, args.count, args.pack, args.report, args.grader)
    except PentimentoError as failure:
        raise SystemExit(str(failure)) from None
    print(json.dumps(found, indent=1) if args.json else text(found))


if __name__ == "__main__":
    main()
