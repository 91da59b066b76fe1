"""Our loops against diffusers' schedulers on a small real U-Net in float64, guided, step for step.

"Told the same": at every step both are given the ε that the network made of diffusers' own states, so that what differs
is the sampler alone. "Free": each goes its own way for ten steps.
"""

import warnings
from dataclasses import dataclass, field

import diffusers
import pytest
import torch
from torch import Tensor

from tests.tools.diffusion.worlds import conditions, drawn, error, finished, model_of, small_unet
from tools.diffusion.denoiser import Network
from tools.diffusion.guidance import classifier_free, mixed
from tools.diffusion.inversion import invert
from tools.diffusion.latents import settled, unsettled
from tools.diffusion.sampling import State, ddim, dpmpp_2m, euler, euler_ancestral, heun, plms
from tools.diffusion.schedules import NoiseSchedule, ddim_sigmas

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of diffusers' Euler, for numpy 2

SD1 = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
SCALE = 7.5
DDIM = diffusers.DDIMScheduler.from_config(SD1 | {"set_alpha_to_one": False, "clip_sample": False})
PNDM = diffusers.PNDMScheduler.from_config(SD1 | {"skip_prk_steps": True})
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    EULER = diffusers.EulerDiscreteScheduler.from_config(SD1)
    HEUN = diffusers.HeunDiscreteScheduler.from_config(SD1)
DPM = diffusers.DPMSolverMultistepScheduler.from_config(SD1 | {"solver_order": 2})
UNET = small_unet()
COND, UNCOND = conditions(2)


def guided(z: Tensor, t: Tensor | float) -> Tensor:
    """ε as diffusers' pipelines make it, by diffusers' own forward."""
    text = torch.stack([COND.text, UNCOND.text])
    cond, uncond = diffusers.UNet2DConditionModel.forward(PLAIN, z.repeat(2, 1, 1, 1), t, text).sample
    return (uncond + SCALE * (cond - uncond))[None]


PLAIN = small_unet()
"""The same weights, with diffusers' own attention."""


@dataclass
class Run:
    """What diffusers did: the sample before every evaluation, its ε, and the last sample."""

    samples: list[Tensor] = field(default_factory=list)
    eps: list[Tensor] = field(default_factory=list)
    last: Tensor | None = None


def theirs(scheduler, steps: int, x: Tensor) -> Run:
    scheduler.set_timesteps(steps)
    run = Run()
    for t in scheduler.timesteps:
        run.samples.append(x)
        run.eps.append(guided(scheduler.scale_model_input(x, t), t))
        x = scheduler.step(run.eps[-1], t, x).prev_sample
    run.last = x
    return run


def schedule_of(scheduler) -> NoiseSchedule:
    """The very numbers, float32 as they are."""
    return NoiseSchedule(scheduler.alphas_cumprod.double(), float(scheduler.alphas_cumprod[0].double()), 1)


def retold(run: Run):
    """D that gives the ε of a run, in its order."""
    told = iter(run.eps)
    return lambda x, sigma: x - sigma * next(told)


def states(sampler, D, x: Tensor, sigmas: Tensor) -> tuple[list[State], Tensor]:
    seen: list[State] = []
    steps = sampler(D, x, sigmas)
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value


def ours() -> Network:
    return Network(model_of(UNET, schedule=schedule_of(DDIM)))


@pytest.mark.parametrize(
    ("scheduler", "sampler", "evaluations"), [(DDIM, ddim, 50), (PNDM, plms, 51)], ids=["ddim", "pndm"]
)
@pytest.mark.parametrize("offset", [1, pytest.param(0, marks=pytest.mark.reliability)])
def test_told_the_same_the_variance_preserving_samplers_agree(scheduler, sampler, evaluations, offset):
    scheduler = type(scheduler).from_config({**scheduler.config, "steps_offset": offset})
    z = drawn(1, 4, 8, 8)
    run = theirs(scheduler, 50, z)
    schedule = schedule_of(scheduler)
    sigmas = ddim_sigmas(NoiseSchedule(schedule.alphas, schedule.final_alpha, offset), 50)
    seen, x = states(sampler, retold(run), unsettled(z, sigmas[0]), sigmas)
    assert len(seen) == evaluations
    for state, sample in zip(seen, run.samples, strict=True):
        assert error(settled(state.x, state.sigma), sample) < 1e-6
    assert error(settled(x, sigmas[-1]), run.last) < 1e-6


