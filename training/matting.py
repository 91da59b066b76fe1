"""A thing cut out of a photo: three regions from a heat map, its exact share of every pixel, and it on another ground.

Closed-form matting (Levin, Lischinski, Weiss, "A Closed Form Solution to Natural Image Matting", CVPR 2006): where the
colours of a window lie on a line for the thing and on one for what is behind, α is linear in the colour. Images are
RGB levels 0…255, (h, w, 3); α and heat are (h, w), 0…1. Finds nothing in a photo: the heat comes from elsewhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import LinearOperator, cg

from sessions.values import Pixels
from tools.pixels import Floats

LOW, HIGH = 0.1, 0.5
"""Below: background; above: the thing; between: unknown."""
EPSILON, PINNED = 1e-7, 100.0
"""ε of a window's covariance and λ of what the trimap knows, as in the paper, for colours 0…1."""
PRECISE, ROUNDS = 1e-6, 2000
"""Where conjugate gradients stop: the residual's share of the right side, or so many iterations."""
UNKNOWN = 0.5


def trimap(heat: Floats, low: float = LOW, high: float = HIGH) -> Floats:
    """1 the thing, 0 what is behind, 0.5 unknown."""
    return np.where(heat >= high, 1.0, np.where(heat < low, 0.0, UNKNOWN)).astype(np.float32)


def matte(rgb: Pixels, known: Floats) -> Floats:
    """α of (L + λD) α = λD · trimap, D diagonal with 1 where the trimap is known. Equal to it where nothing is not."""
    sure = (known != UNKNOWN).ravel()
    if sure.all():
        return known
    laplacian = colour_lines(rgb, ~sure.reshape(known.shape))
    pinned = PINNED * sure
    system = (laplacian + diags_array(pinned)).tocsr()
    diagonal = np.maximum(system.diagonal(), EPSILON)
    jacobi = LinearOperator(system.shape, lambda x: x.ravel() / diagonal, dtype=np.float64)
    start = known.ravel().astype(np.float64)
    found, _ = cg(system, pinned * start, start, rtol=PRECISE, maxiter=ROUNDS, M=jacobi)
    return np.clip(found, 0, 1).reshape(known.shape).astype(np.float32)


def colour_lines(rgb: Pixels, unknown: NDArray[np.bool_]) -> csr_array:
    """The matting Laplacian (n, n), n = h w: L_ij = Σ_k δ_ij − (1 + (I_i − μ_k)ᵀ (Σ_k + ε/9 · 1)⁻¹ (I_j − μ_k)) / 9.

    Over all 3 × 3 windows k that hold i and j and something unknown: the others only tie known pixels to each other.
    """
    h, w = unknown.shape
    numbers = np.arange(h * w).reshape(h, w)
    windows = np.lib.stride_tricks.sliding_window_view(numbers, (3, 3)).reshape(-1, 9)
    windows = windows[unknown.ravel()[windows].any(1)]  # (K, 9)
    colours = rgb.reshape(-1, 3)[windows] / 255.0  # (K, 9, 3)
    apart = colours - colours.mean(1, keepdims=True)
    covariance = apart.transpose(0, 2, 1) @ apart / 9 + EPSILON / 9 * np.eye(3)
    alike = apart @ np.linalg.solve(covariance, apart.transpose(0, 2, 1))
    values = np.eye(9) - (1 + alike) / 9  # (K, 9, 9)
    rows, columns = np.repeat(windows, 9, axis=1), np.tile(windows, 9)
    return csr_array((values.ravel(), (rows.ravel(), columns.ravel())), shape=(h * w, h * w))


def composite(fore: Floats, alpha: Floats, behind: Pixels) -> Pixels:
    """αF + (1 − α)B, uint8."""
    share = alpha[..., None]
    mixed = share * fore + (1 - share) * behind.astype(np.float32)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)
