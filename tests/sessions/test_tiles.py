"""Tiles: lossless, checked, and only the touched ones are encoded, hashed and stored."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from sessions import tiles
from sessions.errors import BlobDamaged
from sessions.identity import tile_hash
from sessions.store import Store
from sessions.tiles import TILE, assemble, cut, decode, encode, measure
from sessions.values import Picture


def photo(height: int = 1100, width: int = 1300) -> Picture:
    return Picture(cv2.resize(data.astronaut(), (width, height)).astype(np.uint8))


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 4), (513, 3, 3), (600, 511, 4), (40, 1030)])
def test_a_picture_comes_back_bit_for_bit(shape):
    picture = Picture(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    tiled = measure(picture)
    back = assemble(tiled, (decode(encode(t), tile_hash(t)) for t in cut(picture)))
    assert back.mode == picture.mode
    assert np.array_equal(back.pixels, picture.pixels)


def test_mode_size_and_pixels_take_part_in_the_hash():
    rgb = np.zeros((4, 6, 3), np.uint8)
    pictures = [rgb, np.zeros((6, 4, 3), np.uint8), np.zeros((4, 6, 4), np.uint8), np.zeros((4, 6), np.uint8), rgb + 1]
    assert len({measure(Picture(p)).hash for p in pictures}) == len(pictures)


def test_one_pixel_of_difference_is_another_tile_and_the_others_are_not_hashed_again(monkeypatch):
    before = photo()
    known = measure(before)
    pixels = before.pixels.copy()
    pixels[600, 600, 1] ^= 1
    hashed = []
    monkeypatch.setattr(tiles, "tile_hash", lambda tile: hashed.append(1) or tile_hash(tile))
    after = measure(Picture(pixels), (before, known))
    assert len(hashed) == 1
    assert [a != b for a, b in zip(after.tiles, known.tiles, strict=True)].count(True) == 1
    assert after == measure(Picture(pixels))


def test_a_local_edit_stores_no_more_than_its_tiles(tmp_path):
    store = Store(tmp_path)
    session = store.create_session("s").id
    before = photo()
    whole = store.keep(session, before)
    # A test without history: the tiles are made known by hand, as an appended revision would make them.
    with store.database.write() as connection:
        store.insert_pixels(connection, session, whole)
    pixels = before.pixels.copy()
    pixels[10:60, 500:530] += 3  # touches two tiles
    mask = np.zeros(before.pixels.shape[:2], np.uint8)
    mask[10:60, 500:530] = 255
    kept = store.keep(session, Picture(pixels), mask, (before, whole.image))
    alone = sum(len(encode(pixels[:TILE, x : x + TILE])) for x in (0, 512))
    written = sum(path.stat().st_size for path in (tmp_path / "blobs" / session).iterdir()) - whole.bytes
    assert kept.bytes == written
    assert written <= alone + 4096
    assert len(list((tmp_path / "blobs" / session).iterdir())) == 2
    store.close()


@pytest.mark.parametrize("damage", [b"", b"\x89PNG nothing", encode(np.full((4, 4, 3), 9, np.uint8))])
def test_what_does_not_match_its_hash_is_damage(damage):
    tile = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(BlobDamaged):
        decode(damage, tile_hash(tile))


def test_a_stored_tile_is_an_ordinary_png_in_the_right_colours():
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    decoded = cv2.imdecode(np.frombuffer(encode(red), np.uint8), cv2.IMREAD_COLOR)
    assert decoded[0, 0].tolist() == [0, 0, 255]  # BGR


@given(st.integers(1, 1300), st.integers(1, 1300), st.data())
@settings(max_examples=40, deadline=None)
def test_a_window_is_what_lies_in_the_box(width, height, data):
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    pixels = np.arange(width * height, dtype=np.uint32).reshape(height, width).view(np.uint8).reshape(height, width, 4)
    picture = Picture(pixels)
    tiled = tiles.Tiled("RGBA", width, height, tuple(str(i) for i, _ in enumerate(cut(picture))))
    part, inside = tiles.window(tiled, (x0, y0, x1, y1))
    known = dict(zip(tiled.tiles, cut(picture), strict=True))
    read = assemble(part, iter([known[name] for name in part.tiles]))
    assert np.array_equal(read.pixels[inside], pixels[y0:y1, x0:x1])
