"""Analogist's two changes of attention: self-attention cloning (SAC) and cross-attention masking (CAM).

Gu et al., "Analogist: Out-of-the-box Visual In-Context Learning with Image Diffusion Model" (arXiv 2405.10316),
sections 4.2 and 4.3. The picture is a grid of four tiles, A A' above B B'; i and j are places within a tile.

    SAC, on logits:     L[A'_i, B'_j] ← s L[A_i, B_j]    and    L[B'_i, A'_j] ← s L[B_i, A_j]
    CAM, after softmax: the maps of all queries outside B' are 0

Tokens are laid along a path through the tiles, A' → A → B → B', so that every set of keys that a tile needs is one
slice. Does not choose layers' weights or timesteps, and never forms a matrix of all pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.functional import scaled_dot_product_attention as attention

Size = tuple[int, int]
Part = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values."""
PATH = ((0, 1), (0, 0), (1, 0), (1, 1))
"""Row and column of A', A, B, B'."""


@dataclass(frozen=True)
class Analogy:
    """SAC and CAM in some layers.

    size: latent height and width of the grid, which must halve into whole tiles wherever a layer of `layers` works.
    s: the paper's factor of cloned logits. cloning: 0 (no SAC) … 1; between, L ← (1 - cloning) L + cloning s L_clone.
    masking: 0 (no CAM) … 1; between, maps outside B' are weakened by it.
    """

    size: Size
    layers: range = range(3, 11)
    s: float = 1.3
    cloning: float = 1.0
    masking: float = 1.0

    def level(self, tokens: int) -> Size:
        """Height and width of the grid where it has so many tokens."""
        height, width = self.size
        factor = isqrt(height * width // tokens)
        h, w = height // factor, width // factor
        if h * w != tokens or h % 2 or w % 2:
            raise ValueError(f"a grid of {height} × {width} latents has no four equal tiles of {tokens // 4} tokens")
        return h, w


def on_path(x: Tensor, size: Size) -> Tensor:
    """Tokens (rows, N, C) of a grid in the order of the path: A', A, B, B'."""
    tiles = in_tiles(x, size)
    return torch.cat([tiles[:, r, :, c].flatten(1, 2) for r, c in PATH], 1)


def from_path(x: Tensor, size: Size) -> Tensor:
    """The inverse of `on_path`."""
    out = torch.empty_like(x)
    tiles = in_tiles(out, size)
    shape = tiles[:, 0, :, 0].shape
    for (r, c), tile in zip(PATH, x.chunk(4, 1), strict=True):
        tiles[:, r, :, c] = tile.view(shape)
    return out


def in_tiles(x: Tensor, size: Size) -> Tensor:
    """A view (rows, 2, h/2, 2, w/2, C) of tokens (rows, h · w, C)."""
    h, w = size
    return x.view(len(x), 2, h // 2, 2, w // 2, -1)


def cloned(q: Tensor, k: Tensor, v: Tensor, mode: Analogy) -> Tensor:
    """Self-attention with SAC along the path, (rows, heads, N, d), in as many operations as plain attention.

    A and B look as ever. A' looks at A', A, B as ever and at B' through s L[A, B]; B' looks at A, B, B' as ever and at
    A' through s L[B, A]. Each of these is one attention; the two of a tile are merged.
    """
    n = q.shape[-2] // 4
    a_, a, b, b_ = ((..., slice(i * n, (i + 1) * n), slice(None)) for i in range(4))
    first, middle, last = ((..., slice(i * n, (i + size) * n), slice(None)) for i, size in ((0, 3), (1, 2), (1, 3)))
    merged = by_lse if knows_lse(q) else by_width
    changed = merged((q[a_], k[first], v[first]), (*far(mode, (q[a_], k[b_]), (q[a], k[b])), v[b_]))
    wanted = merged((q[b_], k[last], v[last]), (*far(mode, (q[b_], k[a_]), (q[b], k[a])), v[a_]))
    return torch.cat([changed, attention(q[middle], k, v), wanted], -2)


def far(mode: Analogy, own: tuple[Tensor, Tensor], twin: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Queries and keys whose product is (1 - cloning) q_own k_own + cloning s q_twin k_twin."""
    if mode.cloning == 1:
        return mode.s * twin[0], twin[1]
    q = torch.cat([(1 - mode.cloning) * own[0], mode.cloning * mode.s * twin[0]], -1)
    return q, torch.cat([own[1], twin[1]], -1)


def by_lse(near: Part, far: Part) -> Tensor:
    """One softmax over two sets of keys, from the softmax of each and the logarithm of its denominator."""
    width = near[2].shape[-1]
    (out, lse), (out_far, lse_far) = with_lse(*near, width), with_lse(*far, width)
    return out_far.lerp(out, (lse - lse_far).sigmoid()[..., None].to(out.dtype))


def by_width(near: Part, far: Part) -> Tensor:
    """The same in one attention with longer vectors, where a key is 0 in the half that is not its own."""
    (q, k, v), (q_far, k_far, v_far) = near, far
    width = v.shape[-1]
    keys = torch.cat([pad(k, (0, k_far.shape[-1])), pad(k_far, (k.shape[-1], 0))], -2)
    q = torch.cat([q, q_far], -1)
    values = pad(torch.cat([v, v_far], -2), (0, q.shape[-1] - width))
    return attention(q, keys, values, scale=width**-0.5)[..., :width]


def knows_lse(x: Tensor) -> bool:
    """Whether the device has a fused kernel for this dtype that tells the log-sum-exp."""
    return x.device.type == "cpu" or (x.device.type == "cuda" and x.dtype != torch.float64)


def with_lse(q: Tensor, k: Tensor, v: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Attention (…, N, width) with logits over √width, and the logarithm of each softmax's denominator (…, N)."""
    kernels, scale = torch.ops.aten, width**-0.5
    v = pad(v, (0, q.shape[-1] - width))
    if q.device.type == "cpu":
        out, lse = kernels._scaled_dot_product_flash_attention_for_cpu(q, k, v, scale=scale)
    elif q.dtype != torch.float32 and q.shape[-1] <= 256:
        out, lse, *_ = kernels._scaled_dot_product_flash_attention(q, k, v, scale=scale)
    else:
        out, lse, *_ = kernels._scaled_dot_product_efficient_attention(q, k, v, None, True, scale=scale)
    return out[..., :width], lse[..., : q.shape[-2]]


def masked(look: Callable[[Tensor], Tensor], x: Tensor, mode: Analogy, bias: Tensor) -> Tensor:
    """Cross-attention with CAM, (rows, N, C): `look` for tokens of B', for all others the way out's bias alone."""
    size = mode.level(x.shape[1])
    if mode.masking < 1:
        plain = look(x)
        out, last = plain.lerp(bias, mode.masking), in_tiles(plain, size)[:, 1, :, 1]
    else:
        out, last = bias.expand_as(x).contiguous(), in_tiles(x, size)[:, 1, :, 1]
        last = look(last.flatten(1, 2)).view(last.shape)
    in_tiles(out, size)[:, 1, :, 1] = last
    return out
