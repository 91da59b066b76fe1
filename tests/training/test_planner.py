"""The planner's training: batches, labels, losses equal to what the planner computes, and that it can learn at all."""

import hashlib
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from agent import pointer
from agent.grammar import Grammar
from agent.heads import Heads, contrast, regression
from agent.llm.prefix import Prefix
from agent.llm.torch_llama import TorchLlama
from agent.pointer import Pool
from agent.tokens import BASE, GEN, SLOTS, Vocabulary, vocabulary_of
from tools import registry
from toybox.dialogues import Dialogue, dialogue
from training import planner, planner_tokens, turns
from training.dialogue_turns import taught
from training.examining import Candidate, answer, calibrated, picked, pointed
from training.lessons import Lesson
from training.loop import Trainer
from training.planner import Planner
from training.starter_planner import School, in_a_layer, words

D = 32


def seen(what: object) -> torch.Tensor:
    """An embedding that nothing else has."""
    seed = int(hashlib.sha256(repr(what).encode()).hexdigest()[:8], 16)
    h = torch.randn(D, generator=torch.Generator().manual_seed(seed))
    return h / h.norm()


def lesson(one: Dialogue) -> Lesson:
    shown = torch.stack([seen(item) for item in one.items])
    results = [torch.full((D,), torch.nan) if scene is None else seen(scene) for scene in one.results]
    return Lesson(one, shown, torch.stack(results) if results else torch.zeros(0, D))


@pytest.fixture(scope="module")
def dialogues() -> list[Dialogue]:
    """The 32 of the first 600 that say least."""
    return sorted((dialogue(n) for n in range(600)), key=lambda d: sum(map(len, words(d))))[:32]


@pytest.fixture(scope="module")
def vocabulary(dialogues) -> Vocabulary:
    return vocabulary_of(planner_tokens.learnt([said for one in dialogues for said in words(one)], 640))


@pytest.fixture(scope="module")
def lessons(dialogues) -> list[Lesson]:
    return [lesson(one) for one in dialogues]


@pytest.fixture
def net(vocabulary) -> Planner:
    torch.manual_seed(0)
    return Planner(planner.small(vocabulary.size, 64, 2), Heads(64, D, 16))


def test_only_the_reply_is_to_be_said(lessons, vocabulary):
    for one in lessons:
        turn = taught(one, vocabulary, range(SLOTS))
        batch = turns.batch([turn])
        spoken = [i for i, label in enumerate(batch.labels[0].tolist()) if label != turns.UNHEARD]
        assert spoken == list(range(turn.begins, len(turn.ids)))
        assert vocabulary.decode(turn.ids[: turn.begins]).endswith("ASSISTANT:")


def test_what_is_read_is_at_its_token(lessons, vocabulary):
    for one in lessons:
        turn = taught(one, vocabulary, range(SLOTS))
        for position, row, legal in turn.refs:
            assert vocabulary.decode([turn.ids[position]]) in ("<base>", "<sub>")
            assert turn.ids[position + 1] == turn.slots[row] and row in legal
        assert all(turn.ids[position] == vocabulary.ids[GEN] for position, _ in turn.gens)
        assert all(turn.ids[mark] == slot for mark, slot in zip(turn.marks, turn.slots, strict=True))


def test_slots_mean_nothing(lessons, vocabulary):
    """Dealt otherwise, the same lesson has other slots, in the prompt and in the plan alike."""
    for one in lessons[:8]:
        first, second = taught(one, vocabulary, range(SLOTS)), taught(one, vocabulary, range(SLOTS)[::-1])
        there = {vocabulary.slot(i): vocabulary.slot(SLOTS - 1 - i) for i in range(SLOTS)}
        assert tuple(there.get(token, token) for token in first.ids) == second.ids


def test_a_batch_is_its_turns(net, lessons, vocabulary):
    """Padding, other turns and their items change no number."""
    all_of_them = [taught(one, vocabulary, range(SLOTS)) for one in lessons[:6]]
    together = turns.batch(all_of_them)
    with torch.no_grad():
        hidden = planner.states(net, together)
        scores = planner.scores(net, together, hidden)
        at = 0
        for b, turn in enumerate(all_of_them):
            alone = turns.batch([turn])
            assert torch.allclose(planner.states(net, alone)[0], hidden[b, : len(turn.ids)], atol=1e-5)
            mine = planner.scores(net, alone, planner.states(net, alone))
            assert torch.allclose(mine, scores[at : at + len(turn.refs), : len(turn.h)], atol=1e-4)
            at += len(turn.refs)


