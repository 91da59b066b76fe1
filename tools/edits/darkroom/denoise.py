"""denoise: less grain and colour noise by non-local means, as strong as the noise that the picture has.

OpenCV's filter in tiles with a halo, equal to the whole in one call. Measures noise by itself; does not remove stains,
scratches or JPEG blocks, and does nothing to speak of on a clean picture. Uncuttable: nothing.
"""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from sessions.values import Pixels
from tools.base import Edit, EditContext, Progress, ToolArgs, tool
from tools.parts import Box, colours, cut, edit_parts, region_box, unchanged
from tools.pixels import Floats

PATCH, WINDOW = 5, 15
"""Sides of the patches compared and of the window searched, in pixels."""
HALO = PATCH // 2 + WINDOW // 2
TILE = 224, 224
"""About 50 ms of work on a fast core."""
SAMPLES = 32
"""Tiles at most that the noise is measured on."""
IMMERKAER = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32)

TO_RGB = np.array([[1, 1.403, 0], [1, -0.714, -0.344], [1, 0, 1.773]], np.float32)
"""Change in Y, Cr, Cb → change in R, G, B (ITU-R BT.601)."""


class Args(ToolArgs):
    """How much."""

    amount: float = Field(
        default=0.8, ge=0, le=1, description="0 changes nothing, 1 removes all noise that can be told."
    )


@tool("denoise", args=Args, region="optional")
def denoise(ctx: EditContext, args: Args) -> Edit:
    """Remove grain and colour noise, keeping edges and texture."""
    box = region_box(ctx)
    if args.amount == 0 or box is None:
        return (yield from unchanged(ctx))
    sigma = noise_levels(ctx, box)
    yield Progress(0.0)
    h = np.round(sigma * (0.9 + 0.4 * args.amount), 2)

    def change(rgb: Pixels, part: Box) -> Pixels:
        return cleaned(rgb, float(h[0]), float(h[1]), args.amount)

    return (yield from edit_parts(ctx, change, HALO, TILE))


def cleaned(rgb: Pixels, h_luma: float, h_chroma: float, share: float) -> Pixels:
    """`share` of what non-local means changes in Y and in (Cr, Cb), added to the picture; uint8 (H, W, 3).

    Only the change goes through the other colour space, so that what the filter leaves alone stays bit for bit.
    Buades, Coll, Morel, A non-local algorithm for image denoising, CVPR 2005.
    """
    ycc = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb), dtype=np.uint8)
    luma, chroma = ycc[..., 0].copy(), ycc[..., 1:].copy()
    calm = cv2.merge([_nlm(luma, h_luma), _nlm(chroma, h_chroma)])
    change = cv2.transform(cv2.subtract(calm, ycc, dtype=cv2.CV_32F), TO_RGB * np.float32(share))
    return np.asarray(cv2.add(rgb, change, dtype=cv2.CV_8U), dtype=np.uint8)


def _nlm(plane: Pixels, h: float) -> Pixels:
    if h <= 0:
        return plane
    return np.asarray(cv2.fastNlMeansDenoising(plane, None, h, PATCH, WINDOW), dtype=np.uint8)


def noise_levels(ctx: EditContext, box: Box) -> Floats:
    """Standard deviation of the noise in Y and in (Cr, Cb), in levels, (2,), from at most SAMPLES tiles of a box.

    Blocks inside the mask that are not clipped count; the calmest tenth has noise only, the others have texture too.
    """
    tiles = list(cut(box, *TILE))
    chosen = [tiles[i] for i in sorted({round(i) for i in np.linspace(0, len(tiles) - 1, SAMPLES)})]
    blocks = np.concatenate([_block_noise(ctx, tile) for tile in chosen])  # (n, 5): Y, Cr, Cb noise, luma, mask
    inside = blocks[blocks[:, 4] >= 127]
    usable = inside[(inside[:, 3] > 8) & (inside[:, 3] < 247)]
    y, cr, cb = np.percentile(usable[:, :3], 10, axis=0) if len(usable) else (0.0, 0.0, 0.0)
    return np.array([y, (cr + cb) / 2], np.float32)


def _block_noise(ctx: EditContext, tile: Box) -> Floats:
    """For each 16×16 block of a tile: noise in Y, Cr, Cb, mean luma, mean mask; (n, 5).

    σ = √(π/2) / 6 · mean |x ∗ N|, N = [1 −2 1]ᵀ[1 −2 1] (Immerkær, Fast noise variance estimation, CVIU 1996), taken
    at half size and doubled: a camera's noise is alike in neighbouring pixels, and N at full size would miss it.
    """
    x0, y0, x1, y1 = tile
    width, height = max(1, (x1 - x0) // 2), max(1, (y1 - y0) // 2)
    grid = max(1, width // 8), max(1, height // 8)
    ycc = cv2.cvtColor(colours(ctx.image, tile), cv2.COLOR_RGB2YCrCb).astype(np.float32)
    half = cv2.resize(ycc, (width, height), interpolation=cv2.INTER_AREA)
    ripple = np.abs(cv2.filter2D(half, -1, IMMERKAER))
    noise = cv2.resize(ripple, grid, interpolation=cv2.INTER_AREA) * np.float32(2 * np.sqrt(np.pi / 2) / 6)
    luma = cv2.resize(ycc[..., 0], grid, interpolation=cv2.INTER_AREA)
    mask = np.full(luma.shape, 255.0) if ctx.mask is None else ctx.mask[y0:y1, x0:x1].astype(np.float32)
    mask = cv2.resize(mask, grid, interpolation=cv2.INTER_AREA)
    return np.dstack([noise.reshape(*luma.shape, 3), luma, mask]).reshape(-1, 5).astype(np.float32)
