"""What the engine tells of a turn while it runs it: lines in a file of the data folder that any process can follow.

Not durable and never the truth, which is the turn's row: what is lost here is a preview. Each stretch of a turn, from
its beginning or from an answer to its end or to a question, has a journal of its own.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from io import FileIO
from pathlib import Path

import numpy as np

from agent import comparing
from agent.events import Asked, Committed, Compared, Event, Forked, Moved, Working
from agent.plan import Ask, PlanStep
from sessions import history
from sessions.identity import bytes_hash, canonical, new_id
from sessions.store import Store
from sessions.tiles import encode
from sessions.values import Branch, Json, Picture, Turn

FOLDER = "live"
"""Where journals lie: a folder for each session."""

KEPT_DAYS = 7
TOLD_SECONDS, SHOWN_SECONDS = 0.05, 0.2
"""How often at most the progress of a step is told, and a picture of it is shown."""


def _path(home: Path, turn: Turn, plan: Json, ending: str) -> Path:
    return home / FOLDER / turn.session / f"{bytes_hash(canonical([turn.request_id, plan]))[:32]}{ending}"


class Journal:
    """Written by the engine that runs the turn; one that goes on with it writes on below.

    Where it cannot be written, followers see no progress; what stops a turn on a full disk is its step's commit.
    """

    def __init__(self, home: Path, turn: Turn) -> None:
        self._lines = _path(home, turn, turn.plan, ".jsonl")
        self._preview = _path(home, turn, turn.plan, ".png")
        self._told = self._shown = float("-inf")
        self._looks = 0
        self._unseen: Picture | None = None
        self._file: FileIO | None = None

    def tell(self, event: Event) -> None:
        """Write an event down, if those who follow cannot know it from the rows."""
        with suppress(OSError):
            line = self._working(event) if isinstance(event, Working) else _line(event)
            if line is not None:
                self._opened().write(canonical(line) + b"\n")

    def _opened(self) -> FileIO:
        if self._file is None:
            self._lines.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._lines.open("ab", buffering=0)
            self._file.write(b"\n")  # the engine before may have died within a line
        return self._file

    def _working(self, event: Working) -> Json | None:
        now = time.monotonic()
        self._unseen = event.preview or self._unseen  # kept for the next line, where this one is too early to be told
        if 0.0 < event.fraction < 1.0 and now - self._told < TOLD_SECONDS:
            return None
        self._told = now
        if self._unseen is not None and (event.fraction >= 1.0 or now - self._shown >= SHOWN_SECONDS):
            self._shown = now
            self._looks += 1
            _put(self._preview, encode(self._unseen.pixels))
            self._unseen = None
        step = event.step.model_dump(mode="json")
        return {"working": event.index, "step": step, "fraction": event.fraction, "look": self._looks}

    def close(self) -> None:
        """The stretch is over: the lines stay a while for those who still read them."""
        with suppress(OSError):
            if self._file is not None:
                self._file.close()
            self._preview.unlink(missing_ok=True)


def _line(event: Event) -> Json | None:
    match event:
        case Committed(revision=revision, branch=branch):
            return {"committed": revision.id, "branch": branch}
        case Forked(branch=branch, base=base):
            return {"forked": branch, "base": base.id}
        case Moved(branch=branch, sentence=sentence):
            return {"moved": asdict(branch), "sentence": sentence}
        case Compared(comparison=found, sentence=sentence):
            return {"compared": [found.before.id, found.after.id], "sentence": sentence}
    return None


class News:
    """Read by whoever follows a turn. `late`: only what is told from now on."""

    def __init__(self, store: Store, turn: Turn, late: bool) -> None:
        self._store, self._session = store, turn.session
        self._lines = _path(store.home, turn, turn.plan, ".jsonl")
        self._preview = _path(store.home, turn, turn.plan, ".png")
        self._read = self._lines.stat().st_size if late and self._lines.exists() else 0
        self._look = 0

    def read(self) -> Iterator[Event]:
        """What was told since the last time."""
        try:
            with self._lines.open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except OSError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            with suppress(ValueError):  # what a dying engine left of a line
                yield from self._event(json.loads(line))

    def _event(self, line: Json) -> Iterator[Event]:
        match line:
            case {"working": index, "step": step, "fraction": fraction, "look": look}:
                yield Working(index, PlanStep.model_validate(step), fraction, self._seen(look))
            case {"committed": revision, "branch": branch}:
                yield Committed(self._store.revision(self._session, revision), branch)
            case {"forked": branch, "base": base}:
                yield Forked(branch, self._store.revision(self._session, base))
            case {"moved": branch, "sentence": sentence}:
                yield Moved(Branch(**branch), sentence)
            case {"compared": [before, after], "sentence": sentence}:
                graph = history.graph(self._store, self._session)
                yield Compared(comparing.compare(self._store, graph, graph.by_id[before], graph.by_id[after]), sentence)

    def _seen(self, look: int) -> Picture | None:
        """The newest picture, if it is another than the last time."""
        if look == self._look:
            return None
        self._look = look
        return _picture(self._preview)


# --- what a question shows --------------------------------------------------------------------------------------------


def keep(store: Store, turn: Turn, plan: Json, asked: Asked) -> None:
    """Keep what a question shows, before anybody can know that it is asked. `plan`: the one with the question.

    Where there is no room for it, the question is asked without.
    """
    shown = {f".{at}.png": picture.pixels for at, picture in asked.pictures.items()}
    if asked.mask is not None:
        shown[".mask.png"] = asked.mask
    with suppress(OSError):
        for ending, pixels in shown.items():
            _put(_path(store.home, turn, plan, ending), encode(pixels))


def asked(store: Store, turn: Turn, ask: Ask) -> Asked:
    """A question of the engine with what was kept of it."""
    found = {at: _picture(_path(store.home, turn, turn.plan, f".{at}.png")) for at in range(len(ask.candidates))}
    mask = _picture(_path(store.home, turn, turn.plan, ".mask.png"))
    shown = {at: picture for at, picture in found.items() if picture is not None}
    return Asked(ask, shown, mask.pixels if mask is not None else None)


# --- files ------------------------------------------------------------------------------------------------------------


def sweep(home: Path) -> None:
    """Remove what nobody can be following any more."""
    oldest = time.time() - KEPT_DAYS * 86400
    for path in (home / FOLDER).glob("*/*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _put(path: Path, data: bytes) -> None:
    """Whole or not at all, but not for ever: nothing here waits for the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{new_id()}")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)  # there only where the writing failed


def _picture(path: Path) -> Picture | None:
    """What was put there; None where it is gone, or a power cut has left it in part."""
    from PIL import Image

    try:
        return Picture(np.asarray(Image.open(io.BytesIO(path.read_bytes())), np.uint8))
    except (OSError, SyntaxError):
        return None
