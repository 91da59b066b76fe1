"""Noise schedules and discretisations, as arrays: ᾱ_t, σ_t = √((1 - ᾱ_t) / ᾱ_t), and the levels that a sampler visits.

Float64 on the CPU. No sampler, no network, no state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from sessions.errors import BadArguments, BadWeights
from sessions.values import Json


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The levels a network was trained on.

    alphas: ᾱ_t, float64 (T,), decreasing. final_alpha: the level below t = 0 where DDIM ends: ᾱ_0 or 1. offset: added
    to every DDIM timestep.
    """

    alphas: Tensor
    final_alpha: float
    offset: int = 1
    _copies: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def sigmas(self) -> Tensor:
        """σ_t, (T,), increasing."""
        return ((1 - self.alphas) / self.alphas).sqrt()

    @cached_property
    def log_sigmas(self) -> Tensor:
        return self.sigmas.log()

    @property
    def final_sigma(self) -> float:
        """σ of `final_alpha`."""
        return math.sqrt((1 - self.final_alpha) / self.final_alpha)

    def sigma(self, t: Tensor | float) -> Tensor:
        """σ at fractional timesteps 0…T-1, linear in log σ."""
        t = torch.as_tensor(t, dtype=torch.float64)
        below = t.floor().long().clamp(0, len(self.alphas) - 2)
        return torch.lerp(self.log_sigmas[below], self.log_sigmas[below + 1], t - below).exp()

    def t(self, sigma: Tensor) -> Tensor:
        """The fractional timesteps of σ, linear in log σ, exact on the grid; 0 or T-1 outside it."""
        log_sigmas, log_sigma = self._log_sigmas_on(sigma.device), sigma.double().log()
        above = torch.searchsorted(log_sigmas, log_sigma).clamp(1, len(log_sigmas) - 1)
        low, high = log_sigmas.take(above - 1), log_sigmas.take(above)
        return above - 1 + ((log_sigma - low) / (high - low)).clamp(0, 1)

    def _log_sigmas_on(self, device: torch.device) -> Tensor:
        """Copied to a device once."""
        if device not in self._copies:
            self._copies[device] = self.log_sigmas.to(device)
        return self._copies[device]


def scaled_linear(steps: int = 1000, start: float = 0.00085, end: float = 0.012) -> NoiseSchedule:
    """Stable Diffusion's: √β linear in t (Rombach et al., arXiv 2112.10752)."""
    return _of_betas(torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2)


def from_config(config: Json) -> NoiseSchedule:
    """What a diffusers scheduler_config.json describes; BadWeights for a kind of schedule that we do not know."""
    betas = _betas(config)
    if config.get("rescale_betas_zero_snr"):
        raise BadWeights("These weights end in pure noise (rescale_betas_zero_snr), which has no finite σ.")
    ends_at_one = config.get("set_alpha_to_one", config.get("_class_name", "").startswith("DDIM"))
    return _of_betas(betas, ends_at_one, int(config.get("steps_offset", 0)))


def ddim_timesteps(schedule: NoiseSchedule, steps: int) -> Tensor:
    """int64 (N,), descending, "leading" spacing: t_i = offset + i ⌊T / N⌋. BadArguments where T is too small for N."""
    levels = len(schedule.alphas)
    if steps + schedule.offset > levels:
        raise BadArguments(
            f"{steps} steps are more than these weights have levels ({levels}).", f"Take {levels // 2} at most."
        )
    return schedule.offset + torch.arange(steps - 1, -1, -1) * (levels // steps)


def ddim_sigmas(schedule: NoiseSchedule, steps: int) -> Tensor:
    """(N + 1,) descending: σ of the DDIM timesteps, then of the final level. DDIM (η = 0) is Euler's method on it."""
    final = torch.tensor([schedule.final_sigma], dtype=torch.float64)
    return torch.cat([schedule.sigmas[ddim_timesteps(schedule, steps)], final])


def linspace_sigmas(schedule: NoiseSchedule, steps: int) -> Tensor:
    """(N + 1,) descending, last 0: σ at timesteps evenly from T-1 to 0, as k-diffusion's `get_sigmas`."""
    t = torch.linspace(len(schedule.alphas) - 1, 0, steps, dtype=torch.float64)
    return torch.cat([schedule.sigma(t), torch.zeros(1, dtype=torch.float64)])


def karras_sigmas(schedule: NoiseSchedule, steps: int, rho: float = 7.0) -> Tensor:
    """(N + 1,) descending, last 0: σ^(1/ρ) evenly from σ_max to σ_min (Karras et al. 2022, eq. 5)."""
    low, high = (float(schedule.sigmas[i]) ** (1 / rho) for i in (0, -1))
    ramp = torch.linspace(high, low, steps, dtype=torch.float64) ** rho
    return torch.cat([ramp, torch.zeros(1, dtype=torch.float64)])


def _of_betas(betas: Tensor, ends_at_one: bool = False, offset: int = 1) -> NoiseSchedule:
    alphas = (1 - betas).cumprod(0)
    return NoiseSchedule(alphas, 1.0 if ends_at_one else float(alphas[0]), offset)


def _betas(config: Json) -> Tensor:
    if config.get("trained_betas") is not None:
        return torch.tensor(config["trained_betas"], dtype=torch.float64)
    steps = int(config.get("num_train_timesteps", 1000))
    start, end = float(config.get("beta_start", 0.0001)), float(config.get("beta_end", 0.02))
    match config.get("beta_schedule", "linear"):
        case "linear":
            return torch.linspace(start, end, steps, dtype=torch.float64)
        case "scaled_linear":
            return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
        case "squaredcos_cap_v2":
            edges = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
            alphas = ((edges + 0.008) / 1.008 * math.pi / 2).cos() ** 2
            return (1 - alphas[1:] / alphas[:-1]).clamp(max=0.999)
        case other:
            raise BadWeights(f"These weights use a noise schedule that I do not know: {other!r}.")
