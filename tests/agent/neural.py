"""A small tool that asks for weights, and engines in processes of their own that know it.

Run as `python -m tests.agent.neural`, it is the engine, as `python -m agent.engine` is.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from pydantic import Field

from agent import engine, latents, lease, repeats
from agent.events import Working
from sessions.errors import OutOfMemory, Unsure
from sessions.store import Store
from sessions.values import Picture
from tools import devices, registry, shelf
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.weights import Entry, File

ROLE = "text-to-image"
PATIENCE = 120.0
"""Seconds after which a wait has failed."""

_PAUSE = threading.Event()


@contextmanager
def serving(store: Store) -> Iterator[engine.Engine]:
    """The engine in a thread of this process, as the page keeps it."""
    kept = engine.Engine(store)
    kept.keep()
    try:
        yield kept
    finally:
        assert kept.leave(PATIENCE)


class TintArgs(ToolArgs):
    """`gate`: a file that the step waits for in its middle; `lasts`: seconds in it; `fails`: how it ends there."""

    amount: float = Field(0.5, ge=0, le=1)
    gate: str = Field("", max_length=400)
    lasts: float = Field(0, ge=0, le=1)
    fails: str = Field("", max_length=20)


@tool("tint", args=TintArgs, weights=(ROLE,))
def tint(ctx: EditContext, args: TintArgs) -> Edit:
    """Make a picture bluer."""
    on_the_shelf = ctx.weights()
    home = on_the_shelf.folder.parent
    loaded(home, on_the_shelf.entry(ROLE).digest)
    preview = Picture(np.full((2, 3, 3), 7, np.uint8))
    yield Progress(0.25, preview)
    noted(home / "begun")
    over = time.monotonic() + args.lasts
    while time.monotonic() < over or (args.gate and not Path(args.gate).exists()):
        _PAUSE.wait(0.01)
        yield Progress(0.5)
    if args.fails == "dies":
        os._exit(1)
    if args.fails == "memory":
        raise OutOfMemory("The device ran out of memory.")
    if args.fails == "unsure" and not ctx.confirmed:
        raise Unsure("Is this it?", "Say yes.", 0.3, np.full(ctx.image.pixels.shape[:2], 9, np.uint8), preview)
    yield Progress(0.75, Picture(np.full((2, 3, 3), 9, np.uint8)))
    pixels = ctx.image.pixels.copy()
    pixels[..., 2] = np.maximum(pixels[..., 2], np.uint8(255 * args.amount))
    return EditResult(Picture(pixels))


@cache
def loaded(home: Path, digest: str) -> str:
    """The weights, which a process loads once."""
    noted(home / "loads")
    return digest


def noted(path: Path) -> None:
    """A line with this process's id in a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def weights(home: Path) -> None:
    """Something registered for the role, which the tool never looks into."""
    source = home / "weights.bin"
    source.write_bytes(b"weights")
    file = File(source=str(source), sha256=hashlib.sha256(b"weights").hexdigest(), bytes=7)
    shelf.at(home).add(Entry(role=ROLE, name="some", pack="own", files={"unet/model.safetensors": file}))


def until(true: Callable[[], object]) -> None:
    """Wait for something, at most so long."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


def process(home: Path, minutes: float = 10) -> BaseProcess:
    """An engine in a process of its own, which holds the lease by now, or has left again.

    It is forked from one that has imported all it needs: a new interpreter would take longer than what is tried.
    """
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["pytest", __name__])
    started = forks.Process(target=_serve, args=(home, minutes))
    started.start()
    until(lambda: lease.held(home) or started.exitcode is not None)
    return started


def _serve(home: Path, minutes: float) -> None:
    os.environ |= {"PENTIMENTO_HOME": str(home), "PENTIMENTO_ENGINE_MINUTES": str(minutes)}
    without_torch()
    engine.main()


COMMAND = [sys.executable, "-m", __name__ if __name__ != "__main__" else "tests.agent.neural"]


class Device(str):
    """Stands for torch's, whose import takes longer than everything that is tried with the tool."""

    type = "cpu"


def without_torch(patch: Callable[[object, str, object], None] = setattr) -> None:
    """The tool becomes known, and is worked without torch: on a device without a name, each time anew."""
    known = registry.registered() | {"tint": tint}
    patch(registry, "registered", lambda: known)
    patch(devices, "best", lambda: Device("cpu"))
    patch(devices, "precision", lambda *_: "torch.float32")
    patch(repeats, "found", lambda *_: None)
    patch(repeats, "keep", lambda *_: None)
    patch(latents, "latent_of", _no_latent)
    patch(latents, "keep", lambda *_: None)


def _no_latent(*_: object) -> Generator[Working, None, None]:
    """This tool goes on from pixels."""
    yield from ()


if __name__ == "__main__":
    without_torch()
    engine.main()
