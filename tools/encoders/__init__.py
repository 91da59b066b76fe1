"""Encoders: pictures and sounds become vectors that can be compared, and that a planner can be shown.

Two families behind the same two methods. `imagebind` puts both into one space, so a sound may be likened to a picture;
its weights may not be used commercially. `clap_clip` has two spaces: CLIP's for pictures, CLAP's for sounds; they may
be used commercially. Needs no torch until one is loaded. Caches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from sessions.values import Pixels
from tools.sounds import Sound
from tools.weights import Entry

if TYPE_CHECKING:
    import torch

Vectors = NDArray[np.float32]

ROLE = "encoder"
"""What the shelf calls it."""
IMAGEBIND = "imagebind"
"""The folder that an entry with ImageBind has."""


class Encoder(Protocol):
    """`width`: D, numbers of a vector. `digest`: of all its weights, for keys of caches."""

    def pictures(self, pixels: Sequence[Pixels]) -> Vectors:
        """uint8 (H, W, 3) or (H, W, 4) each → (n, D), L2 norm 1; only the central square is seen."""
        ...

    def sounds(self, sounds: Sequence[Sound]) -> Vectors:
        """(n, D), L2 norm 1."""
        ...

    @property
    def name(self) -> str: ...

    @property
    def width(self) -> int: ...

    @property
    def digest(self) -> str: ...


def load(entry: Entry, device: torch.device) -> Encoder:
    """The encoder of a checked entry of the role "encoder"; BadWeights says what is wrong with it."""
    from tools import devices

    dtype = devices.precision(device, entry.bytes)
    if (entry.folder / IMAGEBIND).is_dir():
        from tools.encoders import imagebind

        return imagebind.load(entry.folder, device, dtype, entry.digest)
    from tools.encoders import clap_clip

    return clap_clip.load(entry.folder, device, dtype, entry.digest)
