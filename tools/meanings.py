"""What a step should come to, as embeddings: of its picture, of what else it is shown and hears, of what is meant.

The planner of InstructAny2Pix (Li et al., arXiv 2312.06738) reads [gen] out of its states; where none has, the sum of
what is shown stands for it. A step keeps it as text among its arguments, so that it is done again without a planner.
Draws nothing (`tools.edits.any2pix`).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sessions.errors import BadArguments
from sessions.values import Picture
from tools import caches, photos
from tools.base import EditContext
from tools.caches import Cache
from tools.encoders import Encoder, Vectors
from tools.sounds import Sound

if TYPE_CHECKING:
    import torch
    from torch import Tensor

DIGITS = 16
"""So many of an encoder's digest say whose an embedding is."""


@dataclass(frozen=True, eq=False)
class Meaning:
    """Embeddings, L2 norm 1: of the picture and of what is meant (D,); [sub], of the step's others (S, D) or None.

    heard: how many of the others, the last ones, are sounds.
    """

    base: Tensor
    gen: Tensor
    things: Tensor | None
    heard: int = 0

    def to(self, device: torch.device) -> Meaning:
        """The same on a device."""
        things = None if self.things is None else self.things.to(device)
        return Meaning(self.base.to(device), self.gen.to(device), things, self.heard)


def of(ctx: EditContext, eyes: Encoder, meant: str) -> Meaning:
    """What a step is shown and hears; what is meant as it was `written`, or where nobody has, the sum of it all."""
    import torch
    from torch.nn.functional import normalize

    cache = ctx.weights().cache
    shown: tuple[Picture | Sound, ...] = (ctx.image, *ctx.subjects, *ctx.sounds)
    e = torch.cat([embedded(cache, eyes, one) for one in shown])
    gen = torch.from_numpy(read(meant, eyes)) if meant else normalize(e.sum(0), dim=0)
    return Meaning(e[0], gen, e[1:] if len(e) > 1 else None, len(ctx.sounds))


def embedded(cache: Cache, eyes: Encoder, one: Picture | Sound) -> Tensor:
    """The embedding of a picture or a sound, (1, D), L2 norm 1; kept, so that each is looked at or heard once."""
    import torch

    def made() -> dict[str, Tensor]:
        found = eyes.sounds([one]) if isinstance(one, Sound) else eyes.pictures([photos.on_grey(one)])
        return {"e": torch.from_numpy(found)}

    if isinstance(one, Sound):
        content = f"{one.rate} {caches.hashed({'samples': torch.from_numpy(one.samples)})}"
    else:
        content = caches.content(one)
    key = {"kind": "meaning", "numerics": caches.NUMERICS, "encoder": eyes.digest, "content": content}
    return cache.tensors(key, made)["e"]


def mixed(meaning: Meaning, y: Tensor, h: tuple[float, float, float], norm: float) -> Tensor:
    """c = h0 R e_base + h1 R e_gen + h2 R y/‖y‖, then R c/‖c‖, (D,).

    y: (D,), the refined e_gen, of any norm. BadArguments where the three cancel each other out.
    """
    parts = meaning.base, meaning.gen, y / y.norm()
    c = sum((weight * norm * e for weight, e in zip(h, parts, strict=True)), y.new_zeros(y.shape))
    if not c.norm() > 1e-6 * norm:
        raise BadArguments("What is meant cancels itself out.", "Take other weights than these.")
    out: Tensor = norm * c / c.norm()
    return out


def packed(e: Tensor | Vectors) -> str:
    """An embedding (D,) as text: float16, little-endian, base64."""
    return base64.b64encode(np.asarray(e, np.float32).astype("<f2").tobytes()).decode()


def unpacked(text: str) -> Vectors:
    """The embedding that was `packed`, float32 (D,). ValueError for text that is none."""
    return np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)


def written(e: Tensor | Vectors, digest: str) -> str:
    """An embedding (D,) as arguments keep it: whose it is, and the embedding, `packed`."""
    return f"{digest[:DIGITS]}:{packed(e)}"


def read(meant: str, eyes: Encoder) -> Vectors:
    """The embedding (D,) that was `written`, at L2 norm 1. BadArguments where it is another encoder's, or none."""
    whose, _, numbers = meant.partition(":")
    if whose != eyes.digest[:DIGITS]:
        hint = "Say it again, or take weights of the planner's encoder."
        raise BadArguments("What is meant was read by another encoder than these weights'.", hint)
    try:
        e = unpacked(numbers)
    except ValueError as error:
        raise BadArguments("What is meant is no embedding.", "Say it again.") from error
    if len(e) != eyes.width or not np.isfinite(e).all() or not e.any():
        raise BadArguments(f"What is meant is no embedding of {eyes.width} numbers.", "Say it again.")
    return np.asarray(e / np.linalg.norm(e), np.float32)
