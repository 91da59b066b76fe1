"""Which picture or sound a reference means: the fused score over the live slots, and how sure it is.

s_i = a·cos(P_out z, h_i) + b·(W_q z)·(W_k u_i)/√d + c·log p(<r_i> | z). The first term is InstructAny2Pix's retrieval,
and all there is for its released weights (`cosine`); an LLM without heads has the third alone (`symbolic`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from agent.heads import Heads
from sessions.errors import NotFinite

Mode = Literal["fused", "cosine", "symbolic"]
BECAUSE = ("by what it shows", "by how it came about", "by its place in the session")
"""What each term of the score goes by, for people."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The live items: `slots` (n), `h` their embeddings (n, D), `u` the states where they were shown (n, H)."""

    slots: tuple[int, ...]
    h: Tensor
    u: Tensor

    def only(self, slots: Sequence[int]) -> Pool:
        """Those of these slots, in this order."""
        rows = [self.slots.index(slot) for slot in slots]
        return Pool(tuple(slots), self.h[rows], self.u[rows])


@dataclass(frozen=True)
class Pick:
    """A slot, the next best one (None: there was no other), p(best) − p(next), and what decided between them."""

    slot: int
    other: int | None
    confidence: float
    because: str = ""


def choose(heads: Heads | None, pool: Pool, z: Tensor, log_p: Tensor, mode: Mode = "fused") -> Pick:
    """The item that is meant at state z (H), where the LLM gives its slots log p (n); NotFinite says what it says."""
    if mode == "symbolic" or heads is None:
        weighed = log_p[None]
        names: tuple[str, ...] = BECAUSE[2:]
    else:
        weighed = heads.terms(z, pool.h, pool.u, log_p)
        weighed, names = (weighed[:1], BECAUSE[:1]) if mode == "cosine" else (weighed, BECAUSE)
    scores = weighed.sum(0)
    if not scores.isfinite().all():
        raise NotFinite("The planner's numbers became infinite.", "Choose other weights for the planner.")
    if len(pool.slots) == 1:
        return Pick(pool.slots[0], None, 1.0)
    best, other = torch.topk(scores, 2).indices.tolist()
    p = torch.softmax(scores / (heads.temperature if heads is not None else 1.0), dim=0)
    lead = weighed[:, best] - weighed[:, other]
    return Pick(pool.slots[best], pool.slots[other], float(p[best] - p[other]), _reason(lead, names, pool.h[best]))


def _reason(lead: Tensor, names: Sequence[str], h: Tensor) -> str:
    """What term led most; never what a picture shows that was not looked at (h = 0). `lead`: of each term."""
    shown = bool(h.any())
    able = [place for place, name in enumerate(names) if shown or name != BECAUSE[0]]
    return names[max(able, key=lambda place: float(lead[place]))] if able else ""


def temperature(scores: Sequence[Tensor], truth: Sequence[int], steps: int = 60) -> float:
    """The temperature at which p(best) is calibrated on these scores (each (n,)): least negative log-likelihood.

    Guo et al., arXiv 1706.04599. Found by golden-section search over log T in [−3, 3].
    """

    def loss(log_t: float) -> float:
        nll = [-torch.log_softmax(s / torch.tensor(log_t).exp(), 0)[i] for s, i in zip(scores, truth, strict=True)]
        return float(torch.stack(nll).mean())

    low, high, g = -3.0, 3.0, (5**0.5 - 1) / 2
    for _ in range(steps):
        left, right = high - g * (high - low), low + g * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(torch.tensor((low + high) / 2).exp())


def sure_from(confidences: Sequence[float], right: Sequence[bool], precision: float = 0.95) -> float:
    """δ: the least confidence from which on picks are right with this precision; 1.0 where none is."""
    best = 1.0
    for least in sorted(set(confidences), reverse=True):
        hits = [hit for confidence, hit in zip(confidences, right, strict=True) if confidence >= least]
        if sum(hits) / len(hits) >= precision:
            best = least
    return best
