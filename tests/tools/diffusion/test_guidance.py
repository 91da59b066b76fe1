"""Guidance: closed forms, weights of 0 that are never evaluated, equal conditions that are evaluated once."""

import pytest
import torch

from tests.tools.diffusion.worlds import conditions, drawn, error, finished, gaussian, model_of, small_unet
from tools.diffusion import denoiser
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.guidance import classifier_free, merged, mixed, two_scales
from tools.diffusion.sampling import ddim
from tools.diffusion.schedules import ddim_sigmas, scaled_linear

SIGMA = torch.tensor(2.0, dtype=torch.float64)
SCHEDULE = scaled_linear()
A, B, C = 0.3, 1.7, -0.6


def said(text: float, image: float) -> Condition:
    """A condition that is two numbers."""
    return Condition(torch.tensor([text]).double(), torch.full((1, 1, 1), image).double())


TEXT_IMAGE, IMAGE, NOTHING = said(1.0, 1.0), said(0.0, 1.0), said(0.0, 0.0)


class Linear:
    """ε = a x + b c_T + d c_I; it remembers how many conditions it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def eps(self, x, sigma, some):
        self.asked.append(len(some))
        return torch.stack([A * x + B * c.text[0] + C * c.channels[0, 0, 0] for c in some])


@pytest.mark.parametrize("text_scale", [0.0, 0.5, 1.0, 1.5, 7.5])
@pytest.mark.parametrize("image_scale", [0.0, 0.5, 1.0, 1.5, 7.5])
def test_two_scales_are_the_papers_formula_for_every_value(text_scale, image_scale):
    x = drawn(2, 4, 3, 3)
    D = two_scales(Linear(), TEXT_IMAGE, IMAGE, NOTHING, text_scale, image_scale)
    e = {c: A * x + B * c.text[0] + C * c.channels[0, 0, 0] for c in (TEXT_IMAGE, IMAGE, NOTHING)}
    eps = e[NOTHING] + text_scale * (e[TEXT_IMAGE] - e[IMAGE]) + image_scale * (e[IMAGE] - e[NOTHING])
    assert error(D(x, SIGMA), x - SIGMA * eps) < 1e-14


@pytest.mark.parametrize(
    ("text_scale", "image_scale", "rows"), [(7.5, 1.5, 3), (7.5, 1.0, 2), (3.0, 3.0, 2), (1.0, 1.0, 1), (1.0, 1.5, 3)]
)
def test_branches_that_weigh_nothing_are_not_evaluated(text_scale, image_scale, rows):
    network = Linear()
    two_scales(network, TEXT_IMAGE, IMAGE, NOTHING, text_scale, image_scale)(drawn(1, 4, 2, 2), SIGMA)
    assert network.asked == [rows]


def test_without_guidance_of_the_image_a_real_network_gets_two_rows_and_says_the_same():
    unet, x = small_unet(8), drawn(1, 4, 8, 8)
    rows: list[int] = []
    unet.conv_in.register_forward_hook(lambda module, given, out: rows.append(len(given[0])))
    network, (both, image, nothing) = Network(model_of(unet)), conditions(3, channels=4)
    pruned = two_scales(network, both, image, nothing, 7.5, 1.0)(x, SIGMA)
    e = network.eps(x, SIGMA, [both, image, nothing])
    assert rows == [2, 3]
    assert error(pruned, x - SIGMA * (e[2] + 7.5 * (e[0] - e[1]) + 1.0 * (e[1] - e[2]))) < 1e-12


def test_equal_conditions_are_evaluated_once():
    network, x = Linear(), drawn(1, 4, 2, 2)
    twin = said(1.0, 1.0)
    guided = classifier_free(network, TEXT_IMAGE, twin, 7.5)(x, SIGMA)
    assert network.asked == [1]
    assert torch.equal(guided, mixed(network, [(1.0, TEXT_IMAGE)])(x, SIGMA))
    assert [weight for weight, _ in merged([(0.5, IMAGE), (2.0, NOTHING), (-1.5, said(0.0, 1.0))])] == [-1.0, 2.0]


def test_weights_sum_to_one_so_that_noise_and_picture_are_guided_alike():
    x, terms = drawn(1, 4, 2, 2), [(7.5, TEXT_IMAGE), (-6.0, IMAGE), (-0.5, NOTHING)]
    alone = [mixed(Linear(), [(1.0, condition)])(x, SIGMA) for _, condition in terms]
    in_pictures = sum(weight * D for (weight, _), D in zip(terms, alone, strict=True))
    assert error(mixed(Linear(), terms)(x, SIGMA), in_pictures) < 1e-14
    with pytest.raises(ValueError, match="sum"):
        mixed(Linear(), [(7.5, TEXT_IMAGE), (-6.0, IMAGE)])


def test_guiding_gaussian_worlds_extrapolates_their_means():
    """Data N(μ(c_T, c_I), s²): guided sampling is sampling of the world with the extrapolated mean."""
    variance, means = 0.25, {TEXT_IMAGE: 2.0, IMAGE: 1.0, NOTHING: -1.0}

    class World:
        def eps(self, x, sigma, some):
            return torch.stack([(x - gaussian(variance, means[c])(x, sigma)) / sigma for c in some])

    sigmas = ddim_sigmas(SCHEDULE, 50)
    mean = -1.0 + 3.0 * (2.0 - 1.0) + 1.5 * (1.0 - -1.0)
    x = mean + drawn(1, 4, 64, 64) * (sigmas[0] ** 2 + variance).sqrt()
    end = finished(ddim(two_scales(World(), TEXT_IMAGE, IMAGE, NOTHING, 3.0, 1.5), x, sigmas))
    assert error(end, finished(ddim(gaussian(variance, mean), x, sigmas))) < 1e-10
    assert float(end.mean()) == pytest.approx(mean, abs=0.05) and float(end.var()) == pytest.approx(variance, rel=0.15)


def test_networks_of_noise_and_of_velocity_of_one_world_agree(monkeypatch):
    """N(μ, s²) told as ε and as v = √ᾱ ε - √(1-ᾱ) x0: the same D, by the schedule's own ᾱ."""
    world, sigma = gaussian(0.25, 0.7), SCHEDULE.sigmas[400]
    alpha = SCHEDULE.alphas[400]
    x, unet = drawn(2, 4, 8, 8), small_unet()

    def told(prediction):
        def forward(unet, z, time, text, rows, control):
            x = z / alpha.sqrt()
            x0 = world(x, sigma)
            eps = (x - x0) / sigma
            return eps if prediction == "epsilon" else alpha.sqrt() * eps - (1 - alpha).sqrt() * x0

        monkeypatch.setattr(denoiser, "forward", forward)
        network = Network(model_of(unet, prediction=prediction))
        return mixed(network, [(1.0, conditions(1)[0])])(x, sigma)

    assert error(told("epsilon"), world(x, sigma)) < 1e-12
    assert error(told("v_prediction"), world(x, sigma)) < 1e-12
