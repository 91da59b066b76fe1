"""What the tests of tools that look at a second picture share: running them on a pair."""

import numpy as np

from sessions.values import Picture
from tools.base import EditContext, EditResult, Progress, Tool, drain


def together(
    tool: Tool, pixels: np.ndarray, other: np.ndarray, mask: np.ndarray | None = None, confirmed: bool = True, **args
) -> EditResult:
    """What a tool makes of a picture with another one beside it."""
    context = EditContext(Picture(pixels.copy()), mask, (Picture(other.copy()),), confirmed=confirmed)
    return drain(tool.run(context, tool.args(**args)))


def fractions(tool: Tool, pixels: np.ndarray, other: np.ndarray, **args) -> list[float]:
    """The fractions that it yields on its way."""
    context = EditContext(Picture(pixels.copy()), None, (Picture(other.copy()),), confirmed=True)
    found = list(tool.run(context, tool.args(**args)))
    assert all(isinstance(progress, Progress) for progress in found)
    return [progress.fraction for progress in found]
