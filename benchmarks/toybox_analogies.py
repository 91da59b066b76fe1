"""Analogist in the toybox: whether B' has what A' has, where B' shows things, and what SAC and CAM are for.

Part of `python -m benchmarks.toybox`: six families of tasks with exact results, drawn and marked by
`benchmarks.analogist`. `analogist_success` is its `right`, `analogist_iou` its `structure`; `_TASK` behind them is one
family alone. Beside them what costs nothing (`_copy`: B itself), what the autoencoder leaves of exact results, and the
tool with its change of attention switched off (`_neither`, on the same items), in part, or with A beside B (`_sac`,
`_cam`, `_swapped`: on the first items of every family). Gains over `_neither` are paired.
"""

from __future__ import annotations

from benchmarks import analogist
from benchmarks.analogist import MODES, TASKS, Item, Marked, ceiling, items, marks, recommended, results, together
from benchmarks.toybox_report import Row
from benchmarks.world import Figures, figure, gain
from sessions.values import Pixels
from tools.edits.analogist import ROLE, Args
from tools.shelf import Shelf

NAMES = {"right": "success", "structure": "iou", "error": "error"}
"""What the marks of `benchmarks.analogist` are called here."""
SPARED = 4
"""One in so many items is drawn in the modes that switch half of it off."""
SHOWN = 12
"""Rows of the report, of each family."""


def figures(weights: Shelf, count: int) -> tuple[Figures, list[Row]]:
    """All figures of so many items, in families of one size, and the rows of the report."""
    model, args = weights.diffusion(ROLE), Args(**recommended(weights))
    each = -(-count // len(TASKS))
    marked: dict[str, Marked] = {}
    rows: list[Row] = []
    for task in TASKS:
        some = items(task, each)
        drawn = {name: results(model, some[: places(name, each)], args, mode) for name, mode in MODES.items()}
        drawn["autoencoder"] = [ceiling(model, one, args) for one in some]
        drawn["copy"] = [one.b for one in some]
        marked[task] = {name: marks(task, some[: len(found)], found) for name, found in drawn.items()}
        rows += [row(task, *parts) for parts in zip(some, drawn["both"], marked[task]["both"]["right"], strict=True)][
            :SHOWN
        ]
    return told(marked), rows


def places(mode: str, each: int) -> int:
    """How many items of a family are drawn in a mode."""
    return each if mode in ("both", "neither") else max(1, each // SPARED)


def told(marked: dict[str, Marked]) -> Figures:
    """Means of all families by mode, of each family in the tool's own, and what is gained over plain inpainting."""
    found: Figures = {}
    of_all = together(marked)
    for mode, values in of_all.items():
        for mark, name in NAMES.items():
            found |= figure(f"analogist_{name}" + (f"_{mode}" if mode != "both" else ""), values[mark])
    for mark, name in NAMES.items():
        found |= gain(f"analogist_{name}_gain", of_all["both"][mark], of_all["neither"][mark])
        for task in TASKS:
            found |= figure(f"analogist_{name}_{task}", marked[task]["both"][mark])
            found |= figure(f"analogist_{name}_{task}_neither", marked[task]["neither"][mark])
    return found


def row(task: str, one: Item, result: Pixels, good: float) -> Row:
    """An item for the report: A and A' stand beside the words."""
    said = f"{task}: {one.words}"
    near = analogist.grader.inside_error(result, one.b, one.truth.rgb)
    verdict = f"{'right' if good else 'not right'}, {near:.2f} of the way left"
    return Row(said, (one.b, result, one.truth.rgb), bool(good), verdict, (one.a, one.changed))
