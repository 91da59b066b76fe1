"""R16, mutated half: damaged files are refused with a type or become clean; nothing hangs, prints or crashes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sessions.errors import Refused
from sessions.intake import admit
from tests.reliability.hostile.files import adobe_rgb, cases, encoded, exif, photo, sound
from tests.reliability.hostile.fuzz import damaged

PICTURES = ("png", "jpeg", "mpo", "webp", "avif", "heic", "tiff")


def picture_seeds() -> list[bytes]:
    good = [case.data for case in cases() if case.name.startswith(PICTURES) and isinstance(case.outcome, str)]
    profiled = [
        encoded(photo(), kind, exif=exif(6), icc_profile=adobe_rgb()) for kind in ("PNG", "JPEG", "WEBP", "AVIF")
    ]
    return [data for data in good + profiled if len(data) < 60_000]


def sound_seeds() -> list[bytes]:
    kinds = (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("FLAC", None), ("OGG", None), ("MP3", None))
    return [sound(kind, subtype, 0.1, channels) for kind, subtype in kinds for channels in (1, 2)]


def run(folder: Path, first: int, last: int) -> tuple[Counter[str], int, list[int]]:
    """Outcomes, the longest case in milliseconds, and the cases that brought the whole process down."""
    outcomes: Counter[str] = Counter()
    longest, crashes = 0, []
    command = [sys.executable, "-m", "tests.reliability.hostile.fuzz", str(folder)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    while first < last:
        done = subprocess.run([*command, str(first), str(last)], capture_output=True, env=os.environ | threads)
        assert b"Traceback" not in done.stderr, f"untyped: {done.stderr[-2000:].decode(errors='replace')}"
        lines = [line.split() for line in done.stdout.decode().splitlines()]
        outcomes.update(kind for _, kind, _ in lines)
        longest = max([longest, *(int(milliseconds) for *_, milliseconds in lines)])
        first += len(lines)
        if first < last:
            crashes.append(first)
            first += 1
    return outcomes, longest, crashes


def check(folder: Path, seeds: list[bytes], count: int) -> None:
    for number, seed in enumerate(seeds):
        (folder / f"{number:03}").write_bytes(seed)
    outcomes, longest, crashes = run(folder, 0, count)
    print(f"{count} cases: {dict(outcomes)}, longest {longest} ms, crashes {crashes}")
    assert crashes == []
    assert longest <= 2000
    assert outcomes["admitted"] > count / 50 and outcomes["damaged_file"] > count / 20
    assert set(outcomes) <= {"admitted", "damaged_file", "too_large", "unsupported_format", "decoder_failed"}


def test_a_few_hundred_damaged_pictures(tmp_path):
    check(tmp_path, picture_seeds(), 400)


def test_a_few_hundred_damaged_sounds(tmp_path):
    check(tmp_path, sound_seeds(), 200)


@pytest.mark.reliability
def test_ten_thousand_damaged_pictures(tmp_path):
    check(tmp_path, picture_seeds(), 10_000)


@pytest.mark.reliability
def test_five_thousand_damaged_sounds(tmp_path):
    check(tmp_path, sound_seeds(), 5_000)


def through_the_door(seeds: list[bytes], count: int, capfd: pytest.CaptureFixture[str]) -> None:
    refused = 0
    for index in range(count):
        data = damaged(seeds, index)
        try:
            assert admit(data).original == data
        except Refused:
            refused += 1
    assert 0 < refused < count
    assert capfd.readouterr() == ("", "")


@pytest.mark.reliability
def test_a_handful_through_the_real_door(capfd):
    through_the_door(picture_seeds(), 25, capfd)


@pytest.mark.reliability
def test_hundreds_through_the_real_door(capfd):
    through_the_door(picture_seeds(), 300, capfd)
    through_the_door(sound_seeds(), 100, capfd)
