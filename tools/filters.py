"""Edge-aware smoothing that several tools share: the guided filter, whole and fast. Knows nothing of tools or masks.

Arrays are float32. A guide is 0…1, so that `eps` means the same for every picture: edges whose variance lies well above
`eps` stay, flatter places are averaged (0.1² is gentle to texture, 0.01² keeps nearly everything).
"""

from __future__ import annotations

import cv2
import numpy as np

from tools.pixels import Floats


def box_mean(x: Floats, radius: int) -> Floats:
    """Mean over the (2·radius + 1)² window around each pixel, the border mirrored; x is (H, W) or (H, W, C ≤ 4)."""
    side = 2 * radius + 1
    return np.asarray(cv2.blur(x, (side, side), borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def guided_filter(guide: Floats, src: Floats, radius: int, eps: float, subsample: int = 1) -> Floats:
    """Smooth `src` so that its edges are those of `guide`: q = ā·I + b̄.

    guide I: (H, W) grey or (H, W, 3) colour, 0…1. src p: (H, W). radius in pixels of `guide`, ≥ 1. Returns q, (H, W);
    q may leave the range of p slightly beside strong edges. Rounding stays below 0.001 for eps ≥ 0.0001.
    `subsample` > 1 finds a and b on a copy reduced by that factor and enlarges them bilinearly: nearly the same
    picture, subsample² times less work.

    He, Sun, Tang, Guided Image Filtering, ECCV 2010 / TPAMI 2013, equations 4–8 (grey) and 14–16 (colour);
    He, Sun, Fast Guided Filter, arXiv:1505.00996 (subsample).
    """
    height, width = src.shape
    if subsample > 1:
        small = (max(1, round(width / subsample)), max(1, round(height / subsample)))
        a, b = guided_coefficients(_reduce(guide, small), _reduce(src, small), max(1, round(radius / subsample)), eps)
        a, b = enlarge(a, width, height), enlarge(b, width, height)
    else:
        a, b = guided_coefficients(guide, src, radius, eps)
    return apply_coefficients(a, b, guide)


def _reduce(x: Floats, size: tuple[int, int]) -> Floats:
    return np.asarray(cv2.resize(x, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def enlarge(x: Floats, width: int, height: int) -> Floats:
    """`x` at another size, bilinearly."""
    return np.asarray(cv2.resize(x, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def enlarge_rows(x: Floats, size: tuple[int, int], rows: slice) -> Floats:
    """Only these rows of `enlarge(x, *size)`, so that a large picture need not hold the whole of it."""
    width, height = size
    centre = (np.arange(rows.start, rows.stop) + 0.5) * (x.shape[0] / height) - 0.5
    above = np.floor(centre)
    t = (centre - above).astype(np.float32).reshape(-1, *[1] * (x.ndim - 1))
    first = np.clip(above, 0, x.shape[0] - 1).astype(np.intp)
    second = np.clip(above + 1, 0, x.shape[0] - 1).astype(np.intp)
    return enlarge(x[first] + (x[second] - x[first]) * t, width, rows.stop - rows.start)


def guided_coefficients(guide: Floats, src: Floats, radius: int, eps: float) -> tuple[Floats, Floats]:
    """ā and b̄ of the guided filter: a is shaped like `guide`, b like `src`.

    For callers that enlarge them and apply them band by band with `apply_coefficients`.
    """
    solve = _grey_coefficients if guide.ndim == 2 else _colour_coefficients
    a, b = solve(guide, src, radius, eps)
    return box_mean(a, radius), box_mean(b, radius)


def apply_coefficients(a: Floats, b: Floats, guide: Floats) -> Floats:
    """q = a·I + b, per pixel; the same shapes as in `guided_coefficients`."""
    product = a * guide
    return b + (product if guide.ndim == 2 else product[..., 0] + product[..., 1] + product[..., 2])


def _grey_coefficients(i: Floats, p: Floats, radius: int, eps: float) -> tuple[Floats, Floats]:
    mean_i, mean_p = box_mean(i, radius), box_mean(p, radius)
    var_i = box_mean(i * i, radius) - mean_i * mean_i
    cov_ip = box_mean(i * p, radius) - mean_i * mean_p
    a: Floats = np.divide(cov_ip, var_i + np.float32(eps), dtype=np.float32)
    return a, mean_p - a * mean_i


def _colour_coefficients(i: Floats, p: Floats, radius: int, eps: float) -> tuple[Floats, Floats]:
    """a = (Σ + εU)⁻¹ cov(I, p), the 3×3 inverse by cofactors because np.linalg is slow on many small ones."""
    mean_i, mean_p = box_mean(i, radius), box_mean(p, radius)
    cov_ip = box_mean(i * p[..., None], radius) - mean_i * mean_p[..., None]  # (H, W, 3)

    def sigma(j: int, k: int) -> Floats:
        return box_mean(i[..., j] * i[..., k], radius) - mean_i[..., j] * mean_i[..., k]

    e = np.float32(eps)
    rr, gg, bb = sigma(0, 0) + e, sigma(1, 1) + e, sigma(2, 2) + e
    rg, rb, gb = sigma(0, 1), sigma(0, 2), sigma(1, 2)
    c_rr, c_gg, c_bb = gg * bb - gb * gb, rr * bb - rb * rb, rr * gg - rg * rg
    c_rg, c_rb, c_gb = gb * rb - rg * bb, rg * gb - gg * rb, rb * rg - rr * gb
    det = rr * c_rr + rg * c_rg + rb * c_rb
    r, g, b = cov_ip[..., 0], cov_ip[..., 1], cov_ip[..., 2]
    a_r, a_g, a_b = c_rr * r + c_rg * g + c_rb * b, c_rg * r + c_gg * g + c_gb * b, c_rb * r + c_gb * g + c_bb * b
    a = np.stack([a_r / det, a_g / det, a_b / det], axis=-1)
    return a, mean_p - (a * mean_i).sum(axis=-1, dtype=np.float32)
