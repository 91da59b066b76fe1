"""What BLIP-Diffusion knows of a subject, and how it is said: 16 vectors from photos, put among the words of a text.

Li, Li, Hoi, "BLIP-Diffusion" (arXiv 2305.14720), section 3. Vectors of several photos are averaged, as the authors do.
A subject can be learnt from its photos (`tools.diffusion.finetuning`); what was learnt is one safetensors file beside a
picture of the photos. Samples nothing and stores nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sessions.errors import BadArguments, BadWeights, NotFinite
from sessions.values import LearntSubject, Picture, Pixels
from tools import caches, weights
from tools.base import Progress, mapped
from tools.diffusion import finetuning, kept
from tools.diffusion.finetuning import Schooling, Taught
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.steps import guarded_device
from tools.nets import blip_keys
from tools.nets.clip_vision import prepared, square
from tools.nets.context_clip import BEGIN, sharing

if TYPE_CHECKING:
    from tools.shelf import Shelf

ROLE = "blip-diffusion"
REPEATS = 20
"""How often a text is repeated to be heard beside 16 vectors; what does not fit is cut."""
SIDE = 224
"""Of a photo in the picture of a learnt subject, in pixels."""


def known(
    shelf: Shelf, model: LatentDiffusion, pictures: Sequence[Picture], category: str
) -> tuple[LatentDiffusion, Tensor]:
    """The model that draws the subject of some pictures, and its vectors (K, C).

    BadArguments where a learnt subject does not stand alone; BadWeights where other weights have learnt it.
    """
    learnt = [picture for picture in pictures if isinstance(picture, LearntSubject)]
    if not learnt:
        return model, vectors(shelf, model, pictures, category)
    if len(pictures) > 1:
        raise BadArguments(
            "A learnt subject stands alone: it was learnt from all its photos.", "Name it without others."
        )
    return drawing(shelf, model, learnt[0].learnt)


def vectors(shelf: Shelf, model: LatentDiffusion, pictures: Sequence[Picture], category: str) -> Tensor:
    """(K, C): what the subject encoder sees in pictures of a `category`, the mean over them."""
    return torch.stack([_vectors(shelf, model, picture, category) for picture in pictures]).mean(0)


def _vectors(shelf: Shelf, model: LatentDiffusion, picture: Picture, category: str) -> Tensor:
    """(K, C) of one picture, kept in the shelf's cache."""

    def seen() -> dict[str, Tensor]:
        encoder, words = shelf.part(ROLE, "subject encoder", load, ("qformer",))
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
    states: Tensor = encoder(torch.tensor([ids], device=model.device), None if subject is None else subject[None])
    return states[0]


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


# Learnt from its photos


def learn(
    shelf: Shelf, pictures: Sequence[Picture], category: str, schooling: Schooling
) -> Generator[Progress, None, LearntSubject]:
    """Fine-tune on photos of one subject; its picture is theirs, side by side. BadArguments without photos or category.

    A step is one network evaluation and its gradients, and cannot be interrupted.
    """
    if not pictures or not category.strip():
        raise BadArguments("Learning a subject takes photos of it, and a word for what it is.")
    with guarded_device():
        model = shelf.diffusion(ROLE)
        begun = vectors(shelf, model, pictures, category)
        squares = [square(picture, model.side) for picture in pictures]
        latents = torch.cat([kept.latent(shelf.cache, model, rgb) for rgb in squares])
        yield Progress(0.05)
        ids = tokens(model, phrase(category, ""), sharing(model.text_encoder).config.positions - len(begun))
        learning = finetuning.learn(model, latents, begun, ids, schooling)
        learnt = yield from mapped(learning, lambda taught: _reported(taught, schooling.steps))
        changes = {"vectors": learnt.vectors.cpu(), **finetuning.change(model.unet, learnt.unet)}
        data = weights.packed(changes, {"category": category, "weights": model.digest, "steps": str(schooling.steps)})
    return LearntSubject(sheet(squares, data), data)


def rate(shelf: Shelf) -> float:
    """The learning rate that these weights are fine-tuned with where nobody says otherwise."""
    rate = shelf.entry(ROLE).sampling.get("rate")
    return rate if isinstance(rate, float) else Schooling.rate


def _reported(taught: Taught, total: int) -> Progress:
    if not math.isfinite(taught.loss):
        raise NotFinite("Learning went astray: the loss is not finite.", "Try again with other photos.")
    return Progress(0.05 + 0.9 * taught.step / total)


def drawing(shelf: Shelf, model: LatentDiffusion, data: bytes) -> tuple[LatentDiffusion, Tensor]:
    """The model with what was learnt done to it, kept on the shelf; and the subject's vectors (K, C)."""
    tensors, told = weights.unpacked(data)
    if told.get("weights") != model.digest:
        raise BadWeights(
            "This subject was learnt with other weights than those that are here now.",
            "Learn it again: pentimento subject learn NAME PHOTO…",
        )
    name = hashlib.sha256(data).hexdigest()
    try:
        unet = shelf.part(ROLE, f"learnt {name}", lambda *_: finetuning.changed(model.unet, tensors), ("unet",))
        found = tensors["vectors"].to(model.device)
    except (KeyError, RuntimeError, ValueError) as error:
        raise BadWeights(f"What was learnt does not fit these weights: {error}.", "Learn the subject again.") from error
    return replace(model, unet=unet, digest=hashlib.sha256(f"{model.digest} {name}".encode()).hexdigest()), found


def sheet(squares: Sequence[Pixels], data: bytes) -> Pixels:
    """The photos side by side, (h, w, 3), above a strip of greys by which two learnings of the same photos differ."""
    row = np.concatenate([square(Picture(rgb), SIDE) for rgb in squares], axis=1)
    greys = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
    strip = np.resize(np.repeat(greys, SIDE // len(greys)), row.shape[1])
    return np.concatenate([row, np.broadcast_to(strip[None, :, None], (SIDE // 28, *row.shape[1:]))])
