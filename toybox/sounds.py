"""Seventeen synthesised sounds of two seconds, each bound to something of the world. Plays nothing, knows no network.

What sounds is what a picture may show: a bell is the disc, crickets are the night, a fanfare is the colour red. A seed
varies pitch (±3 semitones), tempo (±15 %), phase and noise (5…30 dB below the sound); the name alone says what it is.

| sound    | means            |          | sound    | means       |          | music   | means       |
|----------|------------------|----------|----------|-------------|----------|---------|-------------|
| bell     | disc             |          | crickets | night       |          | waltz   | sepia       |
| clicks   | square           |          | fire     | warm light  |          | organ   | grey        |
| chirp    | triangle         |          | wind     | cool light  |          | fanfare | red         |
| trill    | star             |          | patter   | rainy       |          | blues   | blue        |
| hum      | ring             |          | sleigh   | snowy       |          | ragtime | comic       |
| burst    | cross            |          | foghorn  | foggy       |          |         |             |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Wave = NDArray[np.float64]
Samples = NDArray[np.float32]
RATE, SECONDS = 16_000, 2.0
LENGTH = int(RATE * SECONDS)
SEMITONES, TEMPO, SNR = 3.0, 0.15, (5.0, 30.0)
PEAK = 0.9
FIRST_TAKE = 10**6
"""Takes of sounds from here on nothing learns from."""


@dataclass(frozen=True)
class Meaning:
    """What of the world a sound stands for."""

    kind: Literal["shape", "light", "weather", "style", "tone", "colour"]
    value: str


MEANINGS = {
    "bell": Meaning("shape", "disc"),
    "clicks": Meaning("shape", "square"),
    "chirp": Meaning("shape", "triangle"),
    "trill": Meaning("shape", "star"),
    "hum": Meaning("shape", "ring"),
    "burst": Meaning("shape", "cross"),
    "crickets": Meaning("light", "night"),
    "fire": Meaning("light", "warm"),
    "wind": Meaning("light", "cool"),
    "waltz": Meaning("tone", "sepia"),
    "fanfare": Meaning("colour", "red"),
    "blues": Meaning("colour", "blue"),
    "patter": Meaning("weather", "rainy"),
    "sleigh": Meaning("weather", "snowy"),
    "foghorn": Meaning("weather", "foggy"),
    "organ": Meaning("tone", "grey"),
    "ragtime": Meaning("style", "comic"),
}
NAMES = tuple(MEANINGS)
BELL = ((0.56, 0.6), (0.92, 1.0), (1.19, 0.7), (1.71, 0.5), (2.74, 0.3))
"""A bell's partials: pitch and loudness."""
SLEIGH = (1750.0, 2230.0, 2900.0, 3500.0)
"""The small bells of a sleigh, in hertz."""


@dataclass(frozen=True)
class Take:
    """How a sound is played this time: factors of its pitch and tempo, a phase 0…1, and what is random in it."""

    pitch: float
    tempo: float
    phase: float
    rng: Generator


def sound(name: str, seed: int) -> Samples:
    """The sound of this name, float32 (32000,) at 16 kHz, −1…1. KeyError for a name that is not in `NAMES`."""
    if name not in MEANINGS:
        raise KeyError(f"There is no sound called {name!r}; there are {', '.join(NAMES)}.")
    rng = np.random.default_rng((NAMES.index(name), seed))
    pitch, tempo = 2 ** (rng.uniform(-SEMITONES, SEMITONES) / 12), 1 + rng.uniform(-TEMPO, TEMPO)
    clean = VOICES[name](Take(pitch, tempo, rng.uniform(), rng))
    return mixed(clean, rng.uniform(*SNR), rng)


def mixed(clean: Wave, snr: float, rng: Generator) -> Samples:
    """A sound with white noise `snr` dB below it, as loud as goes."""
    power = np.square(clean).mean()
    noisy = clean + rng.normal(0, np.sqrt(power / 10 ** (snr / 10)), LENGTH)
    return np.asarray(PEAK * noisy / np.abs(noisy).max(), np.float32)


def _time() -> Wave:
    return np.arange(LENGTH) / RATE


