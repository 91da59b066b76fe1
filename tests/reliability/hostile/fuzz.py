"""One long-lived, confined process that damages seed files and decodes them: `python -m … SEEDS FIRST LAST`.

Calls the worker's own `decode`, so that thousands of cases take seconds; writes a line `index outcome milliseconds`
for each. Whatever is not a Refused, and every crash or hang, ends the process: the test that started it sees where.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
import time
import zlib
from pathlib import Path

from sessions import decode_worker, limits
from sessions.errors import Refused
from sessions.sniff import sniff

HANG_SECONDS = 20
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def damaged(seeds: list[bytes], index: int) -> bytes:
    """Case number `index`: one of the seeds with one to four wounds, half of them near its beginning."""
    chance = random.Random(index)
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 4)):
        if len(data) > 16:
            _wound(data, chance, seeds)
    return repaired(bytes(data)) if chance.random() < 0.5 else bytes(data)


def _wound(data: bytearray, chance: random.Random, seeds: list[bytes]) -> None:
    at = chance.randrange(4, min(len(data), 300) if chance.random() < 0.5 else len(data))
    length = chance.randint(1, 40)
    match chance.randrange(8):
        case 0:
            data[at] ^= 1 << chance.randrange(8)
        case 1:
            data[at] = chance.randrange(256)
        case 2:
            data[at : at + 4] = struct.pack(chance.choice("<>") + "I", chance.choice(_EDGES))
        case 3:
            data[at : at + 2] = struct.pack(chance.choice("<>") + "H", chance.choice(_EDGES) & 0xFFFF)
        case 4:
            del data[at : at + length]
        case 5:
            data[at:at] = data[at : at + length] * chance.randint(1, 50)
        case 6:
            del data[at:]
        case 7:
            other = chance.choice(seeds)
            start = chance.randrange(len(other))
            data[at : at + length] = other[start : start + length]


def repaired(data: bytes) -> bytes:
    """A PNG with its checksums put right again, so that the wound reaches the code behind them."""
    if not data.startswith(b"\x89PNG"):
        return data
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + size]
        out += data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + size
    return bytes(out)


def outcome(data: bytes) -> str:
    """What became of one file: the code of its refusal, or `admitted`."""
    with Path(os.devnull).open("wb") as nowhere:
        try:
            decode_worker.decode(data, sniff(data), nowhere)
        except Refused as refusal:
            return refusal.code
    return "admitted"


def main() -> None:
    folder, first, last = sys.argv[1:]
    seeds = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    limits.DECODER_CPU_SECONDS = 3600
    decode_worker.confine()
    for index in range(int(first), int(last)):
        data = damaged(seeds, index)
        signal.alarm(HANG_SECONDS)
        start = time.perf_counter()
        line = f"{index} {outcome(data)} {1000 * (time.perf_counter() - start):.0f}\n"
        os.write(1, line.encode())


if __name__ == "__main__":
    main()
