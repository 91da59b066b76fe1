"""Many processes that are let go at the same moment, and what each of them says at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def crowd(
    count: int, work: str, home: Path, *arguments: int, beside: Callable[[], None] | None = None
) -> list[dict[str, Any]]:
    """Start `count` workers, wait until all are ready, let them go; `beside` is called until they are done."""
    command = [sys.executable, "-m", "tests.reliability.crowd_worker", work, str(home)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, str(number), *map(str, arguments)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=ROOT,
                    env=environment,
                )
            )
            for number in range(1, count + 1)
        ]
        assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * count
        for worker in workers:
            print("go", file=worker.stdin, flush=True)
        listeners = stack.enter_context(ThreadPoolExecutor(count))  # a worker with much to say waits for its listener
        listening = [listeners.submit(worker.communicate, timeout=300) for worker in workers]
        while beside is not None and not all(listener.done() for listener in listening):
            beside()
        said = [listener.result()[0] for listener in listening]
        assert [worker.returncode for worker in workers] == [0] * count
    return [json.loads(line) for line in said]