def _partials(hertz: float | Wave, shares: Sequence[float], t: Wave) -> Wave:
    """A tone with overtones at whole multiples."""
    return np.asarray(sum(share * np.sin(2 * np.pi * hertz * k * t) for k, share in enumerate(shares, 1)))


def _since(rate: float, phase: float) -> Wave:
    """Seconds since the last of the beats that come `rate` times a second."""
    return np.asarray((_time() * rate + phase) % 1 / rate)


def _band(rng: Generator, low: float, high: float) -> Wave:
    """Noise between two frequencies in hertz, of unit power."""
    spectrum = np.fft.rfft(rng.normal(size=LENGTH))
    hertz = np.fft.rfftfreq(LENGTH, 1 / RATE)
    noise = np.fft.irfft(np.where((hertz >= low) & (hertz < high), spectrum, 0), LENGTH)
    return np.asarray(noise / noise.std())


def bell(take: Take) -> Wave:
    """Struck once or twice a second; its partials are not harmonic."""
    t = _since(1.3 * take.tempo, take.phase)
    struck = [s * np.exp(-3 * r * t) * np.sin(2 * np.pi * 620 * take.pitch * r * t) for r, s in BELL]
    return np.asarray(sum(struck))


def clicks(take: Take) -> Wave:
    """Eight dry clicks a second."""
    t = _since(8 * take.tempo, take.phase)
    return np.asarray(np.exp(-400 * t) * np.sin(2 * np.pi * 1900 * take.pitch * t))


def chirp(take: Take) -> Wave:
    """Sweeps upwards, three a second."""
    length = 1 / (3 * take.tempo)
    t = _since(1 / length, take.phase)
    low, high = 350 * take.pitch, 2300 * take.pitch
    return np.asarray(np.sin(2 * np.pi * (low * t + (high - low) / (2 * length) * t**2)) * (1 - t / length))


def trill(take: Take) -> Wave:
    """Two high tones in quick turns."""
    upper = _since(7 * take.tempo, take.phase) < 0.5 / (7 * take.tempo)
    hertz = np.where(upper, 1480.0, 1175.0) * take.pitch
    return np.asarray(np.sin(2 * np.pi * np.cumsum(hertz) / RATE))


def hum(take: Take) -> Wave:
    """A low tone that swells four times a second."""
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * (4 * take.tempo * _time() + take.phase))
    return swell * _partials(112 * take.pitch, (1, 0.7, 0.5, 0.3, 0.2), _time())


def burst(take: Take) -> Wave:
    """Puffs of noise, two a second."""
    t = _since(2.2 * take.tempo, take.phase)
    return np.asarray(np.exp(-14 * t) * _band(take.rng, 500 * take.pitch, 3000 * take.pitch))


def crickets(take: Take) -> Wave:
    """A very high tone in fast pulses, in groups."""
    pulses = np.sin(np.pi * 34 * take.tempo * _time()) ** 2
    groups = _since(2.4 * take.tempo, take.phase) < 0.24
    return np.asarray(pulses * groups * np.sin(2 * np.pi * 4300 * take.pitch * _time()))


def fire(take: Take) -> Wave:
    """Crackling at random over a rumble."""
    struck = (take.rng.random(LENGTH) < 26 * take.tempo / RATE) * take.rng.uniform(0.3, 1, LENGTH)
    t = np.arange(400) / RATE
    crackle = np.exp(-300 * t) * take.rng.normal(size=400)
    return np.convolve(struck, crackle)[:LENGTH] + 0.08 * _band(take.rng, 40, 220 * take.pitch)


def wind(take: Take) -> Wave:
    """Noise whose colour comes and goes slowly."""
    gust = 0.5 + 0.5 * np.sin(2 * np.pi * (0.8 * take.tempo * _time() + take.phase))
    deep, high = (_band(take.rng, low * take.pitch, 2 * low * take.pitch) for low in (240, 620))
    return np.asarray((0.3 + 0.7 * gust) * deep + gust**2 * high)


