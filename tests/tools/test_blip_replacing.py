"""Two rows denoised together: against a dense form of the released procedure, by its identities, and the alignment."""

from itertools import pairwise

import pytest
import torch
from torch.nn.functional import interpolate, max_pool2d

from tests import tiny
from tools.base import drain
from tools.diffusion import model as models
from tools.diffusion.alignment import NEW, aligned, refinement
from tools.diffusion.attention import transformer_blocks
from tools.diffusion.denoiser import Condition, Network
from tools.diffusion.guidance import classifier_free, mixed
from tools.diffusion.replacing import Replacing, blend, replaced
from tools.diffusion.sampling import ddim
from tools.diffusion.schedules import ddim_sigmas

STEPS = 3
SOURCE = [900, 1, 20, 30, 31, 901]
TARGET = [900, 1, *[NEW] * 4, 21, 30, 31, 901]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return models.load(tiny.stable_diffusion(tmp_path_factory.mktemp("sd")), "cpu", torch.float64)


@pytest.fixture(scope="module")
def sigmas(model):
    return ddim_sigmas(model.schedule, STEPS)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def text(seed):
    return Condition(noise(77, tiny.WIDTH, seed=seed))


def start(sigmas, side=16):
    return sigmas[0] * noise(1, 4, side, side, seed=9)


def case(**other) -> Replacing:
    given = {
        "source": text(1),
        "target": text(2),
        "nothing": text(3),
        "guidance": 4.0,
        "alignment": refinement(SOURCE, TARGET, 77),
        "words": (2,),
    }
    return Replacing(**(given | other))


def run(model, x, sigmas, r):
    """Every state, and the end."""
    states, working = [], replaced(model, x, sigmas, r)
    try:
        while True:
            states.append(next(working))
    except StopIteration as end:
        return states, end.value


class Dense:
    """The released procedure as an attention processor: whole maps of the rows [∅, ∅, source, target]."""

    def __init__(self, tokens, alignment):
        self.tokens, self.alignment, self.step, self.seen = tokens, alignment, 0, []
        self.cross = self.own = 0

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        x, crossing = hidden_states, encoder_hidden_states is not None
        seen = encoder_hidden_states if crossing else x
        q, k, v = (attn.head_to_batch_dim(y) for y in (attn.to_q(x), attn.to_k(seen), attn.to_v(seen)))
        maps = (q @ k.mT * attn.scale).softmax(-1).unflatten(0, (4, attn.heads))
        if crossing and x.shape[1] == self.tokens:
            self.seen.append(maps[2].mean(0))
        if crossing and self.step < self.cross:
            mapped, some = self.alignment
            maps[3] = maps[2][..., mapped] * some + maps[3] * (1 - some)
        if not crossing and self.step < self.own and x.shape[1] <= self.tokens:
            maps[3] = maps[2]
        return attn.to_out[0](attn.batch_to_head_dim(maps.flatten(0, 1) @ v))


