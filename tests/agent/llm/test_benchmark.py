"""The benchmark of the language model measures what it says, here on a model of no size."""

from __future__ import annotations

import pytest

from agent.llm import llama_cpp
from agent.llm.checkpoint import Sizes
from agent.llm.llama_cpp import LlamaCpp
from agent.llm.prefix import Prefix
from benchmarks import llm as benchmark
from tests.agent.llm.conftest import need_llama_cpp

SMALL = Sizes(
    hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=4096
)


@pytest.fixture
def small(tmp_path) -> LlamaCpp:
    need_llama_cpp()
    return llama_cpp.load(benchmark.model(tmp_path / "small.gguf", SMALL, 300), 1)


def test_at_turn_ten_fifteen_hundred_tokens_are_kept(small):
    prefix = Prefix(small.open())
    for turn, fed in ((9, 960 + 9 * 60 + 40), (10, 60 + 40)):
        prefix.read(*benchmark.prompt(turn, 300, 64))
        assert prefix.fed == fed
    assert prefix.length == 1500 + 60 + 40
    prefix.read(*benchmark.compacted(300, 64))
    assert prefix.fed == 300 + 40


def test_it_reports_both_ratios(small):
    figures = benchmark.decoding(small, rounds=2, count=2) | benchmark.first_tokens(small, rounds=1)
    assert {"llamacpp_ratio", "prefix_ratio", "compaction_ratio"} <= set(figures)
    assert 0 < figures["prefix_ratio"] < figures["compaction_ratio"] < 1


def test_both_loops_say_the_same_tokens(small):
    with benchmark.both(small) as (ours, plain):
        for _ in range(5):
            ours.stretch(1)
            plain.stretch(1)
            assert ours._next == plain._next[0]


def test_the_model_has_more_than_a_billion_numbers():
    s = benchmark.SIZES
    layer = 4 * s.hidden_size**2 + 3 * s.hidden_size * s.intermediate_size
    assert s.num_hidden_layers * layer + 2 * benchmark.TOKENS * s.hidden_size >= 10**9