def _notes(take: Take, melody: Sequence[float | None], seconds: float, shares: Sequence[float]) -> Wave:
    """Notes in semitones above the keynote of 220 Hz (None: a rest), over and over, each as long as the others."""
    t = _time() + take.phase * seconds
    length = seconds / take.tempo
    place = (t / length).astype(int) % len(melody)
    within = t % length
    out = np.zeros(LENGTH)
    for i, note in enumerate(melody):
        if note is not None:
            played = place == i
            hertz = 220 * take.pitch * 2 ** (note / 12)
            out[played] = _partials(hertz, shares, within[played]) * np.exp(-within[played] / length)
    return out * np.minimum(1, within / 0.01)


def patter(take: Take) -> Wave:
    """Many small splashes at random over a hiss."""
    falls = (take.rng.random(LENGTH) < 40 * take.tempo / RATE) * take.rng.uniform(0.3, 1, LENGTH)
    splashes = np.convolve(falls, np.exp(-np.arange(1200) / RATE * 120))[:LENGTH]
    return np.asarray((splashes + 0.15) * _band(take.rng, 2400 * take.pitch, 5400 * take.pitch))


def sleigh(take: Take) -> Wave:
    """Small bells, shaken five times a second."""
    t = _since(5 * take.tempo, take.phase)
    rung = sum(np.sin(2 * np.pi * hertz * take.pitch * _time()) for hertz in SLEIGH)
    return np.asarray(rung * np.exp(-6 * t) * np.minimum(1, t / 0.004))


def foghorn(take: Take) -> Wave:
    """A long low blast, rich in overtones, that sinks at its end; then silence."""
    length = 1.3 / take.tempo
    t = _since(1 / length, take.phase) / length
    hertz = 165 * take.pitch * np.where(t < 0.45, 1.0, 0.7)
    turns = np.cumsum(hertz) / RATE
    blown = sum(0.9**k * np.sin(2 * np.pi * k * turns) for k in range(1, 9))
    return np.asarray(blown * (t < 0.7) * np.minimum(1, 25 * t))


def waltz(take: Take) -> Wave:
    """Three-four time: a low note, then two chords, softly."""
    low, high = (0, None, None, -5, None, None), (None, 16, 16, None, 14, 14)
    soft = (1.0, 0.25, 0.1)
    return _notes(take, low, 0.33, soft) + 0.6 * _notes(take, high, 0.33, soft)


def fanfare(take: Take) -> Wave:
    """A major triad upwards, in brass."""
    return _notes(take, (12, 12, 16, 19, 24, 24), 0.2, (1, 0.9, 0.8, 0.7, 0.55, 0.4, 0.3))


def blues(take: Take) -> Wave:
    """A slow minor walk, hollow."""
    return _notes(take, (0, 3, 5, 6, 5, 3), 0.42, (1, 0, 0.5, 0, 0.3, 0, 0.2))


def organ(take: Take) -> Wave:
    """Two chords that are held, each pipe with its octaves and twelfth."""
    length = 0.9 / take.tempo
    second = (_since(0.5 / length, take.phase) >= length).astype(int)
    voices = np.array(((-5, 4, 12), (-7, 5, 9)))
    pipes = [220 * take.pitch * 2 ** (voices[second, i] / 12) for i in range(3)]
    return np.asarray(sum(_partials(hertz, (1, 0.8, 0.4, 0.6, 0, 0.3), _time()) for hertz in pipes))


def ragtime(take: Take) -> Wave:
    """Quick leaps between a low note and a high chord, with a lively tune out of step."""
    bright = (1, 0.6, 0.5, 0.3, 0.3, 0.2)
    low, high = (-12, None, -17, None), (None, 16, None, 16)
    tune = (28, None, 31, 28, None, 33, 31, None)
    chords = _notes(take, low, 0.15, bright) + 0.7 * _notes(take, high, 0.15, bright)
    return chords + 0.8 * _notes(take, tune, 0.1, bright)


VOICES: dict[str, Callable[[Take], Wave]] = {
    voice.__name__: voice
    for voice in (
        *(bell, clicks, chirp, trill, hum, burst, crickets, fire, wind, waltz, fanfare, blues),
        *(patter, sleigh, foghorn, organ, ragtime),
    )
}
