"""What a planner sees is made once for each content and encoder, and kept between processes."""

import numpy as np
import pytest

from agent import perception
from agent.items import Item
from agent.perception import Perception
from sessions.errors import BlobDamaged
from tools.caches import Cache


class Eyes:
    """Sees the mean colours of a picture, and counts what it looks at."""

    name, width = "eyes", 3

    def __init__(self, digest: str = "one") -> None:
        self.digest, self.looked = digest, 0

    def pictures(self, pixels):
        self.looked += len(pixels)
        return np.stack([p.reshape(-1, 3).mean(0) / 255 for p in pixels]).astype(np.float32)

    def sounds(self, sounds):
        raise AssertionError("there are none")


class Flat:
    """Pictures of one colour each, that of the number in their content."""

    def picture(self, session: str, content: str):
        return np.full((2, 2, 3), int(content[1:]), np.uint8)


def items(*numbers: int) -> list[Item]:
    return [Item(f"r{n}", f"p{n}", "picture", "result") for n in numbers]


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "cache", 1_000_000)


def test_each_content_is_looked_at_once_and_is_itself(cache):
    eyes = Eyes()
    sees = Perception(eyes, cache, Flat())
    assert (sees.embeddings("s", items(3, 5, 3))[:, 0] * 255).round().tolist() == [3, 5, 3]
    assert eyes.looked == 2
    assert (sees.embeddings("s", items(5, 7))[:, 0] * 255).round().tolist() == [5, 7]
    assert eyes.looked == 3


def test_another_process_knows_them_and_another_encoder_does_not(cache):
    Perception(Eyes(), cache, Flat()).embeddings("s", items(3))
    again, other = Eyes(), Eyes("two")
    assert Perception(again, cache, Flat()).embeddings("s", items(3))[0, 0] == pytest.approx(3 / 255)
    Perception(other, cache, Flat()).embeddings("s", items(3))
    assert (again.looked, other.looked) == (0, 1)


def test_what_is_not_in_memory_any_more_is_on_the_disk(cache, monkeypatch):
    monkeypatch.setattr(perception, "REMEMBERED", 2)
    eyes = Eyes()
    sees = Perception(eyes, cache, Flat())
    assert (sees.embeddings("s", items(*range(9)))[:, 0] * 255).round().tolist() == list(range(9))
    assert (sees.embeddings("s", items(*range(9)))[:, 0] * 255).round().tolist() == list(range(9))
    assert eyes.looked == 9


def test_nothing_shown_is_nothing_seen(cache):
    assert Perception(Eyes(), cache, Flat()).embeddings("s", []).shape == (0, 3)


class Lost(Flat):
    """Flat pictures, of which the disk has lost some."""

    def __init__(self, *lost: str) -> None:
        self.lost = lost

    def picture(self, session: str, content: str):
        if content in self.lost:
            raise BlobDamaged("A tile of this picture is damaged.")
        return super().picture(session, content)


def test_what_the_disk_has_lost_shows_nothing_and_hides_nothing(cache):
    seen = Perception(Eyes(), cache, Lost("p5")).embeddings("s", items(3, 5, 7))
    assert (seen[:, 0] * 255).round().tolist() == [3, 0, 7] and not seen[1].any()
    assert Perception(Eyes(), cache, Flat()).embeddings("s", items(5))[0].any(), "it is not kept that it showed nothing"
