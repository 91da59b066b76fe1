"""What the processes of the race with `gc` do: eight write and give up half of it, one makes files old and sweeps.

The writers of one session make the same pictures, so that what one gave up is what another is just about to name.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sessions import commits, moves, upkeep
from sessions.errors import BlobMissing
from sessions.files import TEMP_SUFFIX
from sessions.store import Store
from tests.making import picture, step
from tests.reliability.crowd import meet
from tests.reliability.crowd_work import SIDE, Place, digest

SEEDS = 6
"""How many pictures a session's writers choose from at a time."""

OLD = 30 * 24 * 3600.0


@dataclass(frozen=True)
class Wrote:
    """revision → digest of its pixels; how often something was swept away before it was named."""

    made: dict[str, str]
    swept: int


@dataclass(frozen=True)
class Swept:
    """How often `gc` ran, and what it removed."""

    rounds: int
    files: int


def take_part(number: int, places: list[Place], seconds: float) -> Wrote | Swept:
    """Number 0 sweeps; the others write, each on a branch of its own, in the sessions in turn."""
    if number == 0:
        return _sweep(places[0], seconds)
    return _write(number, places[number % len(places)], seconds)


def branch_of(number: int) -> str:
    return f"writer-{number}"


def _write(number: int, place: Place, seconds: float) -> Wrote:
    dice, made, swept, done = random.Random(number), {}, 0, 0
    with place.open() as store:
        end = meet() + seconds
        while time.monotonic() < end:
            shown = picture(1 + done + dice.randrange(SEEDS), SIDE, SIDE)
            kept = store.keep(place.session, shown)
            done += 1
            if dice.random() < 0.5:
                continue
            head = moves.branch(store, place.session, branch_of(number)).head
            draft = commits.Draft(kept, (head,), step(head, done))
            try:
                made[commits.append(store, place.session, branch_of(number), draft, head).id] = digest(shown)
            except BlobMissing:
                swept += 1
    return Wrote(made, swept)


def _sweep(place: Place, seconds: float) -> Swept:
    rounds = files = 0
    with place.open() as store:
        end = meet() + seconds
        while time.monotonic() < end:
            for folder in upkeep.folders(store):
                make_old(store.home / "blobs" / folder)
            files += sum(isinstance(found, upkeep.Removed) for found in upkeep.gc(store, upkeep.LEAST_GRACE))
            rounds += 1
    return Swept(rounds, files)


def make_old(folder: Path, seconds: float = OLD) -> None:
    """Age what is there, named or not; not what is being written, which no clock makes a day old."""
    then = time.time() - seconds
    for path in folder.iterdir():
        if not path.name.endswith(TEMP_SUFFIX):
            with suppress(FileNotFoundError):
                os.utime(path, (then, then))


def sweep_all(store: Store) -> int:
    """Make everything old and run `gc` once more; how many bytes it removed."""
    for folder in upkeep.folders(store):
        make_old(store.home / "blobs" / folder)
    return sum(found.bytes for found in upkeep.gc(store) if isinstance(found, upkeep.Removed))
