"""Schedules: the published levels, what a scheduler_config says, the grids of diffusers and of k-diffusion."""

import diffusers
import pytest
import torch

from sessions.errors import BadArguments, BadWeights
from tools.diffusion.schedules import (
    ddim_sigmas,
    ddim_timesteps,
    from_config,
    karras_sigmas,
    linspace_sigmas,
    scaled_linear,
)

SD1 = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def test_the_levels_are_the_published_ones():
    schedule = scaled_linear()
    assert schedule.alphas[:2].tolist() == pytest.approx([0.99915, 0.998296], abs=1e-6)
    assert schedule.sigmas[[0, 1, -1]].tolist() == pytest.approx([0.0292, 0.0413, 14.6146], abs=1e-4)
    assert schedule.final_sigma == float(schedule.sigmas[0])


def test_time_and_level_are_inverse_on_and_between_the_grid():
    schedule = scaled_linear()
    assert torch.equal(schedule.t(schedule.sigmas), torch.arange(1000, dtype=torch.float64))
    between = torch.linspace(0, 999, 777, dtype=torch.float64)
    assert (schedule.t(schedule.sigma(between)) - between).abs().max() < 1e-9
    assert schedule.t(torch.tensor([1e-4, 100.0])).tolist() == [0, 999]


def test_levels_between_the_grid_are_log_linear():
    schedule = scaled_linear()
    expected = float(schedule.sigmas[500] ** 0.75 * schedule.sigmas[501] ** 0.25)
    assert float(schedule.sigma(500.25)) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("steps", [1, 7, 20, 30, 50, 999])
@pytest.mark.parametrize("offset", [0, 1])
def test_ddim_visits_the_timesteps_that_diffusers_visits(steps, offset):
    theirs = diffusers.DDIMScheduler.from_config(SD1 | {"steps_offset": offset})
    theirs.set_timesteps(steps)
    schedule = from_config(SD1 | {"steps_offset": offset})
    assert torch.equal(ddim_timesteps(schedule, steps), theirs.timesteps)
    sigmas = ddim_sigmas(schedule, steps)
    assert len(sigmas) == steps + 1 and float(sigmas[-1]) == schedule.final_sigma
    assert (sigmas.diff()[:-1] < 0).all()
    assert (sigmas[-1] < sigmas[-2]) == bool(offset)  # without one, ᾱ_0 stands there twice: the last step goes nowhere


@pytest.mark.parametrize(("steps", "offset"), [(1000, 1), (1001, 0), (5000, 1)])
def test_more_steps_than_levels_are_refused(steps, offset):
    with pytest.raises(BadArguments, match="levels"):
        ddim_sigmas(from_config(SD1 | {"steps_offset": offset}), steps)


def test_final_level_is_what_the_config_says_or_the_schedulers_default():
    assert from_config(SD1).final_sigma > 0
    assert from_config(SD1 | {"set_alpha_to_one": True}).final_sigma == 0
    bare = {key: value for key, value in SD1.items() if key != "set_alpha_to_one"}
    assert from_config(bare).final_sigma > 0
    assert from_config(bare | {"_class_name": "DDIMScheduler"}).final_sigma == 0


@pytest.mark.parametrize(
    "config",
    [
        SD1,
        SD1 | {"beta_schedule": "linear", "num_train_timesteps": 300},
        SD1 | {"beta_schedule": "squaredcos_cap_v2"},
        SD1 | {"trained_betas": [0.01, 0.02, 0.03]},
    ],
)
def test_every_kind_of_schedule_is_the_one_that_diffusers_makes(config):
    theirs = diffusers.DDIMScheduler.from_config(config).alphas_cumprod.double()
    assert from_config(config).alphas == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("odd", [{"beta_schedule": "sigmoid"}, {"rescale_betas_zero_snr": True}])
def test_a_schedule_that_we_do_not_know_is_refused(odd):
    with pytest.raises(BadWeights):
        from_config(SD1 | odd)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of diffusers, for numpy 2
def test_k_diffusions_grid():
    schedule = scaled_linear()
    sigmas = linspace_sigmas(schedule, 100)
    assert len(sigmas) == 101 and float(sigmas[-1]) == 0
    assert schedule.t(sigmas[:-1]) == pytest.approx(torch.linspace(999, 0, 100, dtype=torch.float64), abs=1e-9)
    theirs = diffusers.EulerAncestralDiscreteScheduler.from_config(SD1 | {"timestep_spacing": "linspace"})
    theirs.set_timesteps(100)
    assert sigmas[:-1] == pytest.approx(theirs.sigmas[:-1].double(), rel=1e-4)  # linear in σ, where ours is in log σ


def test_karras_grid():
    sigmas = karras_sigmas(scaled_linear(), 10)
    assert sigmas[[0, -2, -1]].tolist() == pytest.approx([14.6146, 0.0292, 0], abs=1e-4)
    roots = sigmas[:-1] ** (1 / 7)
    assert roots.diff() == pytest.approx(roots.diff().mean().expand(9), rel=1e-9)
