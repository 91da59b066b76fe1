"""The U-Net's pass and the doubling convolution, as we write them, against diffusers' own modules in float64."""

import diffusers
import pytest
import torch
from torch import nn

from sessions.errors import BadWeights
from tests.tools.diffusion.worlds import WIDTH, conditions, drawn, error, model_of, small_unet, small_vae
from tools.diffusion.attention import install
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.schedules import scaled_linear
from tools.diffusion.unet import check, forward, shifts
from tools.diffusion.upsampling import Doubling, doubled, fold, kernels

SCHEDULE = scaled_linear()


def toybox_like() -> diffusers.UNet2DConditionModel:
    """No attention on the first level, one block a level."""
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    return unet.double().eval().requires_grad_(False)


UNETS = {
    "sd1": lambda: small_unet(),
    "sd1, 8 channels": lambda: small_unet(8),
    "sd2": lambda: small_unet(linear=True),
    "toybox": toybox_like,
}


@pytest.mark.parametrize("size", [(8, 8), (12, 8), (9, 7)])
@pytest.mark.parametrize("make", UNETS.values(), ids=UNETS.keys())
def test_the_pass_is_diffusers(make, size):
    unet, plain = make(), make()
    fold(unet)
    install(unet)
    z, text = drawn(2, unet.config.in_channels, *size), drawn(3, 7, WIDTH)
    t = torch.tensor(123.4, dtype=torch.float64)
    out = forward(unet, z, shifts(unet, t), text, rows=6)
    expected = plain(z.repeat(3, 1, 1, 1), t, text.repeat_interleave(2, 0)).sample
    assert error(out, expected) < 1e-12


def test_a_controlnet_adds_what_it_adds_in_diffusers():
    unet, plain = small_unet(), small_unet()
    control = diffusers.ControlNetModel.from_unet(plain, conditioning_embedding_out_channels=(4, 4)).double().eval()
    for weight in control.parameters():
        nn.init.normal_(weight, std=0.1, generator=torch.Generator().manual_seed(0))
    edges, z, t = drawn(1, 3, 16, 16), drawn(1, 4, 8, 8), torch.tensor(55.0, dtype=torch.float64)
    cond = conditions(2)
    text = torch.stack([condition.text for condition in cond])

    @torch.no_grad()
    def steering(z, t, text):
        return control(z, t, text, edges.repeat(len(z), 1, 1, 1), return_dict=False)

    down, mid = steering(z.repeat(2, 1, 1, 1), t, text)
    expected = plain(
        z.repeat(2, 1, 1, 1), t, text, down_block_additional_residuals=down, mid_block_additional_residual=mid
    ).sample
    sigma = SCHEDULE.sigmas[55]
    network = Network(model_of(unet), control=steering)
    assert error(network.eps(z * (sigma**2 + 1).sqrt(), sigma, cond)[:, 0], expected) < 1e-12
    assert error(Network(model_of(unet)).eps(z, sigma, cond)[:, 0], expected) > 1e-3


def rows_of(module: nn.Module) -> list[int]:
    """Filled, at every call of a module, with how many rows it was given."""
    rows: list[int] = []
    module.register_forward_hook(lambda module, given, out: rows.append(len(given[0])))
    return rows


def test_rows_that_differ_in_text_only_are_one_until_the_first_cross_attention():
    unet = small_unet()
    entered = rows_of(unet.conv_in)
    block = unet.down_blocks[0].attentions[0].transformer_blocks[0]
    looked, asked, left = rows_of(block.attn1.to_q), rows_of(block.attn2.to_q), rows_of(unet.conv_out)
    Network(model_of(unet)).eps(drawn(2, 4, 8, 8), SCHEDULE.sigmas[500], conditions(3))
    assert (entered, looked, left) == ([2], [2], [6]) and asked[0] in (3, 6)


