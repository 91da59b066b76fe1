"""The network as samplers see it: ε of x at σ under conditions, whatever it predicts and in whatever precision.

One batch per evaluation. Mixes nothing (`guidance` does) and knows no schedule of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sessions.errors import BadWeights
from tools.diffusion.attention import Attention, Sharing, install, transformer_blocks
from tools.diffusion.latents import settled
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.unet import Residuals, forward, shifts, spread

LATENT = 4
"""Channels of a latent."""


@dataclass(frozen=True, eq=False)
class Condition:
    """text: (77, C). channels: (k, h, w) that stand behind the latent in the network's input, or None."""

    text: Tensor
    channels: Tensor | None = None


def same(one: Condition, other: Condition) -> bool:
    """Whether two conditions are the same to a network."""
    return one is other or (_equal(one.text, other.text) and _equal(one.channels, other.channels))


Steering = Callable[[Tensor, Tensor, Tensor], Residuals]
"""steering(z, t, text) → what a ControlNet adds; of (n, channels, h, w), 0-dim and (n, 77, C)."""


class Network:
    """A model's U-Net for one run, with the attention of that run (None: plain) and perhaps a ControlNet."""

    def __init__(
        self, model: LatentDiffusion, attention: Attention | None = None, control: Steering | None = None
    ) -> None:
        self.model = model
        self.attention = attention or Attention()
        self.control = control
        self._inputs: dict[tuple[Condition, ...], tuple[Tensor, Tensor | None]] = {}
        self._times: dict[float, list[Tensor]] = {}

    def eps(self, x: Tensor, sigma: Tensor, conditions: Sequence[Condition]) -> Tensor:
        """(R, B, 4, h, w): ε of x (B, 4, h, w) under each of R conditions; row r·B + b of one batch."""
        eps = self._rows(x, sigma, tuple(conditions), len(conditions) * len(x))
        return eps.view(len(conditions), *x.shape)

    def rows(self, x: Tensor, sigma: Tensor, conditions: Sequence[Condition]) -> Tensor:
        """(n, 4, h, w): ε of n states (n, 4, h, w), each under its own condition."""
        return self._rows(x, sigma, tuple(conditions), len(x))

    def phase(self) -> Hashable:
        """What an evaluation depends on besides x and σ; None where it also leaves something behind."""
        return None if self.attention.probe is not None else (self.attention.mode,)

    @torch.no_grad()
    def _rows(self, x: Tensor, sigma: Tensor, conditions: tuple[Condition, ...], rows: int) -> Tensor:
        z, t = settled(x, sigma), self.model.schedule.t(sigma)
        text, channels = self._stacked(conditions)
        seen = z.to(self.model.dtype)
        if channels is not None:
            seen = torch.cat([spread(seen, rows), channels.repeat_interleave(rows // len(channels), 0)], 1)
        elif isinstance(self.attention.mode, Sharing):
            seen = spread(seen, rows)  # its pairs are rows of the whole batch
        self._take_over()
        control = self._steered(seen, t, text, rows)
        out = forward(self.model.unet, seen, self._time(t), text, rows, control).to(x)
        return settled(out + sigma * spread(z, rows), sigma) if self.model.prediction == "v_prediction" else out

    def _take_over(self) -> None:
        """Have the U-Net use this run's attention, whatever ran on it in between."""
        block = next(transformer_blocks(self.model.unet), None)
        if block is not None and getattr(block.attn1.processor, "attention", None) is not self.attention:
            install(self.model.unet, self.attention)

    def _time(self, t: Tensor) -> list[Tensor]:
        """`shifts`, worked out once a level; anew where t lies on the device, which is not waited for."""
        if t.device.type != "cpu":
            return shifts(self.model.unet, t)
        if float(t) not in self._times:
            self._times[float(t)] = shifts(self.model.unet, t)
        return self._times[float(t)]

    def _steered(self, seen: Tensor, t: Tensor, text: Tensor, rows: int) -> Residuals | None:
        if self.control is None:
            return None
        return self.control(spread(seen, rows), t, text.repeat_interleave(rows // len(text), 0))

    def _stacked(self, conditions: tuple[Condition, ...]) -> tuple[Tensor, Tensor | None]:
        """Texts (R, 77, C) and channels (R, k, h, w), stacked once a run: one text object is one to the attention."""
        if conditions not in self._inputs:
            model = self.model
            channels = [condition.channels for condition in conditions if condition.channels is not None]
            more = len(channels[0]) if channels else 0
            if len(channels) not in (0, len(conditions)) or LATENT + more != model.channels:
                raise BadWeights(
                    f"The U-Net of {model.name} takes {model.channels} channels and is given {LATENT + more}.",
                    "Take weights that were made for this: `pentimento models list`.",
                )
            text = torch.stack([condition.text for condition in conditions]).to(model.device, model.dtype)
            self._inputs[conditions] = text, torch.stack(channels).to(text) if channels else None
        return self._inputs[conditions]


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or (one.shape == other.shape and torch.equal(one, other))