def test_the_planner_computes_what_it_was_taught(net, lessons, vocabulary):
    """States, read-outs and the pointer's scores of the training batch, through the planner's own way of reading."""
    net.eval()
    turn = next(t for t in (taught(one, vocabulary, range(SLOTS)) for one in lessons) if t.refs and len(t.h) > 1)
    with torch.no_grad():
        into = net.heads.spliced(turn.h, torch.tensor(turn.roles)).numpy()
        spliced = {position: into[row] for position, row in turn.spliced.items()}
        thread = Prefix(TorchLlama(net.llm).open())
        at, _, legal = turn.refs[0]
        states, _ = thread.read(turn.ids[: at + 1], spliced, [*turn.marks, at])
        batch = turns.batch([turn])
        hidden = planner.states(net, batch)
        assert np.abs(hidden[0, [*turn.marks, at]].numpy() - states).max() < 1e-4
        log_p = torch.log_softmax(net.llm.lm_head(torch.from_numpy(states[-1]))[list(turn.slots)][list(legal)], 0)
        pool = Pool(turn.slots, turn.h, torch.from_numpy(states[:-1])).only([turn.slots[r] for r in legal])
        mine = net.heads.terms(torch.from_numpy(states[-1]), pool.h, pool.u, log_p).sum(0)
        theirs = planner.scores(net, batch, hidden)[0, list(legal)]
        assert torch.allclose(mine, theirs, atol=1e-3)
        pick = pointer.choose(net.heads, pool, torch.from_numpy(states[-1]), log_p)
        assert pick.slot == pool.slots[int(theirs.argmax())]


def test_each_loss_is_its_formula(net, lessons, vocabulary):
    batch = turns.batch([taught(one, vocabulary, range(SLOTS)) for one in lessons])
    with torch.no_grad():
        got, hidden = planner.losses(net, batch), planner.states(net, batch)
        nll = []
        for b, position in (batch.labels[:, 1:] != turns.UNHEARD).nonzero().tolist():
            p = torch.log_softmax(net.llm.lm_head(hidden[b, position]), 0)
            nll.append(-float(p[batch.ids[b, position + 1]]))
        assert float(got.tokens) == pytest.approx(sum(nll) / len(nll), rel=1e-4)
        scores = planner.scores(net, batch, hidden)
        of_refs = [-math.log(float(torch.softmax(s, 0)[row])) for s, row in zip(scores, batch.refs[:, 2], strict=True)]
        alone = []
        for (b, at, row), legal in zip(batch.refs.tolist(), batch.legal, strict=True):
            known = net.heads.key(hidden[b, batch.marks[b]]) @ net.heads.query(hidden[b, at]) / net.heads.inner**0.5
            alone.append(-float(torch.log_softmax(known.masked_fill(~legal, -torch.inf), 0)[row]))
        assert float(got.pointing) == pytest.approx(sum(of_refs + alone) / len(of_refs), rel=1e-4)
        meant = [(b, at, batch.h[b, row]) for b, at, row in batch.refs.tolist()]
        meant += [(b, at, h) for (b, at), h in zip(batch.gens.tolist(), batch.wanted, strict=True)]
        e, h = torch.stack([net.heads.leave(hidden[b, at]) for b, at, _ in meant]), torch.stack([x for *_, x in meant])
        assert len(batch.refs) and len(batch.gens), "both are read out"
        assert float(got.reading) == pytest.approx(float(regression(e, h).mean()), rel=1e-4)
        assert float(got.contrast) == pytest.approx(float(contrast(e, h)), rel=1e-4)
        assert got.whole == got.tokens + got.pointing + got.reading + 0.5 * got.contrast
        assert not batch.legal.all(), "there are turns with fewer items than others"
        assert (scores[~batch.legal] == -torch.inf).all()


def test_a_tiny_planner_learns_32_dialogues_by_heart(net, lessons, vocabulary, tmp_path, monkeypatch):
    """A test of splices, read-outs, labels and pointer, not of planning: every plan comes back, to the token."""
    school = School(lessons, vocabulary, seed=1)
    turn = cache(school.turn)
    monkeypatch.setattr(school, "turn", lambda place, step: turn(place, step % 16))  # dealt often enough
    recipe = planner.recipe(net, lambda step: school.batch(step, 16), 140, rate=8e-3)
    Trainer(replace(recipe, warm=15, turned=in_a_layer), tmp_path).run(deadline=math.inf)
    net.eval().requires_grad_(False)
    who = Candidate(TorchLlama(net.llm), net.heads, Grammar(vocabulary, tuple(registry.registered().values())))
    answers = [answer(who, one) for one in lessons]
    assert [one.written for one in answers] == [one.truth for one in answers]
    confidences, right = picked(answers)
    assert all(right) and len(right) >= 10 and min(confidences) > 0.6


def test_references_are_read_where_the_plan_says_base(lessons, vocabulary):
    count = sum(len(taught(one, vocabulary, range(SLOTS)).refs) for one in lessons)
    assert count >= 16 and BASE in vocabulary.ids


def test_calibration_leaves_the_truth_most_likely(net, lessons, vocabulary):
    """The temperature is set where the true references are least surprising; δ and likeness come after it."""
    net.eval().requires_grad_(False)
    net.heads.fuse.fill_(8.0)
    who = Candidate(TorchLlama(net.llm), net.heads, Grammar(vocabulary, tuple(registry.registered().values())))
    some = lessons

    def surprise() -> float:
        found = [pair for one in some for pair in pointed(net, who, one)]
        t = float(net.heads.temperature)
        return sum(-float(torch.log_softmax(scores / t, 0)[meant]) for scores, meant in found) / len(found)

    before = surprise()
    sure, _ = calibrated(net, who, some)
    fitted = float(net.heads.temperature)
    assert 0.04 < fitted < 21 and fitted != 1 and 0 <= sure <= 1
    least = surprise()
    assert least < before
    for other in (0.7, 1.4):
        net.heads.temperature.fill_(fitted * other)
        assert surprise() >= least - 1e-6
