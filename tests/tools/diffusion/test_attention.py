"""Every mode of the attention processor against a dense one that forms all maps, on small real U-Nets in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.tools.diffusion.dense import dense, small_unet
from tools.diffusion import cloning
from tools.diffusion.attention import Attention, Mode, Probe, Sharing, install, transformer_blocks
from tools.diffusion.cloning import Analogy

TEXT = 7
ALIGNMENT = torch.zeros(TEXT, TEXT, dtype=torch.float64)
ALIGNMENT[0, 0] = ALIGNMENT[1, 1] = ALIGNMENT[2, 4] = 1.0
ALIGNMENT[3, 5] = 0.25


def evaluated(unet, size: tuple[int, int], rows: int = 2, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, unet.config.in_channels, *size, generator=generator, dtype=torch.float64)
    text = torch.randn(rows, TEXT, 12, generator=generator, dtype=torch.float64)
    with torch.inference_mode():
        return unet(x, torch.tensor(481), text).sample


ALL = range(16)
MODES: dict[str, Mode] = {
    "plain": None,
    "both": Analogy((16, 16)),
    "everywhere": Analogy((16, 16), layers=ALL),
    "stronger": Analogy((16, 16), layers=ALL, s=1.8),
    "no cloning": Analogy((16, 16), layers=ALL, cloning=0.0),
    "no masking": Analogy((16, 16), layers=ALL, masking=0.0),
    "half of each": Analogy((16, 16), layers=ALL, cloning=0.5, masking=0.25),
    "shared": Sharing(((0, 1),)),
    "shared where small": Sharing(((0, 1),), tokens=16),
    "shared with many": Sharing(((0, 1), (0, 2), (3, 4))),
    "refined": Sharing(((0, 1),), tokens=0, alignment=ALIGNMENT),
    "shared and refined": Sharing(((0, 1),), tokens=16, alignment=ALIGNMENT),
}


@pytest.mark.parametrize("form", ["lse", "width"])
@pytest.mark.parametrize("name", MODES)
def test_every_mode_equals_the_dense_reference(name, form, monkeypatch):
    unet, mode = small_unet(), MODES[name]
    monkeypatch.setattr(cloning, "knows_lse", lambda x: form == "lse")
    dense(unet, mode, (16, 16))
    expected = evaluated(unet, (16, 16), rows=5)
    install(unet, Attention(mode))
    assert (evaluated(unet, (16, 16), rows=5) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("size", [(32, 16), (16, 48), (48, 16)])
def test_grids_need_neither_be_square_nor_powers_of_two(size):
    unet, mode = small_unet(), Analogy(size, layers=ALL)
    dense(unet, mode, size)
    expected = evaluated(unet, size, rows=1)
    install(unet, Attention(mode))
    assert (evaluated(unet, size, rows=1) - expected).abs().max() < 1e-12


def test_a_grid_that_does_not_halve_is_said():
    with pytest.raises(ValueError, match="24 × 20"):
        Analogy((24, 20)).level(6 * 5)


def test_layers_are_counted_as_they_run():
    unet = small_unet()
    order: list[int] = []
    install(unet)
    for block in transformer_blocks(unet):
        block.register_forward_pre_hook(lambda block, _: order.append(block.attn1.processor.layer))
    evaluated(unet, (16, 16))
    assert order == list(range(16))
    assert unet.mid_block.attentions[0].transformer_blocks[0].attn2.processor.layer == 6


@pytest.mark.parametrize(("stages", "layers"), [(3, 11), (2, 6)])
def test_other_topologies_are_counted_too(stages, layers):
    unet = small_unet(stages=stages)
    install(unet)
    assert [block.attn2.processor.layer for block in transformer_blocks(unet)] == list(range(layers))


def test_the_stock_processor_gives_the_same():
    unet = small_unet()
    expected = evaluated(unet, (16, 16))
    install(unet)
    assert (evaluated(unet, (16, 16)) - expected).abs().max() < 1e-12


def test_a_text_serves_all_its_rows():
    unet, generator = small_unet(), torch.Generator().manual_seed(2)
    x = torch.randn(6, 9, 16, 16, generator=generator, dtype=torch.float64)
    text = torch.randn(2, TEXT, 12, generator=generator, dtype=torch.float64)
    for mode in (None, Analogy((16, 16))):
        install(unet, Attention(mode))
        with torch.inference_mode():
            folded = unet(x, 5, text).sample
            repeated = unet(x, 5, text.repeat_interleave(3, 0)).sample
        assert (folded - repeated).abs().max() < 1e-12


def test_keys_of_a_text_are_made_once_and_never_in_training():
    unet, calls = small_unet(), 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    attention = install(unet)
    first = next(transformer_blocks(unet)).attn2
    first.to_k.register_forward_hook(count)
    x, text = torch.randn(1, 9, 16, 16).double(), torch.randn(1, TEXT, 12).double()
    with torch.inference_mode():
        for _ in range(3):
            unet(x, 5, text)
    assert calls == 1
    with torch.inference_mode():
        unet(x, 5, text.clone())
    assert calls == 2
    unet(x, 5, text)
    unet(x, 5, text)
    assert calls == 4
    assert len(attention.table) == 16


def test_a_probe_hears_a_column_and_adds_it_up():
    unet, words = small_unet(), (2, 3)
    maps = dense(unet, None, (16, 16))
    evaluated(unet, (16, 16), rows=3)
    layers = [layer for layer, map_ in maps.items() if map_.shape[2] == 16]
    expected = sum(maps[layer][1].mean(0)[:, list(words)].sum(-1) for layer in layers)
    probe = Probe(1, words, torch.zeros(16, dtype=torch.float64))
    install(unet, Attention(probe=probe))
    evaluated(unet, (16, 16), rows=3)
    assert layers == [4, 5, 7, 8, 9]
    assert (probe.total - expected).abs().max() < 1e-12
    evaluated(unet, (16, 16), rows=3)
    assert (probe.total - 2 * expected).abs().max() < 1e-12


def test_a_mode_may_change_between_steps():
    unet, attention = small_unet(), Attention(Sharing(((0, 1),), alignment=ALIGNMENT))
    install(unet, attention)
    evaluated(unet, (16, 16))
    attention.mode = None
    changed = evaluated(unet, (16, 16))
    install(unet)
    assert torch.equal(changed, evaluated(unet, (16, 16)))
