"""Both back ends against the formulas in float64 and against transformers: splices, states, rewinds, long feeds."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from agent.llm import llama_cpp, torch_llama
from agent.llm.prefix import Prefix
from sessions.errors import NotFinite, OutOfMemory, TooLarge
from tests.agent.llm import models
from tests.agent.llm.models import apart, some

CLOSE = 1e-4


def rows(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.3, (count, models.WIDTH)).astype(np.float32)


def spliced(llm, ids, at) -> np.ndarray:
    """The inputs of a whole sequence."""
    inputs = llm.embeddings(ids).copy()
    for offset, row in at.items():
        inputs[offset] = row
    return inputs


@pytest.mark.parametrize("which", ["plain", "grouped"])
def test_states_and_logits_are_those_of_the_formulas(which, backend, loaded, folders):
    llm, ids = loaded(which, backend), some(40)
    at = dict(zip((0, 7, 8, 21, 39), rows(5), strict=True))
    read = [0, 6, 7, 8, 9, 38, 39]
    reading = llm.open().feed(ids, at, read)
    states, logits = models.dense(folders[which], spliced(llm, ids, at))
    assert reading.states.shape == (len(read), llm.width) and reading.logits.shape == (llm.vocabulary,)
    assert reading.states.dtype == reading.logits.dtype == np.float32
    assert apart(reading.states, states[read]) < CLOSE
    assert apart(reading.logits, logits[-1]) < CLOSE
    assert apart(llm.open().feed(ids, {}, [20]).states, states[[20]]) > 100 * CLOSE, "the splices must matter"


def test_transformers_says_the_same(backend, loaded, folders):
    llm, ids = loaded("plain", backend), some(30, seed=3)
    network = LlamaForCausalLM.from_pretrained(folders["plain"]).eval()
    with torch.no_grad():
        said = network(torch.tensor([ids]), output_hidden_states=True)
    reading = llm.open().feed(ids, read=range(30))
    assert apart(reading.states, said.hidden_states[-1][0].numpy()) < CLOSE
    assert apart(reading.logits, said.logits[0, -1].numpy()) < CLOSE


def test_in_float64_torch_is_closer_still(folders):
    llm = torch_llama.load(folders["plain"], torch.device("cpu"), torch.float64)
    ids, thread = some(30), llm.open()
    thread.feed(ids[:11])
    reading = thread.feed(ids[11:], {3: rows(1)[0]}, [0, 18])
    states, logits = models.dense(folders["plain"], spliced(llm, ids, {14: rows(1)[0]}))
    assert apart(reading.states, states[[11, 29]]) < 2e-6  # transformers' norm goes through float32
    assert apart(reading.logits, logits[-1]) < 2e-6


def test_embeddings_are_the_rows_of_the_table(llm, folders):
    table = LlamaForCausalLM.from_pretrained(folders["plain"]).get_input_embeddings().weight.detach().numpy()
    assert np.array_equal(llm.embeddings([5, 399, 5]), table[[5, 399, 5]])
    assert llm.embeddings([]).shape == (0, llm.width)


def test_a_row_of_the_table_spliced_in_is_the_token_itself(llm):
    ids = some(12)
    own = {4: llm.embeddings(ids[4:5])[0]}
    assert apart(llm.open().feed(ids, own, [4, 11]).states, llm.open().feed(ids, {}, [4, 11]).states) < 1e-5


def test_feeding_in_parts_is_feeding_at_once(llm):
    ids, at = some(50), dict(zip((3, 30), rows(2), strict=True))
    whole = llm.open().feed(ids, at, [2, 29, 49])
    thread = llm.open()
    first = thread.feed(ids[:29], {3: at[3]}, [2])
    second = thread.feed(ids[29:49], {1: at[30]}, [0])
    last = thread.feed(ids[49:], read=[0])
    assert thread.length == 50
    assert apart(np.concatenate([first.states, second.states, last.states]), whole.states) < CLOSE
    assert apart(last.logits, whole.logits) < CLOSE


def test_states_come_in_the_order_they_are_asked_for(llm):
    ids = some(300)
    states = llm.open().feed(ids, {}, [290, 1, 1, 260]).states
    assert np.array_equal(states, llm.open().feed(ids, {}, [1, 260, 290]).states[[2, 0, 0, 1]])


def test_what_was_rewound_was_never_there(llm):
    ids, other = some(40), some(9, seed=5)
    thread = llm.open()
    thread.feed(ids[:25])
    thread.feed(other, {2: rows(1)[0]})
    thread.rewind(25)
    assert thread.length == 25
    again = thread.feed(ids[25:], {}, [0, 14])
    whole = llm.open().feed(ids, {}, [25, 39])
    assert apart(again.states, whole.states) < CLOSE and apart(again.logits, whole.logits) < CLOSE
    thread.rewind(0)
    assert thread.length == 0
    assert apart(thread.feed(ids, {}, [25, 39]).states, whole.states) < CLOSE


def test_rewinding_to_what_is_not_there_yet_changes_nothing(llm):
    thread = llm.open()
    thread.feed(some(5))
    thread.rewind(9)
    assert thread.length == 5


@pytest.mark.parametrize("count", [llama_cpp.BATCH - 1, llama_cpp.BATCH, llama_cpp.BATCH + 1, 2 * llama_cpp.BATCH + 5])
def test_a_feed_of_several_batches(count, llm, folders):
    ids, edge = some(count), llama_cpp.BATCH - 1
    at = {offset: row for offset, row in zip((edge - 1, edge, edge + 1), rows(3), strict=True) if offset < count}
    read = [0, edge - 1, count - 1]
    reading = llm.open().feed(ids, at, read)
    states, logits = models.dense(folders["plain"], spliced(llm, ids, at))
    assert apart(reading.states, states[read]) < CLOSE and apart(reading.logits, logits[-1]) < CLOSE


def test_a_context_that_is_full_is_said_and_leaves_the_thread_as_it_was(llm):
    ids, thread = some(models.CONTEXT), llm.open()
    assert llm.context == models.CONTEXT
    with pytest.raises(TooLarge, match="601"):
        thread.feed([*ids, 1])
    assert thread.length == 0
    thread.feed(ids[:-1])
    with pytest.raises(TooLarge):
        thread.feed([1, 2])
    assert thread.length == models.CONTEXT - 1
    assert apart(thread.feed(ids[-1:]).logits, llm.open().feed(ids).logits) < CLOSE


def test_two_threads_do_not_disturb_each_other(llm):
    ids, others = some(30), some(30, seed=9)
    alone = llm.open().feed(ids, {}, [29])
    one, other = llm.open(), llm.open()
    for start in range(0, 30, 10):
        reading = one.feed(ids[start : start + 10], {}, [9])
        other.feed(others[start : start + 10])
    other.rewind(3)
    assert one.length == 30 and other.length == 3
    assert apart(reading.states, alone.states) < CLOSE and apart(reading.logits, alone.logits) < CLOSE


def test_numbers_that_are_none_are_refused(llm):
    broken = np.full(llm.width, np.nan, np.float32)
    with pytest.raises(NotFinite):
        llm.open().feed([1, 2, 3], {1: broken})


def test_a_device_without_memory_is_said_and_the_prefix_makes_up_for_what_is_gone(folders, monkeypatch):
    llm, ids = torch_llama.load(folders["plain"], torch.device("cpu"), torch.float32), some(20)
    thread = llm.open()
    prefix = Prefix(thread)
    before, _ = prefix.read(ids, {}, [3])

    def full(*_, **__):
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patch:
        patch.setattr(llm.network.model.layers[1], "forward", full)
        with pytest.raises(OutOfMemory):
            prefix.read([*ids[:15], 1, 2], {}, [3])
    assert thread.length == 0, "a part of the layers had taken it in"
    assert apart(prefix.read(ids, {}, [3])[0], before) < CLOSE


def test_threads_and_models_give_their_memory_back(backend, folders, loaded):
    loaded("plain", backend)  # llama.cpp may be missing
    from tests.agent.llm.conftest import load

    llm = load(folders["plain"], backend)
    thread = llm.open()
    thread.feed(some(20))
    gone = []
    weakref.finalize(llm, gone.append, "llm")
    weakref.finalize(thread, gone.append, "thread")
    del llm
    gc.collect()
    assert not gone
    del thread
    gc.collect()
    assert sorted(gone) == ["llm", "thread"]


def resident() -> float:
    """Memory of this process, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_llama_cpp_frees_what_a_conversation_took(loaded):
    llm = loaded("plain", "llama.cpp")

    llm.open().feed(some(3), {}, [0])
    before = resident()
    for _ in range(40):
        llm.open().feed(some(3), {}, [0])
    assert resident() - before < 20, "kept, they take some 85 MB"
