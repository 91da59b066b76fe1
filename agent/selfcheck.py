"""Whether a step's result looks as its planner expected: the read-out at `[gen]` against the picture's own embedding.

Asked only of tools with weights: the same seed gives the same picture, another seed another, and one more try is worth
its time. What a step may not touch needs no such check: the executor puts it back, and counts.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent.encoding import on_white
from sessions.errors import EditError
from sessions.values import Json, Picture
from tools import meanings
from tools.pixels import shrink

if TYPE_CHECKING:
    from tools.encoders import Vectors
    from tools.shelf import Shelf

SIDE = 512
"""What is looked at is as large as what planners are shown."""
AGAIN = 0x5EED
"""Added to a step's seed for the second try."""


class Expected(BaseModel):
    """`embedding`: float16, little-endian, base64. `least`: the cosine below which a result is not what was meant.

    `encoder`: the digest of the encoder in whose space it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    embedding: str = Field(max_length=16_384)
    least: float = Field(ge=-1, le=1)
    encoder: str

    @field_validator("embedding")
    @classmethod
    def _numbers(cls, told: str) -> str:
        if len(base64.b64decode(told, validate=True)) % 2:
            raise ValueError("half a number")
        return told

    @classmethod
    def of(cls, e: Vectors, least: float, encoder: str) -> Expected:
        """An embedding (D,) as it is kept with a plan."""
        return cls(embedding=meanings.packed(e), least=least, encoder=encoder)

    @property
    def e(self) -> Vectors:
        """The embedding, float32 (D,)."""
        return meanings.unpacked(self.embedding)


def likeness(shelf: Shelf, expected: Expected, result: Picture) -> float | None:
    """cos(result, expected), −1…1; None where the encoder is not here, or the expectation is no embedding of it."""
    try:
        h = shelf.encoder(expected.encoder).pictures([shrink(on_white(result).rgb, SIDE)])[0]
    except EditError:
        return None
    e = expected.e
    if e.shape != h.shape or not np.isfinite(e).all() or not e.any():
        return None
    return float(e @ h / np.linalg.norm(e))


def parsed(told: Json | None) -> Expected | None:
    """What a plan's step expects; None where it says nothing that can be read."""
    if told is None:
        return None
    try:
        return Expected.model_validate(told)
    except ValueError:
        return None
