"""Progress, previews, cancelling, numbers that are none, and a device without memory."""

import gc
import weakref

import numpy as np
import pytest
import torch

from sessions.errors import NotFinite, OutOfMemory
from tests.tools.diffusion.worlds import drawn, finished, gaussian, model_of, small_unet, small_vae
from tools.diffusion import latents, previews, steps
from tools.diffusion.sampling import ddim, plms
from tools.diffusion.schedules import ddim_sigmas, scaled_linear

SIGMAS = ddim_sigmas(scaled_linear(), 10)


def test_progress_runs_from_start_to_end_and_the_result_comes_back():
    x = drawn(1, 4, 2, 2)
    told = steps.told(plms(gaussian(1.0), x, SIGMAS), None, 0.2, 0.8)
    fractions = []
    while True:
        try:
            fractions.append(next(told).fraction)
        except StopIteration as end:
            assert torch.equal(end.value, finished(plms(gaussian(1.0), x, SIGMAS)))
            break
    assert len(fractions) == 11 and fractions == sorted(fractions)
    assert fractions[0] == pytest.approx(0.2 + 0.6 / 11) and fractions[-1] == pytest.approx(0.8)


def test_previews_come_with_a_model_and_not_too_often(monkeypatch):
    clock = iter(i / 10 for i in range(1000))
    monkeypatch.setattr(steps.time, "monotonic", lambda: next(clock))
    model = model_of(small_unet(), small_vae())
    shown = [p.preview for p in steps.told(ddim(gaussian(1.0), drawn(1, 4, 6, 5), SIGMAS), model)]
    pictures = [picture for picture in shown if picture is not None]
    assert 2 <= len(pictures) <= 5 and {picture.size for picture in pictures} == {(5, 6)}
    assert not any(p.preview for p in steps.told(ddim(gaussian(1.0), drawn(1, 4, 6, 5), SIGMAS), None))


@pytest.mark.parametrize("stop", [1, 4, 9])
def test_closing_the_progress_closes_the_sampler(stop):
    calls = []
    sampler = ddim(lambda x, sigma: calls.append(1) or x, drawn(1, 4, 2, 2), SIGMAS)
    told = steps.told(sampler, None)
    for _ in range(stop):
        next(told)
    told.close()
    assert len(calls) == stop and not list(sampler)


def test_a_run_that_ends_in_no_numbers_is_an_error():
    with pytest.raises(NotFinite):
        finished(steps.told(ddim(lambda x, sigma: x * float("nan"), drawn(1, 4, 2, 2), SIGMAS), None))


def test_a_preview_of_no_numbers_ends_the_run_at_once(monkeypatch):
    monkeypatch.setattr(steps, "EVERY", 0.0)
    calls = []
    model = model_of(small_unet(), small_vae())

    def D(x, sigma):
        calls.append(1)
        return x * float("inf")

    with pytest.raises(NotFinite):
        finished(steps.told(ddim(D, drawn(1, 4, 2, 2), SIGMAS), model))
    assert len(calls) == 1


CPU = "DefaultCPUAllocator: can't allocate memory: you tried to allocate too much"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("of a device"),
        *(pytest.param(error, marks=pytest.mark.reliability) for error in (MemoryError(), RuntimeError(CPU))),
    ],
)
def test_a_device_without_memory_is_a_typed_error(error):
    with pytest.raises(OutOfMemory), steps.guarded_device():
        raise error


def test_other_errors_pass_the_guard():
    with pytest.raises(RuntimeError, match="shape"), steps.guarded_device():
        raise RuntimeError("a wrong shape")


def test_a_sampler_keeps_no_more_than_its_last_states():
    """Memory does not grow with steps: an x of an earlier step is gone."""
    seen = []
    for state in ddim(gaussian(1.0), drawn(1, 4, 2, 2), SIGMAS):
        seen.append(weakref.ref(state.x))
    del state
    gc.collect()
    assert not any(reference() is not None for reference in seen[:-1])


def test_pixels_to_latents_and_back_are_what_the_autoencoder_says():
    model = model_of(small_unet(), small_vae())
    rgb = np.random.default_rng(0).integers(0, 256, (24, 16, 3), dtype=np.uint8)
    planes = torch.tensor(rgb).permute(2, 0, 1)[None].double() / 127.5 - 1
    mode = model.vae.encode(planes).latent_dist.mode()
    z = latents.encode(model, rgb)
    assert z.shape == (1, 4, 3, 2) and z.dtype == torch.float64
    assert latents.encode_unscaled(model, rgb) == pytest.approx(mode, abs=1e-6)
    assert z == pytest.approx(mode * 0.18215, abs=1e-6)
    drawn_back = model.vae.decode(z / 0.18215).sample[0]
    expected = ((drawn_back.clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0)
    assert np.abs(latents.decode(model, z).astype(int) - expected.numpy()).max() <= 1


def test_what_cannot_be_decoded_is_an_error():
    from sessions.errors import BadArguments

    model = model_of(small_unet(), small_vae())
    with pytest.raises(NotFinite):
        latents.decode(model, torch.full((1, 4, 2, 2), float("nan"), dtype=torch.float64))
    with pytest.raises(BadArguments, match="multiple"):
        latents.encode(model, np.zeros((16, 12, 3), np.uint8))


def test_noise_is_the_seeds_whatever_the_precision():
    first = latents.noise((1, 4, 8, 8), latents.generator(7), torch.zeros(1, dtype=torch.float64))
    again = latents.noise((1, 4, 8, 8), latents.generator(7), torch.zeros(1))
    assert first.dtype == torch.float64 and torch.equal(first.float(), again)
    assert not torch.equal(latents.noise((1, 4, 8, 8), latents.generator(8), torch.zeros(1)), again)


def test_levels_of_noise_come_and_go():
    z, sigma = drawn(1, 4, 2, 2), torch.tensor(3.0, dtype=torch.float64)
    assert latents.settled(latents.unsettled(z, sigma), sigma) == pytest.approx(z, abs=1e-14)
    assert torch.equal(latents.noised(z, sigma, z), 4 * z)


def test_colours_of_an_unknown_autoencoder_are_fitted():
    """To one whose decoder is linear they are fitted exactly; SD 1.x's are constants."""
    wanted = drawn(5, 3).float() * 0.1

    class Linear:
        device, dtype = torch.device("cpu"), torch.float32

        class config:
            block_out_channels, scaling_factor, latent_channels = (1, 2, 3), 0.5, 4

        def decode(self, z):
            rgb = torch.einsum("bchw,cr->brhw", z * 0.5, wanted[:4]) + wanted[4][:, None, None]
            return type("Out", (), {"sample": rgb.repeat_interleave(4, 2).repeat_interleave(4, 3)})

    assert previews.colours_of(Linear()) == pytest.approx(wanted, abs=1e-4)
    Linear.config.block_out_channels, Linear.config.scaling_factor = previews.SD1_WIDTHS, 0.18215
    assert torch.equal(previews.colours_of(Linear()), torch.tensor(previews.SD1))
    grey = previews.preview(torch.zeros(1, 4, 3, 2), torch.tensor(previews.SD1))
    assert grey.size == (2, 3) and np.unique(grey.pixels).tolist() == [128]
