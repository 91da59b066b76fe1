"""DiffEdit's three steps, on made numbers and in a world of Gaussians where every answer is known."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from tests import tiny
from tools.base import drain
from tools.diffusion import denoiser
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.inversion import invert, invert_exact
from tools.diffusion.latents import settled, unsettled
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.sampling import ddim
from tools.diffusion.schedules import ddim_sigmas, scaled_linear
from tools.edits.diffedit import EXTREME, agreement, eps_maps, grown, mask_of, masked_decode


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rescaled(D: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The paper's words: extremes cut off, then from 0 to 1."""
    return (D.clamp(low, high) - low) / (high - low)


class TestMask:
    maps = drawn(6, 12, 10).abs() ** 3

    def test_by_the_mean_it_is_what_the_clamped_and_rescaled_map_exceeds(self):
        D = self.maps.mean(0)
        for threshold in (0.25, 0.5, 0.75):
            expected = rescaled(D, torch.zeros(()), 3 * D.mean()) > threshold
            assert torch.equal(mask_of(self.maps, "mean", threshold), expected)
        assert 0 < expected.float().mean() < 1

    def test_by_quantiles_too(self):
        D = self.maps.mean(0)
        expected = rescaled(D, D.quantile(EXTREME), D.quantile(1 - EXTREME)) > 0.5
        assert torch.equal(mask_of(self.maps, "quantile"), expected)
        assert not torch.equal(expected, mask_of(self.maps, "mean"))

    def test_the_map_of_a_noise_is_the_mean_over_the_channels(self):
        query, reference = drawn(3, 4, 5, 6), drawn(3, 4, 5, 6, seed=1)
        by_hand = sum((query[:, c] - reference[:, c]).abs() for c in range(4)) / 4
        assert torch.allclose(eps_maps(query, reference), by_hand)

    @pytest.mark.parametrize("clamp", ["mean", "quantile"])
    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_where_nothing_differs_from_the_rest_it_is_empty(self, clamp, value: float):
        constant = torch.full((3, 8, 8), value)
        assert (value and clamp == "mean") or not mask_of(constant, clamp).any()
        assert not mask_of(torch.zeros(3, 8, 8), clamp).any()

    def test_the_order_of_the_noises_is_nothing(self):
        assert torch.equal(mask_of(self.maps), mask_of(self.maps[torch.randperm(6)]))

    @pytest.mark.parametrize("clamp", ["mean", "quantile"])
    def test_pictures_beside_it_are_nothing(self, clamp):
        beside = torch.stack([self.maps, 100 * drawn(6, 12, 10).abs()], 1)
        assert torch.equal(mask_of(beside, clamp)[0], mask_of(self.maps, clamp))

    def test_guidance_is_nothing(self):
        """ε_∅ + s (ε_Q − ε_∅) less the same of R is s (ε_Q − ε_R), and no scale is left in M."""
        query, reference, null = (drawn(5, 4, 9, 9, seed=seed) ** 3 for seed in range(3))
        expected = mask_of(eps_maps(query, reference))
        assert expected.any()
        for s in (0.5, 1.5, 7.5, 15.0):
            guided = (null + s * (eps - null) for eps in (query, reference))
            assert torch.equal(mask_of(eps_maps(*guided)), expected)

    def test_a_higher_threshold_is_a_smaller_mask(self):
        masks = [mask_of(self.maps, "mean", t) for t in (0.1, 0.25, 0.5, 0.75, 0.9)]
        assert all((large | small).equal(large) for large, small in pairwise(masks))

    def test_dilated_it_is_a_square_larger_and_stays_in_the_picture(self):
        mask = torch.zeros(7, 9, dtype=torch.bool)
        mask[3, 4] = mask[0, 0] = True
        larger = grown(mask, 2)
        assert larger[1:6, 2:7].all() and larger[:3, :3].all() and larger.sum() == 25 + 9 - 2
        assert torch.equal(grown(mask, 0), mask)

    def test_halves_that_agree_are_sure_and_others_are_not(self):
        same = self.maps[:1].expand(4, -1, -1)
        assert agreement(same, "mean", 0.5) == 1.0
        apart = torch.zeros(2, 8, 8)
        apart[0, :2, :2] = apart[1, 5:, 5:] = 1.0
        assert agreement(apart, "mean", 0.5) == agreement(torch.zeros(4, 8, 8), "mean", 0.5) == 0.0
        assert agreement(self.maps[:1], "mean", 0.5) == 0.0


