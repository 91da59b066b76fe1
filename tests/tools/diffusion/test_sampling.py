"""Samplers on worlds with a known answer: their orders, their evaluations, and that closing one stops it."""

import pytest
import torch

from tests.tools.diffusion.worlds import drawn, finished, gaussian
from tools.diffusion.sampling import ddim, dpmpp_2m, euler, euler_ancestral, heun, plms
from tools.diffusion.schedules import ddim_sigmas, linspace_sigmas, scaled_linear

HIGH, LOW = 10.0, 0.1


def levels(steps: int) -> torch.Tensor:
    """From HIGH to LOW, evenly in log σ."""
    return torch.logspace(1, -1, steps + 1, dtype=torch.float64)


def exact(x: torch.Tensor, variance: float) -> torch.Tensor:
    """Where the probability flow of N(0, variance I) takes x from HIGH to LOW."""
    return x * ((variance + LOW**2) / (variance + HIGH**2)) ** 0.5


def miss(sampler, steps: int, variance: float = 0.25) -> float:
    x = drawn(1, 4, 2, 2) * HIGH
    return float((finished(sampler(gaussian(variance), x, levels(steps))) - exact(x, variance)).abs().max())


@pytest.mark.parametrize(("sampler", "order"), [(euler, 1), (heun, 2), (dpmpp_2m, 2), (plms, 2)])
def test_a_sampler_converges_at_its_order(sampler, order):
    slope = torch.tensor([miss(sampler, 160), miss(sampler, 320)]).log2().diff().neg()
    assert float(slope) > order - 0.15
    assert order > 1 or float(slope) < 1.15


def test_two_point_data_is_reached():
    """D of data at -1 and 1 (tanh(x / σ²)): every sampler ends on one of them."""
    sigmas = linspace_sigmas(scaled_linear(), 40)
    x = drawn(1, 4, 4, 4) * sigmas[0]
    for sampler in (euler, heun, dpmpp_2m):
        z = finished(sampler(lambda x, sigma: (x / sigma**2).tanh(), x, sigmas))
        assert (z.abs() - 1).abs().max() < 1e-3


def test_ancestral_sampling_of_a_gaussian_has_its_variance():
    sigmas, draw = linspace_sigmas(scaled_linear(), 300), torch.Generator().manual_seed(0)

    def noise():
        return torch.randn(1, 4, 64, 64, generator=draw, dtype=torch.float64)

    z = finished(euler_ancestral(gaussian(0.25, 1.0), noise() * sigmas[0], sigmas, noise))
    assert float(z.mean()) == pytest.approx(1, abs=0.02) and float(z.var()) == pytest.approx(0.25, abs=0.02)


def test_ancestral_sampling_draws_no_noise_into_zero():
    drawn_times = []
    finished(
        euler_ancestral(
            gaussian(1.0), drawn(1, 4, 2, 2), torch.tensor([3.0, 1.0, 0.0]), lambda: drawn_times.append(1) or 0.0
        )
    )
    assert len(drawn_times) == 1


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 50])
@pytest.mark.parametrize(
    ("sampler", "evaluations"),
    [
        (ddim, lambda n: n),
        (dpmpp_2m, lambda n: n),
        (heun, lambda n: 2 * n),
        (plms, lambda n: n + 1),
    ],
)
def test_evaluations_are_counted_as_they_are_told(sampler, evaluations, steps):
    calls = []

    def D(x, sigma):
        calls.append(float(sigma))
        return gaussian(1.0)(x, sigma)

    states = list(sampler(D, drawn(1, 4, 2, 2), ddim_sigmas(scaled_linear(), steps)))
    assert len(calls) == len(states) == evaluations(steps)
    assert [state.index for state in states] == list(range(evaluations(steps)))
    assert {state.total for state in states} == {evaluations(steps)}
    assert [float(state.sigma) for state in states] == calls


def test_into_zero_heun_takes_one_evaluation_less():
    states = list(heun(gaussian(1.0), drawn(1, 4, 2, 2), torch.tensor([3.0, 1.0, 0.0], dtype=torch.float64)))
    assert [(state.index, state.total) for state in states] == [(0, 3), (1, 3), (2, 3)]


@pytest.mark.parametrize("sampler", [ddim, heun, plms, dpmpp_2m])
@pytest.mark.parametrize("stop", [1, 2, 7])
def test_closing_a_sampler_stops_before_the_next_evaluation(sampler, stop):
    calls = []

    def D(x, sigma):
        calls.append(sigma)
        return x

    steps = sampler(D, drawn(1, 4, 2, 2), levels(20))
    for _ in range(stop):
        next(steps)
    steps.close()
    assert len(calls) == stop


@pytest.mark.parametrize("sampler", [ddim, heun, plms, dpmpp_2m])
def test_states_stay_in_the_precision_of_x(sampler):
    x = drawn(1, 4, 2, 2).float()
    out = finished(sampler(gaussian(0.5), x, ddim_sigmas(scaled_linear(), 6)))
    assert out.dtype == torch.float32
    assert out == pytest.approx(finished(sampler(gaussian(0.5), x.double(), ddim_sigmas(scaled_linear(), 6))), abs=1e-5)
