"""R26, the store's part. The thousandth turn is as fast as the first, and a long session opens at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sessions import history, moves, turns
from sessions.store import Store
from tests import making

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


def p95(taken: list[float]) -> float:
    return float(np.percentile(taken, 95))


def resident() -> int:
    """Bytes of this process that lie in memory."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


@pytest.mark.reliability
def test_a_thousand_turns(store):
    session = store.create_session("cat.png").id
    making.upload(store, session, making.picture(0, 64, 64))
    taken, before = [], 0
    for number in range(1, TURNS + 1):
        shown = making.picture(number, 64, 64)
        taken.append(seconds(lambda: making.work(store, session, "main", f"turn {number}", [shown])))  # noqa: B023
        if number == WARM:
            before = resident()
    assert resident() <= 1.05 * before
    assert p95(taken) <= TURN
    assert p95(taken[-WARM:]) <= 2 * p95(taken[:WARM]) + 0.01, "turns grow slower with the length of the session"

    def open_it() -> None:
        graph = history.graph(store, session)
        store.picture(session, graph.head.image)
        turns.messages(store, session)

    def back_and_forth(number: int) -> None:
        (moves.redo if number % 2 else moves.undo)(store, session, "main")

    assert p95([seconds(open_it) for _ in range(60)]) <= OPENING
    assert p95([seconds(lambda: back_and_forth(number)) for number in range(60)]) <= UNDO  # noqa: B023
    assert p95([seconds(lambda: history.page(store, session)) for _ in range(60)]) <= UNDO
    assert len(history.graph(store, session).revisions) == 1 + TURNS
