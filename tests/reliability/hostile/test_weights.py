"""R16 and R22: whatever a safetensors file says of itself is a typed error or the truth."""

from __future__ import annotations

import json
import random
import struct
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from sessions.errors import BadWeights, MissingWeights
from tools import weights

TENSORS = {
    "conv_in.weight": torch.arange(72, dtype=torch.float32).reshape(2, 4, 3, 3),
    "conv_in.bias": torch.zeros(2, dtype=torch.bfloat16),
    "ids": torch.arange(7),
}
GOOD = save(TENSORS, {"format": "pt"})


def with_header(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(**changed: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changed}


HAND_MADE = {
    "nothing": b"",
    "seven bytes": b"1234567",
    "a header that is longer than the file": struct.pack("<Q", 1000) + b"{}",
    "a header as long as the address space": struct.pack("<Q", 2**64 - 1) + b"{}",
    "a negative length, read as signed": struct.pack("<q", -1) + b"{}",
    "no JSON": with_header(b"\x80\x04K\x01."),
    "no UTF-8": with_header(b'{"\xff": 1}'),
    "a list": with_header([]),
    "a number": with_header(b"1"),
    "deeply nested": with_header(b"[" * 100_000),
    "a tensor that is no table": with_header({"x": 1}),
    "no dtype": with_header({"x": {"shape": [1], "data_offsets": [0, 4]}}, b"0000"),
    "an unknown dtype": with_header({"x": tensor(dtype="OBJECT")}, b"0000"),
    "a dtype that is no text": with_header({"x": tensor(dtype=["F32"])}, b"0000"),
    "no shape": with_header({"x": tensor(shape=None)}, b"0000"),
    "a negative side": with_header({"x": tensor(shape=[-1])}, b"0000"),
    "a side that is true": with_header({"x": tensor(shape=[True])}, b"0000"),
    "a fractional side": with_header({"x": tensor(shape=[1.0])}, b"0000"),
    "an infinite side": with_header(b'{"x": {"dtype": "F32", "shape": [Infinity], "data_offsets": [0, 4]}}', b"0000"),
    "sides whose product overflows": with_header({"x": tensor(shape=[2**32, 2**32, 2**32])}, b"0000"),
    "three offsets": with_header({"x": tensor(data_offsets=[0, 2, 4])}, b"0000"),
    "offsets backwards": with_header({"x": tensor(data_offsets=[4, 0])}, b"0000"),
    "offsets outside": with_header({"x": tensor(data_offsets=[4, 8])}, b"0000"),
    "offsets of enormous numbers": with_header({"x": tensor(data_offsets=[0, 10**40])}, b"0000"),
    "a shape that does not fit the offsets": with_header({"x": tensor(shape=[3])}, b"0000"),
    "two tensors in one place": with_header({"x": tensor(), "y": tensor()}, b"0000"),
    "a hole": with_header({"x": tensor(), "y": tensor(data_offsets=[8, 12])}, b"0" * 12),
    "bytes behind the last tensor": GOOD + b"0",
    "a byte too few": GOOD[:-1],
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "a zip": b"PK\x03\x04" + bytes(60),
}


def opened(path: Path, data: bytes) -> dict[str, torch.Tensor] | None:
    """The tensors, or None where they were refused; any other exception goes through."""
    path.write_bytes(data)
    try:
        return weights.tensors(path)
    except BadWeights as refused:
        assert str(refused)
        return None


def test_a_good_file_is_opened_whole(tmp_path):
    found = opened(tmp_path / "x.safetensors", GOOD)
    assert found is not None and found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())


@pytest.mark.parametrize("name", HAND_MADE)
def test_hand_made_files_are_refused(name, tmp_path):
    assert opened(tmp_path / "x.safetensors", HAND_MADE[name]) is None
    with pytest.raises(BadWeights):  # by our own look at it, before the library's
        weights.header(tmp_path / "x.safetensors")


def test_a_file_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(MissingWeights):
        weights.header(tmp_path / "x.safetensors")
    with pytest.raises(MissingWeights):
        weights.header(tmp_path)


def mutated(chance: random.Random) -> bytes:
    """GOOD with up to four changes, most of them in its header."""
    data = bytearray(GOOD)
    length = int.from_bytes(GOOD[:8], "little")
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(min(len(data), 8 + length)) if chance.random() < 0.9 else chance.randrange(len(data))
        kind = chance.randrange(5)
        if kind == 0:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[place] = chance.choice(b'0123456789[]{}",:-eE.\\ntf\x00\xff')
        elif kind == 2:
            del data[place : place + chance.randint(1, 8)]
        elif kind == 3:
            data[place:place] = chance.choice(
                [b"9", b"[", b'"', b"{}", b"null", b"-1", b"1e9", b"99999999999999999999"]
            )
        else:
            data = data[:place]
        data = data or bytearray(b"\0")
    return bytes(data)


@pytest.mark.parametrize("count", [2000, pytest.param(20_000, marks=pytest.mark.reliability)])
def test_mutated_headers_are_typed_errors_or_tensors(count, tmp_path):
    chance, path, passed = random.Random(16), tmp_path / "x.safetensors", 0
    for _ in range(count):
        data = mutated(chance)
        began = time.perf_counter()
        found = opened(path, data)
        assert time.perf_counter() - began < 2
        if found is not None:
            passed += 1
            assert sum(tensor.nbytes for tensor in found.values()) <= len(data)
    assert 0 < passed < count / 2
