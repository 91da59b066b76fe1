"""diffusers' DiffEdit (0.42.1, deprecated there) with its faults, each a switch, made of our parts.

    D1   the mask's positive and negative texts are swapped
    D3   the mask's noise estimates are guided, which twice as many evaluations pay for
    D4   behind a step the level just left is put back, and at the end one with noise instead of the picture
    D5   the inversion is guided with the text
    D6   the mask is cut off at the mean over all pictures of the batch
    D6b  where nothing differs, everything is in the mask
    D7   every noise gets a sample of the picture's latent of its own
    D9   while inverting, what a v-network says of the level gone to is read as if it were said of the level left

With all of them on it equals diffusers, with none `tools.edits.diffedit`.
(D2, a guidance of 1 or less, is a crash there.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.guidance import Denoiser, classifier_free, mixed
from tools.diffusion.latents import noised, settled, unsettled
from tools.diffusion.model import LatentDiffusion

FAULTS = frozenset({"D1", "D3", "D4", "D5", "D6", "D6b", "D7", "D9"})
MASK_FAULTS = FAULTS & {"D1", "D3", "D6", "D6b", "D7"}


@dataclass(frozen=True, eq=False)
class Texts:
    """What one picture is edited with."""

    source: Condition
    target: Condition
    source_negative: Condition
    target_negative: Condition


def latents(model: LatentDiffusion, planes: Tensor, n: int, generator: torch.Generator, faults: frozenset) -> Tensor:
    """(B n, 4, h, w) of pictures (B, 3, H, W) in -1…1."""
    posterior = model.vae.encode(planes.repeat_interleave(n, 0)).latent_dist
    z = posterior.sample(generator) if "D7" in faults else posterior.mode()
    return z * model.vae.config.scaling_factor


def mask(
    network: Network, z: Tensor, noise: Tensor, sigma: Tensor, texts: Sequence[Texts], faults: frozenset
) -> Tensor:
    """(B, h, w) of latents z and noises (B n, 4, h, w), one `Texts` a picture."""
    n = len(z) // len(texts)
    x = noised(z, sigma, noise)

    def eps(kind: str) -> Tensor:
        return network.rows(x, sigma, [getattr(text, kind) for text in texts for _ in range(n)])

    def guided(kind: str, scale: float = 7.5) -> Tensor:
        positive, negative = kind, f"{kind}_negative"
        if "D1" in faults:
            positive, negative = negative, positive
        if "D3" not in faults:
            return eps(positive)
        return eps(negative) + scale * (eps(positive) - eps(negative))

    D = (guided("target") - guided("source")).abs().unflatten(0, (-1, n)).mean((1, 2))  # (B, h, w)
    top = 3 * (D.mean() if "D6" in faults else D.mean((-2, -1), keepdim=True))
    share = D.clamp(max=top) / top
    return ~(share <= 0.5) if "D6b" in faults else share > 0.5


def inversion(network: Network, text: Condition, null: Condition, faults: frozenset) -> Denoiser:
    """What the picture is taken back to noise with."""
    return classifier_free(network, text, null, 7.5) if "D5" in faults else mixed(network, [(1.0, null)])


def inverted(D: Denoiser, z0: Tensor, sigmas: Tensor, faults: frozenset) -> list[Tensor]:
    """x at every level of `sigmas`, upwards."""
    xs = [unsettled(z0, sigmas[0])]
    for left, told in pairwise(sigmas):
        z = settled(xs[-1], left)
        x = unsettled(z, told)
        eps = (x - D(x, told)) / told
        if "D9" in faults:
            v = unsettled(eps, told) - told * z  # undoes ε = α (v + σ z), α = 1 / √(σ² + 1)
            eps = settled(v + left * z, left)
        xs.append(xs[-1] + eps * (told - left))
    return xs


def decoded(D: Denoiser, z0: Tensor, xs: Tensor, sigmas: Tensor, mask: Tensor, faults: frozenset) -> Tensor:
    """z (1, 4, h, w)."""
    x = xs[-1]
    for i, (sigma, target) in enumerate(pairwise(sigmas)):
        x = x + (x - D(x, sigma)) / sigma * (target - sigma)
        left_at = unsettled(settled(xs[-1 - i], sigma), target)
        x = x.where(mask, left_at if "D4" in faults else xs[-2 - i])
    z = settled(x, sigmas[-1])
    return z if "D4" in faults else z.where(mask, z0)
