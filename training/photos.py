"""Photos with captions, as the recipes take them that learn from real pictures: one folder, one line a photo.

    DIR/metadata.jsonl   {"file_name": "rex.jpg", "text": "a dog on a sofa", "sound": "barking.wav"}

That is an "imagefolder" of the Hub's datasets, with `text` for the caption; `sound` is our own, may be left out, and is
heard by `training.prior` alone. Of a photo the middle square is taken, as its EXIF says it is held. One that cannot be
read is left out where its turn comes, the next one takes its place, and the log says so. Learns nothing.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from numpy.random import Generator
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from sessions.errors import Damaged, NotFound
from sessions.values import Pixels
from tools.diffusion.model import LatentDiffusion
from tools.weights import sha256
from training.data import encoded
from training.subject_photos import UNREADABLE, opened

log = logging.getLogger("training")
INDEX = "metadata.jsonl"


class Line(BaseModel):
    """What is said of a photo; a dataset's other columns are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    file_name: str
    text: str
    sound: str = ""


@dataclass(frozen=True, eq=False)
class Photo:
    """A square (side, side, 3), uint8, what is to be seen in it, and the file of what is to be heard."""

    rgb: Pixels
    text: str
    sound: Path | None


class Captioned:
    """The photos of a folder, in the order of its lines. digest: of all that is said of them."""

    def __init__(self, folder: Path, lines: Sequence[Line], side: int, digest: str) -> None:
        self._folder, self._lines, self._side, self.digest = folder, lines, side, digest
        self._lost: set[int] = set()

    @classmethod
    def at(cls, folder: Path, side: int) -> Captioned:
        """All that the folder names. NotFound where it names nothing; Damaged where a line is none."""
        path = folder / INDEX
        if not path.is_file():
            raise NotFound(f"There is no {INDEX} in {folder}.", 'A line a photo: {"file_name": …, "text": …}.')
        told = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        lines = [_read(path, number, line) for number, line in enumerate(told, 1)]
        if not lines:
            raise NotFound(f"{path} names no photo.")
        return cls(folder, lines, side, sha256(path))

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, number: int) -> Photo:
        """The photo of this number, which begin again behind the last; the next one where it cannot be read."""
        for at in range(number, number + len(self)):
            if (found := self._opened(at % len(self))) is not None:
                return found
        raise NotFound(f"No photo of {self._folder} can be read.")

    def drawn(self, rng: Generator, size: int) -> list[Photo]:
        """So many, each as likely as any other."""
        return [self[int(number)] for number in rng.integers(len(self), size=size)]

    def _opened(self, number: int) -> Photo | None:
        line = self._lines[number]
        if number in self._lost:
            return None
        try:
            rgb = opened(self._folder / line.file_name, self._side)
        except UNREADABLE as error:
            log.info("%s cannot be read, so it is left out: %s", self._folder / line.file_name, error)
            self._lost.add(number)
            return None
        return Photo(rgb, line.text, self._folder / line.sound if line.sound else None)


def _read(path: Path, number: int, line: str) -> Line:
    try:
        return Line.model_validate_json(line)
    except ValidationError as error:
        raise Damaged(f"Line {number} of {path} says no file_name and text.") from error


def latents(model: LatentDiffusion, pictures: Sequence[Pixels]) -> Tensor:
    """(N, 4, h, w) of unit variance on the model's device; float32 also where a step is in bfloat16."""
    with torch.autocast(model.device.type, enabled=False):
        return encoded(model.vae, pictures).to(model.device)


# What a command is told of them


@dataclass(frozen=True)
class Given:
    """Photos to learn from instead of the toybox; how many make a step, and how far it goes.

    encoder: the name of one on the shelf, in place of a pack's, where the recipe has them seen.
    """

    folder: Path
    size: int
    rate: float
    encoder: str = ""

    def told(self, photos: Captioned) -> dict[str, str | int | float]:
        """As it is kept with the training."""
        return {"photos": photos.digest, "size": self.size, "rate": self.rate}


def ask(parser: argparse.ArgumentParser, size: int, rate: float, seen: bool = False) -> None:
    """The words of a command line that `given` reads. seen: whether an encoder may be named."""
    parser.add_argument("--photos", type=Path, help=f"a folder with {INDEX}, to learn from instead of the toybox")
    parser.add_argument("--size", type=int, default=size, help="photos of a step")
    parser.add_argument("--rate", type=float, default=rate, help="how far a step on photos goes")
    if seen:
        parser.add_argument("--encoder", default="", help="what sees photos: its name on the shelf, else the pack's")


def given(args: argparse.Namespace) -> Given | None:
    """None where there are no photos."""
    if args.photos is None:
        return None
    return Given(args.photos, args.size, args.rate, getattr(args, "encoder", ""))
