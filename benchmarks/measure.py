"""What the benchmarks share: a 12-megapixel photo, medians, intervals, the disk's clock, one way to print and write."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sessions.values import Picture, Pixels


def photo(width: int = 4000, height: int = 3000, seed: int = 0) -> Picture:
    """A photo of any size: scikit-image's astronaut enlarged, with the grain that a real sensor leaves (σ = 3)."""
    from skimage import data

    large = cv2.resize(np.asarray(data.astronaut()), (width, height), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(seed).normal(0, 3, large.shape)
    pixels: Pixels = np.clip(large + grain, 0, 255).astype(np.uint8)
    return Picture(pixels)


def seconds(call: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long one call takes."""
    began = clock()
    call()
    return clock() - began


def p50(call: Callable[[], Any], times: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """The median over `times` calls, in seconds."""
    return statistics.median(seconds(call, clock) for _ in range(times))


def side_by_side(
    calls: Mapping[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """The median seconds of each call, all of them taking turns, so that other work on the machine meets all alike."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            taken[name].append(seconds(call, clock))
    return {name: statistics.median(values) for name, values in taken.items()}


@contextmanager
def fsyncing(folder: Path) -> Iterator[Callable[[], None]]:
    """A call that writes 4 kB to a file of the folder and makes them durable."""
    path = folder / "fsync.probe"
    with path.open("wb", buffering=0) as file:

        def once() -> None:
            file.write(b"x" * 4096)
            os.fsync(file.fileno())

        yield once
    path.unlink()


def file_system(folder: Path) -> str:
    """The type of the file system a folder lies on, `ext4`, as the kernel names it."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [m for m in mounts if folder.resolve().is_relative_to(m[1])]
    return max(inside, key=lambda m: len(m[1]))[2]


def interval(values: Sequence[float], seed: int = 0) -> list[float]:
    """Mean and its 95 % bootstrap interval: [mean, low, high]."""
    sample = np.asarray(values, float)
    picks = np.random.default_rng(seed).integers(len(sample), size=(4000, len(sample)))
    low, high = np.percentile(sample[picks].mean(1), (2.5, 97.5))
    return [round(float(v), 4) for v in (sample.mean(), low, high)]


def middle(values: Sequence[float], seed: int = 0) -> list[float]:
    """Median and its 95 % bootstrap interval: [median, low, high]."""
    sample = np.asarray(values, float)
    picks = np.random.default_rng(seed).integers(len(sample), size=(4000, len(sample)))
    low, high = np.percentile(np.median(sample[picks], 1), (2.5, 97.5))
    return [round(float(v), 4) for v in (np.median(sample), low, high)]


def report(description: str, run: Callable[[], dict[str, Any]]) -> None:
    """Parse `--json [PATH]`, run, print a table, write the figures."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", nargs="?", const="-", help="print JSON, or write it to a file")
    chosen = parser.parse_args().json
    figures = {"python": platform.python_version(), "cpus": os.cpu_count(), **run()}
    text = json.dumps(figures, indent=2)
    if chosen == "-":
        print(text)
        return
    for name, value in figures.items():
        print(f"{name:<32} {value}")
    if chosen:
        Path(chosen).write_text(text + "\n")
