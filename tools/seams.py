"""Hides the seams of a picture put together from copied pixels, in the gradient domain.

Pérez, Gangnet, Blake, "Poisson Image Editing" (SIGGRAPH 2003) with as many sources as there are seams; screened as in
Bhat et al. (ECCV 2008), and torn where two pieces differ by too much to be a seam, so that no colour bleeds across a
true edge. Moves no pixel: which one copies which is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.pixels import Floats

Bools = NDArray[np.bool_]
Index = NDArray[np.int64]

TEAR = 30.0
AGREE = 5.0
"""In grey levels: how big a seam may be that is hidden, and how much two sources may differ in what it should be."""
SCREEN = 1e-3
"""λ: how strongly the correction is drawn to zero; its reach is about 1/√λ pixels."""
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


@dataclass(frozen=True, eq=False)
class Seams:
    """The linear system (Σw + λ) e_p − Σ_q w_pq e_q = b_p over the n pixels of a hole, their 4 neighbours q.

    neighbour: (4, n) places of q among the n, or n where q is known, its e being 0; weight: (4, n); b: (n, 3).
    """

    neighbour: Index
    weight: Floats
    b: Floats

    def apply(self, e: Floats) -> Floats:
        """The left side."""
        padded = np.vstack([e, np.zeros((1, 3), np.float32)])
        out = self.diagonal * e
        for q, w in zip(self.neighbour, self.weight, strict=True):
            out -= w[:, None] * padded[q]
        return out

    @property
    def diagonal(self) -> Floats:
        return np.asarray(self.weight.sum(axis=0)[:, None] + np.float32(SCREEN), np.float32)


def seams(rgb: Floats, hole: Bools, source: Index) -> Seams:
    """What is to be corrected. rgb (H, W, 3), hole (H, W), source (H·W,) the flat index of the pixel each one copies.

    Where p and q are neighbours but their sources are not, the step from p to q should be the mean of what two sources
    show: p's, from it to what lies beside it there, and q's, from what lies beside that to it. The present step differs
    from this by m. Wanted is e, zero outside the hole, with min Σ w (e_q − e_p − m)² + λ Σ e². w falls where m is too
    big for a seam (TEAR) and where the two sources do not agree on the step (AGREE), both as exp(−|.|²/2τ²).
    """
    width, inside, flat = hole.shape[1], hole.ravel(), rgb.reshape(-1, 3)
    who = np.flatnonzero(inside)
    place = np.full(hole.size, who.size)
    place[who] = np.arange(who.size)
    neighbour = np.full((4, who.size), who.size)
    weight, b = np.zeros((4, who.size), np.float32), np.zeros((who.size, 3), np.float32)
    for k, (dy, dx) in enumerate(STEPS):
        ok = beside(who, dy, dx, hole.shape) >= 0
        p, q = who[ok], who[ok] + dy * width + dx
        m, w = mismatch(flat, inside, (source[p], source[q]), (dy, dx), hole.shape)
        neighbour[k, ok], weight[k, ok] = place[q], w
        b[ok] -= w[:, None] * m
    return Seams(neighbour, weight, b)


def beside(p: Index, dy: int, dx: int, shape: tuple[int, ...]) -> Index:
    """The flat index of each pixel's neighbour, -1 outside the picture."""
    y, x = np.divmod(p, shape[1])
    ok = (y + dy >= 0) & (y + dy < shape[0]) & (x + dx >= 0) & (x + dx < shape[1])
    return np.where(ok, p + dy * shape[1] + dx, -1)


def mismatch(
    flat: Floats, inside: Bools, ends: tuple[Index, Index], step: tuple[int, int], shape: tuple[int, ...]
) -> tuple[Floats, Floats]:
    """(m, w), (n, 3) and (n,), between neighbours that copy a = ends[0] and b = ends[1]; m is 0 where nobody knows."""
    a, b = ends
    after, before = beside(a, *step, shape), beside(b, -step[0], -step[1], shape)
    u = (after >= 0) & ~inside[after]
    v = (before >= 0) & ~inside[before]
    now = flat[b] - flat[a]
    first = np.where((u | v)[:, None], np.where(u[:, None], flat[after] - flat[a], flat[b] - flat[before]), now)
    second = np.where(v[:, None], flat[b] - flat[before], first)
    m = (first + second) / 2 - now
    return m, np.exp(-((m / TEAR) ** 2 + ((first - second) / AGREE) ** 2).sum(axis=1) / 2)


def solve(system: Seams, rounds: int) -> Generator[None, None, Floats]:
    """e (n, 3) after some rounds of conjugate gradients with Jacobi's preconditioner, from zero."""
    diagonal = system.diagonal
    e, r = np.zeros_like(system.b), system.b
    z = r / diagonal
    d, rz = z, (r * z).sum(axis=0)
    for _ in range(rounds):
        ad = system.apply(d)
        alpha = rz / np.maximum((d * ad).sum(axis=0), 1e-12)
        e, r = e + alpha * d, r - alpha * ad
        z = r / diagonal
        fresh = (r * z).sum(axis=0)
        d, rz = z + fresh / np.maximum(rz, 1e-12) * d, fresh
        yield
    return e
