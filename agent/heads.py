"""The planner's small networks beside the LLM: projectors in and out, and what the pointer needs. No decoding here.

InstructAny2Pix (arXiv 2312.06738): an embedding h of a picture or a sound enters the LLM through P_in and leaves it, at
`[base]`, `[sub]` and `[gen]`, through P_out. Ours adds the role of an item, and a contextual key that tells revisions
apart which look alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sessions.errors import BadWeights
from tools.weights import tensors

ROLES = ("upload", "result", "attached", "sound")
"""What an item of the prompt is; its place is the row of `Heads.role`."""
RELEASED = {
    "vae_projector_image.0": "enter.0",
    "vae_projector_image.2": "enter.2",
    "vae_predictor_image.0": "leave.0",
    "vae_predictor_image.2": "leave.2",
}
"""The released checkpoint's names of the projectors, behind `model.`, → ours."""


def norm_of(space: int) -> float:
    """R, the length of every embedding in the model: 20 at 1024 dimensions, the same size per component at others."""
    return float(20 * (space / 1024) ** 0.5)


class Heads(nn.Module):
    """P_in: D → H → H. P_out: H → H → D. Query and key: H → d. All with exact GELU and bias, as published.

    `width`: H, of the LLM. `space`: D, of the encoder. `inner`: d.
    """

    temperature: Tensor

    def __init__(self, width: int, space: int, inner: int = 64) -> None:
        super().__init__()
        self.width, self.space, self.inner = width, space, inner
        self.enter = nn.Sequential(nn.Linear(space, width), nn.GELU(), nn.Linear(width, width))
        self.leave = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, space))
        self.role = nn.Embedding(len(ROLES), width)
        self.query = nn.Linear(width, inner, bias=False)
        self.key = nn.Linear(width, inner, bias=False)
        self.fuse = nn.Parameter(torch.tensor([10.0, 1.0, 1.0]))
        self.register_buffer("temperature", torch.ones(()))

    def spliced(self, h: Tensor, roles: Tensor) -> Tensor:
        """What stands in place of an item's token: P_in of the embedding at length R, and its role. (n, D) → (n, H)"""
        return self.enter(F.normalize(h, dim=-1) * norm_of(self.space)) + self.role(roles)  # type: ignore[no-any-return]

    def terms(self, z: Tensor, h: Tensor, u: Tensor, log_p: Tensor) -> Tensor:
        """What speaks for each item i at a state: a·cos(P_out z, h_i), b·(W_q z)·(W_k u_i)/√d, c·log p(i). (3, …, n)

        z (…, H): the state at `<base>` or `<sub>`. h (…, n, D): the items' embeddings. u (…, n, H): the states where
        they were shown, which know what was said of them. log_p (…, n): of their slot tokens. (a, b, c): `fuse`.
        """
        a, b, c = self.fuse
        seen = F.cosine_similarity(self.leave(z)[..., None, :], h, dim=-1)
        return torch.stack([a * seen, b * self.known(z, u), c * log_p])

    def known(self, z: Tensor, u: Tensor) -> Tensor:
        """The contextual key by itself, (W_q z)·(W_k u_i)/√d. z (…, H), u (…, n, H) → (…, n)"""
        return (self.key(u) @ self.query(z)[..., None]).squeeze(-1) / self.inner**0.5  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Shape:
    """The sizes of heads, as a file of them has them."""

    width: int
    space: int
    inner: int


def regression(e: Tensor, h: Tensor) -> Tensor:
    """How far what was read out is from what it should be: (1 − cos) + 0.1·smooth L1 at length R. (…, D) each → (…)"""
    target = F.normalize(h, dim=-1) * norm_of(h.shape[-1])
    apart = F.smooth_l1_loss(e, target, reduction="none").mean(-1)
    return 1 - F.cosine_similarity(e, target, dim=-1) + 0.1 * apart


def contrast(e: Tensor, h: Tensor, temperature: float = 0.07) -> Tensor:
    """InfoNCE of what was read out against the targets of the batch (van den Oord et al., arXiv 1807.03748). (B, D)

    A target that stands there twice is no example against itself.
    """
    targets = F.normalize(h, dim=-1)
    own = torch.eye(len(e), dtype=torch.bool, device=e.device)
    twice = (targets[:, None] == targets).all(-1) & ~own
    logits = (F.normalize(e, dim=-1) @ targets.T / temperature).masked_fill(twice, -torch.inf)  # (B, B)
    return F.cross_entropy(logits, torch.arange(len(e), device=e.device))


def load(path: Path, width: int) -> Heads:
    """Heads from a safetensors file, for an LLM of this width.

    BadWeights naming what is missing, or where they were made for another width.
    """
    found = tensors(path)
    heads = Heads(**vars(_shape(found, path)))
    if heads.width != width:
        raise BadWeights(f"{path.name} is for an LLM of width {heads.width}, and this one has {width}.")
    missing = sorted(set(heads.state_dict()) - set(found))
    if missing:
        raise BadWeights(f"{path.name} lacks {', '.join(missing)}.")
    wrong = sorted(name for name, value in heads.state_dict().items() if value.shape != found[name].shape)
    if wrong:
        raise BadWeights(f"{path.name}: {wrong[0]} is of another shape than the rest asks for.")
    heads.load_state_dict({name: found[name].float() for name in heads.state_dict()})
    _require_numbers(heads, path.name)
    return heads.eval().requires_grad_(False)


def released(tensors_of: Iterable[Mapping[str, Tensor]], width: int) -> Heads:
    """The projectors of a released checkpoint, whose shards these are; it has nothing of what is ours.

    BadWeights naming the projector that is missing.
    """
    names = {
        f"model.{theirs}.{kind}": f"{ours}.{kind}" for theirs, ours in RELEASED.items() for kind in ("weight", "bias")
    }
    found = {names[name]: value.float() for shard in tensors_of for name, value in shard.items() if name in names}
    missing = [theirs for theirs, ours in names.items() if ours not in found]
    if missing:
        raise BadWeights(f"This is no InstructAny2Pix checkpoint: its projector {missing[0]} is missing.")
    heads = Heads(width, found["leave.2.bias"].numel())
    state = heads.state_dict()
    wrong = [theirs for theirs, ours in names.items() if found[ours].shape != state[ours].shape]
    if wrong:
        raise BadWeights(f"The projector {wrong[0]} is for an LLM of another width than {width}.")
    heads.load_state_dict(state | found)
    nn.init.zeros_(heads.role.weight)
    _require_numbers(heads, "This checkpoint")
    return heads.eval().requires_grad_(False)


def _require_numbers(heads: Heads, whose: str) -> None:
    """BadWeights for what is infinite, undefined, or a temperature at which nothing can be likely."""
    wrong = [name for name, value in heads.state_dict().items() if not value.isfinite().all()]
    if wrong or not heads.temperature > 0:
        raise BadWeights(f"{whose} holds no usable numbers in {wrong[0] if wrong else 'temperature'}.")


def _shape(found: dict[str, Tensor], path: Path) -> Shape:
    for name in ("enter.0.weight", "query.weight"):
        if name not in found:
            raise BadWeights(f"{path.name} lacks {name}.")
        if found[name].dim() != 2:
            raise BadWeights(f"{path.name}: {name} is no matrix.")
    width, space = found["enter.0.weight"].shape
    return Shape(width, space, found["query.weight"].shape[0])
