"""Weight files: what is registered, that a file is still the one that was, what its header says, its tensors.

The only place of the product that opens weights: safetensors, and for planners and encoders that were published as
nothing else flat tables of tensors of torch, whose reader runs nothing. A file is known by its SHA-256: one that no
register names is never opened, one that has changed is refused. Chooses nothing and keeps nothing in memory.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sessions.errors import BadWeights, MissingWeights, StorageFull

if TYPE_CHECKING:
    from torch import Tensor

World = Literal["photos", "toybox"]
Pack = Literal["own", "sd15", "sdxl", "imagebind", "clap_clip", "starter"]

SUFFIX = ".safetensors"
PICKLED = (".pth", ".bin")
GGUF = ".gguf"
"""How checkpoints of older days end: tensors that torch has written."""
FLAT = "Only flat tables of tensors are read; its publisher may have it as safetensors."
HEADER_LIMIT = 25_000_000
"""Bytes of a safetensors header; the largest public ones have about one."""
WIDTHS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64"), 8),
}
"""Bytes of one number of each kind that a header may name."""


class Record(BaseModel):
    """A border type: what registers are made of; unknown fields and wrong kinds are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class File(Record):
    """One file of an entry. `source`: where it lies, absolute or relative to its register."""

    source: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Entry(Record):
    """Weights for one role. `files`: by their place in the folder that is loaded; `pack`: whose they are.

    `repository` and `commit`: where they came from, "" where nobody knows. `world`: what pictures they have seen.
    `sampling`: arguments of the tools that take them, as these weights want them where the person says nothing else.
    """

    role: str
    name: str
    pack: Pack
    licence: str = ""
    repository: str = ""
    commit: str = ""
    world: World = "photos"
    sampling: dict[str, int | float | str | tuple[int, ...]] = Field(default_factory=dict)
    files: dict[str, File]
    folder: Path = Path()

    @property
    def digest(self) -> str:
        """SHA-256 over the names and hashes of all files: part of the key of everything computed with them."""
        listed = json.dumps(sorted((name, file.sha256) for name, file in self.files.items()))
        return hashlib.sha256(listed.encode()).hexdigest()

    def part(self, folder: str) -> str:
        """As `digest`, of the files in one of its folders only; equal for what two entries have in common."""
        inside = {name: file for name, file in self.files.items() if name.startswith(f"{folder}/")}
        return self.model_copy(update={"files": inside}).digest

    @property
    def bytes(self) -> int:
        """The size of its weights on disk."""
        return sum(file.bytes for name, file in self.files.items() if name.endswith((SUFFIX, *PICKLED, GGUF)))


class Register(Record):
    """A register file: entries, newest last."""

    entries: tuple[Entry, ...] = ()


def read_register(path: Path) -> tuple[Entry, ...]:
    """The entries of a register, their sources made absolute; BadWeights where it is damaged, none where it is not."""
    try:
        found = Register.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (ValidationError, OSError) as error:
        raise BadWeights(f"The register of weights {path} cannot be read.", "pentimento models doctor") from error
    return tuple(_anchored(entry, path.parent) for entry in found.entries)


def _anchored(entry: Entry, folder: Path) -> Entry:
    moved = {name: file.model_copy(update={"source": str(folder / file.source)}) for name, file in entry.files.items()}
    return entry.model_copy(update={"files": moved})


