"""Texts to the states that cross-attention reads: the text encoder's last hidden states, after its final norm."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sessions.errors import BadArguments
from tools.diffusion.model import LatentDiffusion


@torch.no_grad()
def encode(model: LatentDiffusion, texts: Sequence[str]) -> Tensor:
    """(B, 77, C) of the texts; "" is the null text. BadArguments for a text of more than 77 tokens."""
    length = int(model.text_encoder.config.max_position_embeddings)
    ids = [model.tokenizer(text).input_ids for text in texts]
    for text, tokens in zip(texts, ids, strict=True):
        if len(tokens) > length:
            raise BadArguments(
                f"{text[:40]!r}… is {len(tokens) - 2} tokens long; these weights read at most {length - 2}.",
                "Say it in fewer words.",
            )
    padded = [tokens + [model.tokenizer.pad_token_id] * (length - len(tokens)) for tokens in ids]
    device = next(model.text_encoder.parameters()).device
    states: Tensor = model.text_encoder(torch.tensor(padded, device=device)).last_hidden_state
    return states
