"""Tiny pictures and ordinary work on a store, for the tests that are about keeping and not about editing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sqlalchemy import func, select

from sessions import commits, moves, names, schema, turns, uploads
from sessions.intake import Admitted
from sessions.store import Store
from sessions.values import Picture, Pixels, Revision, Step, Turn


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one, for tests that are about logic and not about the disk."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(prefix="pentimento-", dir=shared if shared.is_dir() else None) as name:
        yield Path(name)


_THREE = ((0, 512), (1, 512), (2, 76))


def picture(seed: int, width: int = 24, height: int = 8) -> Picture:
    """Noise, another for every seed."""
    return Picture(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def wide(seed: int, changed: int = 3) -> Picture:
    """Three tiles, of which the first `changed` differ from those of `wide(0)`."""
    tiles = [picture(8 * (seed if tile < changed else 0) + tile, width, 4).pixels for tile, width in _THREE]
    return Picture(np.concatenate(tiles, axis=1))


def mask(seed: int, width: int = 24, height: int = 8) -> Pixels:
    return np.where(picture(seed, width, height).pixels[..., 0] > 127, 255, 0).astype(np.uint8)


def step(base: str, seed: int) -> Step:
    return Step("sepia", "1", {"amount": 0.5}, base, seed=seed)


def upload(
    store: Store, session: str, shown: Picture, branch: str = "main", turn: str | None = None
) -> tuple[Revision, str]:
    """A photo through the door, and a root made of it."""
    admitted = Admitted("image", "image/png", shown, None, None, b"original of " + shown.pixels.tobytes()[:64])
    return uploads.root(store, session, uploads.receive(store, session, admitted, "cat.png"), branch, turn)


def sound(store: Store, session: str, seed: int) -> str:
    """A sound through the door; its hash."""
    flac = b"fLaC" + picture(seed).pixels.tobytes()
    admitted = Admitted("audio", "audio/mpeg", None, flac, 1.5, b"ID3" + flac[:40])
    return uploads.receive(store, session, admitted, "rain.mp3").sha256


def edit(
    store: Store, session: str, branch: str, shown: Picture, turn: str | None = None, where: Pixels | None = None
) -> Revision:
    """One step on a branch's head."""
    head = moves.branch(store, session, branch).head
    kept = store.keep(session, shown, where)
    draft = commits.Draft(kept, (head,), step(head, int(shown.pixels[0, 0, 0])), turn=turn)
    return commits.append(store, session, branch, draft, head)


def planned(session: str, request_id: str, branch: str, head: str | None = None) -> Turn:
    """A turn as the assistant would store it."""
    return Turn(session, request_id, "", branch, head, {"steps": []}, "planned", 0, False, None, None, {}, "")


def work(
    store: Store, session: str, branch: str, request_id: str, shown: list[Picture], holder: str = "me"
) -> list[Revision]:
    """A whole turn: its message, its steps from where it stands, its reply. The same again makes nothing new."""
    begun = turns.begin(store, planned(session, request_id, branch), "make it sepia")
    if begun.state in ("planned", "running"):
        begun = turns.take(store, session, request_id, holder)
        for index in range(begun.next_step, len(shown)):
            head = moves.branch(store, session, branch).head
            kept = store.keep(session, shown[index])
            claim = commits.Claim(request_id, index, holder)
            draft = commits.Draft(kept, (head,), step(head, index), claim=claim, turn=request_id)
            commits.append(store, session, branch, draft, head)
        turns.finish(store, turns.get(store, session, request_id), "done", {}, "Done.")
    return [store.revision(session, made) for made in turns.revisions(store, begun)]


@dataclass(frozen=True)
class Made:
    """A session with a bit of everything, and what may never be lost of it."""

    session: str
    revisions: tuple[Revision, ...]
    pixels: dict[str, bytes]


def everything(store: Store, seed: int = 0) -> Made:
    """Two roots, masks, several tiles, a turn of two steps, a sound, every kind of move, a tag, a renamed branch."""
    session = store.create_session("cat.png").id
    made = [upload(store, session, wide(seed))[0]]
    turns.begin(store, planned(session, "ask", "main"), "like this sound", (sound(store, session, seed),))
    for i in range(1, 4):
        made.append(edit(store, session, "main", wide(seed + i, changed=i), where=mask(seed + i, 1100, 4)))
    made += work(store, session, "main", f"turn-{seed}", [picture(seed + 10), picture(seed + 11)])
    moves.undo(store, session, "main")
    moves.redo(store, session, "main")
    moves.undo(store, session, "main")
    made.append(edit(store, session, "main", picture(seed + 12)))
    moves.create_branch(store, session, "warm", made[1].id)
    made.append(edit(store, session, "warm", picture(seed + 13)))
    moves.reset(store, session, "warm")
    made.append(upload(store, session, picture(seed + 14), "another")[0])
    names.rename_branch(store, session, "another", "other")
    names.tag(store, session, "favourite", made[2].id)
    moves.switch(store, session, "main")
    return Made(session, tuple(made), {r.id: store.picture(session, r.image).pixels.tobytes() for r in made})


def contents(store: Store) -> tuple[list[int], list[str]]:
    """How many rows each table has, and every file; what must not change where something is refused."""
    with store.database.read() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in schema.metadata.sorted_tables
        ]
    files = [str(p.relative_to(store.home)) for p in store.home.rglob("*") if not p.name.startswith("sessions.db")]
    return counts, sorted(files)
