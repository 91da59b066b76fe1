"""What the stage sends back is foreign: it is checked before it is believed, and never raises."""

import base64
import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ui import stage
from ui.stage import MAX_BYTES, painted

MASK = np.zeros((20, 30, 4), np.uint8)
MASK[5:9, 7:20, 3] = 255


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "png")
    return stream.getvalue()


GOOD = png(Image.fromarray(MASK))


def sent(data: bytes) -> dict[str, str]:
    return {"mask": base64.b64encode(data).decode()}


def test_a_mask_is_its_alpha():
    result = painted(sent(GOOD))
    assert result is not None and result.mask is not None and not result.cancelled
    assert result.mask.dtype == np.uint8
    assert np.array_equal(result.mask, MASK[..., 3])


def test_a_box():
    assert painted({"box": [0, 0.25, 1, 0.5]}).box == (0.0, 0.25, 1.0, 0.5)


def noisy(side: int) -> bytes:
    return png(Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 4), np.uint8)))


def test_the_noisiest_mask_that_the_brush_can_make_is_one():
    assert painted(sent(noisy(1024))).mask.shape == (1024, 1024)


def test_a_draft_is_of_the_picture_it_was_drawn_on(monkeypatch):
    monkeypatch.setattr(stage.st, "session_state", {"stage": {"draft": sent(GOOD) | {"on": "/a.webp"}}, "bare": {}})
    assert stage.draft("stage", "/a.webp").mask is not None
    assert stage.draft("stage", "/b.webp") is None and stage.draft("bare", "/a.webp") is None
    assert stage.draft("absent", "/a.webp") is None


def test_cancelled():
    assert painted({"cancelled": True}).cancelled


NO_BOXES = (None, [], [0, 0, 1], [0.5, 0, 0.5, 1], [0.6, 0, 0.5, 1], [-0.1, 0, 1, 1], [0, 0, 1, 1.1], {"x": 1})
NO_NUMBERS = ([0, 0, float("nan"), 1], [False, False, True, True], ["0", "0", "1", "1"])


@pytest.mark.parametrize("box", [*NO_BOXES, *NO_NUMBERS])
def test_no_box(box):
    assert painted({"box": box}) is None


def bomb() -> bytes:
    """The header of a picture of 60 000 × 60 000."""
    header = b"IHDR" + (60000).to_bytes(4, "big") * 2 + b"\x08\x06\0\0\0"
    return GOOD[:12] + header + zlib.crc32(header).to_bytes(4, "big") + GOOD[33:]


NO_MASKS = (None, "mask", [], {}, {"mask": None}, {"mask": 3}, {"mask": "§"}, {"mask": "AAAA"}, {"cancelled": 1})
NO_PNGS = (b"", GOOD[:40], GOOD[:-30], bomb(), b"\xff\xd8\xff" + GOOD)
NO_ALPHA = png(Image.new("RGB", (3, 3)))
TOO_WIDE = png(Image.new("RGBA", (2049, 2)))
TOO_LONG = {"mask": "A" * (MAX_BYTES + 4)}


@pytest.mark.parametrize("value", [*NO_MASKS, *map(sent, (*NO_PNGS, NO_ALPHA, TOO_WIDE)), TOO_LONG])
def test_no_mask(value):
    assert painted(value) is None


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
def test_a_damaged_png_is_a_mask_or_nothing(place, byte, end):
    data = bytearray(GOOD)
    data[place] = byte
    result = painted(sent(bytes(data[:end])))
    assert result is None or result.mask is not None


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=5)))
def test_any_json_is_survived(value):
    for name in ("mask", "box", "cancelled"):
        painted({name: value})
    painted(value)