def write_register(path: Path, entries: tuple[Entry, ...]) -> None:
    """Replace a register whole; readers see the old one or the new one."""
    write_whole(path, Register(entries=entries).model_dump_json(indent=1, exclude={"entries": {"__all__": {"folder"}}}))


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that it is never seen half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def sha256(path: Path) -> str:
    """The hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Seen:
    """Which files were hashed, and how they looked then: a file whose size, times and inode stand is not read again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self, files: Mapping[str, File], *, anew: bool = False) -> None:
        """That files are those that were registered; MissingWeights where one is gone, BadWeights where it differs.

        `anew`: hash them whatever they look like, since a disk may damage a file without touching its times.
        """
        known = {} if anew else self._known()
        fresh: dict[str, list[str | int]] = {}
        for name, file in files.items():
            looks: list[str | int] = [file.sha256, *_looks(Path(file.source))]
            if known.get(file.source) != looks:
                _same(name, file)
                fresh[file.source] = looks
        if fresh:
            with suppress(OSError):  # what cannot be noted on a full disk is hashed again
                write_whole(self._path, json.dumps(self._known() | fresh))

    def _known(self) -> dict[str, list[str | int]]:
        try:
            known: dict[str, list[str | int]] = json.loads(self._path.read_bytes())
            return known
        except (OSError, ValueError):
            return {}


def _looks(path: Path) -> list[int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise MissingWeights(f"The weight file {path} is gone.", "pentimento models doctor") from error
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _same(name: str, file: File) -> None:
    """BadWeights where a file is not the one that was registered."""
    path = Path(file.source)
    try:
        same = path.stat().st_size == file.bytes and sha256(path) == file.sha256
    except OSError as error:
        raise MissingWeights(f"The weight file {path} cannot be read.", "pentimento models doctor") from error
    if not same:
        raise BadWeights(f"{name} is not the file that was registered ({path}).", "pentimento models doctor")


def laid_out(entry: Entry, folder: Path) -> Entry:
    """The entry's files as a folder of links, for loaders that want one; MissingWeights for a stranger among them."""
    for name, file in entry.files.items():
        link = folder / name
        if not (link.is_symlink() and str(link.readlink()) == file.source):
            _link(link, file.source)
    strangers = [
        path for path in folder.rglob("*") if not path.is_dir() and str(path.relative_to(folder)) not in entry.files
    ]
    if strangers:
        raise MissingWeights(f"{strangers[0]} is not registered, so it is not opened.", "Remove it.")
    return entry.model_copy(update={"folder": folder})


def _link(link: Path, source: str) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f"{link.name}.{secrets.token_hex(4)}.part")
    temporary.symlink_to(source)
    temporary.replace(link)


