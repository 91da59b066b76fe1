"""What the session database costs: commits over fsync, growth, pages, 12-megapixel commits. `-m benchmarks.sessions`.

`commit_over_fsync` and `append_over_fsync` divide by max(fsync p50 of the same file system in the same minute, 0.5 ms).
Growth and pages are CPU time with `synchronous=OFF`, so that the disk's noise can neither hide nor fake them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import event

from agent.assistant import Assistant
from agent.events import Committed, Event, Working
from agent.plan import Context, Plan, PlanStep
from benchmarks.measure import file_system, fsyncing, p50, photo, report, side_by_side
from sessions import commits, history, moves, uploads
from sessions.commits import Draft
from sessions.intake import Admitted
from sessions.store import Kept, Store
from sessions.values import Picture, Step
from tools import registry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool

FLOOR = 0.0005
"""Seconds: no disk counts as faster than this."""
ROUNDS = 300


class Line:
    """A session with one branch that is appended to."""

    def __init__(self, store: Store, length: int = 1) -> None:
        self.store = store
        self.session = store.create_session("bench").id
        self.kept = store.keep(self.session, Picture(np.zeros((8, 8, 3), np.uint8)))
        root, _ = commits.append_on_new_branch(store, self.session, "main", Draft(self.kept, source="upload"))
        self.head = root.id
        self.count = 0
        for _ in range(length - 1):
            self.append()

    def append(self, kept: Kept | None = None) -> None:
        """One more revision; rows only, unless new pixels come with it."""
        self.count += 1
        step = Step("adjust", "1", {"exposure": 0.1}, self.head, seed=self.count)
        draft = Draft(kept or replace(self.kept, places=()), (self.head,), step)
        self.head = commits.append(self.store, self.session, "main", draft, self.head).id


@contextmanager
def store_in(folder: Path, name: str, durable: bool = True) -> Iterator[Store]:
    store = Store(folder / name)
    if not durable:
        event.listen(store.database.engine, "connect", lambda c, _: c.execute("PRAGMA synchronous=OFF"))
        store.database.engine.dispose()
    yield store
    store.close()


def durable(folder: Path) -> dict[str, Any]:
    """Undo, branch, move; a rows-only append; and one whose 200 kB blob is made durable first. p50 in seconds.

    All take turns with the bare fsync they are measured by, so that the machine's other work meets all alike.
    """
    rng = np.random.default_rng(0)
    blobs = [rng.bytes(200_000) for _ in range(ROUNDS)]
    names = iter(range(ROUNDS))
    with store_in(folder, "durable") as store, fsyncing(folder) as fsync:
        line = Line(store, 20)

        def append_blob() -> None:
            store.blobs.put(line.session, blobs.pop())
            line.append()

        taken = side_by_side(
            {
                "fsync": fsync,
                "undo": lambda: moves.undo(store, line.session, "main"),
                "redo": lambda: moves.redo(store, line.session, "main"),
                "branch": lambda: moves.create_branch(store, line.session, f"b{next(names)}", line.head),
                "move": lambda: moves.switch(store, line.session, "main"),
                "append_rows": line.append,
                "append_200kB": append_blob,
            },
            ROUNDS,
        )
    divisor = max(taken["fsync"], FLOOR)
    commit = max(taken[name] for name in ("undo", "redo", "branch", "move"))
    return {
        **{f"{name}_ms": round(value * 1e3, 3) for name, value in taken.items()},
        "commit_over_fsync": round(commit / divisor, 2),
        "append_over_fsync": round(taken["append_200kB"] / divisor, 2),
    }


def growth(folder: Path) -> dict[str, Any]:
    """CPU time of a rows-only append in a long history over a short one, and among many sessions over few."""
    clock = time.process_time
    with store_in(folder, "few", durable=False) as few, store_in(folder, "many", durable=False) as many:
        short, long = Line(few, 10), Line(few, 10_000)
        alone = Line(few, 10)
        for _ in range(999):
            Line(many)
        among = Line(many, 10)
        appends = {"short": short.append, "long": long.append, "alone": alone.append, "among": among.append}
        middle = side_by_side(appends, 400, clock)
        page = p50(lambda: history.page(few, long.session, 50), 300, clock)
    return {
        "append_cpu_us": {name: round(value * 1e6) for name, value in middle.items()},
        "growth_10k": round(middle["long"] / middle["short"], 3),
        "growth_1000_sessions": round(middle["among"] / middle["alone"], 3),
        "page50_ms": round(page * 1e3, 3),
    }


class Script:
    """A planner that plans what it was given."""

    name = "script@1"

    def __init__(self, *steps: PlanStep) -> None:
        self.steps = steps

    def plan(self, text: str, context: Context) -> Plan:
        return Plan(steps=self.steps)


_last_pixel: list[float] = []


@tool("brighten_for_the_clock", args=ToolArgs, region="optional")
def _brighten(context: EditContext, args: ToolArgs) -> Edit:
    """Changes every pixel it may, and notes when it was done."""
    yield Progress(0.0)
    pixels = context.image.pixels + np.uint8(7)  # wraps; 256 different pictures in a row
    _last_pixel.append(time.perf_counter())
    return EditResult(Picture(pixels))


def large(folder: Path) -> dict[str, Any]:
    """A 12-megapixel photo: preview and commit after the tool's last pixel, for a whole and for a local edit."""
    picture = photo()
    found = {**registry.registered(), _brighten.name: _brighten}
    registry.registered.cache_clear()
    registry.registered = lambda: found  # type: ignore[assignment]
    with store_in(folder, "large") as store:
        session = store.create_session("12 megapixels").id
        upload = Admitted("image", "image/png", picture, None, None, b"\x89PNG")
        uploads.root(store, session, uploads.receive(store, session, upload, "photo.png"), "main")
        whole = PlanStep(tool=_brighten.name)
        local = PlanStep(tool=_brighten.name, region={"box": [0.4, 0.4, 0.5, 0.5]})
        return {
            "whole": _after_last_pixel(store, session, whole),
            "local": _after_last_pixel(store, session, local),
        }


