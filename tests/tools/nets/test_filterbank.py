"""The filterbank is Kaldi's: against a slow formula written from its definition, and against torchaudio's numbers."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.tools.waves import rising
from tools.nets.filterbank import FLOOR, log_mel, triangles

TORCHAUDIO = json.loads((Path(__file__).parents[1] / "torchaudio.json").read_text())
"""Made once with torchaudio 2.9.1 in float64: `compliance.kaldi.fbank` as ImageBind calls it, `functional.resample`."""


def slow(samples: np.ndarray, frame: int, bins: int, rate: int = 16_000) -> list[float]:
    """One frame of compute-fbank-feats with --dither=0 --window-type=hanning, number by number."""
    size, shift, padded = rate * 25 // 1000, rate // 100, 512
    cut = [float(x) for x in samples[frame * shift : frame * shift + size]]
    mean = math.fsum(cut) / size
    cut = [x - mean for x in cut]
    for i in range(size - 1, 0, -1):
        cut[i] -= 0.97 * cut[i - 1]
    cut[0] -= 0.97 * cut[0]
    cut = [x * (0.5 - 0.5 * math.cos(2 * math.pi * i / (size - 1))) for i, x in enumerate(cut)]
    power = []
    for k in range(padded // 2):
        turn = -2 * math.pi * k / padded
        real = math.fsum(x * math.cos(turn * i) for i, x in enumerate(cut))
        imaginary = math.fsum(x * math.sin(turn * i) for i, x in enumerate(cut))
        power.append(real**2 + imaginary**2)

    def mel(f: float) -> float:
        return 1127 * math.log(1 + f / 700)

    step = (mel(rate / 2) - mel(20)) / (bins + 1)
    out = []
    for b in range(bins):
        left, centre, right = (mel(20) + (b + i) * step for i in range(3))
        energy = 0.0
        for k, p in enumerate(power):
            m = mel(k * rate / padded)
            if left < m < right:
                energy += p * ((m - left) / step if m <= centre else (right - m) / step)
        out.append(math.log(max(energy, 2**-23)))
    return out


@pytest.mark.parametrize("bins", [128, 23])
def test_frames_are_those_of_the_definition(bins):
    wave = rising(900).astype(np.float32)
    ours = log_mel(wave, bins=bins)
    assert ours.shape == (bins, 4) and ours.dtype == np.float32
    for frame in (0, 3):
        np.testing.assert_allclose(ours[:, frame], slow(wave, frame, bins), atol=2e-6, rtol=1e-6)


def test_numbers_are_torchaudios():
    ours = log_mel(rising(1700).astype(np.float32))
    theirs = np.array(TORCHAUDIO["fbank"]).T
    assert ours.shape == theirs.shape == (128, 9)
    np.testing.assert_allclose(ours, theirs, atol=3e-4)


def test_two_seconds_are_198_frames_and_the_rest_of_a_shift_is_not_heard():
    assert log_mel(np.ones(32_000, np.float32)).shape == (128, 198)
    assert log_mel(np.ones(400, np.float32)).shape == (128, 1)
    assert log_mel(np.ones(559, np.float32)).shape == (128, 1)
    assert log_mel(np.ones(560, np.float32)).shape == (128, 2)


def test_silence_is_the_floor():
    np.testing.assert_allclose(log_mel(np.zeros(400, np.float32)), math.log(FLOOR))
    np.testing.assert_allclose(log_mel(np.full(400, 0.25, np.float32)), math.log(FLOOR))


def test_a_tone_is_loudest_where_it_is():
    weights = triangles(128, 512, 16_000)
    for hertz in (500, 1000, 4000):
        wave = np.sin(2 * np.pi * hertz * np.arange(4000) / 16_000).astype(np.float32)
        loudest = int(log_mel(wave).mean(1).argmax())
        assert weights[loudest, round(hertz * 512 / 16_000)] == weights[:, round(hertz * 512 / 16_000)].max()
