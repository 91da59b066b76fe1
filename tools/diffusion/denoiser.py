"""The network as samplers see it: ε of x at σ under conditions, whatever it predicts and in whatever precision.

One batch per evaluation. Mixes nothing (`guidance` does) and knows no schedule of steps. A picture to follow belongs to
a condition: where none has one, as in an inversion, the network is the one without an adapter, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sessions.errors import BadArguments, BadWeights
from tools.diffusion.attention import Attention, ImagePrompt, Sharing, install, transformer_blocks
from tools.diffusion.latents import settled
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.unet import Residuals, added_width, forward, shifts, spread

LATENT = 4
"""Channels of a latent."""


@dataclass(frozen=True, eq=False)
class Condition:
    """text: (77, C). channels: (k, h, w) that stand behind the latent in the network's input, or None.

    image: (T, C), an adapter's tokens of a picture to follow; None: no picture at all, which is not its absence as an
    adapter has learnt it (that is the tokens of zeros). added: (P,), what SDXL's time embedding is told besides the
    time (`tools.diffusion.sdxl`); None for networks that are told nothing.
    """

    text: Tensor
    channels: Tensor | None = None
    image: Tensor | None = None
    added: Tensor | None = None


def same(one: Condition, other: Condition) -> bool:
    """Whether two conditions are the same to a network."""
    pairs = (one.text, other.text), (one.channels, other.channels), (one.image, other.image), (one.added, other.added)
    return one is other or all(_equal(*pair) for pair in pairs)


Steering = Callable[[Tensor, Tensor, Tensor], Residuals]
"""steering(z, t, text) → what a ControlNet adds; of (n, channels, h, w), 0-dim and (n, 77, C)."""
Prompting = Callable[[Tensor, Tensor | None], ImagePrompt]
"""prompting(tokens, rows) → what an adapter has cross-attentions see; of (n, T, C), and int64 (n,) or None for all."""


class Inputs(NamedTuple):
    """R conditions as the network is given them: (R, 77, C), (R, k, h, w), and the pictures that rows follow.

    added: (R, P), or (1, P) where all R are told the same.
    """

    text: Tensor
    channels: Tensor | None
    image: ImagePrompt | None
    added: Tensor | None


class Network:
    """A model's U-Net for one run, with the attention of that run (None: plain), perhaps a ControlNet or an adapter."""

    def __init__(
        self,
        model: LatentDiffusion,
        attention: Attention | None = None,
        control: Steering | None = None,
        prompting: Prompting | None = None,
    ) -> None:
        self.model = model
        self.attention = attention or Attention()
        self.control = control
        self.prompting = prompting
        self._inputs: dict[tuple[Condition, ...], Inputs] = {}
        self._times: dict[tuple[float, Tensor | None], list[Tensor]] = {}

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
        text, channels, self.attention.image, added = self._stacked(conditions)
        seen = z.to(self.model.dtype)
        if channels is not None:
            seen = torch.cat([spread(seen, rows), channels.repeat_interleave(rows // len(channels), 0)], 1)
        elif isinstance(self.attention.mode, Sharing):
            seen = spread(seen, rows)  # its pairs are rows of the whole batch
        self._take_over()
        control = self._steered(seen, t, text, rows)
        out = forward(self.model.unet, seen, self._time(t, added), text, rows, control).to(x)
        return settled(out + sigma * spread(z, rows), sigma) if self.model.prediction == "v_prediction" else out

    def _take_over(self) -> None:
        """Have the U-Net use this run's attention, whatever ran on it in between."""
        block = next(transformer_blocks(self.model.unet), None)
        if block is not None and getattr(block.attn1.processor, "attention", None) is not self.attention:
            install(self.model.unet, self.attention)

    def _time(self, t: Tensor, added: Tensor | None) -> list[Tensor]:
        """`shifts`, worked out once a level and addition; anew where t lies on the device, which is not waited for."""
        if t.device.type != "cpu":
            return shifts(self.model.unet, t, added)
        key = float(t), added
        if key not in self._times:
            self._times[key] = shifts(self.model.unet, t, added)
        return self._times[key]

    def _steered(self, seen: Tensor, t: Tensor, text: Tensor, rows: int) -> Residuals | None:
        if self.control is None:
            return None
        return self.control(spread(seen, rows), t, text.repeat_interleave(rows // len(text), 0))

    def _stacked(self, conditions: tuple[Condition, ...]) -> Inputs:
        """What the conditions are, stacked once a run: one text object is one to the attention."""
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
            behind = torch.stack(channels).to(text) if channels else None
            self._inputs[conditions] = Inputs(text, behind, self._followed(conditions), self._added(conditions))
        return self._inputs[conditions]

    def _added(self, conditions: tuple[Condition, ...]) -> Tensor | None:
        """(R, P), or (1, P) where all are told the same; BadWeights where the network is told something else."""
        told = [condition.added for condition in conditions]
        needed, given = added_width(self.model.unet), {0 if one is None else len(one) for one in told}
        if given != {needed}:
            raise BadWeights(
                f"The U-Net of {self.model.name} is told {needed} numbers besides the time, and is given "
                f"{' and '.join(map(str, sorted(given)))}.",
                "Take weights that were made for this: `pentimento models list`.",
            )
        different = [one for one in told if one is not None]
        if not different:
            return None
        if all(_equal(different[0], one) for one in different):
            del different[1:]
        return torch.stack(different).to(self.model.device, self.model.dtype)

    @torch.no_grad()
    def _followed(self, conditions: tuple[Condition, ...]) -> ImagePrompt | None:
        """The keys and values of the conditions' pictures, None where none has one.

        BadWeights without an adapter; BadArguments where the pictures are not of as many tokens each.
        """
        with_one = {row: c.image for row, c in enumerate(conditions) if c.image is not None}
        if not with_one:
            return None
        if self.prompting is None:
            raise BadWeights(f"{self.model.name} is given a picture to follow, and no adapter that reads it.")
        if len({image.shape for image in with_one.values()}) > 1:
            raise BadArguments(
                "The pictures to follow have different numbers of tokens; absent ones are zeros' tokens."
            )
        tokens = torch.stack(list(with_one.values())).to(self.model.device, self.model.dtype)
        rows = torch.tensor(list(with_one), device=tokens.device) if len(with_one) < len(conditions) else None
        return self.prompting(tokens, rows)


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or (one.shape == other.shape and torch.equal(one, other))
