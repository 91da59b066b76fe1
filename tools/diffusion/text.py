"""Texts to what a network reads of them: hidden states for cross-attention and, for SDXL, a pooled vector.

SD 1.x and 2.x read the text encoder's last hidden states, after its final norm. SDXL reads the last but one of two
encoders side by side, before any norm, and the second's pooled output in the space that it shares with pictures (Podell
et al., arXiv 2307.01952, section 2.1 and table 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sessions.errors import BadArguments
from tools.diffusion.model import LatentDiffusion, Second


def encode(model: LatentDiffusion, texts: Sequence[str]) -> Tensor:
    """(B, 77, C) of the texts; "" is the null text. BadArguments for a text of more than 77 tokens."""
    return read(model, texts)[0]


@torch.no_grad()
def read(model: LatentDiffusion, texts: Sequence[str]) -> tuple[Tensor, Tensor | None]:
    """`encode`'s (B, 77, C), and of SDXL the pooled (B, D); C and D: 768 in SD 1.x, 2048 and 1280 in SDXL.

    Where SDXL was trained so (`force_zeros_for_empty_prompt`: the base, not the refiner) both are zeros for "".
    diffusers has them for a negative text that is not given, and encodes one that is empty; here "" is the null text.
    """
    if model.second is None:
        return model.text_encoder(_ids(model.text_encoder, model.tokenizer, texts)).last_hidden_state, None
    states, pooled = _side_by_side(model, model.second, texts)
    if model.second.zeros:
        said = torch.tensor([text != "" for text in texts], device=states.device)
        return states * said[:, None, None], pooled * said[:, None]
    return states, pooled


def _side_by_side(model: LatentDiffusion, second: Second, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """(B, 77, C₁ + C₂) and (B, D); the refiner has no first encoder: (B, 77, C₂)."""
    pooling = second.text_encoder(_ids(second.text_encoder, second.tokenizer, texts), output_hidden_states=True)
    states = [pooling.hidden_states[-2]]
    if model.text_encoder is not None:
        ids = _ids(model.text_encoder, model.tokenizer, texts)
        states.insert(0, model.text_encoder(ids, output_hidden_states=True).hidden_states[-2])
    return torch.cat(states, -1), pooling.text_embeds


def _ids(encoder: Any, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """int64 (B, 77) on the encoder's device, padded as its tokenizer pads."""
    length = int(encoder.config.max_position_embeddings)
    ids = [tokenizer(text).input_ids for text in texts]
    for text, tokens in zip(texts, ids, strict=True):
        if len(tokens) > length:
            raise BadArguments(
                f"{text[:40]!r}… is {len(tokens) - 2} tokens long; these weights read at most {length - 2}.",
                "Say it in fewer words.",
            )
    padded = [tokens + [tokenizer.pad_token_id] * (length - len(tokens)) for tokens in ids]
    return torch.tensor(padded, device=next(encoder.parameters()).device)
