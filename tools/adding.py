"""Weights of one's own: a local folder in the layout of diffusers is looked at, hashed and registered for a role.

Copies nothing: the files stay where they are, and are refused when they change. Fetches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sessions.errors import BadWeights, MissingWeights
from tools import weights
from tools.shelf import Shelf
from tools.weights import SUFFIX, Entry, File

READ = (SUFFIX, ".json", ".txt")
"""The endings of files that are registered; others are never looked at."""
CHANNELS = {
    "text-to-image": 4,
    "instruct-pix2pix": 8,
    "inpainting": 9,
    "blip-diffusion": 4,
    "blip-diffusion-controlnet": 4,
}
"""Input channels of the U-Net that each role asks for."""
PARTS = {"blip-diffusion": ("qformer",), "blip-diffusion-controlnet": ("qformer", "controlnet")}
"""What a role needs besides U-Net, autoencoder and text encoder."""


def add(shelf: Shelf, folder: Path, role: str, name: str = "", licence: str = "") -> Entry:
    """Hash and register a folder; MissingWeights where there is none, BadWeights where it does not fit the role."""
    if not folder.is_dir():
        raise MissingWeights(f"There is no folder {folder}.", "Name the folder that model_index.json lies in.")
    entry = Entry(role=role, name=name or folder.name, pack="own", licence=licence, files=listed(folder))
    fits(entry)
    shelf.add(entry)
    return shelf.entry(role)


def listed(folder: Path) -> dict[str, File]:
    """The files of a folder that loaders read, hashed; variants beside the main file ("….fp16.safetensors") left out."""
    return {str(path.relative_to(folder)): described(path) for path in _read(folder.resolve())}


def _read(folder: Path) -> Iterator[Path]:
    folders = [folder, *(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))]
    for path in sorted(file for one in folders for file in one.iterdir() if file.suffix in READ and file.is_file()):
        if path.suffix != SUFFIX or path.name.count(".") == 1:
            yield path


def described(path: Path) -> File:
    """A file as registers name it."""
    return File(source=str(path.resolve()), sha256=weights.sha256(path), bytes=path.stat().st_size)


def fits(entry: Entry) -> None:
    """BadWeights where an entry lacks what its role needs, as far as names and headers tell."""
    if entry.role.startswith("hub:"):
        return
    if entry.role not in CHANNELS:
        raise BadWeights(f"There is no role {entry.role!r}.", f"Roles: {', '.join(CHANNELS)}, hub:OWNER/NAME.")
    for part in ("unet", "vae", "text_encoder", *PARTS.get(entry.role, ())):
        if not [name for name in entry.files if name.startswith(f"{part}/") and name.endswith(SUFFIX)]:
            raise BadWeights(f"{entry.name} has no weights in {part}/.", "Only safetensors files are read.")
    shapes = [
        shape
        for name, file in entry.files.items()
        if name.startswith("unet/") and name.endswith(SUFFIX)
        for shape in _first(file)
    ]
    if shapes and shapes[0][1] != CHANNELS[entry.role]:
        raise BadWeights(
            f"The U-Net of {entry.name} takes {shapes[0][1]} channels; {entry.role} needs {CHANNELS[entry.role]}."
        )


def _first(file: File) -> list[tuple[int, ...]]:
    """The shape of the first convolution, where this file has it."""
    found = weights.header(Path(file.source)).get("conv_in.weight")
    return [found.shape] if found and len(found.shape) == 4 else []
