"""What costs more to make than to learn from: made portion by portion, kept from time to time, gone on with.

One safetensors file of tensors that belong together row by row, written beside and renamed, so that a stop by force
loses little. Knows nothing of what is made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from tools.weights import tensors, write
from training.loop import SAVE_EVERY

log = logging.getLogger("training")
Rows = dict[str, Tensor]
"""Tensors by name; the first rows of each belong together."""


def made(path: Path, wanted: int, by: str, deadline: float, portions: Callable[[int], Iterator[Rows]]) -> int:
    """Make rows until there are `wanted`, or the deadline has passed, but a portion at least; how many there are then.

    `portions(first)`: those from this number on. `by`: the tensor that has one row for each that counts.
    """
    parts = [tensors(path)] if path.exists() else []
    count = begun = sum(len(part[by]) for part in parts)
    ahead, kept = portions(begun), time.monotonic()
    while count < wanted and (count == begun or time.monotonic() < deadline):
        parts.append(next(ahead))
        count += len(parts[-1][by])
        if time.monotonic() - kept > SAVE_EVERY:
            parts, kept = [_kept(path, parts)], time.monotonic()
    if count > begun:
        _kept(path, parts)
        log.info("%d of %d in %s", count, wanted, path)
    return count


def by_number(made: Callable[[range], Rows], wanted: int, together: int) -> Callable[[int], Iterator[Rows]]:
    """Portions of what is a function of its number, so many at once."""
    return lambda first: (made(range(n, min(n + together, wanted))) for n in range(first, wanted, together))


def _kept(path: Path, parts: list[Rows]) -> Rows:
    """All parts as one, in the file."""
    whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    beside = path.with_suffix(".new")
    write(beside, whole)
    beside.replace(path)
    return whole
