"""The one mechanism of progress and cancelling: a sampler's states become a tool's `Progress`, and closing stops both.

Also the border at which a device that runs out of memory becomes a typed error. Runs no network itself.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from sessions.errors import OutOfMemory
from tools import shelf
from tools.base import Progress, mapped
from tools.diffusion.latents import checked as checked
from tools.diffusion.model import LatentDiffusion
from tools.diffusion.previews import preview
from tools.diffusion.sampling import State

T = TypeVar("T")

EVERY = 0.2
"""Seconds between previews."""


def told(
    steps: Generator[State, None, T], model: LatentDiffusion | None, start: float = 0.0, end: float = 1.0
) -> Generator[Progress, None, T]:
    """The progress of a sampler, from `start` to `end`, with previews where a model is given; returns its result.

    NotFinite as soon as a preview, or the result, is not finite. Closing this closes the sampler.
    """
    last, unfinished = time.monotonic(), list[torch.cuda.Event]()

    def progress(state: State) -> Progress:
        nonlocal last
        wait_for_the_last(unfinished, state.denoised.device)
        shown = None
        if model is not None and time.monotonic() - last >= EVERY:
            shown, last = preview(checked(state.denoised), model.colours), time.monotonic()
        return Progress(start + (end - start) * (state.index + 1) / state.total, shown)

    return checked((yield from mapped(steps, progress)))


def wait_for_the_last(unfinished: list[torch.cuda.Event], device: torch.device) -> None:
    """Keep the host at most one evaluation ahead of a CUDA device, so that closing a sampler stops it that soon."""
    if device.type != "cuda":
        return
    unfinished.append(torch.cuda.Event())  # type: ignore[no-untyped-call]
    unfinished[-1].record()
    if len(unfinished) > 1:
        unfinished.pop(0).synchronize()


@contextmanager
def guarded_device() -> Iterator[None]:
    """OutOfMemory for whatever a device without memory raises, after letting go of what can be."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _out_of_memory() from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise _out_of_memory() from error


def _out_of_memory() -> OutOfMemory:
    shelf.let_go()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return OutOfMemory(
        "The device ran out of memory; what was loaded has been let go.", "Try a smaller picture, or fewer at once."
    )
