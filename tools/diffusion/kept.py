"""What a model makes of texts and pictures, worked out once and kept in the shelf's cache (`tools.caches`).

Equal to working it out anew, to the last bit. Keeps nothing that a step's seed or arguments decide: tools do that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sessions.values import Picture, Pixels
from tools import caches
from tools.caches import Cache
from tools.diffusion import latents, sdxl, steps, text
from tools.diffusion.denoiser import Condition
from tools.diffusion.model import LatentDiffusion


def texts(cache: Cache, model: LatentDiffusion, said: Sequence[str]) -> Tensor:
    """`text.encode`, (B, 77, C); each text by itself, so that it does not depend on those beside it."""
    return torch.cat([_read(cache, model, one)[0] for one in said])


def conditions(cache: Cache, model: LatentDiffusion, said: Sequence[str], frame: sdxl.Frame) -> list[Condition]:
    """`sdxl.conditions`, of models of any kind: one per text."""
    return [sdxl.condition(model, *_read(cache, model, one), frame) for one in said]


def latent(cache: Cache, model: LatentDiffusion, rgb: Pixels) -> Tensor:
    """`latents.encode`, (1, 4, h, w). NotFinite where the autoencoder gives no numbers."""
    key = caches.key("latent", model, picture=caches.content(Picture(rgb)))
    return cache.tensors(key, lambda: {"z": steps.checked(latents.encode(model, rgb))})["z"].to(model.device)


def reconstruction(cache: Cache, model: LatentDiffusion, z: Tensor) -> Pixels:
    """`latents.decode` of a latent that will be wanted again: what the autoencoder leaves of a picture, (H, W, 3)."""
    key = caches.key("reconstruction", model, latent=caches.hashed({"z": z}))
    return cache.tensors(key, lambda: {"rgb": torch.from_numpy(latents.decode(model, z))})["rgb"].numpy()


def _read(cache: Cache, model: LatentDiffusion, said: str) -> tuple[Tensor, Tensor | None]:
    """`text.read` of one text."""
    found = cache.tensors(caches.key("text", model, text=said), lambda: _made(model, said))
    pooled = found.get("pooled")
    return found["states"].to(model.device), None if pooled is None else pooled.to(model.device)


def _made(model: LatentDiffusion, said: str) -> caches.Tensors:
    states, pooled = text.read(model, [said])
    return {"states": states} if pooled is None else {"states": states, "pooled": pooled}
