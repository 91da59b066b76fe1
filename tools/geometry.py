"""How pixels move: 3×3 matrices from a picture's pixels to its result's, and masks, points and pictures along them.

A `Geometry` is row-major and acts on homogeneous pixel coordinates in which the first pixel reaches from 0 to 1 and its
centre lies at .5; x points right, y down, sizes are (width, height). Which part of a picture to keep is decided by the
tools, not here.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from sessions.errors import BadArguments, EditError
from sessions.values import Geometry, Picture, Pixels
from tools.base import Progress
from tools.pixels import BAND_PIXELS, bands

Doubles = NDArray[np.float64]
Size = tuple[int, int]
Axis = Literal["horizontal", "vertical"]

MAX_SIDE = 16_384
MAX_PIXELS = 64 * 2**20
"""As many as come in through the door."""


def check_size(width: int, height: int) -> None:
    """Refuse a picture larger than any we keep: sides up to 16 384, 64 megapixels in all."""
    if max(width, height) > MAX_SIDE:
        raise BadArguments(
            f"The result would be {width} × {height} pixels; a side can have at most {MAX_SIDE}.",
            "Ask for a smaller size.",
        )
    if width * height > MAX_PIXELS:
        raise BadArguments(
            f"The result would have {math.ceil(width * height / 2**20)} megapixels; {MAX_PIXELS // 2**20} is the most.",
            "Ask for a smaller size.",
        )


# --- matrices ---------------------------------------------------------------------------------------------------------


def matrix(geometry: Geometry) -> Doubles:
    """The geometry as a (3, 3) array."""
    return np.array(geometry, np.float64).reshape(3, 3)


def from_matrix(m: Doubles) -> Geometry:
    """A (3, 3) array as a geometry, scaled so that its last entry is 1."""
    a, b, c, d, e, f, g, h, i = (float(v) for v in (m / m[2, 2]).ravel())
    return a, b, c, d, e, f, g, h, i


def compose(first: Geometry, then: Geometry) -> Geometry:
    """Where a pixel is after `first` and, on its result, `then`."""
    return from_matrix(matrix(then) @ matrix(first))


def invert(geometry: Geometry) -> Geometry:
    """From the result's pixels back to the parent's. EditError where the geometry lays the picture flat."""
    m = matrix(geometry)
    if abs(np.linalg.det(m)) < 1e-12:
        raise EditError("This change of shape cannot be turned back.")
    return from_matrix(np.linalg.inv(m).astype(np.float64))


def crop(x0: float, y0: float) -> Geometry:
    """The window whose top left corner is (x0, y0); negative values grow the picture at the left and top."""
    return (1.0, 0.0, float(-x0), 0.0, 1.0, float(-y0), 0.0, 0.0, 1.0)


def scale(sx: float, sy: float) -> Geometry:
    """Every length times sx across and sy down."""
    return (float(sx), 0.0, 0.0, 0.0, float(sy), 0.0, 0.0, 0.0, 1.0)


def flip(axis: Axis, size: Size) -> Geometry:
    """The mirror image of a picture of `size`: horizontal swaps left and right, vertical top and bottom."""
    width, height = size
    if axis == "horizontal":
        return (-1.0, 0.0, float(width), 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    return (1.0, 0.0, 0.0, 0.0, -1.0, float(height), 0.0, 0.0, 1.0)


def rotate(degrees: float, size: Size, onto: Size) -> Geometry:
    """Clockwise about the centre of a picture of `size`, which comes to lie on the centre of one of size `onto`."""
    c, s = _cos_sin(degrees)
    (w, h), (w2, h2) = size, onto
    return (c, -s, (w2 - c * w + s * h) / 2, s, c, (h2 - s * w - c * h) / 2, 0.0, 0.0, 1.0)


def _cos_sin(degrees: float) -> tuple[float, float]:
    """Exact at quarter turns, where math.cos is off by 1e-16 and a whole number of pixels would be too."""
    quarter, rest = divmod(degrees, 90.0)
    if rest == 0:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarter) % 4]
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


# --- sizes of a rotated picture ---------------------------------------------------------------------------------------


def _extent(size: Size, degrees: float) -> tuple[float, float]:
    """Width and height of the upright rectangle around a picture of `size` rotated by `degrees`."""
    c, s = (abs(v) for v in _cos_sin(degrees))
    return size[0] * c + size[1] * s, size[0] * s + size[1] * c


def enclosing(size: Size, degrees: float) -> Size:
    """The smallest canvas that holds a picture of `size` rotated by `degrees`."""
    width, height = _extent(size, degrees)
    return max(1, math.ceil(width - 1e-6)), max(1, math.ceil(height - 1e-6))


def inscribed(size: Size, degrees: float) -> Size:
    """The largest picture of the same aspect, at least 1 × 1, that fits into one of `size` rotated by `degrees`.

    A w × h rectangle shrunk by k lies inside W × H turned by θ when its own rotation by −θ does:
    k·(w|cos θ| + h|sin θ|) ≤ W and k·(w|sin θ| + h|cos θ|) ≤ H.
    """
    width, height = _extent(size, degrees)
    k = min(size[0] / width, size[1] / height)
    return max(1, int(size[0] * k + 1e-6)), max(1, int(size[1] * k + 1e-6))


# --- along a geometry -------------------------------------------------------------------------------------------------


def warp_points(points: Doubles, geometry: Geometry) -> Doubles:
    """(N, 2) points x, y of the parent → (N, 2) points of the result."""
    p = np.column_stack([points, np.ones(len(points))]) @ matrix(geometry).T
    out: Doubles = p[:, :2] / p[:, 2:]
    return out


def warp_mask(mask: Pixels, geometry: Geometry, size: Size) -> Pixels:
    """A mask, uint8 (H, W), of the parent → a new one of the result, whose size is (width, height).

    Linear; where the picture becomes smaller, averaged over areas first, so that nothing thin is lost. 0 where the
    result shows nothing of the parent.
    """
    small, m = _shrunk(mask, geometry)
    back = np.linalg.inv(_centred(m))
    flags = cv2.WARP_INVERSE_MAP
    inside = cv2.warpPerspective(np.full_like(small, 255), back, size, flags=flags | cv2.INTER_NEAREST)
    out = cv2.warpPerspective(small, back, size, flags=flags | cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.bitwise_and(out, inside).astype(np.uint8, copy=False)


def _shrunk(mask: Pixels, geometry: Geometry) -> tuple[Pixels, Doubles]:
    """The mask averaged down by as much as the geometry shrinks each side, and the matrix that is left to do."""
    m = matrix(geometry)
    height, width = mask.shape
    sx, sy = (min(1.0, float(np.hypot(*m[:2, i]))) for i in (0, 1))
    small_width, small_height = max(1, round(width * sx)), max(1, round(height * sy))
    if (small_width, small_height) == (width, height):
        return mask, m
    small = cv2.resize(mask, (small_width, small_height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return small, m @ matrix(scale(width / small_width, height / small_height))


def _centred(m: Doubles) -> Doubles:
    """The same matrix for coordinates whose whole numbers are pixel centres, as OpenCV counts."""
    return matrix(crop(0.5, 0.5)) @ m @ matrix(crop(-0.5, -0.5))


# --- pictures ---------------------------------------------------------------------------------------------------------


def is_opaque(picture: Picture) -> bool:
    """No pixel lets anything shine through."""
    return picture.alpha is None or bool(picture.alpha.min() == 255)


def premultiply(pixels: Pixels) -> NDArray[np.uint16]:
    """RGBA (H, W, 4) → (R·α, G·α, B·α, 255·α), exact in 16 bits: what may be averaged without colour fringes."""
    out = pixels.astype(np.uint16)
    out[..., :3] *= out[..., 3:]
    out[..., 3] *= 255
    return out


def unpremultiply(p: NDArray[np.uint16]) -> Pixels:
    """The inverse of `premultiply`, rounded to nearest; colours that nobody can see become black."""
    alpha = np.ascontiguousarray(p[..., 3])
    by = cv2.merge([alpha, alpha, alpha, np.full_like(alpha, 255 * 255)])
    return cv2.divide(p, by, scale=255, dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def resample(
    picture: Picture, geometry: Geometry, size: Size, canvas: bool = False
) -> Generator[Progress, None, Picture]:
    """The picture along an affine geometry that keeps lengths, on `size` (width, height).

    Lanczos over 8 × 8 pixels, cut into bands of rows (bit for bit the uncut result). What lies just beyond the
    picture's edge is taken to look like the edge; with `canvas` it is transparent, and the result has an alpha plane.
    """
    width, height = size
    opaque = is_opaque(picture)
    yield Progress(0.0)
    source: NDArray[Any] = picture.pixels if opaque else premultiply(picture.pixels)
    yield Progress(0.0)
    source = _edged(source)
    solid = np.full(picture.pixels.shape[:2], 255, np.uint8) if canvas else None
    back = np.linalg.inv(_centred(matrix(geometry)))
    out = np.empty((height, width, 4 if canvas else source.shape[2]), np.uint8)
    for rows, _, _ in bands(height, width, pixels=BAND_PIXELS // 2):
        yield Progress(rows.start / height)
        shifted = back @ matrix(crop(0, -rows.start))
        onto = (width, rows.stop - rows.start)
        raw = cv2.warpAffine(source, (matrix(crop(-_EDGE, -_EDGE)) @ shifted)[:2], onto, flags=_LANCZOS)
        band = raw.astype(np.uint8, copy=False) if opaque else unpremultiply(raw.astype(np.uint16, copy=False))
        if solid is None:
            out[rows] = band
        else:
            _cover(out[rows], band, cv2.warpAffine(solid, shifted[:2], onto, flags=_LINEAR))
    return Picture(out)


def _edged(source: NDArray[Any]) -> NDArray[Any]:
    """The picture with its outermost pixels repeated, as far as the filter reaches.

    OpenCV can do so by itself, three times more slowly wherever the result shows what is outside.
    """
    return cv2.copyMakeBorder(source, _EDGE, _EDGE, _EDGE, _EDGE, cv2.BORDER_REPLICATE)


def _cover(out: Pixels, band: Pixels, cover: NDArray[Any]) -> None:
    """Write a band (h, w, 3 or 4) into `out` (h, w, 4), as far as the picture covers its pixels (h, w)."""
    if band.shape[2] == 4:
        cover = cv2.multiply(cover, np.ascontiguousarray(band[..., 3]), scale=1 / 255)
    cv2.mixChannels([band, cover], [out], [0, 0, 1, 1, 2, 2, band.shape[2], 3])


_EDGE = 5
_LANCZOS = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
_LINEAR = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
