"""What was worked out once and may be wanted again, on disk: a folder of safetensors files within a bound of bytes.

A file is named by the hash of its key and carries the key and a seal over its content, so that what is damaged, half
written or another's is a miss and never an error. Written beside and renamed into place: any number of processes may
read and write one folder. The least recently used go first. Nothing here knows what is kept, or decides to keep it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sessions.values import Json, Picture

if TYPE_CHECKING:
    from torch import Tensor

    from tools.diffusion.model import LatentDiffusion

log = logging.getLogger(__name__)

NUMERICS = 2
"""Raised by whoever changes a number that any tool with weights works out: all that was kept before is forgotten."""

Tensors = dict[str, "Tensor"]


def key(kind: str, model: LatentDiffusion, **what: Any) -> Json:
    """A key for what `model` makes of `what`; other weights, another device or precision have another one."""
    if not model.digest:
        raise ValueError("weights that nobody has hashed cannot be told from others")
    made_by = {"weights": model.digest, "device": model.device.type, "dtype": str(model.dtype)}
    return {"kind": kind, "numerics": NUMERICS, **made_by, **what}


def hashed(tensors: Tensors) -> str:
    """sha256, hex, of names, types, shapes and values."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().cpu().reshape(-1)
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def content(picture: Picture) -> str:
    """sha256, hex, of a picture's mode, size and pixels."""
    digest = hashlib.sha256(f"{picture.mode} {picture.width}x{picture.height}\n".encode())
    digest.update(np.ascontiguousarray(picture.pixels).data)
    return digest.hexdigest()


class Cache:
    """The folder, made when first written to. `limit_bytes`: what all files together may take."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    def tensors(self, key: Json, make: Callable[[], Tensors]) -> Tensors:
        """What was kept under a key, or what `make` makes now, kept for the next time. On the CPU if it was kept."""
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found

    def get(self, key: Json) -> Tensors | None:
        """What was kept under a key, on the CPU; None where nothing sound is there."""
        from safetensors import SafetensorError, safe_open

        path = self._path(key)
        try:
            with safe_open(path, "pt") as file:
                names, told = file.keys(), file.metadata() or {}
                tensors = {name: file.get_tensor(name).clone() for name in names}
        except (OSError, SafetensorError):
            return None
        if told != {"key": _canonical(key), "seal": hashed(tensors)}:
            return None
        with suppress(OSError):  # another process may have let go of it
            os.utime(path, ns=(now := time.time_ns(), now))
        return tensors

    def put(self, key: Json, tensors: Tensors) -> None:
        """Keep tensors; those that the limit has no room for, and a full disk, change nothing."""
        from safetensors.torch import save

        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        data = save(tensors, {"key": _canonical(key), "seal": hashed(tensors)})
        if len(data) > self.limit_bytes:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(self._path(key), data)
            self._fit()
        except OSError as error:
            log.warning("nothing was cached: %s", error)

    def _path(self, key: Json) -> Path:
        return self.folder / f"{hashlib.sha256(_canonical(key).encode()).hexdigest()}.safetensors"

    def _write(self, path: Path, data: bytes) -> None:
        handle, beside = tempfile.mkstemp(".part", dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(beside).replace(path)
        finally:
            Path(beside).unlink(missing_ok=True)  # there only where the writing failed

    def _fit(self) -> None:
        """Let go of the least recently used until all fit, what killed writers have left included."""
        kept = sorted(_files(self.folder))
        total = sum(size for _, size, _ in kept)
        for _, size, path in kept:
            if total <= self.limit_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size


def _files(folder: Path) -> list[tuple[int, int, Path]]:
    """(last used in nanoseconds, bytes, path) of every file; what vanishes meanwhile is left out."""
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            now = path.stat()
            found.append((now.st_mtime_ns, now.st_size, path))
    return found


def _canonical(key: Json) -> str:
    """One string per JSON value; NaN is a ValueError."""
    return json.dumps(key, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
