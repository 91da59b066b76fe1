"""Samplers: generators over a denoiser D(x, σ) and descending levels σ_0 > … > σ_N ≥ 0. One function per algorithm.

Each yields a `State` after every network evaluation and returns x at σ_N; closing one stops before the next evaluation.
They know no network, no guidance, no device and draw no noise. `sigmas`: float64 (N + 1,) on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from tools.diffusion.guidance import Denoiser


@dataclass(frozen=True, eq=False)
class State:
    """After evaluation `index` (0 … total - 1): x and what D made of it at σ."""

    index: int
    total: int
    x: Tensor
    denoised: Tensor
    sigma: Tensor


Sampler = Generator[State, None, Tensor]


def euler(D: Denoiser, x: Tensor, sigmas: Tensor) -> Sampler:
    """Euler's method on dx/dσ = (x - D(x, σ)) / σ; on `ddim_sigmas` it is DDIM, η = 0 (Song et al., 2010.02502)."""
    for i, (sigma, target) in enumerate(pairwise(sigmas)):
        denoised = D(x, sigma)
        yield State(i, len(sigmas) - 1, x, denoised, sigma)
        x = x + (x - denoised) / sigma * (target - sigma)
    return x


ddim = euler


def euler_ancestral(D: Denoiser, x: Tensor, sigmas: Tensor, noise: Callable[[], Tensor]) -> Sampler:
    """Euler to below the next level, then noise() ~ N(0, I) of x's shape up to it (k-diffusion)."""
    for i, (sigma, target) in enumerate(pairwise(sigmas)):
        denoised = D(x, sigma)
        yield State(i, len(sigmas) - 1, x, denoised, sigma)
        up = (target**2 * (sigma**2 - target**2) / sigma**2).sqrt().minimum(target)
        down = (target**2 - up**2).sqrt()
        x = x + (x - denoised) / sigma * (down - sigma)
        if target > 0:
            x = x + up * noise()
    return x


def heun(D: Denoiser, x: Tensor, sigmas: Tensor) -> Sampler:
    """Heun's second-order method, Euler's into σ = 0 (Karras et al., arXiv 2206.00364, Algorithm 1)."""
    total = 2 * (len(sigmas) - 1) - int(sigmas[-1] == 0)
    for i, (sigma, target) in enumerate(pairwise(sigmas)):
        denoised = D(x, sigma)
        yield State(2 * i, total, x, denoised, sigma)
        d = (x - denoised) / sigma
        if target > 0:
            ahead = x + d * (target - sigma)
            denoised = D(ahead, target)
            yield State(2 * i + 1, total, ahead, denoised, target)
            d = (d + (ahead - denoised) / target) / 2
        x = x + d * (target - sigma)
    return x


def plms(D: Denoiser, x: Tensor, sigmas: Tensor) -> Sampler:
    """Pseudo linear multistep (PNDM, Liu et al., arXiv 2202.09778, without Runge-Kutta): N + 1 evaluations.

    The first step is done twice, the second time with the mean of both ends' ε; its first guess is then forgotten.
    """
    weights = ([1.0], [1.5, -0.5], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24])
    past: list[Tensor] = []
    for i, (sigma, target) in enumerate(pairwise(sigmas)):
        denoised = D(x, sigma)
        yield State(i + (i > 0), len(sigmas), x, denoised, sigma)
        past = [(x - denoised) / sigma, *past[:3]]
        epsilon = sum((w * e for w, e in zip(weights[len(past) - 1], past, strict=True)), torch.zeros_like(x))
        if i == 0 and target > 0:
            ahead = x + epsilon * (target - sigma)
            denoised = D(ahead, target)
            yield State(1, len(sigmas), ahead, denoised, target)
            epsilon = (epsilon + (ahead - denoised) / target) / 2
        x = x + epsilon * (target - sigma)
    return x


def dpmpp_2m(D: Denoiser, x: Tensor, sigmas: Tensor) -> Sampler:
    """DPM-Solver++(2M): second-order multistep in λ = -log σ (Lu et al., arXiv 2211.01095, Algorithm 2)."""
    before, h_before = None, None
    for i, (sigma, target) in enumerate(pairwise(sigmas)):
        denoised = D(x, sigma)
        yield State(i, len(sigmas) - 1, x, denoised, sigma)
        h = sigma.log() - target.log()
        estimate = denoised
        if before is not None and h_before is not None and target > 0:
            estimate = denoised + (denoised - before) * (h / h_before / 2)
        x = target / sigma * x - (-h).expm1() * estimate
        before, h_before = denoised, h
    return x
