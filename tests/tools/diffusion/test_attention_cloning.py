"""SAC and CAM by what must hold of them: where they change nothing, what they cannot reach, how a grid turns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from tests.tools.diffusion.dense import small_unet
from tools.diffusion import cloning
from tools.diffusion.attention import Attention, heads, install, joined, projected, transformer_blocks
from tools.diffusion.cloning import Analogy, cloned, from_path, in_tiles, on_path

SIZE = (8, 12)
ALL = range(16)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def queries(size: tuple[int, int] = SIZE, rows: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    tokens = size[0] * size[1]
    return tuple(random(rows, 3, tokens, 5, seed=seed) for seed in range(3))


def evaluated(unet, text: Tensor) -> Tensor:
    with torch.inference_mode():
        return unet(random(1, 9, 16, 16), torch.tensor(481), text).sample


def test_the_path_goes_from_a_prime_round_the_grid_and_back():
    numbers = torch.arange(24).view(1, 24, 1)
    path = on_path(numbers, (4, 6))
    assert path.flatten().tolist() == [
        3,
        4,
        5,
        9,
        10,
        11,
        0,
        1,
        2,
        6,
        7,
        8,
        12,
        13,
        14,
        18,
        19,
        20,
        15,
        16,
        17,
        21,
        22,
        23,
    ]
    assert torch.equal(from_path(path, (4, 6)), numbers)


def test_a_transposed_grid_swaps_a_prime_and_b():
    h, w = SIZE
    numbers = torch.arange(h * w).view(1, h, w, 1)
    a_, a, b, b_ = (tile.view(h // 2, w // 2) for tile in on_path(numbers.flatten(1, 2), SIZE).chunk(4, 1))
    turned = numbers.transpose(1, 2).flatten(1, 2)
    was_b, was_a, was_a_, was_b_ = (tile.view(w // 2, h // 2) for tile in on_path(turned, (w, h)).chunk(4, 1))
    for one, other in ((a, was_a), (a_, was_a_), (b, was_b), (b_, was_b_)):
        assert torch.equal(one.T, other)


@pytest.mark.parametrize("form", ["lse", "width"])
def test_cloning_what_is_there_already_changes_nothing(form, monkeypatch):
    monkeypatch.setattr(cloning, "knows_lse", lambda x: form == "lse")
    q, k, v = queries()
    n = q.shape[2] // 4
    for x in (q, k):  # A' = A and B' = B, in the order A', A, B, B'
        x[:, :, :n] = x[:, :, n : 2 * n]
        x[:, :, 3 * n :] = x[:, :, 2 * n : 3 * n]
    plain = scaled_dot_product_attention(q, k, v)
    assert (cloned(q, k, v, Analogy(SIZE, s=1.0)) - plain).abs().max() < 1e-14
    assert (cloned(q, k, v, Analogy(SIZE, s=1.3)) - plain).abs().max() > 1e-3


def test_a_factor_of_zero_is_not_off():
    q, k, v = queries()
    plain = scaled_dot_product_attention(q, k, v)
    assert (cloned(q, k, v, Analogy(SIZE, s=0.0)) - plain).abs().max() > 1e-3


def test_a_and_b_look_as_ever_and_only_the_two_others_change():
    q, k, v = queries()
    n = q.shape[2] // 4
    difference = (cloned(q, k, v, Analogy(SIZE)) - scaled_dot_product_attention(q, k, v)).abs().amax((0, 1, 3))
    assert difference[n : 3 * n].max() == 0
    assert difference[:n].min() > 1e-6 and difference[3 * n :].min() > 1e-6


@pytest.mark.parametrize("amount", [0.0, 1e-12, 0.3, 1 - 1e-12, 1.0])
def test_the_two_forms_agree_and_the_knob_is_continuous(amount, monkeypatch):
    q, k, v = queries()
    mode = Analogy(SIZE, cloning=amount)
    by_lse = cloned(q, k, v, mode)
    monkeypatch.setattr(cloning, "knows_lse", lambda x: False)
    assert (cloned(q, k, v, mode) - by_lse).abs().max() < 1e-13
    ends = {0: scaled_dot_product_attention(q, k, v), 1: cloned(q, k, v, Analogy(SIZE))}
    if round(amount, 6) in ends:
        assert (by_lse - ends[round(amount, 6)]).abs().max() < 1e-10


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_errs_no_more_than_plain_attention(dtype):
    q, k, v = queries((16, 16))
    plain = scaled_dot_product_attention(q, k, v)
    low = [x.to(dtype) for x in (q, k, v)]
    own = (scaled_dot_product_attention(*low) - plain).abs().max()
    mode = Analogy((16, 16))
    assert (cloned(*low, mode) - cloned(q, k, v, mode)).abs().max() < 3 * own


@pytest.mark.parametrize("off", [Analogy((16, 16), layers=range(3, 3)), Analogy((16, 16), cloning=0.0, masking=0.0)])
def test_switched_off_is_plain_inpainting_to_the_last_bit(off):
    unet, text = small_unet(), random(1, 7, 12)
    install(unet)
    expected = evaluated(unet, text)
    install(unet, Attention(off))
    assert torch.equal(evaluated(unet, text), expected)
    install(unet, Attention(Analogy((16, 16))))
    assert not torch.equal(evaluated(unet, text), expected)


def test_the_fifty_first_step_is_like_the_first():
    unet, x = small_unet(), random(1, 64, 16)
    install(unet, Attention(Analogy((16, 16))))
    layer = unet.down_blocks[1].attentions[1].transformer_blocks[0].attn1
    assert layer.processor.layer == 3
    first = layer(x)
    assert all(torch.equal(layer(x), first) for _ in range(60))
    install(unet)
    assert not torch.equal(layer(x), first)


def test_words_reach_only_the_last_tile_of_a_cross_attention():
    unet = small_unet()
    install(unet, Attention(Analogy((16, 16), layers=ALL)))
    for block in transformer_blocks(unet):
        attn, width = block.attn2, block.norm2.weight.shape[0]
        x = random(2, 64, width)
        one, other = (attn(x, encoder_hidden_states=random(2, 7, 12, seed=seed)) for seed in (1, 2))
        tiles = in_tiles((one - other).abs(), (8, 8))
        assert tiles[:, 1, :, 1].min() > 0
        tiles[:, 1, :, 1] = 0
        assert tiles.max() == 0
        in_tiles(one, (8, 8))[:, 1, :, 1] = attn.to_out[0].bias
        assert torch.equal(one, attn.to_out[0].bias.expand_as(one))


def test_other_tiles_know_no_words_where_attention_stays_in_its_tile():
    unet = small_unet()
    install(unet, Attention(Analogy((16, 16), layers=ALL)))
    blocks = [b for stage in unet.up_blocks[1].attentions for b in stage.transformer_blocks]

    def at_home(attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        tiles = on_path(hidden_states, (4, 4)).unflatten(1, (4, -1)).flatten(0, 1)
        seen = joined(attn, scaled_dot_product_attention(*projected(attn, tiles)))
        return from_path(seen.unflatten(0, (-1, 4)).flatten(1, 2), (4, 4))

    ends = []
    for seed in (1, 2):
        x = random(1, 16, 16)
        for block in blocks:
            block.attn1.set_processor(at_home)
            x = block(x, encoder_hidden_states=random(1, 7, 12, seed=seed))
        ends.append(on_path(x, (4, 4)))
    assert torch.equal(ends[0][:, :12], ends[1][:, :12])
    assert (ends[0][:, 12:] - ends[1][:, 12:]).abs().min() > 0


def test_no_matrix_of_all_pairs_is_formed():
    size = (64, 64)
    q, k, v = (heads(random(1, 4096, 16, seed=seed).float(), 2) for seed in range(3))
    largest = 0

    class Watching(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, tuple) else (out,):
                if isinstance(tensor, Tensor):
                    largest = max(largest, tensor.numel())
            return out

    with torch.inference_mode(), Watching():
        cloned(q, k, v, Analogy(size, cloning=0.5))
    assert largest <= 4 * q.numel()
