"""A colour change as a cube of 33³ colours, interpolated in between: any function of a colour, at the speed of a table.

For changes that are smooth in coded sRGB; the error is then below half a level. Knows nothing of what the change is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image
from PIL.ImageFilter import Color3DLUT

from sessions.values import Pixels
from tools.color import Doubles

SIDE = 33


def cube(change: Callable[[Doubles], Doubles]) -> Color3DLUT:
    """The table of a change of coded sRGB colours, (n, 3) 0…1 → (n, 3) 0…1."""
    steps = np.linspace(0, 1, SIDE)
    blue, green, red = (plane.ravel() for plane in np.meshgrid(steps, steps, steps, indexing="ij"))
    return Color3DLUT(SIDE, change(np.stack([red, green, blue], axis=1)).ravel().tolist())


def through(table: Color3DLUT, rgb: Pixels) -> Pixels:
    """Pixels (h, w, 3), each through the table, trilinearly."""
    return np.asarray(Image.fromarray(rgb).filter(table), np.uint8)
