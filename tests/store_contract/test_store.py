"""Sessions, pixels, assets: what is kept comes back, is written once, and is checked at every reading."""

import numpy as np
import pytest

from sessions import schema, uploads
from sessions.errors import BlobDamaged, BlobMissing, NotFound
from sessions.store import Store
from sessions.values import Picture
from tests import making


def files(store: Store, session: str) -> int:
    return sum(1 for _ in (store.home / "blobs" / session).iterdir())


def test_a_resent_request_finds_the_session_it_made(store):
    first = store.create_session("cat.png", "request")
    assert store.create_session("cat.png", "request") == first
    assert store.sessions() == [first]


def test_sessions_are_found_by_the_beginning_of_their_id(store):
    made = store.create_session("cat.png")
    assert store.session(made.id[:8]).id == made.id
    for wrong in (made.id[:3], "%%%%", made.id + "0", "zzzz"):
        with pytest.raises(NotFound):
            store.session(wrong)


def test_the_session_touched_last_comes_first(store):
    one, two = store.create_session("one"), store.create_session("two")
    making.upload(store, one.id, making.picture(1))
    assert [s.id for s in store.sessions()] == [one.id, two.id]
    assert [s.id for s in store.sessions(before=store.sessions()[0].touched_at)] == [two.id]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (24, 8), (512, 1), (513, 2), (1100, 4)])
def test_pixels_come_back_bit_for_bit(store, session, mode, size):
    width, height = size
    shape = (height, width) if mode == "L" else (height, width, len(mode))
    shown = Picture(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    revision, _ = making.upload(store, session, shown)
    assert np.array_equal(store.picture(session, revision.image).pixels, shown.pixels)


def test_only_tiles_the_session_does_not_have_are_written(store, session):
    making.upload(store, session, making.wide(0))
    before = files(store, session)
    assert len(store.keep(session, making.wide(0)).places) == 0
    assert files(store, session) == before
    assert len(store.keep(session, making.wide(2, changed=1)).places) == 1
    assert files(store, session) == before + 1


def test_tiles_that_equal_the_base_are_not_hashed_again_and_are_the_same(store, session):
    revision, _ = making.upload(store, session, making.wide(1))
    base = store.picture_and_tiles(session, revision.image)
    changed = making.wide(1).pixels.copy()
    changed[0, 0] ^= 255
    assert store.keep(session, Picture(changed), like=base).image == store.keep(session, Picture(changed)).image


def test_one_session_does_not_use_the_files_of_another(store, session):
    making.upload(store, session, making.picture(1))
    other = store.create_session("other").id
    assert len(store.keep(other, making.picture(1)).places) == 1


def test_a_sound_and_every_original_come_back(store, session):
    found = store.asset(session, making.sound(store, session, 1))
    assert found.kind == "audio"
    assert store.asset_bytes(session, found.sha256).startswith(b"fLaC")
    assert store.asset_bytes(session, found.original).startswith(b"ID3")
    assert store.asset(session, found.original).kind == "original"


def test_only_a_picture_becomes_a_root(store, session):
    with pytest.raises(NotFound):
        uploads.root(store, session, store.asset(session, making.sound(store, session, 1)), "main")


def test_what_is_not_there_says_so(store, session):
    for read in (store.picture, store.asset, store.revision):
        with pytest.raises(NotFound):
            read(session, "0" * 64)


def test_a_picture_whose_file_is_gone_or_wrong_is_an_error_not_a_picture(store, session):
    revision, _ = making.upload(store, session, making.picture(1))
    blob = next(place.blob for place in store.keep(store.create_session("x").id, making.picture(1)).places)
    path = store.files.path(store.blobs.name(session, blob))
    data = path.read_bytes()
    path.write_bytes(data[:-20] + bytes(20))
    with pytest.raises(BlobDamaged):
        store.picture(session, revision.image)
    path.unlink()
    with pytest.raises(BlobMissing):
        store.picture(session, revision.image)
    path.write_bytes(data)


def test_a_wrong_record_of_a_picture_is_an_error_not_another_picture(store, session):
    """A tile list that names sound tiles of another picture: every tile hash fits, the picture's does not."""
    one, _ = making.upload(store, session, making.picture(1))
    two, _ = making.upload(store, session, making.picture(2))
    p = schema.pictures
    with store.database.write() as connection:
        rows = {row.hash: row.tiles for row in connection.execute(p.select().where(p.c.session == session))}
        connection.execute(p.update().where(p.c.hash == one.image).values(tiles=rows[two.image]))
    with pytest.raises(BlobDamaged):
        store.picture(session, one.image)
    with store.database.write() as connection:
        connection.execute(p.update().where(p.c.hash == one.image).values(tiles=rows[one.image]))


def test_a_file_damaged_before_anything_named_it_is_written_again(store, session):
    """A crash left an orphan, the disk flipped a bit in it, and the upload is sent again."""
    (place,) = store.keep(session, making.picture(1)).places
    path = store.files.path(store.blobs.name(session, place.blob))
    path.write_bytes(b"x" * path.stat().st_size)
    revision, _ = making.upload(store, session, making.picture(1))
    assert np.array_equal(store.picture(session, revision.image).pixels, making.picture(1).pixels)


def test_a_file_swept_away_before_anything_named_it_is_not_named(store, session):
    from sessions import commits

    kept = store.keep(session, making.picture(1))
    path = store.files.path(store.blobs.name(session, kept.places[0].blob))
    path.unlink()
    with pytest.raises(BlobMissing):
        commits.append_on_new_branch(store, session, "main", commits.Draft(kept))
    kept = store.keep(session, making.picture(1))
    revision, _ = commits.append_on_new_branch(store, session, "main", commits.Draft(kept, source="upload"))
    assert np.array_equal(store.picture(session, revision.image).pixels, making.picture(1).pixels)
