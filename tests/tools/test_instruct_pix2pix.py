"""InstructPix2Pix's sampling: against diffusers where that is right, a dense reference everywhere, and closed forms."""

from itertools import pairwise

import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionInstructPix2PixPipeline, UNet2DConditionModel
from diffusers.schedulers import scheduling_euler_ancestral_discrete

from tests import tiny
from tools.diffusion.denoiser import Condition
from tools.diffusion.guidance import two_scales
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.sampling import euler_ancestral
from tools.diffusion.schedules import linspace_sigmas, scaled_linear
from tools.edits.instruct_pix2pix import Args, Given, measured, sampled

SHAPE = (1, 4, 8, 8)
STEPS = 5


@pytest.fixture(scope="module")
def model():
    """A tiny model in float64 that has learnt nothing; text states are given, never encoded."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=4,
        cross_attention_dim=tiny.WIDTH,
        norm_num_groups=4,
    )
    return LatentDiffusion(
        unet.double().eval(), tiny.vae().double().eval(), None, None, scaled_linear(), "epsilon", 64, "tiny", "tiny"
    )


def noises(seed: int):
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def given(s_T: float, s_I: float) -> Given:
    c_T, null = torch.randn(2, 77, tiny.WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    c_I = torch.randn(SHAPE[1:], generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return Given(c_T, null, c_I, s_T, s_I)


def last(sampler):
    while True:
        try:
            next(sampler)
        except StopIteration as end:
            return end.value


def ours(model, conditions: Given, seed: int = 3):
    return last(sampled(model, conditions, linspace_sigmas(model.schedule, STEPS), noises(seed)))


@torch.no_grad()
def dense(model, conditions: Given, noise):
    """Equation 3 and k-diffusion's Euler ancestral, written down once more, three rows for every scale."""
    c_T, null, c_I = conditions.c_T, conditions.null, conditions.c_I
    sigmas = linspace_sigmas(model.schedule, STEPS)
    x = sigmas[0] * noise()
    for sigma, target in pairwise(sigmas):
        t = model.schedule.t(sigma)
        z = x / (sigma**2 + 1) ** 0.5

        def eps(text, image, z=z, t=t):
            return model.unet(torch.cat([z, image[None]], 1), t, text[None]).sample

        both, image, nothing = eps(c_T, c_I), eps(null, c_I), eps(null, 0 * c_I)
        e = nothing + conditions.s_I * (image - nothing) + conditions.s_T * (both - image)
        up = min(float(target), float(target**2 * (sigma**2 - target**2) / sigma**2) ** 0.5)
        x = x + e * (float(target**2 - up**2) ** 0.5 - sigma)
        if target > 0:
            x = x + up * noise()
    return x


@pytest.mark.parametrize(
    ("s_T", "s_I"), [(0, 0), (0, 1.5), (0.5, 0.6), (0.5, 1.5), (1, 1), (1, 1.5), (7.5, 0), (7.5, 0.6), (7.5, 1.5)]
)
def test_both_scales_are_honoured_for_every_value(model, s_T, s_I):
    """diffusers drops all guidance below s_I = 1, and the picture's at s_T ≤ 1."""
    conditions = given(s_T, s_I)
    expected = dense(model, conditions, noises(3))
    assert (ours(model, conditions) - expected).abs().max() < 1e-10 * expected.abs().max()


class Torch:
    """torch, whose float32 is float64: for diffusers' schedulers, which compute in float32 inside."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


@pytest.fixture
def pipeline(model, monkeypatch):
    """diffusers' pipeline with our levels (its own are interpolated linearly), all in float64."""
    monkeypatch.setattr(scheduling_euler_ancestral_discrete, "torch", Torch())

    class Exact(EulerAncestralDiscreteScheduler):
        def set_timesteps(self, steps, device=None):
            super().set_timesteps(steps, device)
            self.sigmas = linspace_sigmas(model.schedule, steps)
            self.timesteps = model.schedule.t(self.sigmas[:-1])

    scheduler = Exact.from_config(tiny.noise("EulerAncestralDiscreteScheduler"))
    parts = {"text_encoder": None, "tokenizer": None, "safety_checker": None, "feature_extractor": None}
    made = StableDiffusionInstructPix2PixPipeline(
        vae=model.vae, unet=model.unet, scheduler=scheduler, requires_safety_checker=False, **parts
    )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize(("s_T", "s_I"), [(7.5, 1.5), (1.5, 1.0)])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_equal_to_diffusers_where_diffusers_guides(model, pipeline, s_T, s_I):
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    mode = model.vae.encode(2 * image - 1).latent_dist.mode()[0].detach()
    conditions = given(s_T, s_I)
    conditions = Given(conditions.c_T, conditions.null, mode, s_T, s_I)
    noise = noises(3)
    expected = pipeline(
        image=image,
        prompt_embeds=conditions.c_T[None],
        negative_prompt_embeds=conditions.null[None],
        latents=noise(),
        generator=noise.__closure__[0].cell_contents,
        num_inference_steps=STEPS,
        guidance_scale=s_T,
        image_guidance_scale=s_I,
        output_type="latent",
    ).images
    found = ours(model, conditions)
    assert (found - expected).abs().max() < 1e-10 * expected.abs().max()