def test_rows_with_channels_of_their_own_are_rows_from_the_start():
    unet = small_unet(8)
    entered = rows_of(unet.conv_in)
    some = conditions(3, channels=4)
    x, sigma = drawn(2, 4, 8, 8), SCHEDULE.sigmas[500]
    out = Network(model_of(unet)).eps(x, sigma, some)
    assert entered == [6]
    for condition, eps in zip(some, out, strict=True):
        seen = torch.cat([x / (sigma**2 + 1).sqrt(), condition.channels.expand(2, -1, -1, -1)], 1)
        assert error(eps, small_unet(8)(seen, 500, condition.text.expand(2, -1, -1)).sample) < 1e-12


def test_each_row_may_have_its_own_state_and_condition():
    some, x, sigma = conditions(2), drawn(2, 4, 8, 8), SCHEDULE.sigmas[300]
    network = Network(model_of(small_unet()))
    both = network.rows(x, sigma, some)
    assert error(both[:1], network.eps(x[:1], sigma, some[:1])[0]) < 1e-12
    assert error(both[1:], network.eps(x[1:], sigma, some[1:])[0]) < 1e-12


def test_networks_on_one_unet_do_not_disturb_each_other():
    from tools.diffusion.attention import Attention, Sharing

    unet, x, sigma, some = small_unet(), drawn(1, 4, 8, 8), SCHEDULE.sigmas[300], conditions(2)
    plain, odd = Network(model_of(unet)), Network(model_of(unet), Attention(Sharing(((0, 1),))))
    before = plain.eps(x, sigma, some)
    other = odd.eps(x, sigma, some)
    assert torch.equal(plain.eps(x, sigma, some), before) and not torch.equal(other, before)
    assert torch.equal(odd.eps(x, sigma, some), other)


def test_a_network_with_layers_that_we_do_not_know_is_refused():
    odd = diffusers.UNet2DConditionModel(
        block_out_channels=(8, 8), norm_num_groups=4, cross_attention_dim=8, class_embed_type="identity",
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    with pytest.raises(BadWeights, match=r"AttnDownBlock2D.*class_embed_type"):
        check(odd)
    check(small_unet())


@torch.no_grad()
@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 3, 5, 4)])
def test_doubling_is_nearest_neighbours_and_a_convolution(shape):
    conv = nn.Conv2d(3, 6, 3, padding=1, dtype=torch.float64)
    x = drawn(*shape)
    expected = conv(nn.functional.interpolate(x, scale_factor=2.0, mode="nearest"))
    assert error(doubled(x, kernels(conv.weight), conv.bias), expected) < 1e-14


def test_an_autoencoder_decodes_the_same_when_folded():
    vae, z = small_vae(), drawn(1, 4, 3, 5)
    before = vae.decode(z).sample
    names = list(vae.state_dict())
    fold(vae)
    assert sum(isinstance(module, Doubling) for module in vae.modules()) == 3
    assert list(vae.state_dict()) == names
    with torch.no_grad():
        assert error(vae.decode(z).sample, before) < 1e-12


@torch.no_grad()
def test_folded_kernels_follow_weights_that_change():
    layer = Doubling(nn.Conv2d(2, 2, 3, padding=1, dtype=torch.float64))
    x = drawn(1, 2, 3, 3)
    first = layer(x)
    layer.conv.weight.mul_(2)
    layer.conv.bias.mul_(2)
    assert error(layer(x), 2 * first) < 1e-14


def test_a_time_that_comes_again_is_not_embedded_again():
    unet = small_unet()
    times = rows_of(unet.time_embedding)
    network, x, some = Network(model_of(unet)), drawn(1, 4, 8, 8), conditions(2)
    for t in (500, 300, 500):
        network.eps(x, SCHEDULE.sigmas[t], some)
    assert times == [1, 1]


def test_conditions_must_bring_the_channels_that_the_network_takes():
    x, sigma = drawn(1, 4, 8, 8), SCHEDULE.sigmas[500]
    for unet, some in ((small_unet(8), conditions(1)), (small_unet(), conditions(1, channels=4))):
        with pytest.raises(BadWeights, match="channels"):
            Network(model_of(unet)).eps(x, sigma, some)
    mixed_up = [conditions(1, channels=4)[0], Condition(drawn(7, WIDTH))]
    with pytest.raises(BadWeights, match="channels"):
        Network(model_of(small_unet(8))).eps(x, sigma, mixed_up)