@dataclass(frozen=True)
class Shape:
    """What a header says of one tensor. `dtype` as safetensors writes it ("F32"); offsets count from the first one."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def header(path: Path) -> dict[str, Shape]:
    """Names, kinds and shapes of a safetensors file, checked whole; BadWeights for anything else. Loads no tensor."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, HEADER_LIMIT):
                raise ValueError("its header is longer than the file, or than any header is")
            told = json.loads(file.read(length).decode())
    except OSError as error:
        raise MissingWeights(f"The weight file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BadWeights(f"{path.name} is not a safetensors file: {error}.") from error
    try:
        return _shapes(told, size - 8 - length)
    except (ValueError, TypeError, KeyError) as error:
        raise BadWeights(f"{path.name} is damaged: {error}.") from error


def _shapes(told: object, room: int) -> dict[str, Shape]:
    """The tensors of a header, which must fill the `room` bytes behind it without gap or overlap."""
    if not isinstance(told, dict):
        raise TypeError("its header is not a table")
    shapes = {name: _shape(said) for name, said in told.items() if name != "__metadata__"}
    reached = 0
    for name, shape in sorted(shapes.items(), key=lambda item: (item[1].begin, item[1].end)):
        if shape.begin != reached or shape.end - shape.begin != math.prod(shape.shape) * WIDTHS[shape.dtype]:
            raise ValueError(f"the tensor {name[:80]!r} is not where its header says")
        reached = shape.end
    if reached != room:
        raise ValueError("there is more in it than its header says, or less")
    return shapes


def _shape(said: Mapping[str, object]) -> Shape:
    dtype, sizes, offsets = said["dtype"], said["shape"], said["data_offsets"]
    if not (isinstance(dtype, str) and dtype in WIDTHS):
        raise ValueError("a tensor is of an unknown kind")
    if not (isinstance(sizes, list) and isinstance(offsets, list) and len(offsets) == 2):
        raise ValueError("a tensor has no shape or no place")
    if any(type(number) is not int or not 0 <= number < 2**48 for number in (*sizes, *offsets)):
        raise ValueError("a tensor has an impossible size")
    return Shape(dtype, tuple(sizes), *offsets)


def numbers(entry: Entry, part: str) -> int:
    """How many numbers the weights in one folder of a laid out entry are."""
    files = [entry.folder / name for name in entry.files if name.startswith(f"{part}/")]
    return sum(math.prod(shape) for path in files for shape in shapes(path).values())


def shapes(path: Path, place: str = "", nested: bool = True) -> dict[str, tuple[int, ...]]:
    """The tensors' names and sizes; of a safetensors file only its header is read. None where it is no weight file.

    `place`: in an entry, where the path itself does not say what it is. `nested`: of what torch wrote also a table of
    tables, named as `pickled_parts` does.
    """
    ending = Path(place or path.name).suffix
    if ending in PICKLED:
        read = pickled_parts if nested else pickled
        return {name: tuple(tensor.shape) for name, tensor in read(path).items()}
    return {name: shape.shape for name, shape in header(path).items()} if ending == SUFFIX else {}


def tensors(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    """All tensors of a safetensors file, its header checked first; BadWeights where it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header(path)
    try:
        return load_file(path, device)
    except (SafetensorError, ValueError, TypeError, OSError) as error:
        raise BadWeights(f"{path.name} is damaged: {error}.") from error


def pickled(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pth or .bin, in memory as they are needed; BadWeights where there is anything else in it."""
    found = _table(_unpickled(path))
    if found is None:
        raise BadWeights(f"{path.name} is no flat table of tensors.", FLAT)
    return found


def pickled_parts(path: Path) -> dict[str, Tensor]:
    """As `pickled`, of a file that may also be a table of such tables: `part.name` is a tensor of one of them."""
    found = _unpickled(path)
    if (flat := _table(found)) is not None:
        return flat
    parts = {name: _table(part) for name, part in found.items()} if isinstance(found, dict) else {}
    tables = {name: part for name, part in parts.items() if isinstance(name, str) and part is not None}
    if not tables or len(tables) < len(parts):
        raise BadWeights(f"{path.name} is no table of tensors, nor one of such tables.")
    joined = {f"{part}.{name}": tensor for part, table in tables.items() for name, tensor in table.items()}
    if len(joined) < sum(len(table) for table in tables.values()):
        raise BadWeights(f"{path.name} has two tensors of one name.")
    return joined


def _unpickled(path: Path) -> object:
    """What torch has written.

    With `weights_only` torch makes tensors and plain containers of a file, calls nothing that it names, and refuses it
    where it asks for more.
    """
    import torch

    try:
        found: object = torch.load(path, "cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        return found
    except (FileNotFoundError, PermissionError) as error:
        raise MissingWeights(f"The weight file {path} cannot be read: {error.strerror}.") from error
    except MemoryError:
        raise
    except Exception as error:  # other people's data: torch raises whatever it falls over
        raise BadWeights(f"{path.name} is damaged, or holds more than tensors.", FLAT) from error


def _table(found: object) -> dict[str, Tensor] | None:
    """A flat table of tensors by name; None where it is something else."""
    import torch

    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in found.items()
    ):
        return None
    return dict(found)


def write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """A new safetensors file; StorageFull where the disk does not take it."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(tensors), path, {"format": "pt"})
    except (SafetensorError, OSError) as error:
        raise StorageFull(f"The disk refused {path}: {error}.", "Free some space, and try again.") from error


def packed(tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> bytes:
    """A safetensors file of tensors, and what is told of them."""
    from safetensors.torch import save

    return save(dict(tensors), dict(told))


def unpacked(data: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, and what is told of them; BadWeights where it is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        told = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__", {})
        return load(data), told
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadWeights(f"What was learnt is damaged: {error}.", "Learn the subject again.") from error
