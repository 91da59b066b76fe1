"""What the tests of tools that change tones and detail share: photos, running a tool, counting its yields."""

import numpy as np
from skimage import data

from sessions.values import Picture
from tools.base import EditContext, Progress, Tool, drain

PHOTOS = {
    "astronaut": data.astronaut(),
    "cat": data.chelsea(),
    "coffee": data.coffee(),
    "rocket": data.rocket(),
}


def edited(tool: Tool, pixels: np.ndarray, mask: np.ndarray | None = None, **args) -> np.ndarray:
    """The pixels that a tool makes of a picture."""
    return drain(tool.run(EditContext(Picture(pixels.copy()), mask), tool.args(**args))).image.pixels


def yields(tool: Tool, pixels: np.ndarray, mask: np.ndarray | None = None, **args) -> list[float]:
    """The fractions that a tool yields on its way."""
    found = list(tool.run(EditContext(Picture(pixels.copy()), mask), tool.args(**args)))
    assert all(isinstance(progress, Progress) for progress in found)
    return [progress.fraction for progress in found]


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Every value equally often, nothing smooth: the hardest picture."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def greys() -> np.ndarray:
    """All 256 greys, (1, 256, 3)."""
    return np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)


def ellipse(height: int, width: int, soft: float = 0.0) -> np.ndarray:
    """A mask (H, W): 255 inside an ellipse in the middle, over `soft` of its radius down to 0."""
    y = (np.arange(height)[:, None] + 0.5) / height * 2 - 1
    x = (np.arange(width) + 0.5) / width * 2 - 1
    inside = (0.6 - np.hypot(x, y)) / max(soft * 0.6, 1e-9) + 0.5
    return np.rint(255 * np.clip(inside, 0, 1)).astype(np.uint8)


def far(a: np.ndarray, b: np.ndarray) -> int:
    """The greatest difference between two pictures, in levels."""
    return int(np.abs(a.astype(int) - b.astype(int)).max())
