"""R4. A power cut after an acknowledgement loses nothing: whatever was not synced may be gone, in part or torn.

A process works under strace; its log says which bytes and names it gave to the disk, and what it synced. For every
moment of it the disk is put together as a power cut would leave it, opened, and checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sessions import schema
from sessions.fsck import fsck
from sessions.store import Store
from tests.making import memory_folder
from tests.reliability.disk import CALLS, CUTS, Cut, Recorder, Tape
from tests.reliability.power_worker import BUGS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as place:
        yield place


def record(folder: Path, rounds: int, bug: str = "") -> Tape:
    """Run the worker on an empty disk and read what it did."""
    strace = shutil.which("strace")
    assert strace, "This proof needs strace. Install it (apt-get install strace, dnf install strace) and run it again."
    disk, log, acks = folder / "disk", folder / "log", folder / "acks"
    disk.mkdir()
    look = [strace, "-f", "-y", "-qq", "-xx", "-s", "10000000", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", str(log)]
    worker = [sys.executable, "-m", "tests.reliability.power_worker", str(disk / "home"), str(acks), str(rounds), bug]
    done = subprocess.run(
        look + worker, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"The worker could not be watched: {done.stderr[-2000:]}"
    with log.open(encoding="ascii") as lines:
        steps = Recorder(disk, acks).read(lines)
    check_recording(Tape(steps, disk), disk)
    return Tape(steps, disk)


def check_recording(tape: Tape, disk: Path) -> None:
    """With nothing lost, what is put together is what lies there: nothing the process did has escaped the log."""
    whole = tape.replay(tape.steps)
    there = {path: path.read_bytes() if path.is_file() else None for path in disk.rglob("*")}
    assert whole == there


def found_after(folder: Path, files: dict[Path, bytes | None], disk: Path) -> tuple[set[str], int]:
    """Lay out a disk, open the store on it, check it; its revisions and its newest move."""
    here = folder / "after"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir()
    for path, content in sorted(files.items()):
        place = here / path.relative_to(disk)
        if content is None:
            place.mkdir()
        else:
            place.write_bytes(content)
    with closing(Store(here / "home")) as store:
        damage = [problem for problem in fsck(store) if problem.damage]
        assert not damage, damage
        with store.database.read() as connection:
            revisions = set(connection.execute(select(schema.revisions.c.id)).scalars())
            newest = connection.execute(select(func.coalesce(func.max(schema.moves.c.id), 0))).scalar_one()
    return revisions, newest


def check_cuts(folder: Path, tape: Tape, cuts: tuple[Cut, ...] = CUTS) -> int:
    """Cut the power after every step, in every way; the number of states looked at."""
    dice, states = random.Random(0), 0
    seen: dict[str, tuple[set[str], int]] = {}
    for at in range(len(tape.steps) + 1):
        told = [json.loads(line) for line in tape.acknowledged(at)]
        revisions = {revision for line in told for revision in line["revisions"]}
        newest = max((line["move"] for line in told), default=0)
        for cut in cuts:
            files = tape.after_a_cut(at, cut, dice)
            name = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
            if name not in seen:  # many moments leave the same disk
                seen[name] = found_after(folder, files, tape.root)
            assert revisions <= seen[name][0], f"step {at}, {cut}: {len(revisions - seen[name][0])} revisions are lost"
            assert newest <= seen[name][1], f"step {at}, {cut}: an acknowledged move is lost"
            states += 1
    return states


@pytest.mark.reliability
def test_no_power_cut_loses_what_was_acknowledged(folder):
    tape = record(folder, rounds=3)
    assert len(tape.acknowledged(len(tape.steps))) >= 12
    states = check_cuts(folder, tape)
    print(f"{len(tape.steps)} steps, {states} states")
    assert states >= 2000


@pytest.mark.reliability
@pytest.mark.parametrize("bug", BUGS)
def test_a_missing_sync_is_seen(folder, bug):
    tape = record(folder, 1, bug)
    with pytest.raises(AssertionError):
        check_cuts(folder, tape, CUTS[:1])