@pytest.mark.parametrize(
    ("scheduler", "sampler"), [(EULER, euler), (HEUN, heun), (DPM, dpmpp_2m)], ids=["euler", "heun", "dpm++"]
)
def test_told_the_same_the_variance_exploding_samplers_agree(scheduler, sampler):
    """These cast to float32 inside: what is compared is each step by itself, and the whole run."""
    scheduler.set_timesteps(50)
    preserving = scheduler is DPM
    sigmas = scheduler.sigmas.double().unique().flip(0)
    x = drawn(1, 4, 8, 8) * sigmas[0]
    run = theirs(scheduler, 50, settled(x, sigmas[0]) if preserving else x)
    seen, last = states(sampler, retold(run), x, sigmas)
    for state, sample in zip(seen, run.samples, strict=True):
        assert error(settled(state.x, state.sigma) if preserving else state.x, sample) < 1e-6
    assert error(last, run.last) < 1e-6


def test_euler_ancestral_is_k_diffusions_formula():
    """By its own dozen lines: diffusers' casts to float32 and draws for itself."""
    sigmas = ddim_sigmas(schedule_of(DDIM), 20)
    sigmas[-1] = 0
    noises = [drawn(1, 4, 8, 8, seed=100 + i) for i in range(20)]
    x = start = drawn(1, 4, 8, 8) * sigmas[0]
    D = classifier_free(ours(), COND, UNCOND, SCALE)
    for i in range(20):
        now, to = sigmas[i].item(), sigmas[i + 1].item()
        up = min(to, (to**2 * (now**2 - to**2) / now**2) ** 0.5)
        down = (to**2 - up**2) ** 0.5
        eps = guided(x / (now**2 + 1) ** 0.5, schedule_of(DDIM).t(sigmas[i]))
        x = x + eps * (down - now) + (up * noises[i] if to else 0)
    told = iter(noises)
    assert error(finished(euler_ancestral(D, start, sigmas, lambda: next(told))), x) < 1e-10


@pytest.mark.parametrize(
    "scheduler",
    [DDIM, HEUN, pytest.param(PNDM, marks=pytest.mark.reliability)],
    ids=["ddim", "heun", "pndm"],
)
def test_the_network_sees_what_diffusers_sees_at_every_step(scheduler):
    z = drawn(1, 4, 8, 8) * (float(HEUN.init_noise_sigma) if scheduler is HEUN else 1)
    run, network, schedule = theirs(scheduler, 20, z), ours(), schedule_of(DDIM)
    for sample, eps, t in zip(run.samples, run.eps, scheduler.timesteps, strict=True):
        sigma = schedule.sigmas[int(t)]
        x = sample if scheduler is HEUN else unsettled(sample, sigma)
        cond, uncond = network.eps(x, sigma, [COND, UNCOND])
        assert error(uncond + SCALE * (cond - uncond), eps) < 1e-6


@pytest.mark.parametrize(("scheduler", "sampler"), [(DDIM, ddim), (PNDM, plms)], ids=["ddim", "pndm"])
def test_free_for_ten_steps(scheduler, sampler):
    z = drawn(1, 4, 8, 8)
    run, sigmas = theirs(scheduler, 10, z), ddim_sigmas(schedule_of(scheduler), 10)
    D = classifier_free(ours(), COND, UNCOND, SCALE)
    x = finished(sampler(D, unsettled(z, sigmas[0]), sigmas))
    assert error(settled(x, sigmas[-1]), run.last) < 1e-6


def test_inversion_is_diffusers():
    inverse = diffusers.DDIMInverseScheduler.from_config(DDIM.config)
    inverse.set_timesteps(50)
    z = z0 = drawn(1, 4, 8, 8)
    levels, eps = [z], []
    for t in inverse.timesteps:
        eps.append(PLAIN(z, t, COND.text[None]).sample)
        z = inverse.step(eps[-1], t, z).prev_sample
        levels.append(z)
    sigmas = ddim_sigmas(schedule_of(DDIM), 50).flip(0)
    xs = finished(invert(retold(Run(eps=eps)), z0, sigmas))
    for x, sigma, level in zip(xs, sigmas, levels, strict=True):
        assert error(settled(x, sigma), level) < 1e-6
    free = finished(invert(mixed(ours(), [(1.0, COND)]), z0, sigmas[:11]))
    assert error(settled(free[-1], sigmas[10]), levels[10]) < 1e-6
