"""The networks of a pack, opened for what learns from them or beside them: its base and its encoder.

An encoder may also be one of the shelf (`pentimento models`), by its name. A pack is a folder with a register, as
`training.export` writes it; where none is named the repository's own is meant.
Every file is checked against the register first. Trains nothing and writes nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from agent.settings import Settings
from sessions.errors import BadWeights, MissingWeights, NotFound
from tools import encoders, shelf
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.model import load as load_model
from tools.encoders import Encoder
from tools.encoders.imagebind import ImageBindEncoder
from tools.shelf import STARTER
from tools.weights import Entry, Seen, laid_out, read_register
from toybox.scenes import SIDE

STARTING = STARTER.parent
"""The repository's own."""
REGISTER = STARTER.name
BASE = "text-to-image"


@contextmanager
def opened(pack: Path, role: str) -> Iterator[Entry]:
    """A pack's weights of a role, unchanged and laid out as a folder until the block ends.

    MissingWeights where the pack has none, or a file of them is gone; BadWeights where one is another than it was.
    """
    found = [one for one in read_register(pack.resolve() / REGISTER) if one.role == role]
    if not found:
        raise MissingWeights(f"{pack} has no {role}.", f"`make train` makes one; --pack {STARTING} has one.")
    with tempfile.TemporaryDirectory() as folder:
        Seen(Path(folder) / "seen.json").check(found[-1].files)
        yield laid_out(found[-1], Path(folder) / found[-1].name)


def base(pack: Path = STARTING, device: torch.device | str = "cpu") -> LatentDiffusion:
    """The text-to-image model of a pack, or the one that a folder in diffusers' layout is; float32."""
    if (pack / "unet").is_dir() and not (pack / REGISTER).exists():
        return load_model(pack, device, torch.float32)
    with opened(pack, BASE) as there:
        return load_model(there.folder, device, torch.float32, there.digest, there.name)


def of_the_toybox(model: LatentDiffusion) -> LatentDiffusion:
    """The same; BadWeights where it draws pictures of another size than the toybox's, from which it would learn."""
    if model.side != SIDE:
        raise BadWeights(
            f"{model.name} draws pictures of {model.side} × {model.side} pixels; the toybox's are {SIDE} × {SIDE}.",
            "What is learnt from the toybox takes a base of its size.",
        )
    return model


def of_words_alone(model: LatentDiffusion) -> LatentDiffusion:
    """The same; BadWeights where it is told more than a text, as SDXL is, or a picture: no recipe trains those."""
    if model.second is not None or model.channels != 4:
        raise BadWeights(f"{model.name} is not drawn with by words alone.", "Name a text-to-image model, as SD 1.5 is.")
    return model


def encoder(pack: Path = STARTING, device: torch.device | str = "cpu", name: str = "") -> Encoder:
    """The encoder of a pack, or the one of that name on the shelf; NotFound where there is none of it."""
    if name:
        there = shelf.at(Settings().home)
        found = [one for one in there.entries() if (one.role, one.name) == (encoders.ROLE, name)]
        if not found:
            raise NotFound(f"There is no encoder called {name}.", "pentimento models list")
        return there.encoder(found[0].digest)
    with opened(pack, encoders.ROLE) as there:
        return encoders.load(there, torch.device(device))


def reader(pack: Path = STARTING, device: torch.device | str = "cpu", name: str = "") -> ImageBindEncoder:
    """The encoder of a pack or of that name, which reads captions too; BadWeights where it is of another kind."""
    eyes = encoder(pack, device, name)
    if not isinstance(eyes, ImageBindEncoder) or eyes.words is None:
        raise BadWeights(f"The encoder {name or f'of {pack}'} reads no words.", "python -m training.encoder makes one.")
    return eyes
