"""Guidance: one denoiser D(x, σ) of several conditions, ε = Σ w_i ε_i with Σ w_i = 1.

Terms of weight 0 are never evaluated; terms of the same condition are evaluated once. Knows no sampler.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from tools.diffusion.denoiser import Condition, Network, same
from tools.diffusion.graphs import Denoiser as Denoiser
from tools.diffusion.graphs import replayed

Term = tuple[float, Condition]


def mixed(network: Network, terms: Sequence[Term]) -> Denoiser:
    """D of a weighted mean of conditions; ValueError unless the weights sum to 1."""
    kept = merged(terms)
    conditions = [condition for _, condition in kept]

    def D(x: Tensor, sigma: Tensor) -> Tensor:
        eps = network.eps(x, sigma, conditions)  # (R, B, 4, h, w)
        return x - sigma * sum((w * e for (w, _), e in zip(kept[1:], eps[1:], strict=True)), kept[0][0] * eps[0])

    return replayed(D, lambda: network.phase())


def classifier_free(network: Network, cond: Condition, uncond: Condition, scale: float) -> Denoiser:
    """ε_∅ + s (ε_c - ε_∅) (Ho & Salimans, arXiv 2207.12598, in Imagen's convention: s = 1 is no guidance)."""
    return mixed(network, [(scale, cond), (1 - scale, uncond)])


def two_scales(
    network: Network, both: Condition, image: Condition, nothing: Condition, text_scale: float, image_scale: float
) -> Denoiser:
    """ε_∅∅ + s_I (ε_I∅ - ε_∅∅) + s_T (ε_IT - ε_I∅) (Brooks et al., arXiv 2211.09800, eq. 3), any s_T and s_I."""
    return mixed(network, [(text_scale, both), (image_scale - text_scale, image), (1 - image_scale, nothing)])


def merged(terms: Sequence[Term]) -> list[Term]:
    """The same mean with each condition once and none of weight 0; ValueError unless the weights sum to 1."""
    if not math.isclose(sum(weight for weight, _ in terms), 1.0, abs_tol=1e-9):
        raise ValueError(f"guidance weights sum to {sum(weight for weight, _ in terms)}, not 1")
    kept: list[Term] = []
    for weight, condition in terms:
        index = next((i for i, (_, other) in enumerate(kept) if same(condition, other)), None)
        if index is None:
            kept.append((weight, condition))
        else:
            kept[index] = (kept[index][0] + weight, condition)
    return [term for term in kept if abs(term[0]) > 1e-12]
