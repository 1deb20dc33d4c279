from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.audio_files import RATE_HZ, tone, wav_of

from backends.testing.profile import synthetic_reference
from gateway.audio.decode import decode
from gateway.audio.voice_check import check_voice
from gateway.errors import InvalidRequest

VOICES = Path(__file__).parents[2] / "backends" / "f5" / "assets" / "f5_mini" / "voices"


def noise(exponent: float, seconds: float, rate_hz: int, seed: int = 0) -> np.ndarray:
    """Noise whose amplitude falls with frequency to this power: 0 white, 0.5 pink, 1 brown."""
    count = int(seconds * rate_hz)
    frequencies = np.fft.rfftfreq(count, 1 / rate_hz)
    frequencies[0] = frequencies[1]
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count)) * frequencies**-exponent
    shaped = np.fft.irfft(spectrum, count)
    return (0.1 * shaped / shaped.std()).astype(np.float32)


def speech(name: str = "clear") -> tuple[np.ndarray, int]:
    return soundfile.read(VOICES / f"{name}.wav", dtype="float32")


def refusal(samples: np.ndarray, rate_hz: int = RATE_HZ) -> str:
    with pytest.raises(InvalidRequest) as caught:
        check_voice(samples, rate_hz, "audio")
    assert caught.value.param == "audio"
    return caught.value.message


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(5 * RATE_HZ, np.float32),
        np.full(2 * RATE_HZ, 0.3, np.float32),  # an offset of the sound card
        noise(0, 2, RATE_HZ) * np.float32(0.003),
        np.eye(1, 2 * RATE_HZ, RATE_HZ, dtype=np.float32)[0],  # one click
    ],
    ids=["zeros", "offset", "hiss", "click"],
)
def test_silence_is_refused_with_level_and_limit(samples: np.ndarray) -> None:
    message = refusal(samples)
    assert "dBFS between 100 and 4000 Hz" in message
    assert "needs -55 dBFS" in message


@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 48_000])
@pytest.mark.parametrize("exponent", [0, 0.5, -0.5], ids=["white", "pink", "blue"])
@pytest.mark.parametrize("seconds", [2, 10])
def test_noise_is_refused_with_variation_and_limit(rate_hz: int, exponent: float, seconds: float) -> None:
    samples = noise(exponent, seconds, rate_hz)
    for clip in (samples, np.concatenate([np.zeros(rate_hz, np.float32), samples, np.zeros(rate_hz, np.float32)])):
        message = refusal(clip, rate_hz)
        assert "steady sound" in message
        assert "at least 2.5 dB" in message


def test_tone_hum_and_rumble_are_refused() -> None:
    assert "dB" in refusal(tone(2.0, frequency_hz=20))
    assert "0.0 dB" in refusal(tone(2.0))
    assert "steady sound" in refusal(tone(3.0, frequency_hz=50) + tone(3.0, frequency_hz=150))


@pytest.mark.parametrize("name", ["clear", "deep"])
def test_speech_passes_when_quiet_noisy_short_or_whispered(name: str) -> None:
    samples, rate_hz = speech(name)
    hiss = noise(0, len(samples) / rate_hz + 1, rate_hz)[: len(samples)]
    as_loud = hiss * (samples.std() / hiss.std())
    envelope = np.convolve(np.abs(samples), np.full(rate_hz // 50, 50 / rate_hz), "same").astype(np.float32)
    second = len(samples) // 3
    variants = {
        "as recorded": samples,
        "-30 dB": samples * np.float32(0.03),
        "in noise of its own power": samples + as_loud,
        "whispered": envelope * hiss * 10,
        "one second": samples[second : second + rate_hz],
    }
    for clip in variants.values():
        check_voice(clip.astype(np.float32), rate_hz, "audio")


def test_synthetic_references_and_very_short_clips_pass() -> None:
    reference = synthetic_reference()
    check_voice(reference.audio, reference.sample_rate_hz, "audio")
    check_voice(tone(0.2), RATE_HZ, "audio")
    check_voice(np.zeros(10, np.float32), RATE_HZ, "audio")


def test_two_minutes_are_checked_in_a_fraction_of_a_second() -> None:
    samples = np.tile(speech()[0], 60)[: 120 * 48_000]
    began_s = time.thread_time()
    check_voice(samples, 48_000, "audio")
    assert time.thread_time() - began_s < 2.0


@pytest.mark.parametrize("scale", [-1.0, -0.9], ids=["opposite", "almost opposite"])
def test_channels_that_cancel_give_the_loudest_one(scale: float) -> None:
    samples, rate_hz = speech()
    audio = decode(wav_of([samples * np.float32(scale), samples], rate_hz), min_s=1, max_s=30)
    np.testing.assert_allclose(np.abs(audio.samples), np.abs(samples), atol=1e-6)
    check_voice(audio.samples, audio.rate_hz, "audio")


def test_channels_that_do_not_cancel_are_averaged() -> None:
    samples, rate_hz = speech()
    silent = np.zeros_like(samples)
    for channels in ([samples, silent], [samples, samples], [silent, silent, samples, silent, silent, silent]):
        audio = decode(wav_of(channels, rate_hz), min_s=1, max_s=30)
        np.testing.assert_allclose(audio.samples, np.mean(channels, axis=0), atol=1e-6)


def test_opposite_channels_of_a_high_rate_file_are_resampled() -> None:
    samples, rate_hz = speech()
    audio = decode(wav_of([-samples, samples], 4 * rate_hz), min_s=0.1, max_s=30)
    assert audio.rate_hz == 48_000
    assert audio.samples.std() == pytest.approx(samples.std(), rel=0.1)
