"""monochrome: black and white, neutral or toned as prints are. No grain, no channel mixer, no colour filters."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Pixels
from tools.base import Edit, EditContext, ToolArgs, tool
from tools.color import Doubles, encode_bytes, linear_light, luminance, to_coded, to_linear
from tools.parts import Box, edit_parts

TONES: dict[str, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    "sepia": (0.060, 68.0),
    "cool": (0.025, 250.0),
    "warm": (0.025, 65.0),
}
"""Greatest chroma and hue (degrees) of each tone in OKLab."""

# Ottosson 2020, "A perceptual color space for image processing": Lab → cube roots of cone responses → linear sRGB.
OKLAB_TO_ROOTS: Doubles = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
CONES_TO_RGB: Doubles = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


class Args(ToolArgs):
    """Which black and white."""

    tone: Literal["neutral", "sepia", "cool", "warm"] = Field(default="neutral", description="The colour of the print.")


@tool("monochrome", args=Args, region="optional")
def monochrome(ctx: EditContext, args: Args) -> Edit:
    """Make the picture black and white, sepia, or cool or warm toned."""
    table = tone_table(*TONES[args.tone])

    def change(rgb: Pixels, box: Box) -> Pixels:
        grey = encode_bytes(luminance(linear_light(rgb)))
        return np.asarray(cv2.LUT(cv2.merge([grey, grey, grey]), table), dtype=np.uint8)

    return (yield from edit_parts(ctx, change))


def tone_table(chroma: float, hue: float) -> Pixels:
    """uint8 (1, 256, 3): the print's colour for each coded grey.

    The grey's OKLab lightness L is kept; chroma follows L·(1 − L²), greatest in the middle tones and nothing in black
    and white, as in a toned silver print.
    """
    light = np.cbrt(to_linear(np.arange(256) / 255))
    c = chroma * 2.598 * light * (1 - light**2)  # 2.598 makes the peak 1
    h = np.deg2rad(hue)
    lab = np.stack([light, c * np.cos(h), c * np.sin(h)], axis=-1)
    linear = (lab @ OKLAB_TO_ROOTS.T) ** 3 @ CONES_TO_RGB.T
    table = np.rint(255 * to_coded(np.clip(linear, 0, 1))).astype(np.uint8)[None]
    return table if chroma else np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
