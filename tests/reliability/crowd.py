"""Many processes that are let go at the same moment, and what each of them says at the end.

A worker is a function of its number and some arguments, which gets ready, calls `meet`, and then works.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from typing import Any, TypeVar

PATIENCE = 120.0
"""Seconds that the others are waited for, and after which a worker is taken for hanging."""

Said = TypeVar("Said")

_barrier: Barrier | None = None


def _enter(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def meet() -> float:
    """Wait until everybody is ready; the time (monotonic) at which all are let go."""
    if _barrier is not None:
        _barrier.wait(PATIENCE)
    return time.monotonic()


def crowd(count: int, worker: Callable[..., Said], *arguments: Any, seconds: float = 0.0) -> list[Said]:
    """What `count` processes say that run `worker(number, *arguments)`, each for about so many seconds."""
    context = get_context("spawn")
    barrier = context.Barrier(count)
    with ProcessPoolExecutor(count, context, _enter, (barrier,)) as processes:
        working = [processes.submit(worker, number, *arguments) for number in range(count)]
        return [one.result(timeout=seconds + 2 * PATIENCE) for one in working]
