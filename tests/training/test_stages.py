"""The stages: what each teaches, which weights learn in it, and LoRA that folds back into what it stood beside."""

import math
from dataclasses import replace

import pytest
import torch

from agent.heads import Heads
from agent.tokens import GEN, VIDEO, Vocabulary, vocabulary_of
from training import planner_tokens, stages, turns
from training.loop import Trainer
from training.planner import Planner, losses, recipe, small, states

D = 24
SAID = ["a red disc on grey", "a blue star on white", "a green ring on mint", "an orange cross on teal"]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return vocabulary_of(
        planner_tokens.learnt([f" {said} USER: ASSISTANT: describe it draw" for said in SAID] * 3, 420)
    )


@pytest.fixture
def net(vocabulary) -> Planner:
    torch.manual_seed(2)
    return Planner(small(vocabulary.size, 64, 2), Heads(64, D, 8))


@pytest.fixture(scope="module")
def h() -> torch.Tensor:
    torch.manual_seed(3)
    return torch.nn.functional.normalize(torch.randn(len(SAID), D), dim=-1)


def test_an_item_is_described(vocabulary, h):
    turn = stages.described(h[0], "sound", SAID[0], vocabulary)
    assert vocabulary.decode(turn.ids) == f"<s> USER:<video> describe it ASSISTANT: {SAID[0]}</s>"
    assert vocabulary.decode(turn.ids[turn.begins :]) == f" {SAID[0]}</s>"
    assert {turn.ids[at] for at in turn.spliced} == {vocabulary.ids[VIDEO]} and turn.roles == (3,)


def test_a_caption_or_a_sound_is_drawn(vocabulary, h):
    for turn in (stages.drawn(SAID[1], h[1], vocabulary), stages.drawn_from(h[0], "sound", h[1], vocabulary)):
        [(at, wanted)] = turn.gens
        assert turn.ids[at] == vocabulary.ids[GEN] and at == turn.begins and torch.equal(wanted, h[1])


def all_turns(vocabulary, h):
    return {
        1: [stages.described(row, "upload", said, vocabulary) for row, said in zip(h, SAID, strict=True)],
        2: [stages.drawn(said, row, vocabulary) for row, said in zip(h, SAID, strict=True)],
    }


@pytest.mark.parametrize(
    ("stage", "lora", "learns"),
    [
        (1, 0, {"heads.enter", "heads.role"}),
        (2, 0, {"heads.enter", "heads.leave"}),
        (5, 0, {"heads", "llm"}),
        (5, 8, {"heads", "lora", "embed_tokens", "lm_head"}),
    ],
)
def test_only_the_weights_of_a_stage_learn(net, vocabulary, h, tmp_path, stage, lora, learns):
    stages.learning(net, stage, lora)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    both = all_turns(vocabulary, h)
    taught = turns.batch(both.get(stage, both[1] + both[2]))
    Trainer(recipe(net, lambda step: taught, 3, rate=1e-2), tmp_path).run(math.inf)
    changed = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert changed and all(any(part in name for part in learns) for name in changed)
    assert all(any(part in name for name in changed) for part in learns)


def trained(net, batch, steps, folder, rate=1e-2):
    """So many steps on one batch, after a short warm-up."""
    Trainer(replace(recipe(net, lambda step: batch, steps, rate=rate), warm=10), folder).run(math.inf)


def test_an_llm_that_can_describe_learns_another_encoders_items_by_what_enters_alone(net, vocabulary, h, tmp_path):
    """Stage 1: what is shown could be anything until P_in has learnt; the LLM stays as it is."""
    others = turns.batch(all_turns(vocabulary, torch.eye(len(h), D))[1])
    trained(net, others, 45, tmp_path / "others")
    assert losses(net, others).whole.item() < 0.05
    at = turns.batch(all_turns(vocabulary, h)[1])
    before = losses(net, at).whole.item()
    trained(stages.learning(net, 1), at, 60, tmp_path / "aligned", 2e-2)
    assert losses(net, at).whole.item() < 0.2 * before and before > 0.2


def test_what_is_to_be_drawn_is_read_out(net, vocabulary, h, tmp_path):
    """Stage 2: P_out learns to say the embedding of the caption's picture, of each its own."""
    at = turns.batch(all_turns(vocabulary, h)[2])
    trained(stages.learning(net, 2), at, 50, tmp_path, 2e-2)
    with torch.no_grad():
        e = net.heads.leave(states(net, at)[at.gens[:, 0], at.gens[:, 1]])
    likeness = torch.nn.functional.normalize(e, dim=-1) @ h.T
    assert (likeness.argmax(1) == torch.arange(len(h))).all() and likeness.diagonal().min() > 0.95


def test_lora_begins_as_nothing_and_folds_back(net, vocabulary, h, tmp_path):
    at = turns.batch(all_turns(vocabulary, h)[1])
    with torch.no_grad():
        plain = states(net, at)
        stages.learning(net, 5, lora=8)
        assert torch.allclose(states(net, at), plain, atol=1e-6)
    names = set(net.llm.state_dict())
    Trainer(recipe(net, lambda step: at, 5, rate=1e-2), tmp_path).run(math.inf)
    with torch.no_grad():
        learnt = states(net, at)
        assert not torch.allclose(learnt, plain, atol=1e-3)
        assert torch.allclose(states(stages.merged(net), at), learnt, atol=1e-4)
    assert any("lora" in name for name in names) and not any("lora" in name for name in net.llm.state_dict())


def test_with_lora_little_of_the_llm_learns():
    with torch.device("meta"):
        from transformers import LlamaConfig, LlamaForCausalLM

        llm = LlamaForCausalLM(LlamaConfig(vocab_size=32074, hidden_size=4096, num_hidden_layers=2))
        net = stages.learning(Planner(llm, Heads(4096, 1024)), 5, stages.RANK)
    layers = sum(p.numel() for name, p in net.llm.named_parameters() if "lora" in name)
    assert layers == 2 * stages.RANK * (4 * 2 * 4096 + 3 * (4096 + 11008))