def _after_last_pixel(store: Store, session: str, step: PlanStep, times: int = 5) -> dict[str, Any]:
    preview, committed, written = [], [], []
    for _ in range(times):
        for at, happened in _timed(Assistant(store, Script(step)).turn(session, "go")):
            if isinstance(happened, Working) and happened.preview is not None:
                preview.append(at - _last_pixel[-1])
            if isinstance(happened, Committed):
                committed.append(at - _last_pixel[-1])
                written.append(happened.revision.facts["bytes"])
    return {
        "preview_ms": round(statistics.median(preview) * 1e3, 1),
        "committed_s": round(statistics.median(committed), 3),
        "bytes": int(statistics.median(written)),
    }


def _timed(events: Iterator[Event]) -> Iterator[tuple[float, Event]]:
    for happened in events:
        yield time.perf_counter(), happened


def cli_import() -> float:
    """Seconds that `import ui.cli` adds to a bare interpreter."""

    def start(code: str) -> Callable[[], Any]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    return p50(start("import ui.cli"), 7) - p50(start("pass"), 7)


def run() -> dict[str, Any]:
    """All figures, in a temporary folder below the working directory (or TMPDIR)."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", ".")) as name:
        folder = Path(name)
        kind = file_system(folder)
        if kind in ("tmpfs", "ramfs"):
            raise SystemExit("The folder is on tmpfs, where fsync costs nothing. Set TMPDIR to a real disk.")
        return {
            "file_system": kind,
            **durable(folder),
            **growth(folder),
            "cli_import_s": round(cli_import(), 3),
            "photo_12mp": large(folder),
        }


if __name__ == "__main__":
    report(__doc__ or "", run)
