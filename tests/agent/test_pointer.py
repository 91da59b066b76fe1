"""Which item a reference means: fused, by cosine, by its token; and how sure that is."""

import pytest
import torch

from agent import pointer
from agent.heads import Heads
from agent.pointer import Pool

H, D = 16, 8


@pytest.fixture
def heads() -> Heads:
    torch.manual_seed(1)
    return Heads(H, D, inner=4).requires_grad_(False)


@pytest.fixture
def pool() -> Pool:
    torch.manual_seed(2)
    return Pool((5, 0, 9, 33), torch.randn(4, D), torch.randn(4, H))


def test_by_cosine_the_nearest_embedding_is_meant(heads, pool):
    for i in range(4):
        z = torch.randn(H)
        e = heads.leave(z)
        pool.h[i] = e * 3 + 0.01 * torch.randn(D)
        log_p = torch.full((4,), -30.0)
        log_p[(i + 1) % 4] = 0.0
        pick = pointer.choose(heads, pool, z, log_p, "cosine")
        assert pick.slot == pool.slots[i] and pick.because == "by what it shows"
        pool.h[i] = torch.randn(D)


def test_by_its_token_the_likeliest_slot_is_meant(heads, pool):
    log_p = torch.log_softmax(torch.tensor([0.0, 3.0, 1.0, -2.0]), 0)
    for mind in (heads, None):
        pick = pointer.choose(mind, pool, torch.randn(H), log_p, "symbolic")
        assert (pick.slot, pick.other) == (0, 9)
    p = log_p.exp()
    assert pick.confidence == pytest.approx(float(p[1] - p[2]))


def test_fused_each_term_can_decide(heads, pool):
    heads.fuse.data = torch.tensor([1.0, 1.0, 1.0])
    z = torch.randn(H)
    flat = torch.zeros(4)
    pool.h[:] = torch.randn(D)
    pool.u[:] = torch.randn(H)
    assert pointer.choose(heads, pool, z, torch.tensor([0.0, 0, 5, 0])).because == "by its place in the session"
    pool.u[3] = torch.linalg.lstsq(heads.key.weight, (heads.query(z) * 40)[:, None]).solution[:, 0]
    pick = pointer.choose(heads, pool, z, flat)
    assert (pick.slot, pick.because) == (33, "by how it came about")


def test_the_only_item_is_meant_for_sure(heads, pool):
    pick = pointer.choose(heads, pool.only([9]), torch.randn(H), torch.zeros(1))
    assert (pick.slot, pick.other, pick.confidence) == (9, None, 1.0)


def test_two_that_look_and_sound_the_same_are_a_doubt(heads, pool):
    pool.h[1], pool.u[1] = pool.h[0], pool.u[0]
    heads.fuse.data = torch.tensor([30.0, 0.0, 0.0])
    z = torch.randn(H)
    pool.h[2:] = -heads.leave(z)
    pool.h[:2] = heads.leave(z)
    pick = pointer.choose(heads, pool, z, torch.zeros(4))
    assert {pick.slot, pick.other} == {5, 0} and pick.confidence < 1e-6


def test_the_temperature_calibrates():
    torch.manual_seed(3)
    scores = [torch.randn(4) for _ in range(400)]
    truth = [int(torch.multinomial(torch.softmax(s / 2.5, 0), 1)) for s in scores]
    assert pointer.temperature(scores, truth) == pytest.approx(2.5, rel=0.35)
    assert pointer.temperature([3 * s for s in scores], truth) == pytest.approx(7.5, rel=0.35)


def test_delta_is_the_least_confidence_that_is_right_often_enough():
    confidences = [0.9, 0.8, 0.7, 0.6, 0.5]
    assert pointer.sure_from(confidences, [True, True, True, False, True], 0.95) == 0.7
    assert pointer.sure_from(confidences, [True, True, True, False, True], 0.80) == 0.5
    assert pointer.sure_from(confidences, [False] * 5) == 1.0
    assert pointer.sure_from([0.9] * 10, [True] * 5 + [False] * 5) == 1.0, "equals stand or fall together"


def test_what_is_not_looked_at_is_never_meant_by_what_it_shows(heads, pool):
    heads.fuse.data = torch.tensor([5.0, 1.0, 1.0])
    pool.h[:2] = 0
    for step in range(50):
        torch.manual_seed(step)
        z, log_p = torch.randn(H), torch.log_softmax(torch.randn(4), 0)
        terms = heads.terms(z, pool.h, pool.u, log_p)
        assert (terms[0, :2] == 0).all() and terms.isfinite().all()
        pick = pointer.choose(heads, pool, z, log_p)
        assert pick.slot in (9, 33) or pick.because in pointer.BECAUSE[1:]
    flat = Pool((5, 0), torch.zeros(2, D), torch.zeros(2, H))
    assert pointer.choose(heads, flat, torch.randn(H), torch.zeros(2)).because in pointer.BECAUSE[1:]
