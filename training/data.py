"""Scenes, three edits of each, and their words, as latents in files: drawn and encoded once, read by both recipes.

A shard holds `SHARD` scenes: z (n, 4, 4, 16, 16) (the scene, then its edits; modes of the posterior, scaled to unit
variance), captions (n, 4, 77), instructions (n, 3, 77). Shard k is the same whenever it is made. The posterior's own
spread is left out: it is a tenth of the latents', and a mode needs no draw. Pairs that were drawn by a network
(`training.instruct_pairs`) lie in the same layout with one edit each, and may be learnt from instead or besides.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTokenizer

from sessions.errors import BadWeights, NotFound
from tools.weights import sha256, tensors
from toybox.drawing import Floats, Pixels, draw
from toybox.edits import random_edit
from toybox.scenes import random_scene, seeded
from toybox.words import instruction, some_caption
from training.tokens import ids

log = logging.getLogger("training")
SHARD, SHARDS, EDITS = 250, 120, 3
CHUNK = 50
"""Pictures that are encoded at once."""
FOREIGN = 0.1
"""Mean |Δ| of the probe's latents, of deviation 1, from which they are another autoencoder's."""


@dataclass(frozen=True, eq=False)
class Data:
    """All shards of a folder, one behind the other."""

    z: Tensor
    captions: Tensor
    instructions: Tensor

    def __len__(self) -> int:
        return len(self.z)


def probe() -> Pixels:
    """The picture by whose latent an autoencoder is known again."""
    return draw(seeded(0)).rgb


@torch.no_grad()
def encoded(vae: AutoencoderKL, rgb: Sequence[Pixels | Floats]) -> Tensor:
    """Scaled modes (N, 4, h, w) of pictures (H, W, 3), 0…255."""
    latents = []
    for first in range(0, len(rgb), CHUNK):
        x = torch.from_numpy(np.stack(rgb[first : first + CHUNK])).permute(0, 3, 1, 2).to(vae.device).float()
        latents.append(vae.encode(x / 127.5 - 1).latent_dist.mode().cpu())
    return torch.cat(latents).contiguous() * float(vae.config.scaling_factor)


def shard(number: int, vae: AutoencoderKL, tokenizer: CLIPTokenizer, size: int = SHARD) -> dict[str, Tensor]:
    """The tensors of one shard."""
    pictures, captions, instructions = [], [], []
    for item in range(number * size, (number + 1) * size):
        rng = np.random.default_rng((7, item))
        scene = random_scene(rng)
        edits = [random_edit(rng, scene) for _ in range(EDITS)]
        scenes = [scene, *(edit.apply(scene) for edit in edits)]
        pictures += [draw(s).rgb for s in scenes]
        captions += [some_caption(rng, s) for s in scenes]
        instructions += [instruction(rng, edit) for edit in edits]
    return {
        "z": encoded(vae, pictures).unflatten(0, (size, EDITS + 1)).half(),
        "captions": ids(tokenizer, captions).view(size, EDITS + 1, -1).int(),
        "instructions": ids(tokenizer, instructions).view(size, EDITS, -1).int(),
    }


def make(folder: Path, vae: AutoencoderKL, tokenizer: CLIPTokenizer, deadline: float, shards: int = SHARDS) -> bool:
    """Write the shards that are not there yet: at least one, the others while there is time; whether all are there."""
    return written(folder, lambda number: shard(number, vae, tokenizer), deadline, shards)


def written(folder: Path, made: Callable[[int], dict[str, Tensor]], deadline: float, shards: int) -> bool:
    """Files of the shards that are not there yet, each as it is made: at least one, the others while there is time.

    Whether all are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03d}.safetensors" for number in range(shards)]
    lacking = [number for number, path in enumerate(paths) if not path.exists()]
    for number in lacking:
        if number != lacking[0] and time.monotonic() > deadline:
            break
        beside = paths[number].with_suffix(".new")
        save_file(made(number), beside)
        beside.replace(paths[number])
        log.info("shard %d of %d", number + 1, shards)
    return len(list(folder.glob("*.safetensors"))) >= shards


def read(folder: Path, shards: int | None = None) -> Data:
    """The first of what `make` wrote, or all."""
    parts = [tensors(path, "cpu") for path in sorted(folder.glob("*.safetensors"))[:shards]]
    joined = {name: torch.cat([part[name] for part in parts]) for name in ("z", "captions", "instructions")}
    return Data(joined["z"].float(), joined["captions"].long(), joined["instructions"].long())


def drawn_pairs(folder: Path, vae: AutoencoderKL) -> Data:
    """The pairs that a network has drawn.

    NotFound where there are none; BadWeights where another autoencoder has encoded them.
    """
    first = min(folder.glob("*.safetensors"), default=None)
    if first is None or "probe" not in (found := tensors(first, "cpu")):
        raise NotFound(f"{folder} holds no drawn pairs.", "python -m training.instruct_pairs makes them.")
    mine = encoded(vae, [probe()])[0]
    if mine.shape != found["probe"].shape or float((mine - found["probe"]).abs().mean()) > FOREIGN:
        raise BadWeights(f"The pairs in {folder} are latents of another autoencoder.", "Make them with this pack.")
    if not len(kept := read(folder)):
        raise NotFound(f"No pair in {folder} was kept.", "Draw more attempts, or say lower thresholds.")
    return kept


def digest(folder: Path) -> str:
    """What says whether pairs are the ones there were."""
    return hashlib.sha256("".join(sha256(path) for path in sorted(folder.glob("*.safetensors"))).encode()).hexdigest()


def joined(*parts: Data) -> Data:
    """All of them as one, an edit an item where they have different numbers of edits."""
    if len({part.instructions.shape[1] for part in parts}) > 1:
        parts = tuple(_single(part) for part in parts)
    return Data(*(torch.cat([getattr(part, name) for part in parts]) for name in ("z", "captions", "instructions")))


def _single(data: Data) -> Data:
    """Each edit as an item of its own: (n, e + 1, …) → (n · e, 2, …)."""

    def apart(x: Tensor) -> Tensor:
        return torch.stack([x[:, :1].expand_as(x[:, 1:]), x[:, 1:]], 2).flatten(0, 1)

    return Data(apart(data.z), apart(data.captions), data.instructions.flatten(0, 1)[:, None])
