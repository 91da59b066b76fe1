"""What both encoders do around their networks: a few things at a time, then rows of norm 1. Knows neither of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch.nn import functional as F

from sessions.errors import NotFinite, OutOfMemory
from sessions.values import Picture, Pixels
from tools.encoders import Vectors
from tools.nets.clip_vision import prepared

T = TypeVar("T")

AT_ONCE = 8
"""Pictures or sounds that go through a network together."""


def encoded(things: Sequence[T], width: int, network: Callable[[Sequence[T]], torch.Tensor]) -> Vectors:
    """(n, width), L2 norm 1; `network`: some things → (m, width). NotFinite or OutOfMemory where that fails."""
    rows = [torch.zeros(0, width)]
    try:
        with torch.inference_mode():
            for start in range(0, len(things), AT_ONCE):
                rows.append(network(things[start : start + AT_ONCE]).float().cpu())
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(
            "The device ran out of memory while it looked and listened.", "Close other programs."
        ) from error
    found = F.normalize(torch.cat(rows), dim=1).numpy()
    if not np.isfinite(found).all():
        raise NotFinite("The encoder's numbers became infinite.", "pentimento models doctor")
    return np.asarray(found, np.float32)


def squares(pixels: Sequence[Pixels], side: int) -> torch.Tensor:
    """(n, 3, side, side): each picture's short side scaled, its middle cut out, with CLIP's mean and deviation."""
    return torch.cat([prepared(Picture(one.view()), side) for one in pixels])
