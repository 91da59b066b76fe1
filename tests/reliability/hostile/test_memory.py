"""R18: what hostile and huge uploads cost. The parent stays small; the worker is stopped by its own walls."""

from __future__ import annotations

import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from sessions import limits
from sessions.errors import DecoderFailed, Refused, TooLarge
from sessions.intake import admit
from tests.reliability.hostile.files import chunk, encoded, png_bomb

MIB = 2**20


def anonymous() -> int:
    """Bytes of this process that no file backs."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024


class Watch:
    """The largest growth of anonymous memory while it is open, looked at all the time."""

    def __enter__(self) -> Watch:
        self.grown, self.done, before = 0, threading.Event(), anonymous()

        def look() -> None:
            while not self.done.wait(0.005):
                self.grown = max(self.grown, anonymous() - before)

        self.thread = threading.Thread(target=look)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


@pytest.mark.reliability
def test_twenty_bombs_at_once():
    bomb = png_bomb(13_000)
    assert len(bomb) < 600_000

    def throw(_: int) -> str:
        with pytest.raises(TooLarge) as caught:
            admit(bomb)
        return caught.value.message

    with Watch() as watch, ThreadPoolExecutor(20) as pool:
        messages = set(pool.map(throw, range(20)))
    assert messages == {"This picture has 13000 × 13000 pixels; the limits are 64 megapixels and 16384 on a side."}
    assert watch.grown <= 64 * MIB


@pytest.mark.parametrize("side", [pytest.param(13_000, marks=pytest.mark.reliability), 30_000])
def test_without_the_guard_the_wall_still_holds(tmp_path, monkeypatch, side):
    """The size check is taken out of the worker; its address space ends all the same."""
    script = "from sessions import decode_picture as p, decode_worker as w; p.check_size = lambda *_: None; w.main()"
    unguarded = tmp_path / "python"
    unguarded.write_text(f"#!/bin/sh\nexec '{sys.executable}' -I -c '{script}' \"$4\"\n")
    unguarded.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(unguarded))
    bomb = png_bomb(13_000) if side == 13_000 else claimed(side)
    with Watch() as watch, pytest.raises(DecoderFailed, match=r"more memory|no room"):
        admit(bomb)
    assert watch.grown <= 64 * MIB


def claimed(side: int) -> bytes:
    """A PNG of a few bytes that asks for `side` × `side` pixels."""
    small = png_bomb(16)
    header = side.to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    return small[:8] + chunk(b"IHDR", header) + small[33:]


@pytest.mark.parametrize("kind", ["WEBP", pytest.param("PNG", marks=pytest.mark.reliability)])
def test_the_largest_legal_picture_costs_the_parent_nothing(kind):
    side = 8192
    assert side * side == limits.PIXELS
    options = {"PNG": {"compress_level": 1}, "WEBP": {"lossless": True, "quality": 0, "method": 0}}[kind]
    data = encoded(Image.new("RGBA", (side, side), (10, 20, 30, 40)), kind, **options)
    with Watch() as watch:
        admitted = admit(data)
        assert admitted.picture.size == (side, side)
        assert admitted.picture.pixels[-1, -1].tolist() == [10, 20, 30, 40]
    assert watch.grown <= 64 * MIB


def test_one_pixel_more_is_refused():
    with pytest.raises(TooLarge):
        admit(claimed(8193))


@pytest.mark.reliability
def test_a_hundred_uploads_leave_nothing_behind():
    data = encoded(Image.effect_noise((1000, 1000), 60), "JPEG")
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    with Watch() as watch:
        for _ in range(100):
            admit(data)
            with pytest.raises(Refused):
                admit(data[:5000])
    assert watch.grown <= 64 * MIB
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_files + 2
