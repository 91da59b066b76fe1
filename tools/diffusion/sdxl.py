"""What SDXL is told besides text: a pooled text and a picture's sizes (Podell et al., arXiv 2307.01952, section 2.2).

    e = time(t) + MLP(pooled(text) ‖ γ(h_orig) ‖ γ(w_orig) ‖ γ(top) ‖ γ(left) ‖ γ(h_target) ‖ γ(w_target))

with γ a number's sines and cosines. The network has seen small pictures enlarged and large ones cropped, and was told
so; a finished picture is asked for as one that was large enough and cut nowhere. The refiner is told an aesthetic score
in the place of the target. MLP and time(t) are in `tools.diffusion.unet`; what is made here is their input.

Loads nothing (`tools.diffusion.model`); a model that is told nothing gets conditions of text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tools.diffusion import text
from tools.diffusion.denoiser import Condition
from tools.diffusion.model import LatentDiffusion, Second

Size = tuple[int, int]
"""(height, width) in pixels."""
SCORE, NEGATIVE_SCORE = 6.0, 2.5
"""Aesthetic scores that the refiner is told with a text and with a text to keep away from; LAION's scale, 1…10."""


@dataclass(frozen=True)
class Frame:
    """How a picture came to be, as SDXL is told: `original` (height, width) in pixels, before it was enlarged or cut.

    crop: (top, left) of what was cut out of it, pixels; target: (height, width) in pixels of what is drawn, that of the
    original where None. score: 1…10, read by the refiner only.
    """

    original: Size
    crop: tuple[int, int] = (0, 0)
    target: Size | None = None
    score: float = SCORE


def numbers(second: Second, frame: Frame) -> tuple[float, ...]:
    """(h_orig, w_orig, top, left, h_target, w_target), or of a refiner (h_orig, w_orig, top, left, score)."""
    if second.scored:
        return (*frame.original, *frame.crop, frame.score)
    return (*frame.original, *frame.crop, *(frame.target or frame.original))


@torch.no_grad()
def added(model: LatentDiffusion, pooled: Tensor | None, frame: Frame) -> Tensor | None:
    """pooled (D,) ‖ γ of each number of the frame → (P,), 2816 in SDXL; None of a model that is told nothing."""
    if model.second is None or pooled is None:
        return None
    sizes = torch.tensor(numbers(model.second, frame), dtype=torch.float32, device=pooled.device)
    return torch.cat([pooled, model.unet.add_time_proj(sizes).flatten()])


def conditions(model: LatentDiffusion, texts: Sequence[str], frame: Frame) -> list[Condition]:
    """One per text, "" being the null text; of a model of any kind. BadArguments as `text.encode`.

    A refiner's negative text is asked with a frame of NEGATIVE_SCORE.
    """
    return [condition(model, *text.read(model, [said]), frame) for said in texts]


def condition(model: LatentDiffusion, states: Tensor, pooled: Tensor | None, frame: Frame) -> Condition:
    """Of one text as `text.read` gives it: states (1, 77, C), pooled (1, D) or None."""
    return Condition(states[0], added=added(model, None if pooled is None else pooled[0], frame))
