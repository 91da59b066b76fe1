"""DDIM inversion: its known loss on Gaussian data, exactness where there is none, and the fixed point that retraces."""

import pytest
import torch

from tests.tools.diffusion.worlds import conditions, drawn, finished, gaussian, model_of, small_unet
from tools.diffusion.denoiser import Network
from tools.diffusion.guidance import mixed
from tools.diffusion.inversion import invert, invert_exact
from tools.diffusion.latents import settled
from tools.diffusion.sampling import ddim
from tools.diffusion.schedules import ddim_sigmas, ddim_timesteps, scaled_linear

SCHEDULE = scaled_linear()


def there_and_back(D, z0, steps, how=invert):
    sigmas = ddim_sigmas(SCHEDULE, steps)
    xs = finished(how(D, z0, sigmas.flip(0)))
    return settled(finished(ddim(D, xs[-1], sigmas)), sigmas[-1])


def known_gain(steps: int, variance: float) -> float:
    """The product of what inverting and decoding do to a scalar of N(0, variance), in variance-preserving terms."""
    alphas = SCHEDULE.alphas[ddim_timesteps(SCHEDULE, steps)].flip(0).tolist()
    gain = 1.0
    for low, high in zip([SCHEDULE.final_alpha, *alphas[:-1]], alphas, strict=True):
        slope = (1 - high) ** 0.5 / (high * variance + 1 - high)  # ε = slope · z at the higher level
        up = (high / low) ** 0.5 * (1 - (1 - low) ** 0.5 * slope) + (1 - high) ** 0.5 * slope
        down = (low / high) ** 0.5 * (1 - (1 - high) ** 0.5 * slope) + (1 - low) ** 0.5 * slope
        gain *= up * down
    return gain


@pytest.mark.parametrize(
    ("steps", "table"),
    [
        (20, (-0.0962, -0.0050, 0.0461)),
        (50, (-0.0370, -0.0008, 0.0198)),
        (100, (-0.0182, -0.0002, 0.0101)),
        (250, (-0.0072, -0.00003, 0.0041)),
    ],
)
def test_the_loss_on_gaussian_data_is_the_known_product(steps, table):
    z0 = drawn(2, 4, 3, 3)
    for variance, published in zip((0.25, 1.0, 4.0), table, strict=True):
        gain = there_and_back(gaussian(variance), z0, steps) / z0
        assert (gain - known_gain(steps, variance)).abs().max() < 1e-12
        assert known_gain(steps, variance) - 1 == pytest.approx(published, abs=6e-5)


def test_the_loss_falls_as_one_over_the_steps():
    z0 = drawn(1, 4, 2, 2)
    losses = [float((there_and_back(gaussian(4.0), z0, steps) / z0 - 1).mean()) for steps in (50, 100, 250)]
    assert losses[0] / losses[1] == pytest.approx(2, rel=0.05) and losses[1] / losses[2] == pytest.approx(2.5, rel=0.05)


def test_noise_that_does_not_depend_on_x_makes_the_round_trip_exact():
    noise, z0 = drawn(1, 4, 3, 3, seed=9), drawn(1, 4, 3, 3)
    assert (there_and_back(lambda x, sigma: x - sigma * noise, z0, 10) - z0).abs().max() < 1e-13


def test_the_fixed_point_retraces_a_real_network():
    D = mixed(Network(model_of(small_unet())), [(1.0, conditions(1)[0])])
    z0 = drawn(1, 4, 8, 8)
    first_order = (there_and_back(D, z0, 10) - z0).abs().max()
    exact = there_and_back(D, z0, 10, lambda *run: invert_exact(*run, tolerance=1e-12, rounds=60))
    assert (exact - z0).abs().max() < 1e-10 < 1e-4 < first_order


def test_the_fixed_point_keeps_to_its_rounds():
    sigmas = ddim_sigmas(SCHEDULE, 5).flip(0)
    states = list(invert_exact(gaussian(0.25), drawn(1, 4, 2, 2), sigmas, tolerance=0.0, rounds=3))
    assert len(states) == 5 * 4 and {state.total for state in states} == {5}


def test_the_trajectory_holds_every_level():
    sigmas, z0 = ddim_sigmas(SCHEDULE, 6).flip(0), drawn(2, 4, 3, 3)
    for how in (invert, invert_exact):
        xs = finished(how(gaussian(1.0), z0, sigmas))
        assert xs.shape == (7, 2, 4, 3, 3)
        assert (settled(xs[0], sigmas[0]) - z0).abs().max() < 1e-14
        assert torch.equal(finished(how(gaussian(1.0), z0, sigmas[:4])), xs[:4])


def test_closing_an_inversion_stops_before_the_next_evaluation():
    calls = []
    steps = invert(lambda x, sigma: calls.append(1) or x, drawn(1, 4, 2, 2), ddim_sigmas(SCHEDULE, 9).flip(0))
    next(steps)
    next(steps)
    steps.close()
    assert len(calls) == 2
