"""Vicuna-7B counted without its weights: numbers as they are known, operations as torch counts them."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from agent.heads import Heads
from training import full_size
from training.planner import Planner, small, states


def test_the_numbers_are_those_of_llama_2_7b():
    net = full_size.on_meta(lora=False)
    added = 2 * (full_size.VOCABULARY - 32_000) * full_size.WIDTH
    assert sum(p.numel() for p in net.llm.parameters()) - added == 6_738_415_616
    assert all(p.is_meta for p in net.parameters())


@pytest.mark.parametrize("tokens", [16, 200])
def test_operations_forwards_are_those_that_torch_counts(tokens):
    net = Planner(small(500, 64, 3), Heads(64, 16))
    net.llm.set_attn_implementation("eager")  # torch does not count what the fused kernels do
    batch = full_size.some(tokens, 2, 500, 16)
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        net.llm.lm_head(states(net, batch))
    forward, _ = full_size.operations(net, tokens, 2)
    assert forward == pytest.approx(counted.get_total_flops(), rel=0.02)


def test_lora_learns_little_and_needs_little():
    whole, lora = (full_size.sized(way, 512, 4) for way in (False, True))
    assert lora.learning < 0.08 * lora.numbers and lora.memory < 24 < 80 < whole.memory
    assert whole.teraflops / lora.teraflops == pytest.approx(4 / 3, rel=0.06)
    assert "6782 M" in full_size.table([whole, lora])
