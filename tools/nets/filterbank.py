"""Kaldi's log mel filterbank, as ImageBind was trained on it: what a sound's frames hold at each pitch.

Povey et al., "The Kaldi Speech Recognition Toolkit" (2011), `compute-fbank-feats`: per frame the mean is taken off,
high pitches are emphasised, a Hann window laid over it, and the power of its spectrum summed under triangles that stand
evenly on the mel scale. Without dither and without the frame's energy; where these are left out, Kaldi's `htk_compat`
changes nothing. Whole frames only: what is left over at the end is not heard. Knows no networks and no torch.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FRAME, SHIFT = 0.025, 0.010
"""Seconds of a frame, and from one frame to the next."""
EMPHASIS = 0.97
LOWEST = 20.0
"""Hertz where the first triangle begins; the last one ends at half the rate."""
FLOOR = float(np.finfo(np.float32).eps)
"""What is taken for the energy where there is less: silence is ln FLOOR ≈ −15.9."""


def log_mel(samples: Floats, rate: int = 16_000, bins: int = 128) -> Floats:
    """ln of the energy under each triangle, (bins, frames); samples (n,), with n at least one frame's."""
    size = round(FRAME * rate)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), size)[:: round(SHIFT * rate)]
    frames = frames - frames.mean(1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    shaped = (frames - EMPHASIS * before) * np.hanning(size)
    padded = 1 << (size - 1).bit_length()
    power = np.abs(np.fft.rfft(shaped, padded)) ** 2  # (frames, padded / 2 + 1)
    energy = triangles(bins, padded, rate) @ power.T
    return np.asarray(np.log(np.maximum(energy, FLOOR)), np.float32)


@cache
def triangles(bins: int, padded: int, rate: int) -> NDArray[np.float64]:
    """The weight of each frequency in each bin, (bins, padded / 2 + 1); half the rate itself has none."""
    low, high = mel(np.array([LOWEST, rate / 2]))
    corners = np.linspace(low, high, bins + 2)[:, None]
    at = mel(np.arange(padded // 2 + 1) * rate / padded)[None]
    rising = (at - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - at) / (corners[2:] - corners[1:-1])
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pitch: 1127 ln(1 + f / 700)."""
    return np.asarray(1127 * np.log1p(hertz / 700))
