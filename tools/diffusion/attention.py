"""One processor for every attention of a U-Net: plain, or as the run's mode asks; never a matrix of all pairs.

A layer is one transformer block, a self- and a cross-attention; layers are counted in the order in which they run, so
that Stable Diffusion 1's middle block is layer 6 of 0…15. Modes change between phases of a run, by setting
`Attention.mode`; within a phase nothing is looked at but shapes. Keys and values of the text are made once per text.
Cross-attentions may look at a picture besides, where a run has an `ImagePrompt`.

Does not know timesteps, guidance or pixels. Analogist's mode is in `tools.diffusion.cloning`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as attention

from sessions.errors import BadArguments
from tools.diffusion.cloning import Analogy, cloned, from_path, masked, on_path

Pair = tuple[int, int]
"""(source, target): two rows of the batch."""


@dataclass(frozen=True, eq=False)
class Sharing:
    """Targets look where their sources look (Hertz et al., "Prompt-to-Prompt", arXiv 2208.01626).

    Self-attentions of at most `tokens` tokens use the source's maps. In cross-attentions with an `alignment` ("refine")
    entry [i, j] says how much of the target's map of token j is replaced by the source's map of token i; each column
    sums to at most 1. Each row of the batch then needs a text of its own.
    """

    pairs: tuple[Pair, ...]
    tokens: float = inf
    alignment: Tensor | None = None  # (T, T), 0…1


@dataclass(frozen=True, eq=False)
class Probe:
    """How much each place of a row looks at some tokens of its text, the mean over heads, added up over calls.

    It listens to the cross-attentions whose queries are as many as `total` has entries; refining does not change it.
    """

    row: int
    words: tuple[int, ...]
    total: Tensor  # (N,)

    def listen(self, q: Tensor, k: Tensor) -> None:
        """q: (rows, heads, N, d); k: (rows, heads, T, d)."""
        if q.shape[-2] == len(self.total):
            logits = (q[self.row] @ k[self.row].mT).to(self.total.dtype) * q.shape[-1] ** -0.5
            columns = logits[..., list(self.words)] - logits.logsumexp(-1, keepdim=True)
            self.total.add_(columns.exp().sum(-1).mean(0))


@dataclass(frozen=True, eq=False)
class ImagePrompt:
    """What cross-attentions look at besides the text (Ye et al., "IP-Adapter", arXiv 2308.06721).

    layers: of each layer, as they run, keys and values (n, heads, T, d) of a picture's T tokens. rows: which of the R
    texts have these n pictures, int64 (n,); None: each has one. The others see their text only. scale: 0 is the text
    alone, 1 what adapters are trained with.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]
    rows: Tensor | None = None
    scale: float = 1.0

    def added(self, seen: Tensor, q: Tensor, layer: int) -> Tensor:
        """What q has seen in the text + λ attend(q; picture): each (R, heads, N, d)."""
        if self.scale == 0:
            return seen
        k, v = self.layers[layer]
        if self.rows is None:
            return seen + self.scale * attention(q, k, v)
        return seen.index_add(0, self.rows, attention(q.index_select(0, self.rows), k, v), alpha=self.scale)


Mode = Analogy | Sharing | None
"""None: plain attention."""


@dataclass(eq=False)
class Attention:
    """What the attentions of a U-Net do in this phase of a run, and the run's table of text keys and values.

    A mode and an image prompt exclude each other: BadArguments at the first cross-attention.
    """

    mode: Mode = None
    probe: Probe | None = None
    image: ImagePrompt | None = None
    table: dict[int, tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict, repr=False)

    def keys_and_values(self, layer: int, attn: Any, text: Tensor) -> tuple[Tensor, Tensor]:
        """Of a text (R, T, C), each (R, heads, T, d). The same tensor object is the same text; training keeps none."""
        known = self.table.get(layer)
        if known is not None and known[0] is text and not torch.is_grad_enabled():
            return known[1:]
        k, v = heads(attn.to_k(text), attn.heads), heads(attn.to_v(text), attn.heads)
        self.table[layer] = (text, k, v)
        return k, v


