"""What the tests of tools that move pixels share: running one, real photos, and finding a drawn dot again."""

import numpy as np
import pytest
from pydantic import ValidationError
from skimage import data

from sessions.values import Picture
from tools.base import EditContext, EditResult, Tool
from tools.geometry import warp_points

PHOTOS = {
    "astronaut": data.astronaut(),
    "cat": data.chelsea(),
    "coffee": data.coffee(),
    "rocket": data.rocket(),
}


def run(tool: Tool, pixels: np.ndarray, mask: np.ndarray | None = None, **args) -> EditResult:
    """The tool's result; checks on the way that it yields, in order, and leaves its input alone."""
    before = pixels.copy()
    picture = Picture(pixels.copy())
    edit = tool.run(EditContext(picture, mask), tool.args(**args))
    fractions = []
    while True:
        try:
            fractions.append(next(edit).fraction)
        except StopIteration as end:
            result = end.value
            break
    assert fractions and fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    assert np.array_equal(picture.pixels, before)
    assert not np.shares_memory(result.image.pixels, picture.pixels)
    return result


def refused(tool: Tool, **args) -> str:
    """The sentence with which pydantic refuses the arguments."""
    with pytest.raises(ValidationError) as caught:
        tool.args(**args)
    return str(caught.value)


def dotted(size: tuple[int, int], at: tuple[float, float], spread: float = 2.5) -> np.ndarray:
    """A black picture (H, W, 3) with a soft white dot whose centre is `at`."""
    width, height = size
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    dot = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * spread**2))
    return np.repeat(np.rint(dot).astype(np.uint8)[..., None], 3, axis=2)


def centre(pixels: np.ndarray) -> tuple[float, float]:
    """Where the light of a dark picture has its centre, in pixel coordinates."""
    light = pixels[..., 1].astype(float)
    if pixels.shape[2] == 4:
        light = light * (pixels[..., 3] / 255)
    light[light < 8] = 0
    y, x = np.indices(light.shape) + 0.5
    return float((x * light).sum() / light.sum()), float((y * light).sum() / light.sum())


def check_dots(tool: Tool, mask: np.ndarray | None = None, **args) -> None:
    """Dots drawn in a picture are found where the result's geometry says they are."""
    for at in ((90.0, 70.0), (101.3, 81.6), (80.5, 66.25)):
        result = run(tool, dotted((180, 140), at), mask, **args)
        expected = warp_points(np.array([at]), result.geometry)[0]
        assert 0 < expected[0] < result.image.width and 0 < expected[1] < result.image.height
        assert centre(result.image.pixels) == pytest.approx(tuple(expected), abs=0.12)


def translucent(rgb: np.ndarray) -> np.ndarray:
    """The picture with an alpha plane that runs from clear at the left to opaque at the right."""
    alpha = np.linspace(0, 255, rgb.shape[1]).astype(np.uint8)
    return np.dstack([rgb, np.broadcast_to(alpha, rgb.shape[:2])])