def gaussian(variance: float):
    """The exact D where latents are N(0, variance I)."""
    return lambda x, sigma: x * variance / (variance + sigma**2)


def gain(variance: float, sigmas: Tensor) -> float:
    """What inverting and decoding multiply such a latent by; sigmas ascending."""
    up = down = 1.0
    for p, t in pairwise(sigmas.tolist()):
        told_t = ((t * t + 1) / (p * p + 1)) ** 0.5
        up *= 1 + (t - p) * t * told_t / (variance + t * t)
        down *= 1 + (p - t) * t / (variance + t * t)
    return up * down


MEASURED = {
    0.25: {20: -0.0962, 50: -0.0370, 100: -0.0182, 250: -0.0072},
    1.0: {20: -0.0050, 50: -0.0008, 100: -0.0002, 250: -0.00003},
    4.0: {20: 0.0461, 50: 0.0198, 100: 0.0101, 250: 0.0041},
}
"""variance → steps → gain − 1 of going there and back, as it was measured elsewhere."""


class TestThereAndBack:
    z0 = drawn(1, 4, 4, 4)
    everywhere = torch.ones(4, 4, dtype=torch.bool)

    def came_back(self, D, steps: int, inversion=invert) -> Tensor:
        down = ddim_sigmas(scaled_linear(), steps)
        xs = drain(inversion(D, self.z0, down.flip(0)))
        return drain(masked_decode(D, self.z0, xs, down, self.everywhere))

    @pytest.mark.parametrize("variance", MEASURED)
    @pytest.mark.parametrize("steps", [20, 50, 100, 250])
    def test_of_gaussians_it_is_the_known_product(self, variance: float, steps: int):
        known = gain(variance, ddim_sigmas(scaled_linear(), steps).flip(0))
        assert (self.came_back(gaussian(variance), steps) - known * self.z0).abs().max() < 1e-12
        assert known - 1 == pytest.approx(MEASURED[variance][steps], abs=6e-5)

    @pytest.mark.parametrize("variance", [0.25, 4.0])
    def test_the_error_falls_as_one_over_the_steps(self, variance: float):
        few, many = (gain(variance, ddim_sigmas(scaled_linear(), n).flip(0)) - 1 for n in (125, 250))
        assert few / many == pytest.approx(2.0, abs=0.1)

    def test_it_is_exact_where_the_noise_does_not_depend_on_x(self):
        eps = drawn(1, 4, 4, 4, seed=1)
        assert (self.came_back(lambda x, sigma: x - sigma * eps, 10) - self.z0).abs().max() < 1e-12

    def test_the_exact_inversion_leads_back(self):
        def precise(D, z0, sigmas):
            return invert_exact(D, z0, sigmas, tolerance=1e-13, rounds=200)

        assert (self.came_back(gaussian(0.25), 20, precise) - self.z0).abs().max() < 1e-9
        assert (self.came_back(gaussian(0.25), 20) - self.z0).abs().max() > 1e-2