class Processor:
    """The attention processor of one layer, for its self- and its cross-attention.

    A text may have fewer rows than the batch: R texts serve R · B rows, row r · B + b the text r.
    """

    def __init__(self, layer: int, attention: Attention) -> None:
        self.layer = layer
        self.attention = attention

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None,
    ) -> Tensor:
        """(rows, N, C) → (rows, N, C), as diffusers calls it; a U-Net of images gives no mask."""
        if encoder_hidden_states is None:
            return self.to_itself(attn, hidden_states)
        return self.to_text(attn, hidden_states, encoder_hidden_states)

    def to_itself(self, attn: Any, x: Tensor) -> Tensor:
        """Self-attention."""
        match self.attention.mode:
            case Analogy() as mode if self.layer in mode.layers and mode.cloning:
                size = mode.level(x.shape[1])
                q, k, v = projected(attn, on_path(x, size))
                return from_path(joined(attn, cloned(q, k, v, mode)), size)
            case Sharing(pairs, tokens) if x.shape[1] <= tokens:
                q, k, v = projected(attn, x)
                return joined(attn, attention(shared(q, pairs), shared(k, pairs), v))
        return joined(attn, attention(*projected(attn, x)))

    def to_text(self, attn: Any, x: Tensor, text: Tensor) -> Tensor:
        """Cross-attention."""
        k, v = self.attention.keys_and_values(self.layer, attn, text)

        def looked(tokens: Tensor) -> Tensor:
            return self.looked(attn, tokens, k, v)

        mode = self.attention.mode
        if mode is not None and self.attention.image is not None:
            raise BadArguments(f"A picture cannot be followed in the mode {type(mode).__name__}.")
        if isinstance(mode, Analogy) and self.layer in mode.layers and mode.masking:
            return masked(looked, x, mode, attn.to_out[0].bias)
        return looked(x)

    def looked(self, attn: Any, x: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What some tokens see in text and picture: (rows, N, C) → (rows, N, C); k, v: of the text (R, heads, T, d)."""
        q = heads(attn.to_q(x).view(len(k), -1, k.shape[1] * k.shape[3]), attn.heads)
        if self.attention.probe is not None:
            self.attention.probe.listen(q, k)
        mode = self.attention.mode
        if isinstance(mode, Sharing) and mode.alignment is not None:
            out = refined(q, k, v, mode.pairs, mode.alignment)
        else:
            out = attention(q, k, v)
        if self.attention.image is not None:
            out = self.attention.image.added(out, q, self.layer)
        return joined(attn, out).view(x.shape[0], x.shape[1], -1)


def install(unet: Any, attention: Attention | None = None) -> Attention:
    """Give every attention of a diffusers U-Net its processor, once a run; what ran before is forgotten."""
    attention = attention or Attention()
    for layer, block in enumerate(transformer_blocks(unet)):
        block.attn1.set_processor(Processor(layer, attention))
        block.attn2.set_processor(Processor(layer, attention))
    return attention


def transformer_blocks(unet: Any) -> Iterator[Any]:
    """In the order in which they run: down, middle, up."""
    for stage in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
        for transformer in getattr(stage, "attentions", ()):
            yield from transformer.transformer_blocks


def refined(q: Tensor, k: Tensor, v: Tensor, pairs: tuple[Pair, ...], alignment: Tensor) -> Tensor:
    """Cross-attention in which targets take aligned tokens' maps from their sources; (rows, heads, N, d).

    With w the source's maps and u the target's, out = (w M + u (1 - Σ M)) v = attend(source; M v) + attend(target;
    (1 - Σ M) v): values are mixed, so that no map is formed.
    """
    moved = alignment.to(v)
    kept = (1 - moved.sum(0))[:, None]
    own = v.clone()
    for _, target in pairs:
        own[target] *= kept
    out = attention(q, k, own)
    for source, target in pairs:
        out[target] += attention(q[source], k[source], moved @ v[target])
    return out


def shared(x: Tensor, pairs: tuple[Pair, ...]) -> Tensor:
    """Queries or keys (rows, heads, N, d) with those of the sources in the targets' places."""
    sources = {target: source for source, target in pairs}
    return torch.stack([x[sources.get(row, row)] for row in range(len(x))])


def projected(attn: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of tokens (rows, N, C), each (rows, heads, N, d)."""
    return heads(attn.to_q(x), attn.heads), heads(attn.to_k(x), attn.heads), heads(attn.to_v(x), attn.heads)


def heads(x: Tensor, count: int) -> Tensor:
    """(rows, N, heads · d) → (rows, heads, N, d)."""
    return x.view(len(x), x.shape[1], count, -1).transpose(1, 2)


def joined(attn: Any, x: Tensor) -> Tensor:
    """(rows, heads, N, d) → (rows, N, C), through the way out."""
    out: Tensor = attn.to_out[0](x.transpose(1, 2).flatten(2))
    return out
