"""Blends a picture into another one in the gradient domain: its gradients stay, at the rim its colours are the other's.

Pérez, Gangnet, Blake, "Poisson Image Editing" (SIGGRAPH 2003). With the guidance field v = ∇g, equations 7 and 8 for
f = g + e become Δe = 0 inside, e = f* − g on the rim (their equation 5): a membrane, which is found coarse to fine.
Chooses no regions and mixes no mattes.
"""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.pixels import Floats

Bools = NDArray[np.bool_]

CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
ROUNDS = 24
"""Of conjugate gradients at full size; each coarser size has half as many pixels a side and gets twice the rounds."""
MOST_ROUNDS = 200
CLOSE = 0.01
"""Root mean square of what is left, in the units of e, that is near enough."""
SMALLEST = 8


def membrane(known: Floats, inside: Bools) -> Generator[None, None, Floats]:
    """e (h, w, 3): equal to `known` (h, w, 3) beside `inside` (h, w), and there the mean of its four neighbours.

    Where `inside` touches the border of the array nothing is prescribed: e is flat across it. Yields once a round, some
    20 ms on 250,000 pixels; larger pictures are better reduced first, as e is smooth. Cascadic multigrid with conjugate
    gradients as its smoother (Bornemann, Deuflhard, Numerische Mathematik 75, 1996).
    """
    return (yield from _relaxed(known, inside, ROUNDS))


def _relaxed(known: Floats, inside: Bools, rounds: int) -> Generator[None, None, Floats]:
    """The membrane at one size, begun with the one at half that size."""
    e = known.copy()
    if min(inside.shape) > SMALLEST and inside.any():
        coarse = yield from _relaxed(*_halved(known, inside), min(2 * rounds, MOST_ROUNDS))
        guess = cv2.resize(coarse, (2 * coarse.shape[1], 2 * coarse.shape[0]), interpolation=cv2.INTER_LINEAR)
        np.copyto(e, guess[: inside.shape[0], : inside.shape[1]], where=inside[..., None])
    return (yield from _conjugate_gradients(e, inside.astype(np.float32)[..., None], rounds))


def _conjugate_gradients(e: Floats, within: Floats, rounds: int) -> Generator[None, None, Floats]:
    """Lowers ½ Σ (e_p − e_q)² over neighbours p, q; `within` (h, w, 1) is 1 where e (h, w, 3) may change, else 0."""
    r = -within * _laplacian(e)
    d, rr = r, _dot(r, r)
    for _ in range(rounds):
        if rr.max() <= CLOSE**2 * within.sum():
            break
        ad = within * _laplacian(d)
        alpha = rr / np.maximum(_dot(d, ad), 1e-9)
        e, r = e + alpha * d, r - alpha * ad
        fresh = _dot(r, r)
        d, rr = r + fresh / np.maximum(rr, 1e-9) * d, fresh
        yield
    return e


def _laplacian(e: Floats) -> Floats:
    """Σ_q (e_p − e_q) over the four neighbours of each pixel, (h, w, 3); across the border there is no difference."""
    return np.asarray(4 * e - cv2.filter2D(e, -1, CROSS, borderType=cv2.BORDER_REPLICATE), np.float32)


def _dot(a: Floats, b: Floats) -> Floats:
    """Of each channel, (3,)."""
    return np.asarray(np.einsum("ijk,ijk->k", a, b), np.float32)


def _halved(known: Floats, inside: Bools) -> tuple[Floats, Bools]:
    """Both at half the size: a cell is inside if all its pixels are, else it has the mean of the rim in it."""
    border = (0, inside.shape[0] % 2, 0, inside.shape[1] % 2)
    known = np.asarray(cv2.copyMakeBorder(known, *border, cv2.BORDER_REPLICATE), np.float32)
    within = cv2.copyMakeBorder(inside.view(np.uint8), *border, cv2.BORDER_REPLICATE)
    rim = np.subtract(cv2.dilate(within, CROSS.astype(np.uint8)), within, dtype=np.float32)
    size = (within.shape[1] // 2, within.shape[0] // 2)
    weight = cv2.resize(rim, size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(known * rim[..., None], size, interpolation=cv2.INTER_AREA)
    mean = total / np.maximum(weight, np.float32(0.25))[..., None]
    full = cv2.resize(within * 255, size, interpolation=cv2.INTER_AREA) == 255
    return np.asarray(mean, np.float32), np.asarray(full)
