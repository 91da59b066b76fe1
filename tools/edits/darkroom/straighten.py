"""Level a crooked photo: find by how much its horizon or its verticals lean, and turn it back.

Only the roll of the camera is undone; lines that run together because the camera looked up or down still do.
"""

from __future__ import annotations

from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from sessions.errors import BadArguments
from sessions.values import Json, Pixels
from tools import geometry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.pixels import Floats, shrink

REACH = 15.0
"""Lines that lean by more than this many degrees are slopes and not crooked levels."""

NEEDED = 0.5
"""Confidence from which a lean is believed."""

LEVEL = 0.1
"""A photo that leans by less than this many degrees stays as it is, bit for bit."""

_SIDE = 800
_SHORTEST = 0.02
_BLUR = 0.35
_NEAR = 1.0
_FANNED = 3.0
_SMALLEST = 16


class Args(ToolArgs):
    """`degrees` clockwise to turn the picture by, or "auto" to find out."""

    degrees: Annotated[float, Field(ge=-45, le=45)] | Literal["auto"] = Field(
        default="auto", description='degrees clockwise, negative to the left, or "auto" to find out'
    )


@tool("straighten", args=Args)
def straighten(ctx: EditContext, args: Args) -> Edit:
    """Level a crooked photo by its horizon and verticals, or by the given degrees.

    What is left is the largest part of the same aspect without empty corners. The line detector takes below 150 ms on
    its reduced copy and cannot be cut.
    """
    yield Progress(0.0)
    facts: Json = {}
    degrees = args.degrees
    if degrees == "auto":
        lean, confidence = find_lean(ctx.image.rgb)
        if confidence < NEEDED:
            raise BadArguments(
                "No clear horizon or upright line was found in this picture.",
                'Say by how many degrees to turn it, such as "straighten by 2 degrees"; a negative number turns left.',
            )
        degrees = -round(lean, 2) if abs(lean) >= LEVEL else 0.0
        facts = {"degrees": degrees, "confidence": round(confidence, 3)}
    size = geometry.inscribed(ctx.image.size, degrees)
    moved = geometry.rotate(degrees, ctx.image.size, size)
    picture = yield from geometry.resample(ctx.image, moved, size)
    return EditResult(picture, geometry=moved, facts=facts)


def find_lean(rgb: Pixels) -> tuple[float, float]:
    """By how many degrees clockwise the level and upright lines of a picture (H, W, 3) lean, and a confidence 0…1.

    Line segments (LSD, Grompone von Gioi et al., IPOL 2012) of a copy of at most 800 pixels vote for the roll r that
    explains their lean θ from the nearest axis. A camera that looks up makes uprights run together, so theirs is
    θ = r + κ·x with x = −1…1 across the picture and one κ for all; level lines have κ = 0. Votes weigh (length /
    diagonal)², since long lines are built and short ones are texture; they are blurred by 0.35°, and weighed once more
    by exp(−½(r / 15°)²) and exp(−½(κ / 3°)²), since cameras are rarely held very crooked. The lean is the mean over the
    segments within 1° of the highest peak. The confidence is 1 when they hold half of all votes and, end to end, are as
    good as one line over half the diagonal; it falls with either.
    """
    theta, length, x = _lines(shrink(rgb, _SIDE))
    if theta.size == 0:
        return 0.0, 0.0
    votes = length**2
    r = np.arange(-REACH, REACH + 0.025, 0.05)  # (R,)
    kappa = np.arange(-6.0, 6.5)[:, None]  # (K, 1)
    rolls = theta - kappa * x  # (K, N)
    poll = np.stack([np.exp(-0.5 * ((r[:, None] - roll) / _BLUR) ** 2) @ votes for roll in rolls])  # (K, R)
    best = np.argmax(poll * np.exp(-0.5 * (r / REACH) ** 2 - 0.5 * (kappa / _FANNED) ** 2))
    row, column = np.unravel_index(best, poll.shape)
    near = np.abs(rolls[row] - r[column]) <= _NEAR
    if not near.any():
        return 0.0, 0.0
    lean = np.average(rolls[row][near], weights=votes[near])
    share = votes[near].sum() / votes[np.abs(rolls[row]) <= REACH].sum()
    reach = np.sqrt(votes[near].sum())
    return float(lean), float(min(1.0, share / 0.5, reach / 0.5))


def _lines(rgb: Pixels) -> tuple[Floats, Floats, Floats]:
    """Of each segment that counts, (N,): its lean in degrees from the nearest axis, clockwise; its length in diagonals;
    and, for an upright one, the place of its middle from −1 at the left to 1 at the right edge, else 0."""
    none = np.zeros(0, np.float32)
    if min(rgb.shape[:2]) < _SMALLEST:
        return none, none, none
    found = cv2.createLineSegmentDetector().detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))[0]
    if found is None:
        return none, none, none
    ends = found.reshape(-1, 4)
    dx, dy = (ends[:, 2:] - ends[:, :2]).T
    length = np.hypot(dx, dy) / np.hypot(*rgb.shape[:2])
    theta = (np.degrees(np.arctan2(dy, dx)) + 45) % 90 - 45
    x = np.where(np.abs(dy) > np.abs(dx), (ends[:, 0] + ends[:, 2]) / rgb.shape[1] - 1, 0)
    counts = (np.abs(theta) <= REACH + 6) & (length >= _SHORTEST)
    return theta[counts], length[counts], x[counts]
