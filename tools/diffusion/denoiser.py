"""The network as samplers see it: ε of x at σ under conditions, whatever it predicts and in whatever precision.

One batch per evaluation. Mixes nothing (`guidance` does) and knows no schedule of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sessions.errors import BadWeights
from tools.diffusion.attention import Attention, install
from tools.diffusion.latents import settled
from tools.diffusion.model import LatentDiffusion


@dataclass(frozen=True, eq=False)
class Condition:
    """text: (77, C). channels: (k, h, w) that stand behind the latent in the network's input, or None."""

    text: Tensor
    channels: Tensor | None = None


def same(one: Condition, other: Condition) -> bool:
    """Whether two conditions are the same to a network."""
    return one is other or (_equal(one.text, other.text) and _equal(one.channels, other.channels))


class Network:
    """A model's U-Net for one run, with the attention of that run (None: plain)."""

    def __init__(self, model: LatentDiffusion, attention: Attention | None = None) -> None:
        self.model = model
        self._inputs: dict[tuple[Condition, ...], tuple[Tensor, Tensor | None]] = {}
        self.attention = install(model.unet, attention)

    def eps(self, x: Tensor, sigma: Tensor, conditions: Sequence[Condition]) -> Tensor:
        """(R, B, 4, h, w): ε of x (B, 4, h, w) under each of R conditions; row r·B + b of one batch."""
        rows = [condition for condition in conditions for _ in x]
        return self.rows(x.repeat(len(conditions), 1, 1, 1), sigma, rows).unflatten(0, (len(conditions), len(x)))

    @torch.no_grad()
    def rows(self, x: Tensor, sigma: Tensor, conditions: Sequence[Condition]) -> Tensor:
        """(n, 4, h, w): ε of n states (n, 4, h, w), each under its own condition."""
        model, z = self.model, settled(x, sigma)
        text, channels = self._stacked(tuple(conditions))
        seen = (z if channels is None else torch.cat([z, channels.to(z)], 1)).to(model.dtype)
        t = model.schedule.t(sigma).to(z.device)
        out = model.unet(seen, t, text, return_dict=False)[0].to(x.dtype)
        if model.prediction == "v_prediction":
            return settled(out + sigma * z, sigma)
        return out

    def _stacked(self, conditions: tuple[Condition, ...]) -> tuple[Tensor, Tensor | None]:
        """The rows' texts (n, 77, C) and channels (n, k, h, w), stacked once a run."""
        if conditions not in self._inputs:
            channels = [condition.channels for condition in conditions if condition.channels is not None]
            more = len(channels[0]) if channels else 0
            if len(channels) not in (0, len(conditions)) or 4 + more != self.model.channels:
                raise BadWeights(
                    f"The U-Net of {self.model.name} takes {self.model.channels} channels, and is given {4 + more}."
                )
            text = torch.stack([condition.text for condition in conditions]).to(self.model.device, self.model.dtype)
            self._inputs[conditions] = text, torch.stack(channels).to(text.device) if channels else None
        return self._inputs[conditions]


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or (one.shape == other.shape and torch.equal(one, other))
