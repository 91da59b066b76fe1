"""What BLIP-Diffusion knows of a subject, and how it is said: 16 vectors from photos, put among the words of a text.

Li, Li, Hoi, "BLIP-Diffusion" (arXiv 2305.14720), section 3. Vectors of several photos are averaged, as the authors do.
What is learnt of a subject by fine-tuning is in `tools.diffusion.finetuning`. Samples nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sessions.errors import BadArguments
from sessions.values import Picture
from tools import caches
from tools.diffusion.model import LatentDiffusion
from tools.nets import blip_keys
from tools.nets.clip_vision import prepared
from tools.nets.context_clip import BEGIN, sharing

if TYPE_CHECKING:
    from tools.shelf import Shelf

ROLE = "blip-diffusion"
REPEATS = 20
"""How often a text is repeated to be heard beside 16 vectors; what does not fit is cut."""


def known(
    shelf: Shelf, model: LatentDiffusion, pictures: Sequence[Picture], category: str
) -> tuple[LatentDiffusion, Tensor]:
    """The model that draws a subject, and its vectors (K, C)."""
    return model, vectors(shelf, model, pictures, category)


def vectors(shelf: Shelf, model: LatentDiffusion, pictures: Sequence[Picture], category: str) -> Tensor:
    """(K, C): what the subject encoder sees in pictures of a `category`, the mean over them."""
    return torch.stack([_vectors(shelf, model, picture, category) for picture in pictures]).mean(0)


def _vectors(shelf: Shelf, model: LatentDiffusion, picture: Picture, category: str) -> Tensor:
    """(K, C) of one picture, kept in the shelf's cache."""

    def seen() -> dict[str, Tensor]:
        encoder, words = shelf.part(ROLE, "subject encoder", load)
        ids, mask = (part.to(model.device) for part in words([category]))
        with torch.no_grad():
            pixels = prepared(picture, encoder.config.vision.side).to(model.device, model.dtype)
            return {"vectors": encoder(pixels, ids, mask)[0].float()}

    def load(folder: Path, device: torch.device) -> blip_keys.Loaded:
        return blip_keys.load(folder, device, model.dtype)

    key = caches.key("subject", model, picture=caches.content(picture), category=category)
    return shelf.cache.tensors(key, seen)["vectors"].to(model.device)


def phrase(category: str, prompt: str) -> str:
    """How a subject and the rest are said."""
    return f"a {category} {prompt}".strip()


@torch.no_grad()
def context(model: LatentDiffusion, said: str, subject: Tensor | None = None, repeats: int = 1) -> Tensor:
    """(77, C): a text with a subject's vectors (K, C) behind its article; repeated as often as fits, at most `repeats`.

    BadArguments where it does not fit even once.
    """
    encoder = sharing(model.text_encoder)
    room = encoder.config.positions - (0 if subject is None else len(subject))
    ids = padded(model, tokens(model, said, room, repeats), room)
    return encoder(torch.tensor([ids], device=model.device), None if subject is None else subject[None])[0]


def tokens(model: LatentDiffusion, said: str, room: int, repeats: int = 1) -> list[int]:
    """The ids of a text from its beginning to its end, at most `room` of them. BadArguments where it is too long."""
    once: list[int] = model.tokenizer(said).input_ids
    if len(once) > room:
        raise BadArguments(
            f"{said[:40]!r}… is {len(once) - 2} tokens long; there is room for {room - 2}.", "Say it in fewer words."
        )
    ids: list[int] = model.tokenizer(", ".join([said] * repeats), truncation=True, max_length=room).input_ids
    return ids


def padded(model: LatentDiffusion, ids: list[int], length: int) -> list[int]:
    """As many ids as asked, the rest padding."""
    return ids + [int(model.tokenizer.pad_token_id)] * (length - len(ids))


def places(model: LatentDiffusion, category: str) -> tuple[int, ...]:
    """Which tokens of `phrase(category, …)` are the category's: those behind the article."""
    return tuple(range(BEGIN, BEGIN + len(model.tokenizer(category).input_ids) - 2))
