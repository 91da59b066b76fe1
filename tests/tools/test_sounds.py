"""Sounds as numbers: what is refused, rates, clips, and what ImageBind's audio branch is shown."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sessions import limits
from sessions.decode_sound import decode_sound
from sessions.errors import Damaged, TooLarge
from tests.tools.waves import rising
from tools import sounds
from tools.nets.filterbank import log_mel
from tools.sounds import Sound, clips, imagebind_features, read, resampled

TORCHAUDIO = json.loads((Path(__file__).parent / "torchaudio.json").read_text())


def sound(seconds: float, rate: int = 16_000) -> Sound:
    return Sound(rising(round(seconds * rate), rate).astype(np.float32), rate)


def file(samples: np.ndarray, rate: int, kind: str = "FLAC", subtype: str = "PCM_16") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, subtype, format=kind)
    return out.getvalue()


def test_what_is_no_sound_is_refused():
    with pytest.raises(Damaged, match="lasts 0 seconds"):
        Sound(np.zeros(0, np.float32), 16_000)
    with pytest.raises(TooLarge, match="longer than 60 seconds"):
        Sound(np.zeros(600 * 8000, np.float32), 8000)
    for wrong in (np.nan, np.inf):
        with pytest.raises(Damaged, match="no numbers"):
            Sound(np.array([0, wrong], np.float32), 16_000)
    for samples, rate in ((np.zeros((2, 2), np.float32), 16_000), (np.zeros(2), 16_000), (np.zeros(2, np.float32), 0)):
        with pytest.raises(ValueError, match="not samples"):
            Sound(samples, rate)
    assert sounds.SECONDS == limits.SOUND_SECONDS


def test_a_stored_sound_is_read_as_it_was_sent():
    wave = rising(12_000, 44_100)
    stored = decode_sound(file(wave, 44_100, "WAV")).flac
    heard = read(stored)
    assert (heard.rate, heard.samples.dtype, len(heard.samples)) == (44_100, np.float32, 12_000)
    assert heard.seconds == pytest.approx(12_000 / 44_100)
    np.testing.assert_allclose(heard.samples, wave, atol=2**-15)


def test_channels_are_averaged():
    stereo = np.stack([rising(8000), -rising(8000) / 2], axis=1)
    np.testing.assert_allclose(read(file(stereo, 16_000)).samples, rising(8000) / 4, atol=2**-14)


@pytest.mark.parametrize("data", [b"", b"fLaC", b"hello" * 100, file(rising(8000), 16_000)[:30]])
def test_what_cannot_be_read_is_a_sentence(data):
    with pytest.raises(Damaged):
        read(data)


def test_files_without_samples_and_endless_ones_are_refused():
    with pytest.raises(Damaged, match="0 seconds"):
        read(file(np.zeros(0), 16_000, "WAV"))
    with pytest.raises(TooLarge):
        read(file(np.zeros(600 * 8000), 8000))


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
def test_rates_change_as_torchaudio_changes_them(rate):
    made = resampled(Sound(rising(rate // 50, rate).astype(np.float32), rate), 16_000)
    theirs = np.array(TORCHAUDIO["resampled"][str(rate)])
    assert made.rate == 16_000 and made.samples.dtype == np.float32
    np.testing.assert_allclose(made.samples, theirs, atol=2e-5)


def tone(hertz: float, rate: int, count: int) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(count) / rate)


@pytest.mark.parametrize("rate", [8000, 16_001, 22_050, 191_999])
def test_a_tone_stays_itself_at_every_rate(rate):
    made = resampled(Sound(tone(700, rate, rate // 4).astype(np.float32), rate), 16_000)
    assert len(made.samples) == -(-(rate // 4) * 16_000 // rate)
    np.testing.assert_allclose(made.samples[100:-100], tone(700, 16_000, len(made.samples))[100:-100], atol=4e-3)


def test_what_is_too_high_for_a_rate_is_taken_out():
    made = resampled(Sound(tone(12_000, 48_000, 12_000).astype(np.float32), 48_000), 16_000)
    assert np.abs(made.samples[100:-100]).max() < 3e-3  # −50 dB
    assert resampled(made, 16_000) is made


def test_clips_are_evenly_spaced_and_short_sounds_are_given_whole():
    heard = Sound(np.arange(80_000, dtype=np.float32) / 80_000, 16_000)
    found = clips(heard, 2.0, 3)
    assert [round(clip[0] * 80_000) for clip in found] == [0, 24_000, 48_000]
    assert {len(clip) for clip in found} == {32_000}
    assert [len(clip) for clip in clips(sound(0.5), 2.0, 3)] == [8000] * 3
    assert [len(clip) for clip in clips(sound(9.0), 10.0, 1)] == [144_000]


def test_frames_that_are_not_there_are_zero_before_the_numbers_are_standardised():
    heard = sound(5)
    kept = heard.samples.copy()
    features = imagebind_features(heard)
    assert features.shape == (3, 1, 128, 204) and features.dtype == np.float32
    np.testing.assert_allclose(features[..., 198:], 4.268 / 9.138, rtol=1e-6)
    middle = heard.samples[24_000:56_000]
    want = (log_mel(middle - middle.mean()) + 4.268) / 9.138
    np.testing.assert_allclose(features[1, 0, :, :198], want, atol=1e-5)
    np.testing.assert_array_equal(heard.samples, kept)  # the mean is taken off a copy


@pytest.mark.parametrize("seconds", [1 / 16_000, 0.01, 0.025, 0.5, 2, 60])
@pytest.mark.parametrize("rate", [8000, 16_000])
def test_every_length_has_features(seconds, rate):
    features = imagebind_features(Sound(np.full(max(1, round(seconds * rate)), 0.1, np.float32), rate))
    assert features.shape == (3, 1, 128, 204) and np.isfinite(features).all()


def test_silence_is_far_below_the_mean_and_finite():
    features = imagebind_features(Sound(np.zeros(32_000, np.float32), 16_000))
    np.testing.assert_allclose(features[..., :198], (np.log(2**-23) + 4.268) / 9.138, rtol=1e-5)


def test_other_sizes_are_cut_and_padded():
    assert imagebind_features(sound(3), bins=64, frames=96).shape == (3, 1, 64, 96)
    np.testing.assert_array_equal(imagebind_features(sound(3), frames=96), imagebind_features(sound(3))[..., :96])
