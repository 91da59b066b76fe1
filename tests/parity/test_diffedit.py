"""DiffEdit beside diffusers' deprecated pipeline, in float64 on tiny networks: equal where that is right.

Where it is wrong, each fault is shown to be there (D1–D7 in `specs`' numbering, see `diffusers_diffedit`), to be all
that is wrong, and to be absent from `tools.edits.diffedit`.
"""

import warnings

import pytest
import torch
from torch import Tensor

from tests import tiny
from tests.parity import diffusers_diffedit as theirs
from tests.parity.diffusers_diffedit import FAULTS, MASK_FAULTS, Texts
from tools.base import drain
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.guidance import classifier_free, mixed
from tools.diffusion.inversion import invert
from tools.diffusion.latents import noised, settled
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.schedules import ddim_sigmas, scaled_linear
from tools.edits.diffedit import eps_maps, mask_of, masked_decode

STEPS, N, TIGHT = 5, 3, 1e-10


def text(seed: int) -> Condition:
    return Condition(torch.randn(77, tiny.WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


@pytest.fixture(scope="module", params=["epsilon", "v_prediction"])
def model(request) -> LatentDiffusion:
    torch.manual_seed(1)
    parts = (tiny.unet().double(), tiny.vae().double())
    unet, vae = (part.eval().requires_grad_(False) for part in parts)
    return LatentDiffusion(unet, vae, None, None, scaled_linear(), request.param, 64, "d", "tiny")


@pytest.fixture(scope="module")
def pipeline(model: LatentDiffusion):
    from diffusers import DDIMInverseScheduler, DDIMScheduler, StableDiffusionDiffEditPipeline

    noise = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
    noise |= {"set_alpha_to_one": False, "steps_offset": 1, "prediction_type": model.prediction}
    down, up = DDIMScheduler(**noise), DDIMInverseScheduler(**noise)
    down.alphas_cumprod = up.alphas_cumprod = model.schedule.alphas  # float64, as ours
    down.final_alpha_cumprod = up.initial_alpha_cumprod = model.schedule.alphas[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = StableDiffusionDiffEditPipeline(
            model.vae, None, None, model.unet, down, None, None, up, requires_safety_checker=False
        )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def planes() -> Tensor:
    """Two pictures, (2, 3, 64, 64), 0…1."""
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.fixture(scope="module")
def z0(model: LatentDiffusion, planes: Tensor) -> Tensor:
    return model.vae.encode(2 * planes[:1] - 1).latent_dist.mode() * 0.18215


@pytest.fixture(scope="module")
def texts() -> list[Texts]:
    """Two pictures' texts, all different."""
    return [Texts(*(text(seed) for seed in range(start, start + 4))) for start in (10, 20)]


def generated(pipeline, image: Tensor, texts: list[Texts], **more) -> Tensor:
    """diffusers' mask, (B, h, w)."""
    embeds = {
        f"{kind}_embeds": torch.stack([getattr(one, name).text for one in texts])
        for kind, name in {
            "source_prompt": "source",
            "target_prompt": "target",
            "source_negative_prompt": "source_negative",
            "target_negative_prompt": "target_negative",
        }.items()
    }
    generator = torch.Generator().manual_seed(3)
    options = {"num_maps_per_mask": N, "num_inference_steps": STEPS, "generator": generator} | embeds | more
    return torch.from_numpy(pipeline.generate_mask(image, **options)).bool()


def compat(model: LatentDiffusion, planes: Tensor, texts: list[Texts], faults: frozenset) -> Tensor:
    """The same from our parts, with the faults asked for and the same random numbers."""
    generator = torch.Generator().manual_seed(3)
    z = theirs.latents(model, 2 * planes - 1, N, generator, faults | {"D7"})  # draws what diffusers draws
    if "D7" not in faults:
        z = theirs.latents(model, 2 * planes - 1, N, generator, faults)
    noise = torch.randn(z.shape, generator=generator, dtype=z.dtype)
    return theirs.mask(Network(model), z, noise, level(model), texts, faults)


def level(model: LatentDiffusion) -> Tensor:
    return ddim_sigmas(model.schedule, STEPS)[STEPS - STEPS // 2]


class TestMask:
    def test_all_faults_together_are_diffusers(self, model, pipeline, planes, texts):
        assert torch.equal(generated(pipeline, planes, texts), compat(model, planes, texts, MASK_FAULTS))

    @pytest.mark.parametrize("fault", ["D1", "D6", "D7"])
    def test_each_fault_is_there(self, model, pipeline, planes, texts, fault: str):
        without = compat(model, planes, texts, MASK_FAULTS - {fault})
        assert not torch.equal(generated(pipeline, planes, texts), without)

    def test_d1_a_mask_between_equal_texts_follows_the_negatives(self, pipeline, planes, texts):
        one = texts[0]
        only_negatives = Texts(one.source, one.source, one.source_negative, one.target_negative)
        assert generated(pipeline, planes[:1], [only_negatives]).any()

    def test_d2_no_guidance_is_a_crash(self, pipeline, planes, texts):
        unguided = {"guidance_scale": 1.0} | dict.fromkeys(
            ("source_negative_prompt_embeds", "target_negative_prompt_embeds")
        )
        with pytest.raises(TypeError):
            generated(pipeline, planes, texts, **unguided)

    def test_d3_with_equal_negatives_guidance_changes_nothing(self, model, pipeline, planes, z0):
        null = text(1)
        one = [Texts(text(10), text(11), null, null)]
        masks = [generated(pipeline, z0, one, guidance_scale=scale) for scale in (1.5, 3.0, 7.5, 15.0)]
        assert all(torch.equal(masks[0], other) for other in masks)
        assert torch.equal(masks[0][0], ours(model, z0, one[0], torch.Generator().manual_seed(3)))

    def test_d6_a_neighbour_changes_a_mask_there_and_not_here(self, model, pipeline, planes, texts):
        z = model.vae.encode(2 * planes - 1).latent_dist.mode() * 0.18215
        z[1] *= 4
        alone, beside = (generated(pipeline, z[:k], texts[:k])[0] for k in (1, 2))
        assert not torch.equal(alone, beside)
        maps = torch.rand(N, 2, 8, 8, dtype=torch.float64)
        maps[:, 1] *= 50
        assert torch.equal(mask_of(maps)[0], mask_of(maps[:, 0]))

    def test_d6b_equal_texts_there_mean_everything_and_here_nothing(self, model, pipeline, z0):
        one = Texts(text(10), text(10), text(1), text(1))
        assert generated(pipeline, z0, [one]).all()
        assert not ours(model, z0, one, torch.Generator().manual_seed(3)).any()
        assert compat_of_latent(model, z0, one, MASK_FAULTS).all()
        assert not compat_of_latent(model, z0, one, MASK_FAULTS - {"D6b"}).any()

    def test_without_faults_the_reference_is_ours(self, model, z0):
        one = Texts(text(10), text(11), text(1), text(2))
        reference = compat_of_latent(model, z0, one, frozenset())
        assert torch.equal(reference, ours(model, z0, one, torch.Generator().manual_seed(3)))
        assert reference.any()


def compat_of_latent(model: LatentDiffusion, z0: Tensor, one: Texts, faults: frozenset) -> Tensor:
    noise = torch.randn((N, *z0.shape[1:]), generator=torch.Generator().manual_seed(3), dtype=z0.dtype)
    return theirs.mask(Network(model), z0.expand(N, -1, -1, -1), noise, level(model), [one], faults)[0]


def ours(model: LatentDiffusion, z0: Tensor, one: Texts, generator: torch.Generator) -> Tensor:
    noise = torch.randn((N, *z0.shape[1:]), generator=generator, dtype=z0.dtype)
    x = noised(z0, level(model), noise)
    query, reference = (Network(model).eps(x, level(model), [text])[0] for text in (one.target, one.source))
    return mask_of(eps_maps(query, reference))


class TestInversion:
    def inverted(self, pipeline, z0: Tensor, prompt: Condition, null: Condition, **more) -> Tensor:
        """diffusers' trajectory, upwards and without z0, (N, 4, h, w)."""
        embeds = {"prompt_embeds": prompt.text[None], "negative_prompt_embeds": null.text[None]}
        options = {"num_inference_steps": STEPS, "inpaint_strength": 0.8, "output_type": "latent"} | embeds | more
        return pipeline.invert(image=z0, **options).latents[0].flip(0)

    def compat(self, model, z0: Tensor, prompt: Condition, null: Condition, faults: frozenset) -> Tensor:
        up = ddim_sigmas(model.schedule, STEPS)[-5:].flip(0)
        D = theirs.inversion(Network(model), prompt, null, faults)
        xs = theirs.inverted(D, z0, up, faults if model.prediction == "v_prediction" else frozenset())
        return torch.stack([settled(x, sigma)[0] for x, sigma in zip(xs, up, strict=True)])

    def test_unguided_it_is_ours_at_every_level(self, model, pipeline, z0):
        null, up = text(1), ddim_sigmas(model.schedule, STEPS)[-5:].flip(0)
        xs = drain(invert(mixed(Network(model), [(1.0, null)]), z0, up))
        got = torch.stack([settled(x, sigma)[0] for x, sigma in zip(xs, up, strict=True)])
        there = self.inverted(pipeline, z0, null, null, guidance_scale=1.0)
        assert (self.compat(model, z0, null, null, frozenset()) - got).abs().max() < TIGHT
        assert (self.compat(model, z0, null, null, frozenset({"D9"}))[1:] - there).abs().max() < TIGHT
        assert model.prediction == "v_prediction" or (got[1:] - there).abs().max() < TIGHT

    def test_d5_its_default_is_guided(self, model, pipeline, z0):
        prompt, null = text(10), text(1)
        there = self.inverted(pipeline, z0, prompt, null)
        assert (self.compat(model, z0, prompt, null, FAULTS)[1:] - there).abs().max() < TIGHT
        assert (self.compat(model, z0, prompt, null, FAULTS - {"D5"})[1:] - there).abs().max() > 1e-3

    def test_d9_a_network_that_predicts_v_is_read_at_another_level_than_it_was_told(self, model, pipeline, z0):
        if model.prediction == "epsilon":
            return
        prompt, null = text(10), text(1)
        there = self.inverted(pipeline, z0, prompt, null)
        assert (self.compat(model, z0, prompt, null, FAULTS - {"D9"})[1:] - there).abs().max() > 1e-3


@pytest.fixture(scope="module")
def edit(model, z0):
    """query, null, trajectory, its levels downwards, a mask."""
    query, null = text(10), text(1)
    down = ddim_sigmas(model.schedule, STEPS)[-5:]
    xs = drain(invert(mixed(Network(model), [(1.0, null)]), z0, down.flip(0)))
    mask = torch.rand(8, 8, generator=torch.Generator().manual_seed(4)) > 0.6
    return query, null, xs, down, mask


class TestDecode:
    def called(self, pipeline, edit) -> Tensor:
        query, null, xs, down, mask = edit
        kept = torch.stack([settled(x, s) for x, s in zip(xs.flip(0)[:-1], down[:-1], strict=True)], 1)
        return pipeline(
            mask_image=mask.double()[None, None],
            image_latents=kept,
            prompt_embeds=query.text[None],
            negative_prompt_embeds=null.text[None],
            num_inference_steps=STEPS,
            inpaint_strength=0.8,
            output_type="latent",
        ).images

    def test_d4_with_the_fault_it_is_diffusers(self, model, pipeline, z0, edit):
        query, null, xs, down, mask = edit
        D = classifier_free(Network(model), query, null, 7.5)
        assert (self.called(pipeline, edit) - theirs.decoded(D, z0, xs, down, mask, FAULTS)).abs().max() < TIGHT

    def test_d4_outside_the_mask_it_ends_with_noise_and_ours_where_it_began(self, model, pipeline, z0, edit):
        query, null, xs, down, mask = edit
        z = drain(masked_decode(classifier_free(Network(model), query, null, 7.5), z0, xs, down, mask))
        there = self.called(pipeline, edit)
        assert torch.equal(there[..., ~mask], settled(xs[1], down[-2])[..., ~mask])
        assert torch.equal(z[..., ~mask], z0[..., ~mask])
        assert (there - z)[..., mask].abs().max() > 1e-6

    def test_without_the_fault_the_reference_is_ours(self, model, z0, edit):
        query, null, xs, down, mask = edit
        D = classifier_free(Network(model), query, null, 7.5)
        expected = theirs.decoded(D, z0, xs, down, mask, frozenset())
        assert (drain(masked_decode(D, z0, xs, down, mask)) - expected).abs().max() < TIGHT

    def test_everything_masked_it_is_diffusers_as_it_is(self, model, pipeline, z0, edit):
        query, null, xs, down, _ = edit
        everything = torch.ones(8, 8, dtype=torch.bool)
        expected = self.called(pipeline, (query, null, xs, down, everything))
        D = classifier_free(Network(model), query, null, 7.5)
        assert (drain(masked_decode(D, z0, xs, down, everything)) - expected).abs().max() < TIGHT
