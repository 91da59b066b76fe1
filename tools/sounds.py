"""Sounds in memory: a stored file's samples, another rate, clips of one length, and what ImageBind is shown of them.

The door (sessions) has decoded and bounded what is stored; here it becomes numbers. What lasts no time, or longer than
the door lets in, or is no number, is refused. Knows no networks; needs no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from sessions.errors import Damaged, TooLarge
from tools.nets.filterbank import FRAME, log_mel

Floats = NDArray[np.float32]

SECONDS = 60
"""The longest sound that the door lets in."""
RATE, CLIP, CLIPS = 16_000, 2.0, 3
"""Of ImageBind: Hertz, seconds of a clip, clips of a sound."""
BINS, FRAMES = 128, 204
"""Pitches, and frames of a clip; those that a clip has not are 0, before the numbers are standardised."""
MEAN, DEVIATION = -4.268, 9.138
"""Of AudioSet's filterbanks, as ImageBind's authors measured them."""

ZEROS, ROLLOFF = 6, 0.99
"""Zero crossings of the resampling filter on each side; its cutoff, as part of the lower of both limits."""
BLOCK = 16_384
"""Samples that are made at once."""


@dataclass(frozen=True, eq=False)
class Sound:
    """`samples`: float32 (n,), one channel, −1…1; `rate`: Hertz. Damaged or TooLarge for what is no sound."""

    samples: Floats
    rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32 or self.rate <= 0:
            raise ValueError(f"not samples: {self.samples.dtype} {self.samples.shape} at {self.rate} Hz")
        if not len(self.samples):
            raise Damaged("This sound lasts 0 seconds.", "Attach one in which something can be heard.")
        if len(self.samples) > SECONDS * self.rate:
            raise TooLarge(f"This sound is longer than {SECONDS} seconds.", "Cut out the part that matters.")
        if not np.isfinite(self.samples).all():
            raise Damaged("This sound has samples that are no numbers.", "Save it as 16-bit WAV or FLAC first.")

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def read(data: bytes) -> Sound:
    """The sound of a stored file, its channels averaged; Damaged where there is none."""
    import soundfile

    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            block = file.read(SECONDS * file.samplerate + 1, dtype="float32", always_2d=True)
            rate = file.samplerate
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
        raise Damaged("This sound cannot be read.", "Attach it again.") from error
    return Sound(block.mean(axis=1, dtype=np.float32), rate)


def resampled(sound: Sound, rate: int) -> Sound:
    """The sound at another rate, through a sinc under a Hann window; what is too high for that rate is taken out.

    Smith and Gossett, "A flexible sampling-rate conversion method" (ICASSP 1984); silence before and after it.
    """
    if sound.rate == rate:
        return sound
    step, steps = _reduced(sound.rate, rate)
    cutoff = ROLLOFF * min(step, steps) / step  # of the filter, in half the old rate
    reach = math.ceil(ZEROS / cutoff)
    taps = np.arange(-reach, reach + 2)
    count = -(-len(sound.samples) * steps // step)
    phases = np.arange(min(steps, count)) * step % steps / steps
    filters = (_windowed_sinc((taps - phases[:, None]) * cutoff) * cutoff).astype(np.float32)  # (phases, taps)
    padded = np.pad(sound.samples, (reach, reach + 2))
    out = np.empty(count, np.float32)
    for start in range(0, count, BLOCK):
        n = np.arange(start, min(start + BLOCK, count))
        out[n] = np.einsum("nt,nt->n", padded[(n * step // steps)[:, None] + taps + reach], filters[n % steps])
    return Sound(out, rate)


def _reduced(old: int, new: int) -> tuple[int, int]:
    """A sample of the new rate every step / steps samples of the old one."""
    common = math.gcd(old, new)
    return old // common, new // common


def _windowed_sinc(t: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(t, -ZEROS, ZEROS)
    window: NDArray[np.float64] = np.sinc(inside) * np.cos(inside * np.pi / ZEROS / 2) ** 2
    return window


def clips(sound: Sound, seconds: float, count: int) -> list[Floats]:
    """So many pieces of one length, evenly spaced from the beginning to the end; a shorter sound is given whole."""
    size = round(seconds * sound.rate)
    left = max(0, len(sound.samples) - size)
    starts = [left * i // max(1, count - 1) for i in range(count)]
    return [sound.samples[start : start + size] for start in starts]


def peaks(sound: Sound, columns: int) -> Floats:
    """(columns, 2): the least and the greatest sample of so many pieces, in order; each has one sample at least."""
    starts = np.arange(columns) * len(sound.samples) // columns
    low, high = np.minimum.reduceat(sound.samples, starts), np.maximum.reduceat(sound.samples, starts)
    return np.stack([low, high], axis=1)


def imagebind_features(sound: Sound, bins: int = BINS, frames: int = FRAMES) -> Floats:
    """What ImageBind's audio branch takes, (CLIPS, 1, bins, frames): filterbanks of three clips, standardised.

    Each clip's mean is taken off a copy of it. The original takes it off a view, so that where clips overlap it is
    taken off twice; Kaldi takes each frame's mean off anyway, and what is left of it is a step inside one frame.
    """
    heard = resampled(sound, RATE)
    made = [_filterbank(clip - clip.mean(), bins, frames) for clip in clips(heard, CLIP, CLIPS)]
    return (np.stack(made)[:, None] - np.float32(MEAN)) / np.float32(DEVIATION)


def _filterbank(clip: Floats, bins: int, frames: int) -> Floats:
    """(bins, frames), cut or padded with 0; a clip shorter than one frame is followed by silence."""
    heard = log_mel(np.pad(clip, (0, max(0, round(FRAME * RATE) - len(clip)))), RATE, bins)[:, :frames]
    return np.pad(heard, ((0, 0), (0, frames - heard.shape[1])))
