"""What a latent diffusion model follows embeddings with: an entry's adapter, perhaps a prior, and the encoder of both.

As they were saved here or released, in folders of the entry beside the model's own. Draws nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from sessions.errors import BadWeights, MissingWeights
from tools import weights
from tools.diffusion.model import LatentDiffusion
from tools.encoders import Encoder
from tools.nets import ip_adapter, prior
from tools.nets.ip_adapter import CONFIG, IpAdapter, UnclipProjection
from tools.nets.prior import Refiner
from tools.shelf import Shelf
from tools.weights import Entry

ADAPTER, PRIOR = "ip_adapter", "prior"
"""What an entry has besides a latent diffusion model; the second need not be there."""
Parts = tuple[Encoder, IpAdapter | UnclipProjection, Refiner | None]


def parts(shelf: Shelf, entry: Entry, model: LatentDiffusion) -> Parts:
    """The encoder whose embeddings an entry follows, its adapter for this model, and its prior or None."""
    eyes = shelf.encoder(shelf.part_of(entry, "encoder", encoder_of, ()) or bound(shelf, entry))
    adapter = shelf.part_of(entry, ADAPTER, lambda folder, _: adapter_in(folder, model, eyes.width), [ADAPTER])
    has = (entry.folder / PRIOR).is_dir()
    return eyes, adapter, shelf.part_of(entry, PRIOR, prior_in, [PRIOR]) if has else None


def bound(shelf: Shelf, entry: Entry) -> str:
    """The digest of the ImageBind that released adapters read, which do not name it; "" for ours, where any will do."""
    if (entry.folder / ADAPTER / CONFIG).is_file():
        return ""
    there = shelf.imagebind()
    if there is None:
        reads = "These weights read embeddings of ImageBind, which is not here."
        raise MissingWeights(reads, "pentimento models pull imagebind")
    return there.digest


def encoder_of(folder: Path, device: torch.device) -> str:
    """The digest of the encoder that an entry's adapter has learnt to read; "" where it does not say."""
    config = folder / ADAPTER / CONFIG
    return str(json.loads(config.read_bytes()).get("encoder", "")) if config.is_file() else ""


def adapter_in(folder: Path, model: LatentDiffusion, width: int) -> IpAdapter | UnclipProjection:
    """An adapter as `ip_adapter.save` writes it, or as one released file. BadWeights where it does not fit."""
    place = folder / ADAPTER
    path = place if (place / ip_adapter.CONFIG).is_file() else only_file(place)
    if any(name.startswith(ip_adapter.UNCLIP) for name in weights.shapes(path)):
        return ip_adapter.load_unclip(path, model.unet, width, model.device, model.dtype).projection
    return ip_adapter.load(path, model.unet, width, model.device, model.dtype).adapter


def prior_in(folder: Path, device: torch.device) -> Refiner:
    """A prior as `prior.save` writes it, or the released one; float32."""
    own = (folder / PRIOR / "config.json").is_file()
    return prior.load(folder / PRIOR, device) if own else prior.released(only_file(folder / PRIOR), device).prior


def only_file(folder: Path) -> Path:
    """The file of a folder that holds one; BadWeights for any other."""
    match sorted(folder.glob("*")):
        case [path]:
            return path
        case found:
            raise BadWeights(f"{folder.name} has {len(found)} files, and should have one.", "Add them again.")
