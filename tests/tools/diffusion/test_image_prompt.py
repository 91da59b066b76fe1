"""Decoupled cross-attention against dense algebra, and conditions that have a picture beside those that have none."""

import pytest
import torch
from torch import Tensor

from sessions.errors import BadArguments, BadWeights
from tests.tools.diffusion.dense import Dense
from tests.tools.diffusion.worlds import WIDTH, conditions, drawn, error, finished, model_of, small_unet
from tools.diffusion.attention import Attention, ImagePrompt, Sharing, install, transformer_blocks
from tools.diffusion.cloning import Analogy
from tools.diffusion.denoiser import Condition, Network, same
from tools.diffusion.guidance import classifier_free, merged, mixed
from tools.diffusion.inversion import invert
from tools.diffusion.schedules import ddim_sigmas, scaled_linear
from tools.nets.ip_adapter import AdapterConfig, IpAdapter, inner

SCHEDULE = scaled_linear()
SIGMA = SCHEDULE.sigmas[400]
TOKENS = 5


def adapter_of(unet, seed: int = 4) -> IpAdapter:
    torch.manual_seed(seed)
    return IpAdapter(AdapterConfig(6, WIDTH, inner(unet))).double().requires_grad_(False)


def followed(some: list[Condition], which: tuple[int, ...] = (0, 1, 2), tokens: int = TOKENS) -> list[Condition]:
    """The conditions, some of them with a picture of their own."""
    return [
        Condition(one.text, one.channels, drawn(tokens, WIDTH, seed=20 + i) if i in which else None)
        for i, one in enumerate(some)
    ]


class DenseImage(Dense):
    """Two softmaxes over whole maps, then their sum, weighed: the paper's box."""

    def __init__(self, layer: int, adapter, tokens: Tensor, scale: float) -> None:
        super().__init__(layer, None, (8, 8), {})
        self.adapter, self.tokens, self.scale = adapter, tokens, scale

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        def looked(k, v):
            q, k, v = (x.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for x in (attn.to_q(hidden_states), k, v))
            maps = (torch.einsum("bhid,bhjd->bhij", q, k) / q.shape[-1] ** 0.5).softmax(-1)
            return torch.einsum("bhij,bhjd->bhid", maps, v).transpose(1, 2).flatten(2)

        text, picture = encoder_hidden_states, self.tokens
        seen = looked(attn.to_k(text), attn.to_v(text))
        own = self.adapter
        seen = seen + self.scale * looked(picture @ own.to_k_ip.weight.T, picture @ own.to_v_ip.weight.T)
        return attn.to_out[0](seen)


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_decoupled_attention_is_the_dense_one(scale):
    ours, theirs, tokens, text = small_unet(), small_unet(), drawn(2, TOKENS, WIDTH), drawn(2, 7, WIDTH, seed=4)
    adapter, x = adapter_of(ours), drawn(2, 4, 8, 8)
    order = (*theirs.down_blocks, *theirs.up_blocks, theirs.mid_block)
    blocks = [b for stage in order for a in getattr(stage, "attentions", ()) for b in a.transformer_blocks]
    for place, block in enumerate(blocks):
        block.attn2.set_processor(DenseImage(place, adapter.ip_adapter[str(2 * place + 1)], tokens, scale))
    install(ours, Attention(image=adapter.prompt(ours, tokens, scale=scale)))
    with torch.inference_mode():
        assert error(ours(x, 321, text).sample, theirs(x, 321, text).sample) < 1e-12


def test_an_adapter_of_nothing_changes_nothing():
    unet, x, some = small_unet(), drawn(1, 4, 8, 8), conditions(3)
    plain = Network(model_of(unet)).eps(x, SIGMA, some)
    adapter = adapter_of(unet)
    off = Network(model_of(unet), prompting=adapter.prompting(unet, 0.0))
    assert torch.equal(off.eps(x, SIGMA, followed(some)), plain)
    on = Network(model_of(unet), prompting=adapter.prompting(unet))
    assert error(on.eps(x, SIGMA, followed(some)), plain) > 1e-3
    for layer in adapter.ip_adapter.values():
        layer.to_v_ip.weight.zero_()
    zero = Network(model_of(unet), prompting=adapter.prompting(unet))
    assert error(zero.eps(x, SIGMA, followed(some)), plain) < 1e-12