def dense(model, x, sigmas, r):
    """LAVIS's `_edit_with_latent` in our coordinates, written out without sharing anything with ours."""
    h, w = x.shape[-2:]
    mapped = r.alignment.argmax(0)
    processor = Dense((h // 4) * (w // 4), (mapped, r.alignment.sum(0).double()))
    processor.cross, processor.own = int(r.cross * STEPS), int(r.own * STEPS)
    for block in transformer_blocks(model.unet):
        block.attn1.set_processor(processor)
        block.attn2.set_processor(processor)
    texts = torch.stack([r.nothing.text, r.nothing.text, r.source.text, r.target.text])
    both, states = x.expand(2, -1, -1, -1), []
    for sigma, lower in pairwise(sigmas):
        z = torch.cat([both, both]) / (sigma**2 + 1).sqrt()
        with torch.no_grad():
            eps = model.unet(z, model.schedule.t(sigma), texts, return_dict=False)[0]
        led = torch.stack([eps[2], eps[1] + r.guidance * (eps[3] - eps[1])])
        states.append(both[1:] - sigma * led[1:])
        both = both + (lower - sigma) * led
        looked = torch.stack(processor.seen)[..., list(r.words)].sum(-1).mean(0).view(1, 1, h // 4, w // 4)
        mask = interpolate(max_pool2d(looked, 3, 1, 1), (h, w))
        both = torch.cat([both[:1], torch.where(mask / mask.max() > r.threshold, both[1:], both[:1])])
        processor.step += 1
    return states, both


@pytest.mark.parametrize("r", [{}, {"threshold": 0.9}, {"cross": 0.4, "own": 0.8}, {"guidance": 1.0}])
def test_it_is_the_released_procedure_without_its_maps(model, sigmas, r):
    expected, both = dense(model, start(sigmas), sigmas, case(**r))
    states, end = run(model, start(sigmas), sigmas, case(**r))
    torch.testing.assert_close(end.x, both, atol=1e-8, rtol=1e-8)
    for state, denoised in zip(states, expected, strict=True):
        torch.testing.assert_close(state.denoised, denoised, atol=1e-8, rtol=1e-8)


def test_the_cases_above_do_something(model, sigmas):
    """A mask of part of the picture, led attention and guidance each change the end."""
    x = start(sigmas)
    ends = [run(model, x, sigmas, case(**r))[1] for r in ({}, {"threshold": 0.95}, {"cross": 0}, {"own": 0})]
    assert 0 < ends[1].mask.double().mean() < 1
    for other in ends[1:]:
        assert not torch.allclose(other.x[1], ends[0].x[1])


def test_equal_texts_unguided_keep_both_rows_one_at_every_step(model, sigmas):
    same = case(target=text(1), guidance=1.0, alignment=refinement(SOURCE, SOURCE, 77), threshold=0.5)
    states, end = run(model, start(sigmas), sigmas, same)
    plain = mixed(Network(model), [(1.0, text(1))])
    expected = ddim(plain, start(sigmas), sigmas)
    for state, other in zip(states, expected, strict=True):
        torch.testing.assert_close(state.x, other.x, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(end.x[0], end.x[1], atol=1e-9, rtol=1e-9)


def test_without_led_attention_the_target_is_drawn_independently(model, sigmas):
    x, everywhere = start(sigmas), torch.ones(16, 16, dtype=torch.bool)
    _, end = run(model, x, sigmas, case(cross=0, own=0, mask=everywhere))
    D = classifier_free(Network(model), text(2), text(3), 4.0)
    alone = ddim(D, x, sigmas)
    last = drain(alone)
    torch.testing.assert_close(end.x[1:], last, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("nowhere", [{"threshold": 1.0}, {"mask": torch.zeros(16, 16, dtype=torch.bool)}])
def test_an_empty_mask_is_the_source_to_the_last_bit(model, sigmas, nowhere):
    _, end = run(model, start(sigmas), sigmas, case(**nowhere))
    assert torch.equal(end.x[0], end.x[1])


def test_the_source_goes_its_own_way_whatever_the_target_is(model, sigmas):
    one, other = (run(model, start(sigmas), sigmas, case(target=text(seed)))[1] for seed in (2, 7))
    torch.testing.assert_close(one.x[0], other.x[0], atol=1e-10, rtol=1e-10)
    expected = drain(ddim(mixed(Network(model), [(1.0, text(1))]), start(sigmas), sigmas))
    torch.testing.assert_close(one.x[:1], expected, atol=1e-9, rtol=1e-9)


def test_sides_that_do_not_halve_evenly_are_taken(model, sigmas):
    x = sigmas[0] * noise(1, 4, 12, 20, seed=9)
    _, end = run(model, x, sigmas, case())
    assert end.x.shape == (2, 4, 12, 20)
    assert end.mask.any()


def test_it_stops_between_evaluations(model, sigmas):
    working = replaced(model, start(sigmas), sigmas, case())
    next(working)
    working.close()
    torch.testing.assert_close(run(model, start(sigmas), sigmas, case())[1].x.isfinite().all(), torch.tensor(True))


def test_the_mask_is_spread_by_a_cell_and_cut_at_a_share_of_its_largest():
    looked = torch.zeros(6, 6)
    looked[2, 3], looked[5, 0] = 1.0, 0.25
    assert blend(looked, (6, 6), 0.3).nonzero().tolist() == [[i, j] for i in (1, 2, 3) for j in (2, 3, 4)]
    assert blend(looked, (6, 6), 0.2).sum() == 13
    assert blend(looked, (12, 12), 0.3).sum() == 36


B, E = 900, 901


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        # a subject before the same word: the released code's own example
        ([B, 1, 20, 30, E], [B, 1, *[NEW] * 3, 20, 30, E], [0, 1, None, None, None, 2, 3, 4]),
        # another category: the new word keeps its own map
        ([B, 1, 20, 30, E], [B, 1, NEW, 21, 30, E], [0, 1, None, None, 3, 4]),
        # a word of three tokens by one of two, one of them common
        ([B, 1, 20, 21, 22, 30, E], [B, 1, NEW, 22, 25, 30, E], [0, 1, None, 4, None, 5, 6]),
        # repeated words: nothing is used twice, and order is kept
        ([B, 1, 20, 30, 20, E], [B, 1, NEW, 20, 30, 20, E], [0, 1, None, 2, 3, 4, 5]),
        ([B, 1, 20, 1, 20, E], [B, 1, 20, E], [0, 1, 2, 5]),
        ([B, 1, 20, E], [B, 1, 20, 1, 20, E], [0, 1, 2, None, None, 3]),
        # nothing in common but the ends
        ([B, 5, E], [B, 6, 7, E], [0, None, None, 2]),
    ],
)
def test_which_token_stands_for_which(source, target, expected):
    assert aligned(source, target) == expected


def test_padding_stands_for_padding_only():
    moved = refinement([B, 1, 20, 21, 22, E], [B, 1, NEW, E], 10)
    assert moved[:, 4:6].sum() == 0
    assert torch.equal(moved[6:, 6:], torch.eye(4))
    assert moved.sum(0).max() == 1


def test_a_refinement_moves_each_token_once():
    moved = refinement(SOURCE, TARGET, 77)
    assert moved[2].sum() == 0, "what is replaced lends its map to nobody"
    assert moved[:, 2:7].sum() == 0, "the subject and its category keep theirs"
    assert moved[3, 7] == 1
