"""A soft division of the superpixels in two, spread from a guess of what is inside: by colour, and along what is alike.

Unlike a graph cut it changes little when the picture does: one linear system per round, no clustering, nothing drawn by
lot. Its edges are those of the superpixels. Does not make the guess.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.grounding.superpixels import Superpixels, Values

ROUNDS = 5
SIGMA = 9.0
"""Lab distance up to which two superpixels count as of one colour."""
ALIKE = 0.7
"""σ of the affinity of neighbours, in root mean square colour steps of the picture; at least LEAST_STEP."""
LEAST_STEP = 5.0
TIE = 0.5
"""How much a superpixel heeds its own likelihood; its neighbours count as their affinity, 0…1."""
HOLD = 1e4
"""The same for what is fixed."""
FAINT = 1e-3


def spread(s: Superpixels, guess: Values, fixed: NDArray[np.int_], *, colour: float, smooth: float) -> Values:
    """(n,) 0…1: how far each superpixel is inside, from `guess`, (n,) 0…1, and `fixed`, (n,) 1 in, −1 out, 0 open.

    A random walk with restart that minimises Σ λ w_ij (x_i − x_j)² + Σ d_i (x_i − z_i)² (Grady, Random Walks for Image
    Segmentation, TPAMI 2006, with the priors of Grady, CVPR 2005): w_ij = exp(−ΔLab² / 2σ²) between neighbours, λ =
    `smooth`, z the posterior of the guess and of the colours inside and outside, whose log odds count `colour` times
    and which are estimated anew from x in each round.
    """
    alike = np.exp(-(s.colour_distance**2) / (2 * SIGMA**2)) * s.pixels
    steps = s.colour_distance[s.neighbours]
    sigma = max(LEAST_STEP, ALIKE * float(np.linalg.norm(steps)) / max(1, steps.size) ** 0.5)
    w = smooth * s.neighbours * np.exp(-(s.colour_distance**2) / (2 * sigma**2))
    d = np.where(fixed != 0, HOLD, TIE)
    system = np.diag(w.sum(axis=1) + d) - w
    guess = np.clip(guess, 0.01, 0.99)
    x, prior = guess, np.log(guess / (1 - guess))
    for _ in range(ROUNDS):
        inside, outside = s.pixels @ x, s.pixels @ (1 - x)
        likely = alike @ x / max(1.0, float(inside)) + FAINT, alike @ (1 - x) / max(1.0, float(outside)) + FAINT
        odds = np.log(likely[0] / likely[1])
        z = 1 / (1 + np.exp(-(colour * odds + prior)))
        z = np.where(fixed > 0, 1.0, np.where(fixed < 0, 0.0, z))
        x = np.clip(np.linalg.solve(system, d * z), 0, 1)
    return np.asarray(x, dtype=np.float64)
