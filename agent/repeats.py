"""What a step with weights came to, so that the very same step is not worked twice: in a replay, a merge, a redo.

The same is: the tool and its version, arguments, seed, pixels, mask, other pictures, sounds, latent, and the best
weights of every role on the shelf. Decides nothing and knows no session; steps without weights are faster done than
looked up.
"""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from sessions.identity import bytes_hash
from sessions.values import Json, LearntSubject, Picture, Pixels
from tools import devices
from tools.base import EditContext, EditResult, Tool

if TYPE_CHECKING:
    from torch import Tensor

    from tools.shelf import Shelf
    from tools.sounds import Sound


def key(tool: Tool, args: Json, ctx: EditContext) -> Json:
    """All that the result of a step depends on, as it is now: weights may be added while a step is worked."""
    from tools import caches

    shelf = ctx.weights()
    best: dict[str, str] = {}
    for entry in shelf.entries():
        best.setdefault(entry.role, entry.digest)
    return {
        "kind": "result",
        "numerics": caches.NUMERICS,
        "tool": [tool.name, tool.version],
        "args": args,
        "seed": ctx.seed,
        "confirmed": ctx.confirmed,
        "familiar": ctx.familiar,
        "image": caches.content(ctx.image),
        "mask": None if ctx.mask is None else caches.content(Picture(ctx.mask)),
        "subjects": [_subject(picture) for picture in ctx.subjects],
        "latent": None if ctx.latent is None else caches.hashed({"z": ctx.latent}),
        "weights": [list(one) for one in best.items()],  # in order: of the repositories of the Hub the first is taken
        "device": [str(shelf.device), str(shelf.dtype)],
    } | ({"sounds": [_sound(one) for one in ctx.sounds]} if ctx.sounds else {})


def found(shelf: Shelf, key: Json) -> EditResult | None:
    """What the step of a key came to before, if that is still there. MissingWeights where nothing can run networks.

    What was done without a question answers a step that is confirmed, what was done to a strange picture one whose
    picture is familiar, and never the other way round.
    """
    devices.require_torch()
    for confirmed, familiar in product({False, key["confirmed"]}, {False, key["familiar"]}):
        kept = shelf.cache.get(key | {"confirmed": confirmed, "familiar": familiar})
        if kept is not None:
            return _opened(kept)
    return None


def keep(shelf: Shelf, key: Json, edit: EditResult) -> None:
    """Keep what the step of a key came to."""
    import torch

    told = json.dumps({"geometry": edit.geometry, "facts": edit.facts}).encode()
    tensors = {"told": torch.tensor(list(told), dtype=torch.uint8), "image": _tensor(edit.image.pixels)}
    if edit.mask is not None:
        tensors["mask"] = _tensor(edit.mask)
    if edit.latent is not None:
        tensors["latent"] = edit.latent
    shelf.cache.put(key, tensors)


def _opened(kept: dict[str, Tensor]) -> EditResult:
    told = json.loads(kept["told"].numpy().tobytes())
    mask = kept["mask"].numpy() if "mask" in kept else None
    facts = told["facts"] | {"repeated": True}
    return EditResult(Picture(kept["image"].numpy()), mask, tuple(told["geometry"]), facts, kept.get("latent"))


def _subject(picture: Picture) -> list[str]:
    """A picture's pixels, and what was learnt from it."""
    from tools import caches

    learnt = [bytes_hash(picture.learnt)] if isinstance(picture, LearntSubject) else []
    return [caches.content(picture), *learnt]


def _sound(sound: Sound) -> Json:
    """A sound's samples, and how fast they are."""
    return {"samples": bytes_hash(sound.samples.tobytes()), "rate": sound.rate}


def _tensor(pixels: Pixels) -> Tensor:
    import torch

    return torch.from_numpy(np.array(pixels))
