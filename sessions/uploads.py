"""From the door to history: an admitted file becomes an asset, an asset used as a base becomes a root revision."""

from __future__ import annotations

from sqlalchemy import select

from sessions import commits, schema
from sessions.errors import NameTaken, NotFound
from sessions.identity import bytes_hash
from sessions.intake import Admitted
from sessions.rows import OWNED, asset_of
from sessions.store import Kept, Store
from sessions.tiles import Tiled, encode
from sessions.values import Asset, Json, LearntSubject, Picture, Pixels, Revision
from sessions.words import clean_name

SUBJECT_TYPE = "application/x-safetensors"
"""Of the file in which what was learnt of a subject lies."""


def receive(store: Store, session: str, admitted: Admitted, name: str) -> Asset:
    """Keep what was admitted: its canonical form, and the file as it was uploaded."""
    kept = store.keep(session, admitted.picture) if admitted.picture is not None else None
    canonical = kept.image.hash if kept is not None else bytes_hash(admitted.audio or b"")
    asset = Asset(
        sha256=canonical,
        owner=store.owner,
        kind="image" if kept is not None else "audio",
        media_type=admitted.media_type,
        width=kept.image.width if kept is not None else None,
        height=kept.image.height if kept is not None else None,
        seconds=admitted.seconds,
        bytes=len(admitted.original),
        name=clean_name(name),
        facts=_facts(admitted),
    )
    return store.add_asset(session, asset, admitted.original, kept, admitted.audio)


def drawn(store: Store, session: str, mask: Pixels) -> Asset:
    """Keep a mask that the person has drawn, uint8 (h, w), 255 inside, as an asset that a region can name."""
    picture = Picture(mask)
    kept = store.keep(session, picture)
    png = encode(mask)
    asset = Asset(
        sha256=kept.image.hash,
        owner=store.owner,
        kind="mask",
        media_type="image/png",
        width=picture.width,
        height=picture.height,
        bytes=len(png),
        name="brush",
    )
    return store.add_asset(session, asset, png, kept, None)


def learnt(store: Store, session: str, subject: LearntSubject, name: str) -> Asset:
    """Keep a learnt subject under a name of its own; NameTaken where the session has one of that name."""
    called = check_name(store, session, name)
    kept = store.keep(session, Picture(subject.pixels))
    asset = Asset(
        sha256=kept.image.hash,
        owner=store.owner,
        kind="subject",
        media_type=SUBJECT_TYPE,
        width=subject.width,
        height=subject.height,
        bytes=len(subject.learnt),
        name=called,
    )
    return store.add_asset(session, asset, subject.learnt, kept, None)


def check_name(store: Store, session: str, name: str) -> str:
    """The name as a subject can have it; NameTaken where there is one, or it is none."""
    called = clean_name(name).strip()
    if not called or any(asset.name == called for asset in subjects(store, session)):
        raise NameTaken(f"There is a subject called {called!r} here.", "Choose another name.")
    return called


def subjects(store: Store, session: str) -> list[Asset]:
    """The learnt subjects of a session, oldest first."""
    a = schema.assets
    mine = select(a).where(a.c.session == session, a.c.kind == "subject", OWNED).order_by(a.c.created_at, a.c.name)
    with store.database.read() as connection:
        return [asset_of(row, store.owner) for row in connection.execute(mine, store.mine(session))]


def picture(store: Store, session: str, image: str) -> Picture:
    """A picture by its hash; a learnt subject's comes with what was learnt."""
    found = store.picture(session, image)
    try:
        asset = store.asset(session, image)
    except NotFound:  # a revision's
        return found
    if asset.kind != "subject" or asset.original is None:
        return found
    return LearntSubject(found.pixels, store.blobs.get(session, asset.original))


def root(store: Store, session: str, asset: Asset, branch: str, turn: str | None = None) -> tuple[Revision, str]:
    """Make an image asset a root revision on a new branch (`branch`, or the first free `branch-2` …).

    Where a branch stands at that very root already, that one comes back: it is where to go on.
    """
    p = schema.pictures
    mine = select(p).where(p.c.session == session, p.c.hash == asset.sha256, OWNED)
    with store.database.read() as connection:
        row = connection.execute(mine, store.mine(session)).first()
    if row is None or asset.kind != "image":
        raise NotFound("Only a picture can be edited.", "Attach a photo.")
    names = tuple(row.tiles[i : i + 32].hex() for i in range(0, len(row.tiles), 32))
    kept = Kept(Tiled(row.mode, row.width, row.height, names), None, ())
    draft = commits.Draft(kept, source="upload", name=asset.name, turn=turn, facts=asset.facts)
    return commits.append_on_new_branch(store, session, branch, draft)


def _facts(admitted: Admitted) -> Json:
    """What is worth knowing beyond the pixels: notices for the person, and what an export may be asked to keep."""
    facts = {"notices": list(admitted.notices), "taken_at": admitted.taken_at, "copyright": admitted.copyright}
    return {name: value for name, value in facts.items() if value}
