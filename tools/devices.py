"""Which device networks run on, in which precision, and how much memory there is. Loads and keeps nothing."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sessions.errors import MissingWeights

if TYPE_CHECKING:
    import torch

FULL_SIZE = 500_000_000
"""Bytes of weights above which half the precision is worth its conversions on a CPU that computes in it."""


def require_torch() -> None:
    """MissingWeights, with the command that installs it, where this installation has no torch."""
    if find_spec("torch") is None:
        raise MissingWeights("This tool needs the neural parts of Pentimento.", "pip install 'pentimento[neural]'")


@cache
def best() -> torch.device:
    """CUDA where there is one, else Apple's GPU, else the CPU."""
    require_torch()
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def precision(device: torch.device, weights: int) -> torch.dtype:
    """bfloat16 on CUDA, and for `weights` (bytes) of full size on a CPU that computes in it; else float32."""
    import torch

    if device.type == "cuda" or (device.type == "cpu" and weights > FULL_SIZE and _computes_bfloat16()):
        return torch.bfloat16
    return torch.float32


@cache
def _computes_bfloat16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def free(device: torch.device) -> int:
    """Bytes that could be taken on the device now."""
    if device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(device)[0]
    return _free_here()


def _free_here() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        [available] = [line for line in lines if line.startswith("MemAvailable:")]
        return int(available.split()[1]) * 1024
    except (OSError, ValueError):  # no Linux: half of what is built in
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def empty(device: torch.device) -> None:
    """Give back what allocators keep of tensors that are gone."""
    import gc

    import torch

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
