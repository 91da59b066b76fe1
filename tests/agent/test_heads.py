"""Projectors, pointer scores and losses against dense references in float64, written out term by term."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from agent import heads
from agent.heads import Heads, contrast, norm_of, regression
from sessions.errors import BadWeights

H, D = 24, 10


@pytest.fixture
def some() -> Heads:
    torch.manual_seed(0)
    made = Heads(H, D, inner=6).double()
    made.fuse.data = torch.tensor([3.0, 0.5, 2.0]).double()
    return made.requires_grad_(False)


def gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def dense(layers: torch.nn.Sequential, x: np.ndarray) -> np.ndarray:
    first, _, second = layers
    inner = [gelu(v) for v in first.weight.numpy() @ x + first.bias.numpy()]
    return second.weight.numpy() @ np.array(inner) + second.bias.numpy()


def test_an_item_enters_at_length_r_and_with_its_role(some):
    h = torch.randn(3, D).double()
    spliced = some.spliced(h, torch.tensor([0, 2, 3]))
    for row, role in enumerate((0, 2, 3)):
        x = h[row].numpy() / np.linalg.norm(h[row].numpy()) * 20 * math.sqrt(D / 1024)
        expected = dense(some.enter, x) + some.role.weight[role].numpy()
        assert np.abs(spliced[row].numpy() - expected).max() < 1e-12


def test_the_length_is_the_papers_at_its_width():
    assert norm_of(1024) == 20
    assert norm_of(128) == pytest.approx(7.0711, abs=1e-4)


def test_the_three_terms(some):
    z, h, u, log_p = (torch.randn(*shape).double() for shape in ((H,), (5, D), (5, H), (5,)))
    terms = some.terms(z, h, u, log_p)
    e = dense(some.leave, z.numpy())
    q = some.query.weight.numpy() @ z.numpy()
    for i in range(5):
        cosine = e @ h[i].numpy() / np.linalg.norm(e) / np.linalg.norm(h[i].numpy())
        known = q @ (some.key.weight.numpy() @ u[i].numpy()) / math.sqrt(6)
        for term, expected in zip(terms[:, i], (3 * cosine, 0.5 * known, 2 * float(log_p[i])), strict=True):
            assert abs(float(term) - expected) < 1e-12


def test_terms_of_many_states_are_those_of_each(some):
    z, h, u, log_p = (torch.randn(*shape).double() for shape in ((4, H), (4, 5, D), (4, 5, H), (4, 5)))
    together = some.terms(z, h, u, log_p)
    for row in range(4):
        assert torch.allclose(together[:, row], some.terms(z[row], h[row], u[row], log_p[row]), atol=1e-12)


def test_reading_out_is_worst_for_the_opposite_and_nothing_for_the_thing_itself():
    h = torch.nn.functional.normalize(torch.randn(4, D).double(), dim=-1)
    exact = h * norm_of(D)
    assert regression(exact, h).abs().max() < 1e-12
    assert (regression(-exact, h) > regression(exact.roll(1, 0), h)).all()
    assert (regression(exact * 3, h) > 0).all(), "the length counts too"


def test_the_contrastive_term_is_infonce():
    e, h = torch.randn(6, D).double(), torch.randn(6, D).double()
    e1, h1 = (x / x.norm(dim=1, keepdim=True) for x in (e, h))
    expected = np.mean(
        [-math.log(math.exp(e1[i] @ h1[i] / 0.07) / sum(math.exp(e1[i] @ t / 0.07) for t in h1)) for i in range(6)]
    )
    assert float(contrast(e, h)) == pytest.approx(expected, abs=1e-10)


def test_a_target_that_stands_there_twice_is_no_example_against_itself():
    e, h = torch.randn(4, D).double(), torch.randn(4, D).double()
    h[3] = h[1] * 2
    e1, h1 = (x / x.norm(dim=1, keepdim=True) for x in (e, h))
    others = {0: (0, 1, 2, 3), 1: (0, 1, 2), 2: (0, 1, 2, 3), 3: (0, 2, 3)}
    said = {i: {j: math.exp(e1[i] @ h1[j] / 0.07) for j in js} for i, js in others.items()}
    expected = np.mean([-math.log(of[i] / sum(of.values())) for i, of in said.items()])
    assert float(contrast(e, h)) == pytest.approx(expected, abs=1e-10)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    made = Heads(H, D)
    save_file(made.state_dict(), tmp_path / "heads.safetensors")
    loaded = heads.load(tmp_path / "heads.safetensors", H)
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in loaded.state_dict().items())
    with pytest.raises(BadWeights, match="width 24, and this one has 32"):
        heads.load(tmp_path / "heads.safetensors", 32)


@pytest.mark.parametrize("lacking", ["enter.0.weight", "leave.2.bias", "role.weight", "query.weight"])
def test_what_is_missing_is_named(tmp_path, lacking):
    state = Heads(H, D).state_dict()
    del state[lacking]
    save_file(state, tmp_path / "heads.safetensors")
    with pytest.raises(BadWeights, match=f"lacks {lacking}"):
        heads.load(tmp_path / "heads.safetensors", H)
