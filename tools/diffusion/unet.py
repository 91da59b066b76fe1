"""The U-Net of latent diffusion, its forward pass written out over the modules that diffusers has built and loaded.

Two things are done once that its own forward does again and again: rows that differ in their text only are one row
until the first cross-attention, and what a level's time embedding adds in each residual block is worked out once.
Equal to diffusers' forward in real arithmetic (Rombach et al., arXiv 2112.10752; the blocks are SD 1.x's and 2.x's, and
those of SDXL, Podell et al., arXiv 2307.01952, whose time embedding is told more than the time).

Knows no noise levels and no guidance. Layers that other networks have (class labels, other conditions) it refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any

import torch
from torch import Tensor

from sessions.errors import BadWeights

BLOCKS = {
    *("DownBlock2D", "CrossAttnDownBlock2D", "UNetMidBlock2DCrossAttn", "UNetMidBlock2D"),
    *("UpBlock2D", "CrossAttnUpBlock2D"),
}
PLAIN = {
    "center_input_sample": False,
    "only_cross_attention": False,
    "class_embed_type": None,
    "num_class_embeds": None,
    "encoder_hid_dim": None,
    "time_embedding_type": "positional",
    "time_embedding_act_fn": None,
    "time_cond_proj_dim": None,
    "resnet_time_scale_shift": "default",
    "mid_block_only_cross_attention": None,
    "attention_type": "default",
    "conv_in_kernel": 3,
}
"""What a config must say for the pass below to be the network's."""

TOLD = "text_time"
"""The `addition_embed_type` of SDXL: a pooled text and a few numbers, each as sines and cosines, join the time."""

Residuals = tuple[Sequence[Tensor], Tensor]
"""What a ControlNet adds: to every skip connection, and to the middle."""


def check(unet: Any) -> None:
    """BadWeights for a network with layers that `forward` does not know."""
    kinds = {type(stage).__name__ for stage in stages(unet)} - BLOCKS
    odd = sorted(kinds | {name for name, plain in PLAIN.items() if unet.config.get(name, plain) not in (plain, None)})
    if (told := unet.config.get("addition_embed_type")) not in (TOLD, None):
        odd.append(f"addition_embed_type {told}")
    if odd:
        raise BadWeights(f"This U-Net has layers that I do not know: {', '.join(odd)}.")


def added_width(unet: Any) -> int:
    """How many numbers its time embedding is told besides the time; 0 where none, as in SD 1.x and 2.x."""
    told = unet.config.get("addition_embed_type") == TOLD
    return int(unet.config.projection_class_embeddings_input_dim) if told else 0


def shifts(unet: Any, t: Tensor, added: Tensor | None = None) -> list[Tensor]:
    """What the time t (0-dim) adds in each residual block, in the order in which they run, each (1, C, 1, 1).

    added: (R, P), what SDXL is told besides the time under each of R conditions: then each is (R, C, 1, 1).
    """
    embedding = unet.time_embedding(unet.time_proj(t.float()[None]).to(unet.conv_in.weight))
    if added is not None:
        embedding = embedding + unet.add_embedding(added)
    return [block.time_emb_proj(block.nonlinearity(embedding))[..., None, None] for block in residual_blocks(unet)]


