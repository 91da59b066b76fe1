"""What a merge and a comparison of 12-megapixel versions cost. `python -m benchmarks.merge`.

`local`: two local edits that do not meet, composited; `onward`: theirs only goes on from ours; `replayed`: a monochrome
of the whole picture done again on ours. Each from reading the graph to the durable revision, medians in milliseconds.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent import comparing, merging
from agent.assistant import Assistant
from agent.merging import Merged
from agent.plan import Plan, PlanStep
from agent.planners.given import Given
from benchmarks.measure import file_system, p50, photo, report
from sessions import history, moves, uploads
from sessions.intake import Admitted
from sessions.store import Store

ROUNDS = 5
LEFT = PlanStep(tool="adjust", args={"exposure": 0.3}, region={"box": [0.1, 0.1, 0.3, 0.3]})
RIGHT = PlanStep(tool="adjust", args={"exposure": -0.3}, region={"box": [0.6, 0.6, 0.8, 0.8]})
SEPIA = PlanStep(tool="monochrome", args={"tone": "sepia"})


class Work:
    """A session with a 12-megapixel photo and a branch for each of some steps."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.session = store.create_session("12 megapixels").id
        upload = Admitted("image", "image/png", photo(), None, None, b"\x89PNG")
        uploads.root(store, self.session, uploads.receive(store, self.session, upload, "photo.png"), "root")
        self.root = moves.branch(store, self.session, "root").head

    def branch(self, name: str, *steps: PlanStep) -> None:
        """A branch with these steps on the photo."""
        moves.create_branch(self.store, self.session, name, self.root)
        if steps:
            list(Assistant(self.store, Given(Plan(steps=steps))).turn(self.session, "go", branch=name))

    def merge(self, ours: str, theirs: str) -> float:
        """Seconds of one merge, taken back afterwards; the pixels it makes are there already from the second on."""
        began = time.perf_counter()
        graph = history.graph(self.store, self.session)
        heads = (graph.by_id[graph.branches[name]] for name in (ours, theirs))
        way = merging.merge(self.store, graph, *heads, {})
        try:
            while True:
                next(way)
        except StopIteration as end:
            merged = end.value
        assert isinstance(merged, Merged)
        merging.commit(self.store, ours, merged, theirs)
        taken = time.perf_counter() - began
        moves.undo(self.store, self.session, ours)
        return taken

    def compare(self) -> None:
        graph = history.graph(self.store, self.session)
        comparing.compare(self.store, graph, *(graph.by_id[graph.branches[name]] for name in ("left", "right")))


@contextmanager
def work_in(folder: Path) -> Iterator[Work]:
    store = Store(folder / "home")
    yield Work(store)
    store.close()


def run() -> dict[str, Any]:
    """All figures, in a temporary folder below the working directory (or TMPDIR)."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", ".")) as name, work_in(Path(name)) as work:
        for branch, steps in {"left": (LEFT,), "right": (RIGHT,), "sepia": (SEPIA,), "plain": ()}.items():
            work.branch(branch, *steps)
        pairs = {"local": ("left", "right"), "onward": ("plain", "right"), "replayed": ("left", "sepia")}
        taken = {name: [work.merge(*pair) for _ in range(ROUNDS)] for name, pair in pairs.items()}
        return {
            "file_system": file_system(Path(name)),
            "merge_ms_12mp": {name: round(statistics.median(times) * 1e3) for name, times in taken.items()},
            "first_merge_ms_12mp": {name: round(times[0] * 1e3) for name, times in taken.items()},
            "compare_ms_12mp": round(p50(work.compare, ROUNDS) * 1e3),
        }


if __name__ == "__main__":
    report(__doc__ or "", run)
