"""Sounds by formula for tests, the same on every machine: no random numbers, no files."""

from __future__ import annotations

import numpy as np


def rising(count: int, rate: int = 16_000) -> np.ndarray:
    """A rising tone over two others, with an offset; float64 (count,)."""
    t = np.arange(count) / rate
    return (
        0.3 * np.sin(2 * np.pi * (200 + 900 * t) * t)
        + 0.1 * np.cos(2 * np.pi * 3000 * t)
        + 0.02 * np.sin(7e5 * t**2)
        + 0.05
    )
