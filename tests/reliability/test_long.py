"""R26. The thousandth turn is as fast as the first, and a long session opens at once: the store alone, and whole turns.

What other work on the machine takes from us is allowed for: a limit holds as many times longer as we had to wait.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sessions import history, moves, turns
from sessions.store import Store
from tests import making
from tests.reliability.long_work import crowding, resident, schedule

ROOT = Path(__file__).parents[2]
TURNS, WARM = 1000, 200
OPENING, UNDO, TURN = 0.050, 0.050, 0.100
"""Seconds, 95th percentile."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "home")) as opened:
        yield opened


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def p95(taken: Sequence[float]) -> float:
    return float(np.percentile(taken, 95))


@pytest.mark.reliability
def test_a_thousand_turns(store):
    session = store.create_session("cat.png").id
    making.upload(store, session, making.picture(0, 64, 64))
    taken, before, began = [], 0, schedule()
    for number in range(1, TURNS + 1):
        shown = making.picture(number, 64, 64)
        taken.append(seconds(lambda: making.work(store, session, "main", f"turn {number}", [shown])))  # noqa: B023
        if number == WARM:
            before = resident()
    assert resident() <= 1.05 * before
    slower = crowding(began)
    assert p95(taken) <= TURN * slower
    assert p95(taken[-WARM:]) <= (2 * p95(taken[:WARM]) + 0.01) * slower, "turns grow with the length of the session"

    def open_it() -> None:
        graph = history.graph(store, session)
        store.picture(session, graph.head.image)
        turns.messages(store, session)

    def back_and_forth(number: int) -> None:
        (moves.redo if number % 2 else moves.undo)(store, session, "main")

    assert p95([seconds(open_it) for _ in range(60)]) <= OPENING * slower
    assert p95([seconds(lambda: back_and_forth(number)) for number in range(60)]) <= UNDO * slower  # noqa: B023
    assert p95([seconds(lambda: history.page(store, session)) for _ in range(60)]) <= UNDO * slower
    assert len(history.graph(store, session).revisions) == 1 + TURNS


@pytest.mark.reliability
def test_a_thousand_messages(tmp_path):
    """The same through the assistant, on a photo of a megapixel, in a process of its own."""
    command = [sys.executable, "-m", "tests.reliability.long_work", str(tmp_path / "home")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=True)
    figures = json.loads(done.stdout)
    slower = figures["crowding"]
    print(f"{slower:.2f} times slower, {figures['revisions']} revisions, memory {figures['memory']}")
    assert figures["damage"] == 0
    assert figures["revisions"] > 600
    assert max(figures["memory"]) <= 1.05 * figures["memory"][0]
    for name, limit in (("opening", OPENING), ("undo", UNDO), ("commit", TURN), ("edit", TURN)):
        by_the_clock, of_the_processor = zip(*figures[name], strict=True)
        print(f"{name}: p95 {1000 * p95(by_the_clock):.0f} ms, {1000 * p95(of_the_processor):.0f} ms of the processor")
        assert p95(by_the_clock) <= limit * slower, name
        assert p95(of_the_processor) <= limit, name