def rows_of(model, conditions: Given) -> set[int]:
    """How many rows the network is given in its evaluations."""
    seen = set()
    hook = model.unet.conv_out.register_forward_pre_hook(lambda _, args: seen.add(len(args[0])))
    try:
        ours(model, conditions)
    finally:
        hook.remove()
    return seen


@pytest.mark.parametrize(
    ("s_T", "s_I", "rows"), [(7.5, 1.5, 3), (7.5, 1, 2), (1.5, 1.5, 2), (0, 1.5, 2), (1, 1, 1), (0, 0, 1), (0, 1, 1)]
)
def test_branches_without_weight_are_not_evaluated(model, s_T, s_I, rows):
    assert rows_of(model, given(s_T, s_I)) == {rows}
    args = Args(instruction="make it snow", text_guidance=s_T, image_guidance=s_I, steps=STEPS)
    assert measured(model, args, 1.0)["evaluations"] == rows * STEPS


def test_at_one_and_one_the_conditional_network_alone_decides(model):
    conditions = given(1.0, 1.0)
    other = Given(conditions.c_T, 5 * conditions.null, conditions.c_I, 1.0, 1.0)
    assert torch.equal(ours(model, conditions), ours(model, other))


class Linear:
    """eps = a x + b text + d channels: everything about guidance in closed form."""

    def eps(self, x, sigma, conditions):
        return torch.stack([0.3 * x + 0.5 * c.text.mean() + 0.7 * c.channels for c in conditions])


@pytest.mark.parametrize("s_T", [0.0, 0.7, 1.0, 7.5])
@pytest.mark.parametrize("s_I", [0.0, 0.7, 1.0, 1.5])
def test_a_linear_network_in_closed_form(s_T, s_I):
    """e = a x + b (s_T c_T) + d (s_I c_I), and x0 = x - σ e whichever of the two is mixed."""
    text, image, x = torch.full((77, 8), 2.0), torch.randn(4, 3, 3), torch.randn(1, 4, 3, 3)
    both, only = Condition(text, image), Condition(0 * text, image)
    D = two_scales(Linear(), both, only, Condition(0 * text, 0 * image), s_T, s_I)
    expected = 0.3 * x + 0.5 * s_T * 2.0 + 0.7 * s_I * image
    assert torch.allclose(D(x, torch.tensor(2.0)), x - 2.0 * expected, atol=1e-5)


class Gaussian:
    """The exact ε of data N(μ, s²), μ told by the condition."""

    s = 0.5

    def eps(self, x, sigma, conditions):
        return torch.stack([sigma * (x - c.text.mean()) / (self.s**2 + sigma**2) for c in conditions])


@pytest.mark.parametrize(("s_T", "s_I"), [(7.5, 1.5), (0.5, 0.5), (3.0, 1.0), (1.0, 2.0)])
def test_in_a_gaussian_world_the_mean_is_extrapolated_and_the_spread_kept(s_T, s_I):
    mu_TI, mu_I, mu = 1.0, 0.3, -0.2
    both, image, nothing = (Condition(torch.full((77, 1), m, dtype=torch.float64)) for m in (mu_TI, mu_I, mu))
    D = two_scales(Gaussian(), both, image, nothing, s_T, s_I)
    sigmas = linspace_sigmas(scaled_linear(), 400)
    random = torch.Generator().manual_seed(0)

    def noise():
        return torch.randn(10000, 1, 1, 1, generator=random, dtype=torch.float64)

    x = last(euler_ancestral(D, sigmas[0] * noise(), sigmas, noise))
    assert float(x.mean()) == pytest.approx(mu + s_T * (mu_TI - mu_I) + s_I * (mu_I - mu), abs=0.03)
    assert float(x.std()) == pytest.approx(Gaussian.s, rel=0.03)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_levels_are_log_linear_as_the_authors_have_them():
    """diffusers interpolates σ itself: 8.5e-5 off at 100 steps (specs, 1.3)."""
    scheduler = EulerAncestralDiscreteScheduler.from_config(tiny.noise("EulerAncestralDiscreteScheduler"))
    scheduler.set_timesteps(100)
    sigmas = linspace_sigmas(scaled_linear(), 100)
    off = ((scheduler.sigmas[:-1] - sigmas[:-1]) / sigmas[:-1]).abs().max()
    assert 5e-5 < float(off) < 1.2e-4