class TestMaskedDecode:
    z0 = drawn(1, 4, 96, 96, seed=2)  # large: one number in three thousand is not itself after being scaled and back
    down = ddim_sigmas(scaled_linear(), 8)[-7:]
    mask = drawn(96, 96, seed=3) > 0.3

    @pytest.fixture
    def xs(self) -> Tensor:
        return drain(invert(gaussian(0.25), self.z0, self.down.flip(0)))

    def D(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Another world than the one it was inverted in; cells see their neighbours."""
        return (x + x.roll(1, -1)) / (4 + sigma**2)

    def test_outside_the_mask_it_is_the_beginning_bit_for_bit(self, xs):
        z = drain(masked_decode(self.D, self.z0, xs, self.down, self.mask))
        assert torch.equal(z[..., ~self.mask], self.z0[..., ~self.mask])
        assert (z - self.z0)[..., self.mask].abs().min() > 0

    def test_an_empty_mask_gives_the_beginning_bit_for_bit(self, xs):
        assert torch.equal(drain(masked_decode(self.D, self.z0, xs, self.down, self.mask & False)), self.z0)

    def test_a_mask_of_everything_is_plain_ddim(self, xs):
        z = drain(masked_decode(self.D, self.z0, xs, self.down, self.mask | True))
        assert torch.allclose(z, settled(drain(ddim(self.D, xs[-1], self.down)), self.down[-1]), rtol=0, atol=1e-12)

    def test_at_every_level_what_is_outside_stands_at_that_level(self, xs):
        for state in masked_decode(self.D, self.z0, xs, self.down, self.mask):
            assert torch.equal(state.x[..., ~self.mask], xs[-1 - state.index][..., ~self.mask])

    def test_no_levels_are_no_edit(self):
        xs = unsettled(self.z0, self.down[-1])[None]
        z = drain(masked_decode(self.D, self.z0, xs, self.down[-1:], self.mask | True))
        assert torch.allclose(z, self.z0, rtol=0, atol=1e-15)

    def test_half_a_path_is_enough_of_the_whole(self, xs):
        """A weaker edit of the same picture takes the same levels: r only says where they end."""
        lower = drain(invert(gaussian(0.25), self.z0, self.down[-4:].flip(0)))
        assert torch.equal(lower, xs[:4])


class TestPredictions:
    def test_networks_of_eps_and_of_v_that_know_the_same_world_make_the_same_mask(self, monkeypatch):
        """Latents are N(μ(text), s² I): what either kind of network says of z at σ follows."""
        schedule, s2 = scaled_linear(), 0.5

        def said(unet, z: Tensor, sigma: Tensor, text: Tensor, rows: int, control=None) -> Tensor:
            mean = text[:, 0, : 4 * 64].view(-1, 4, 8, 8).repeat_interleave(rows // len(text), 0)
            z, a = z.repeat(rows // len(z), 1, 1, 1), 1 / (sigma**2 + 1)
            eps = (1 - a).sqrt() * (z - a.sqrt() * mean) / (a * s2 + 1 - a)
            x0 = (z - (1 - a).sqrt() * eps) / a.sqrt()
            return a.sqrt() * eps - (1 - a).sqrt() * x0 if unet.config.predicts_v else eps

        monkeypatch.setattr(denoiser, "forward", said)
        monkeypatch.setattr(denoiser, "shifts", lambda unet, t, added: schedule.sigma(t))
        sigma, x = ddim_sigmas(schedule, 50)[25], 2 * drawn(3, 4, 8, 8)
        texts = [Condition(drawn(77, 256, seed=seed)) for seed in (5, 6)]
        masks = []
        for prediction in ("epsilon", "v_prediction"):
            unet = tiny.unet().double()
            unet.register_to_config(predicts_v=prediction == "v_prediction")
            model = LatentDiffusion(unet, None, None, None, schedule, prediction, 64, "d", "toy")
            query, reference = (Network(model).eps(x, sigma, [text])[0] for text in texts)
            masks.append(mask_of(eps_maps(query, reference)))
        assert masks[0].any() and torch.equal(*masks)

    def test_read_as_the_wrong_kind_the_mask_is_still_the_same_and_the_noise_is_not(self):
        """Both readings differ by a scale, which no mask sees: so only ε itself can show a wrong reading."""
        model = LatentDiffusion(tiny.unet().eval(), None, None, None, scaled_linear(), "epsilon", 64, "d", "toy")
        sigma, x = ddim_sigmas(model.schedule, 50)[25], drawn(2, 4, 8, 8).float()
        texts = [Condition(drawn(77, tiny.WIDTH, seed=seed).float()) for seed in (5, 6)]
        read = [
            [Network(kind).eps(x, sigma, [text])[0] for text in texts]
            for kind in (model, replace(model, prediction="v_prediction"))
        ]
        assert torch.equal(mask_of(eps_maps(*read[0])), mask_of(eps_maps(*read[1])))
        assert (read[0][0] - read[1][0]).abs().max() > 0.1
