"""Turns the bytes of one WAV, FLAC, OGG or MP3 into canonical FLAC: mono or stereo, 16 or 24 bits, no tags.

Runs inside the decode worker, block by block, so that memory does not follow what a header claims. Never reads a path.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from sessions import limits
from sessions.errors import Damaged, TooLarge, UnsupportedFormat

_CONTAINERS = {"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3"}
_DEEP = {"PCM_24", "PCM_32", "FLOAT", "DOUBLE"}
_WHOLE_NUMBERS = {"PCM_S8": "int16", "PCM_U8": "int16", "PCM_16": "int16", "PCM_24": "int32", "PCM_32": "int32"}
_BLOCK = 65_536

MIXED = "The sound has {} channels; they were mixed into one."
CLIPPED = "The sound is louder than full scale in places; the peaks were cut."
SHORT = "The sound ends early: the file is cut off."


@dataclass(frozen=True)
class Sound:
    """Canonical FLAC, its length, and what was lost on the way."""

    flac: bytes
    seconds: float
    notices: tuple[str, ...]


def decode_sound(data: bytes) -> Sound:
    """Decode one sound. Raises UnsupportedFormat, Damaged or TooLarge; whatever soundfile raises passes through."""
    notices: list[str] = []
    with soundfile.SoundFile(BytesIO(data)) as source:
        _check(source)
        kind = _WHOLE_NUMBERS.get(source.subtype, "float32")
        subtype = "PCM_24" if source.subtype in _DEEP else "PCM_16"
        channels = source.channels if source.channels <= 2 else 1
        flac, frames = BytesIO(), 0
        with soundfile.SoundFile(flac, "w", source.samplerate, channels, subtype, format="FLAC") as target:
            while len(block := source.read(_BLOCK, dtype=kind, always_2d=True)):
                frames += len(block)
                _check_length(frames, source.samplerate)
                block, clipped = _fit(block, channels)
                target.write(block)
                if clipped and CLIPPED not in notices:
                    notices.append(CLIPPED)
        if frames == 0:
            raise Damaged("There is no sound in this file.")
        if source.channels > 2:
            notices.append(MIXED.format(source.channels))
        if _cut_off(data):
            notices.append(SHORT)
        return Sound(flac.getvalue(), frames / source.samplerate, tuple(notices))


def _check(source: soundfile.SoundFile) -> None:
    if source.format not in _CONTAINERS:
        raise UnsupportedFormat(
            f"This sound is of a kind that cannot be opened here ({source.format}).",
            "Save it as WAV, FLAC, OGG or MP3 first.",
        )
    if source.channels > limits.SOUND_CHANNELS or source.samplerate > limits.SOUND_RATE:
        raise TooLarge(
            f"This sound has {source.channels} channels at {source.samplerate} Hz; "
            f"the limits are {limits.SOUND_CHANNELS} and {limits.SOUND_RATE}.",
            "Save it as stereo at 48000 Hz first.",
        )
    _check_length(source.frames if source.format != "MP3" else 0, source.samplerate)


def _check_length(frames: int, rate: int) -> None:
    if frames > limits.SOUND_SECONDS * rate:
        raise TooLarge(f"This sound is longer than {limits.SOUND_SECONDS} seconds.", "Cut out the part that matters.")


def _fit(block: NDArray[np.generic], channels: int) -> tuple[NDArray[np.generic], bool]:
    """(frames, channels of the file) → (frames, channels), inside full scale; whether something stuck out."""
    if block.shape[1] > channels:
        block = block.mean(axis=1, keepdims=True, dtype=np.float64).astype(block.dtype)
    if block.dtype != np.float32:
        return block, False
    finite = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0)
    fitted = finite.clip(-1.0, 1.0)
    return fitted, bool((fitted != block).any())


def _cut_off(data: bytes) -> bool:
    """Whether a RIFF file promises more than there is; recorders that could not know promise the largest number."""
    promised = int.from_bytes(data[4:8], "little")
    return data.startswith(b"RIFF") and len(data) - 8 < promised < 2**31
