"""Sounds are what their name says, vary as much as they should, and stand for something that there is."""

import itertools

import numpy as np
import pytest

from toybox import sounds
from toybox.scenes import COLOURS, LIGHTS, SHAPES, STATES, STYLES, TONES, WEATHERS
from toybox.sounds import LENGTH, MEANINGS, NAMES, RATE, Take, mixed, sound


def test_two_seconds_within_bounds_and_the_same_for_the_same_seed():
    for name in NAMES:
        one = sound(name, 5)
        assert one.shape == (32_000,) and one.dtype == np.float32
        assert 0.5 < abs(one).max() <= 1 and np.isfinite(one).all()
        assert np.array_equal(one, sound(name, 5))
        assert not np.array_equal(one, sound(name, 6))


def test_each_stands_for_something_else_that_there_is():
    assert len(NAMES) == 17 == len(set(MEANINGS.values())) == len(sounds.VOICES)
    known = {"shape": SHAPES, "light": LIGHTS, "weather": WEATHERS, "style": STYLES, "tone": TONES, "colour": COLOURS}
    assert all(meaning.value in known[meaning.kind] for meaning in MEANINGS.values())
    assert {m.value for m in MEANINGS.values() if m.kind == "shape"} == set(SHAPES)
    assert not {m.value for m in MEANINGS.values()} & set(STATES.values())


def test_the_first_twelve_are_numbered_as_they_always_were():
    old = "bell clicks chirp trill hum burst crickets fire wind waltz fanfare blues"
    assert " ".join(NAMES[:12]) == old and tuple(sounds.VOICES) == NAMES


def test_an_unknown_sound_is_refused_by_name():
    with pytest.raises(KeyError, match="thunder"):
        sound("thunder", 0)


def loudest(wave: np.ndarray) -> float:
    """Hertz of the strongest line of the spectrum below 150: the keynote of a hum."""
    hertz = np.fft.rfftfreq(len(wave), 1 / RATE)
    return float(hertz[np.abs(np.fft.rfft(wave))[hertz < 150].argmax()])


def test_pitch_varies_by_three_semitones_and_no_more():
    semitones = [12 * np.log2(loudest(sound("hum", seed)) / 112) for seed in range(60)]
    assert 2 < max(semitones) < 3.2 and -3.2 < min(semitones) < -2


def test_tempo_varies_by_fifteen_percent_and_no_more():
    rates = []
    for seed in range(40):
        loud = abs(sound("clicks", seed)).reshape(-1, 80).max(1) > 0.6
        starts = np.flatnonzero(loud[1:] & ~loud[:-1])
        rates.append(200 / np.diff(starts).mean())
    assert 6.7 < min(rates) < 7.4 and 8.6 < max(rates) < 9.3


@pytest.mark.parametrize("snr", [5.0, 30.0])
def test_noise_is_as_far_below_as_said(snr):
    clean = sounds.trill(Take(1.0, 1.0, 0.0, np.random.default_rng(0)))
    heard = mixed(clean, snr, np.random.default_rng(1)).astype(float)
    scale = (heard @ clean) / (clean @ clean)
    noise = heard - scale * clean
    assert 10 * np.log10(np.square(scale * clean).mean() / np.square(noise).mean()) == pytest.approx(snr, abs=0.3)


def bands(wave: np.ndarray) -> np.ndarray:
    """Log energy of 40 bands above the noise, how it varies and how fast: a rough ear."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 512)[::160] * np.hanning(512)
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = np.unique(np.geomspace(2, 256, 41).astype(int))
    energy = np.add.reduceat(power, edges[:-1], axis=1)
    energy = np.log(energy + 0.03 * energy.max())
    return np.concatenate([energy.mean(0), energy.std(0), np.diff(energy, axis=0).std(0)])


@pytest.fixture(scope="module")
def ear():
    """Which sound's mean is nearest, in deviations of its takes."""
    known = {name: np.stack([bands(sound(name, seed)) for seed in range(12)]) for name in NAMES}
    spread = np.sqrt(np.mean([takes.var(0) for takes in known.values()], 0))
    means = {name: takes.mean(0) for name, takes in known.items()}

    def told(wave: np.ndarray) -> str:
        heard = bands(wave)
        return min(means, key=lambda name: np.linalg.norm((means[name] - heard) / spread))

    return told


def test_an_ear_tells_them_apart(ear):
    right = [ear(sound(name, seed)) == name for name in NAMES for seed in range(100, 106)]
    assert np.mean(right) >= 0.97


@pytest.mark.parametrize("name", NAMES)
def test_it_is_known_at_the_bounds_of_pitch_and_tempo_and_in_noise(ear, name):
    right = []
    for semitones, tempo, snr in itertools.product((-3, 3), (0.85, 1.15), (5.0, 30.0)):
        clean = sounds.VOICES[name](Take(2 ** (semitones / 12), tempo, 0.3, np.random.default_rng(1)))
        right.append(ear(mixed(clean, snr, np.random.default_rng(2))) == name)
    assert np.mean(right) >= 0.75


def test_voices_fill_two_seconds_whatever_the_take():
    for name in NAMES:
        for pitch, tempo, phase in ((0.84, 0.85, 0.0), (1.19, 1.15, 0.99)):
            wave = sounds.VOICES[name](Take(pitch, tempo, phase, np.random.default_rng(0)))
            assert wave.shape == (LENGTH,) and np.isfinite(wave).all() and wave.std() > 0.001