def forward(
    unet: Any, x: Tensor, time: Sequence[Tensor], text: Tensor, rows: int, control: Residuals | None = None
) -> Tensor:
    """(rows, 4, h, w) of x (B or rows, channels, h, w); text (R, 77, C), row r · B + b has text r; time: `shifts`.

    Shifts of R > 1 rows set the R conditions apart from the first residual block on.
    """
    shift = (each(one, rows) for one in time)
    x = unet.conv_in(x.contiguous())  # whatever came from a cache or from another network: the same bits
    skips = [x]
    for stage in unet.down_blocks:
        for block, attention in layers(stage):
            x = transformer(attention, residual(block, x, next(shift)), text, rows)
            skips.append(x)
        for downsample in stage.downsamplers or ():
            x = downsample(x)
            skips.append(x)
    x = middle(unet.mid_block, x, shift, text, rows)
    if control is not None:
        skips = [spread(skip, rows) + more for skip, more in zip(skips, control[0], strict=True)]
        x = spread(x, rows) + control[1]
    for stage in unet.up_blocks:
        for block, attention in layers(stage):
            x = torch.cat([spread(x, rows), spread(skips.pop(), rows)], 1)
            x = transformer(attention, residual(block, x, next(shift)), text, rows)
        for upsample in stage.upsamplers or ():
            x = upsample(x, skips[-1].shape[2:])
    out: Tensor = unet.conv_out(unet.conv_act(unet.conv_norm_out(x)))
    return spread(out, rows).contiguous()


def middle(stage: Any, x: Tensor, shift: Iterator[Tensor], text: Tensor, rows: int) -> Tensor:
    """The middle: one residual block more than attentions."""
    if stage is None:
        return x
    x = residual(stage.resnets[0], x, next(shift))
    for attention, block in zip_longest(stage.attentions, stage.resnets[1:]):
        x = residual(block, transformer(attention, x, text, rows), next(shift))
    return x


def residual(block: Any, x: Tensor, shift: Tensor) -> Tensor:
    """A residual block (B, C, h, w) → (B, C', h, w), with what its time adds; of more rows, where its time has more."""
    h = block.conv1(block.nonlinearity(block.norm1(x)))
    x = x if block.conv_shortcut is None else block.conv_shortcut(x)
    if len(shift) > 1:
        h, x = spread(h, len(shift)), spread(x, len(shift))
    h = block.conv2(block.nonlinearity(block.norm2(h + shift)))
    out: Tensor = (x + h) / block.output_scale_factor
    return out


def transformer(module: Any, x: Tensor, text: Tensor, rows: int) -> Tensor:
    """Self-attention, cross-attention and feed-forward over cells: (B or rows, C, h, w) → (rows, C, h, w)."""
    if module is None:
        return x
    h = module.norm(x)
    h = module.proj_in(tokens(h)) if module.use_linear_projection else tokens(module.proj_in(h))
    for block in module.transformer_blocks:
        h = h + block.attn1.processor(block.attn1, block.norm1(h))
        h = spread(h, rows)
        h = h + block.attn2.processor(block.attn2, block.norm2(h), text)
        h = h + block.ff(block.norm3(h))
    h = cells(module.proj_out(h), x) if module.use_linear_projection else module.proj_out(cells(h, x))
    return spread(x, rows) + h


def spread(x: Tensor, rows: int) -> Tensor:
    """(B, …) → (rows, …): row r · B + b is b's."""
    return x if len(x) == rows else x.repeat(rows // len(x), *[1] * (x.ndim - 1))


def each(x: Tensor, rows: int) -> Tensor:
    """(R, …) → (rows, …): row r · B + b is r's; what is one row stays one, for all."""
    return x if len(x) in (1, rows) else x.repeat_interleave(rows // len(x), 0)


def tokens(x: Tensor) -> Tensor:
    """(B, C, h, w) → (B, hw, C)."""
    return x.flatten(2).mT


def cells(x: Tensor, like: Tensor) -> Tensor:
    """(B, hw, C) → (B, C, h, w), h and w as another's."""
    return x.mT.reshape(len(x), -1, *like.shape[2:])


def stages(unet: Any) -> Iterator[Any]:
    """Down, middle where there is one, up."""
    return (stage for stage in (*unet.down_blocks, unet.mid_block, *unet.up_blocks) if stage is not None)


def residual_blocks(unet: Any) -> Iterator[Any]:
    """In the order in which they run."""
    return chain.from_iterable(stage.resnets for stage in stages(unet))


def layers(stage: Any) -> Iterable[tuple[Any, Any]]:
    """(residual block, attention or None) of a stage that goes down or up."""
    return zip_longest(stage.resnets, getattr(stage, "attentions", ()))
