"""The cache on disk: bounded, least recently used, sealed, safe between processes, and never wrong."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sessions.values import Picture
from tools import caches
from tools.caches import Cache, content

ROOM = 1_000_000


@dataclasses.dataclass
class Maker:
    """Makes a tensor, and counts how often."""

    value: float = 1.0
    calls: int = 0

    def __call__(self) -> dict[str, torch.Tensor]:
        self.calls += 1
        return {"x": torch.full((3, 4), self.value)}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "caches", ROOM)


def only(cache: Cache) -> Path:
    (path,) = cache.folder.iterdir()
    return path


class TestKept:
    def test_what_was_made_is_made_once(self, cache: Cache):
        make = Maker()
        for _ in range(3):
            assert torch.equal(cache.tensors({"a": 1}, make)["x"], torch.ones(3, 4))
        assert make.calls == 1

    def test_another_process_finds_it(self, cache: Cache, tmp_path: Path):
        cache.put({"a": 1}, Maker(7.0)())
        assert Cache(tmp_path / "caches", ROOM).get({"a": 1})["x"][0, 0] == 7.0

    def test_the_order_of_a_keys_names_does_not_count_and_every_value_does(self, cache: Cache):
        cache.put({"a": 1, "b": [2, None]}, Maker()())
        assert cache.get({"b": [2, None], "a": 1}) is not None
        assert cache.get({"a": 1, "b": [2, 0]}) is None
        assert cache.get({"a": 1.5, "b": [2, None]}) is None

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.uint8, torch.int64])
    def test_bits_come_back_as_they_were(self, cache: Cache, dtype: torch.dtype):
        values = torch.arange(24).reshape(2, 3, 4).to(dtype).transpose(0, 2)
        cache.put({}, {"strided": values, "scalar": values[0, 0, 1], "none": values[:0]})
        found = cache.get({})
        assert torch.equal(found["strided"], values) and found["strided"].dtype == dtype
        assert torch.equal(found["scalar"], values[0, 0, 1]) and found["none"].numel() == 0

    def test_what_comes_back_is_the_callers_to_write_into(self, cache: Cache):
        cache.put({}, Maker()())
        cache.get({})["x"].zero_()
        assert cache.get({})["x"].sum() == 12

    def test_a_key_that_json_cannot_say_is_refused(self, cache: Cache):
        with pytest.raises(ValueError, match="JSON"):
            cache.get({"sigma": float("nan")})


class TestNeverWrong:
    def test_every_bit_of_a_file_counts(self, cache: Cache):
        cache.put({"a": 1}, Maker()())
        path, sound = only(cache), only(cache).read_bytes()
        for place in range(len(sound)):
            path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
            assert cache.get({"a": 1}) is None, place
        path.write_bytes(sound)
        assert cache.get({"a": 1}) is not None

    @pytest.mark.parametrize("length", [0, 4, 60, -1])
    def test_a_truncated_file_is_made_again(self, cache: Cache, length: int):
        make = Maker()
        cache.tensors({}, make)
        only(cache).write_bytes(only(cache).read_bytes()[:length])
        assert torch.equal(cache.tensors({}, make)["x"], torch.ones(3, 4))
        assert make.calls == 2 and cache.get({}) is not None

    def test_a_file_under_anothers_name_is_a_miss(self, cache: Cache):
        cache.put({"a": 1}, Maker(1.0)())
        first = only(cache)
        cache.put({"a": 2}, Maker(2.0)())
        (second,) = set(cache.folder.iterdir()) - {first}
        second.replace(first)
        assert cache.get({"a": 1}) is None

    def test_other_weights_precision_device_and_numerics_have_other_keys(self, monkeypatch):
        model = SimpleNamespace(digest="d", device=torch.device("cpu"), dtype=torch.float32)
        others = [
            caches.key("latent", SimpleNamespace(**vars(model) | change), picture="p")
            for change in ({"digest": "e"}, {"dtype": torch.bfloat16}, {"device": torch.device("meta")}, {})
        ]
        others += [caches.key("mask", model, picture="p"), caches.key("latent", model, picture="q")]
        monkeypatch.setattr(caches, "NUMERICS", caches.NUMERICS + 1)
        others.append(caches.key("latent", model, picture="p"))
        assert len({caches._canonical(key) for key in others}) == len(others)

    def test_weights_without_a_digest_have_no_key(self):
        with pytest.raises(ValueError, match="hashed"):
            caches.key("latent", SimpleNamespace(digest="", device=torch.device("cpu"), dtype=torch.float32))


class TestBounded:
    def test_the_least_recently_used_goes_first(self, cache: Cache):
        cache.put({"n": 0}, Maker()())
        size = only(cache).stat().st_size
        cache.limit_bytes = 3 * size
        for n in (1, 2):
            cache.put({"n": n}, Maker()())
        assert cache.get({"n": 0}) is not None
        cache.put({"n": 3}, Maker()())
        assert [n for n in range(4) if cache.get({"n": n})] == [0, 2, 3]
        assert sum(path.stat().st_size for path in cache.folder.iterdir()) <= cache.limit_bytes

    def test_what_alone_is_too_large_is_not_kept_and_costs_nothing_else_its_place(self, cache: Cache):
        cache.put({"n": 0}, Maker()())
        cache.put({"n": 1}, {"x": torch.zeros(ROOM)})
        assert cache.get({"n": 0}) is not None and cache.get({"n": 1}) is None

    def test_what_a_killed_writer_left_is_swept_away(self, cache: Cache):
        cache.put({"n": 0}, Maker()())
        left = cache.folder / "left.part"
        left.write_bytes(b"x" * ROOM)
        cache.put({"n": 1}, Maker()())
        assert cache.get({"n": 1}) is not None and sum(p.stat().st_size for p in cache.folder.iterdir()) <= ROOM

    def test_a_folder_that_cannot_be_written_keeps_nothing_and_breaks_nothing(self, tmp_path: Path):
        (tmp_path / "file").write_text("in the way")
        cache, make = Cache(tmp_path / "file" / "caches", ROOM), Maker()
        for _ in range(2):
            assert cache.tensors({}, make)["x"].sum() == 12
        assert make.calls == 2


WRITER = """
import sys, torch
from pathlib import Path
from tools.caches import Cache
cache = Cache(Path(sys.argv[1]), 60_000)
for n in range(60):
    key = {"n": n % 7}
    found = cache.tensors(key, lambda: {"x": torch.full((1000,), float(n % 7))})
    assert (found["x"] == n % 7).all()
"""


@pytest.mark.reliability
def test_processes_share_a_folder_that_is_too_small_for_all(tmp_path: Path):
    command = [sys.executable, "-c", WRITER, str(tmp_path / "caches")]
    running = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(3)]
    assert [one.wait(60) for one in running] == [0, 0, 0]
    assert not list((tmp_path / "caches").glob("*.part"))


class TestContent:
    def test_mode_size_and_pixels_count_and_strides_do_not(self):
        pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
        other = pixels.copy()
        other[3, 5, 2] ^= 1
        different = [pixels, other, pixels.reshape(6, 4, 3), np.dstack([pixels, pixels[..., 0]]), pixels[..., 0]]
        assert len({content(Picture(one)) for one in different}) == len(different)
        assert content(Picture(np.asfortranarray(pixels))) == content(Picture(pixels))
