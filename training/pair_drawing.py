"""Two pictures of two captions that are alike but for the edit (Brooks et al., arXiv 2211.09800, section 3.1.2).

Both start from one noise and are given one noise at every step, and for the first share p of the steps the second's
self-attentions look where the first's look: Prompt-to-Prompt (Hertz et al., arXiv 2208.01626) as the authors' code has
it, without alignment of words, guided and unguided rows alike. softmax(q₁ k₁ᵀ) v₂ needs q and k of the first picture
only, so no map is formed (`tools.diffusion.attention.Sharing`). Chooses no p and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from tools.base import drain
from tools.diffusion import latents, sdxl
from tools.diffusion.attention import Attention, Sharing
from tools.diffusion.denoiser import Network
from tools.diffusion.guidance import Denoiser
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.sampling import euler_ancestral
from tools.diffusion.schedules import linspace_sigmas
from training.caption_triples import Triple


@dataclass(frozen=True, eq=False)
class Attempt:
    """One of a triple's pairs. share: p, 0…1; scale: of classifier-free guidance; noise: all of its randomness."""

    share: float
    scale: float
    noise: torch.Generator


@torch.no_grad()
def drawn(model: LatentDiffusion, triple: Triple, attempts: Sequence[Attempt], steps: int) -> Tensor:
    """(2, B, 4, h, w): the latents before and after of B attempts. BadArguments where a caption is too long."""
    side = model.side // model.factor
    attention = Attention()
    D = _guided(model, triple, attempts, attention, steps)
    like = torch.zeros((), device=model.device, dtype=latents.working(model.dtype))

    def noise() -> Tensor:
        each = [latents.noise((1, 4, side, side), one.noise, like) for one in attempts]
        return torch.cat(each).repeat(2, 1, 1, 1)

    sigmas = linspace_sigmas(model.schedule, steps)
    x = drain(euler_ancestral(D, sigmas[0] * noise(), sigmas, noise))
    return latents.checked(x).unflatten(0, (2, len(attempts)))


def _guided(
    model: LatentDiffusion, triple: Triple, attempts: Sequence[Attempt], attention: Attention, steps: int
) -> Denoiser:
    """D of rows (before, after) × attempts under classifier-free guidance; each call is the next step."""
    nothing, before, after = sdxl.conditions(model, ["", triple.caption, triple.edited], sdxl.Frame((model.side,) * 2))
    n = len(attempts)
    rows = [nothing] * (2 * n) + [before] * n + [after] * n
    scales = torch.tensor([one.scale for one in attempts], device=model.device).repeat(2).view(-1, 1, 1, 1)
    network, numbers, shared = Network(model, attention), count(), sharing([one.share for one in attempts], steps)

    def D(x: Tensor, sigma: Tensor) -> Tensor:
        attention.mode = shared(next(numbers))
        unsaid, said = network.rows(torch.cat([x, x]), sigma, rows).chunk(2)
        return x - sigma * (unsaid + scales.to(x) * (said - unsaid))

    return D


def sharing(shares: Sequence[float], steps: int) -> Callable[[int], Sharing | None]:
    """Of a step's number i: which rows after look where which rows before do, in both halves; None where none does.

    Those whose share is above i/(steps − 1), as the authors' code decides.
    """
    n = len(shares)

    def at(step: int) -> Sharing | None:
        led = [b for b, share in enumerate(shares) if share > step / max(steps - 1, 1)]
        pairs = tuple((half + b, half + n + b) for half in (0, 2 * n) for b in led)
        return Sharing(pairs) if pairs else None

    return at