def test_an_inversion_knows_nothing_of_the_adapter():
    unet, z0, some = small_unet(), drawn(1, 4, 8, 8), conditions(2)
    sigmas = ddim_sigmas(SCHEDULE, 4).flip(0)
    expected = finished(invert(mixed(Network(model_of(unet)), [(1.0, some[0])]), z0, sigmas))
    network = Network(model_of(unet), prompting=adapter_of(unet).prompting(unet))
    for _ in range(2):
        assert torch.equal(finished(invert(mixed(network, [(1.0, some[0])]), z0, sigmas)), expected)
        classifier_free(network, *followed(some), 5.0)(z0, SIGMA)
        assert network.attention.image is not None


def test_a_condition_without_a_picture_sees_its_text_only():
    """In one batch with others, and for several states each."""
    unet, x, some = small_unet(), drawn(2, 4, 8, 8), followed(conditions(3), (0, 2))
    network = Network(model_of(unet), prompting=adapter_of(unet).prompting(unet, 0.7))
    together = network.eps(x, SIGMA, some)
    for one, eps in zip(some, together, strict=True):
        assert error(network.eps(x, SIGMA, [one])[0], eps) < 1e-12
    assert error(Network(model_of(unet)).eps(x, SIGMA, some[1:2])[0], together[1]) < 1e-12
    assert error(network.rows(torch.cat([x, x[:1]]), SIGMA, some)[1], together[1, 1]) < 1e-12


def test_the_same_tokens_again_are_the_same_picture():
    """A softmax over a list and over the list twice: subjects may be joined, and absent ones repeated."""
    unet, x, [one] = small_unet(), drawn(1, 4, 8, 8), followed(conditions(1))
    network = Network(model_of(unet), prompting=adapter_of(unet).prompting(unet))
    twice = Condition(one.text, None, torch.cat([one.image, one.image]))
    assert error(network.eps(x, SIGMA, [twice]), network.eps(x, SIGMA, [one])) < 1e-12


def test_keys_and_values_of_a_picture_are_made_once_a_run():
    unet, some = small_unet(), followed(conditions(2))
    adapter, calls = adapter_of(unet), []
    adapter.ip_adapter["1"].to_k_ip.register_forward_hook(lambda *_: calls.append(1))
    network = Network(model_of(unet), prompting=adapter.prompting(unet))
    D = classifier_free(network, *some, 3.0)
    for sigma in SCHEDULE.sigmas[100:400:100]:
        D(drawn(1, 4, 8, 8), sigma)
    assert len(calls) == 1


def test_conditions_that_differ_in_their_picture_are_two():
    text = conditions(1)[0].text
    one, other = (Condition(text, None, drawn(TOKENS, WIDTH, seed=seed)) for seed in (1, 2))
    assert same(one, Condition(text, None, one.image.clone()))
    assert not same(one, other) and not same(one, Condition(text))
    assert len(merged([(3.0, one), (-2.0, other)])) == 2


def test_what_does_not_fit_is_said():
    unet, x, some = small_unet(), drawn(1, 4, 8, 8), conditions(2)
    with pytest.raises(BadWeights, match="no adapter"):
        Network(model_of(unet)).eps(x, SIGMA, followed(some))
    prompting = adapter_of(unet).prompting(unet)
    longer = followed(some[:1]) + followed(some[1:], (0,), TOKENS + 1)
    with pytest.raises(BadArguments, match="different numbers of tokens"):
        Network(model_of(unet), prompting=prompting).eps(x, SIGMA, longer)
    for mode in (Sharing(((0, 1),)), Analogy((8, 8))):
        network = Network(model_of(unet), Attention(mode), prompting=prompting)
        network.eps(x, SIGMA, some)
        with pytest.raises(BadArguments, match=type(mode).__name__):
            network.eps(x, SIGMA, followed(some))


def test_what_is_learnt_of_a_picture_reaches_its_adapter_alone():
    unet = small_unet()
    adapter = adapter_of(unet).requires_grad_(True)
    attention = install(unet)
    attention.image = adapter.prompt(unet, adapter.tokens(drawn(2, 6)))
    unet(drawn(2, 4, 8, 8), 5, drawn(2, 7, WIDTH)).sample.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in adapter.parameters())
    assert all(p.grad is None for p in unet.parameters())
    assert len(attention.image.layers) == len(list(transformer_blocks(unet)))
    assert isinstance(attention.image, ImagePrompt) and attention.image.rows is None
