"""DDIM inversion: from a picture's latent up to noise. The first-order form of the papers, and one that is exact.

The same conventions as `sampling`; decides nothing about guidance (D is given).
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import pairwise

import torch
from torch import Tensor

from tools.diffusion.guidance import Denoiser
from tools.diffusion.latents import unsettled
from tools.diffusion.sampling import State

Inversion = Generator[State, None, Tensor]


def invert(D: Denoiser, z0: Tensor, sigmas: Tensor) -> Inversion:
    """DDIM run backwards, ε taken at the level that is gone to (Song et al., arXiv 2010.02502; as diffusers and LAVIS).

    z0: (B, 4, h, w), what the autoencoder gave; sigmas: (N + 1,) ascending, the first z0's own. Returns x at every
    level, (N + 1, B, 4, h, w).
    """
    xs = [unsettled(z0, sigmas[0])]
    for i, (sigma, target) in enumerate(pairwise(sigmas)):
        x = _seen_as(xs[-1], sigma, target)
        denoised = D(x, target)
        yield State(i, len(sigmas) - 1, x, denoised, target)
        xs.append(xs[-1] + (x - denoised) / target * (target - sigma))
    return torch.stack(xs)


def invert_exact(D: Denoiser, z0: Tensor, sigmas: Tensor, tolerance: float = 1e-6, rounds: int = 20) -> Inversion:
    """The x at each level from which a DDIM step leads back: the fixed point of x = x_p + (σ - σ_p) ε(x, σ).

    Starts from `invert`'s guess and iterates until x moves by at most `tolerance` of its largest value, or `rounds`
    times (Pan et al., arXiv 2309.04907, without its acceleration). `ddim` then retraces it.
    """
    xs = [unsettled(z0, sigmas[0])]
    for i, (sigma, target) in enumerate(pairwise(sigmas)):
        x = _seen_as(xs[-1], sigma, target)
        for _ in range(rounds + 1):
            denoised = D(x, target)
            yield State(i, len(sigmas) - 1, x, denoised, target)
            moved = xs[-1] + (x - denoised) / target * (target - sigma)
            change = (moved - x).abs().amax()
            x = moved
            if change <= tolerance * x.abs().amax():
                break
        xs.append(x)
    return torch.stack(xs)


def _seen_as(x: Tensor, sigma: Tensor, target: Tensor) -> Tensor:
    """x scaled so that the network, told σ of the target, is given what x looks like at its own σ."""
    return x * ((target**2 + 1) / (sigma**2 + 1)).sqrt()
