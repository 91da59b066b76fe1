"""Weights of one's own: a local folder in the layout of diffusers is looked at, hashed and registered for a role.

Copies nothing: the files stay where they are, and are refused when they change. Fetches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sessions.errors import BadWeights, MissingWeights
from tools import weights
from tools.shelf import NETWORKS, Shelf
from tools.weights import SUFFIX, Entry, File

TEXT = (".json", ".txt")
INDEX = "model_index.json"
HALF = ".fp16"
"""What the name of a half-precision file has before its ending."""
CHANNELS = {
    "text-to-image": 4,
    "instruct-pix2pix": 8,
    "inpainting": 9,
    "blip-diffusion": 4,
    "blip-diffusion-controlnet": 4,
}
"""Input channels of the U-Net that each role asks for."""
PARTS = {"blip-diffusion": ("qformer",), "blip-diffusion-controlnet": ("qformer", "controlnet")}
"""What a role needs besides these."""


def add(shelf: Shelf, folder: Path, role: str, name: str = "", licence: str = "") -> Entry:
    """Hash and register a folder; MissingWeights where there is none, BadWeights where it does not fit the role."""
    if folder.is_file():
        raise BadWeights(
            f"{folder.name} is one file, and a role needs a tokenizer and configurations as well.",
            "Add a folder in the layout of diffusers: save_pretrained of diffusers writes one.",
        )
    if not folder.is_dir():
        raise MissingWeights(f"There is no folder {folder}.", "Name the folder that model_index.json lies in.")
    entry = Entry(role=role, name=name or folder.name, pack="own", licence=licence, files=listed(folder, role))
    fits(entry)
    shelf.add(entry)
    return shelf.entry(role)


def listed(folder: Path, role: str) -> dict[str, File]:
    """The files of a folder that a role needs, hashed, by their place in an entry."""
    names = [str(path.relative_to(folder)) for path in folder.glob("**/*") if path.is_file()]
    return {place: described(folder / name) for place, name in placed(names, role).items()}


def described(path: Path) -> File:
    """A file as registers name it."""
    return File(source=str(path.resolve()), sha256=weights.sha256(path), bytes=path.stat().st_size)


def placed(names: Iterable[str], role: str) -> dict[str, str]:
    """Of the names in a repository those that a role needs, by their place in an entry.

    Each part's main file, or its half-precision one where there is no other. Nothing but safetensors, JSON and text;
    of the files beside the parts only `model_index.json`, since whole models lie there too.
    """
    parts = parts_of(role)
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (HALF in name, name)):
        folder, _, file = name.rpartition("/")
        plain = file.replace(HALF, "") if file.endswith(SUFFIX) else file
        read = plain.endswith(TEXT) or (plain.endswith(SUFFIX) and plain.count(".") == 1)
        if read and (folder in parts if parts else folder and "/" not in folder):
            found.setdefault(f"{folder}/{plain}", name)
        elif name == INDEX:
            found[INDEX] = name
    return found


def parts_of(role: str) -> tuple[str, ...]:
    """The folders that a role needs; none where it takes whatever there is."""
    if role.startswith("hub:"):
        return ()
    if role not in CHANNELS:
        raise BadWeights(f"There is no role {role!r}.", f"Roles: {', '.join(CHANNELS)}, hub:OWNER/NAME.")
    return (*NETWORKS, "tokenizer", "scheduler", *PARTS.get(role, ()))


def complete(name: str, places: Iterable[str], role: str) -> None:
    """BadWeights where a part that a role needs has no safetensors."""
    there = {place.partition("/")[0] for place in places if place.endswith(SUFFIX)}
    needed = () if role.startswith("hub:") else (*NETWORKS, *PARTS.get(role, ()))
    for part in needed:
        if part not in there:
            raise BadWeights(f"{name} has no safetensors in {part}/.", "Other kinds of files are never opened.")
    if not there:
        raise BadWeights(f"{name} has no safetensors.", "Other kinds of files are never opened.")


def fits(entry: Entry) -> None:
    """BadWeights where an entry is not what its role needs, as far as names and headers tell."""
    complete(entry.name, entry.files, entry.role)
    for name, file in entry.files.items():
        first = weights.header(Path(file.source)).get("conv_in.weight") if name.endswith(SUFFIX) else None
        if first and name.startswith("unet/") and entry.role in CHANNELS:
            _takes(first.shape[1:2], entry)


def _takes(shape: tuple[int, ...], entry: Entry) -> None:
    found, needed = "×".join(map(str, shape)), CHANNELS[entry.role]
    if found != str(needed):
        raise BadWeights(
            f"The U-Net of {entry.name} takes {found} channels; {entry.role} needs {needed}.",
            "Register it for the role that it was trained for.",
        )
