"""Reference preprocessing: the same samples and transcript as f5-tts, and unusable recordings are rejected."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.f5 import upstream

from backends.errors import InvalidJob
from backends.f5.reference_audio import MAX_MS, RATE_HZ, TARGET_RMS, ensure_sentence_end, preprocess


def noise(seconds: float, rate_hz: int, level: float = 0.1, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(int(seconds * rate_hz)) * level).astype(np.float32)


def speechlike(rate_hz: int, *stretches: tuple[float, float], level: float = 0.1, floor: float = 0.0) -> np.ndarray:
    """Stretches of (sound, pause) in seconds, over a noise floor."""
    parts = []
    for number, (sound_s, pause_s) in enumerate(stretches):
        parts += [noise(sound_s, rate_hz, level, number), noise(pause_s, rate_hz, floor, number + 100)]
    return np.concatenate(parts)


def as_16_bit(audio: np.ndarray) -> np.ndarray:
    return (np.clip(np.rint(audio * 32768), -32768, 32767) / 32768).astype(np.float32)


CASES = {
    "short, no pause": [(3.0, 0.0)],
    "silence at both ends": [(0.0, 0.7), (3.0, 0.9)],
    "odd lengths": [(0.0, 0.1234), (3.0001, 0.5677), (1.0003, 0.30011)],
    "long, long pauses": [(4.0, 1.5), (4.0, 1.5), (5.0, 1.2), (2.0, 0.5)],
    "long pauses are shortened": [(2.0, 3.3), (3.0, 4.0), (2.0, 0.2)],
    "first stretch too long": [(8.0, 0.4), (7.0, 0.4), (2.0, 0.0)],
    "short pauses only": [(3.0, 0.25), (3.5, 0.3), (2.0, 0.15), (4.0, 0.3), (3.0, 0.12)],
    "five and ten": [(5.0, 1.4), (10.0, 0.3)],
    "no pause at all": [(14.5, 0.0)],
    "clicks": [(1.0, 0.6), (0.004, 0.6), (1.0, 1.3), (0.003, 1.1), (9.0, 0.2), (3.0, 0.0)],
}


def official_reference(monkeypatch: pytest.MonkeyPatch, path: Path, text: str) -> tuple[np.ndarray, str]:
    """Samples at 24 kHz that f5-tts conditions its model on, and the transcript without the extra space."""
    prepared, ref_text = upstream.preprocess(path, text)
    samples, rate_hz = soundfile.read(prepared, dtype="float32", always_2d=True)
    Path(prepared).unlink()
    audio = torch.from_numpy(samples.T.copy())
    calls, _ = upstream.infer_batch(monkeypatch, (audio, rate_hz), ref_text, ["Anything at all."])
    return calls[0]["cond"][0].numpy(), ref_text


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rate_hz", [16000, 22050, 24000, 44100])
@pytest.mark.parametrize("case", CASES)
def test_recording_is_cut_and_amplified_like_f5_tts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: str, rate_hz: int
) -> None:
    for level, floor in ((0.2, 0.0), (0.05, 0.001), (0.1, 0.004)):
        audio = as_16_bit(speechlike(rate_hz, *CASES[case], level=level, floor=floor))
        path = tmp_path / f"{level}.wav"
        soundfile.write(path, audio, rate_hz, subtype="PCM_16")
        expected, expected_text = official_reference(monkeypatch, path, "What is said.")
        ours = preprocess(audio, rate_hz)
        assert ensure_sentence_end("What is said.") == expected_text
        assert ours.samples.shape == expected.shape
        np.testing.assert_allclose(ours.samples, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["basic_ref_en", "basic_ref_zh"])
def test_package_clips_are_preprocessed_like_f5_tts(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = Path(str(files("f5_tts").joinpath(f"infer/examples/basic/{name}.wav")))
    audio, rate_hz = soundfile.read(path, dtype="float32")
    expected, _ = official_reference(monkeypatch, path, "x")
    ours = preprocess(audio, rate_hz)
    assert ours.samples.shape == expected.shape
    np.testing.assert_allclose(ours.samples, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "rate_hz", [8000, 11025, 12001, 32000, 44101, 48000]
)  # two have almost no common divisor with 24 kHz
def test_every_sample_rate_gives_the_same_duration(rate_hz: int) -> None:
    ours = preprocess(speechlike(rate_hz, (2.0, 0.5), (1.0, 0.5)), rate_hz)
    assert len(ours.samples) / RATE_HZ == pytest.approx(3.55, abs=0.011)


@pytest.mark.parametrize("rate_hz", [44100, 44101])
def test_resampling_keeps_the_pitch(rate_hz: int) -> None:
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(2 * rate_hz) / rate_hz).astype(np.float32)
    samples = preprocess(tone, rate_hz).samples[:RATE_HZ]
    assert np.abs(np.fft.rfft(samples)).argmax() == 440


@pytest.mark.parametrize(("level", "gain"), [(0.01, 0.1), (0.05, 0.5), (0.3, 1.0)])
def test_quiet_recording_is_amplified_and_gain_reverts_it(level: float, gain: float) -> None:
    ours = preprocess(noise(3, RATE_HZ, level), RATE_HZ)
    assert ours.gain == pytest.approx(gain, rel=0.02)
    assert ours.rms == pytest.approx(level, rel=0.02)
    assert np.sqrt(np.mean(ours.samples**2)) == pytest.approx(max(level, TARGET_RMS), rel=0.02)


def test_long_recording_is_cut_to_twelve_seconds() -> None:
    ours = preprocess(noise(60, RATE_HZ), RATE_HZ)
    assert len(ours.samples) <= (MAX_MS + 50) * RATE_HZ / 1000


def test_input_array_is_not_modified() -> None:
    audio = noise(2, RATE_HZ, 0.01)
    before = audio.copy()
    preprocess(audio, RATE_HZ)
    np.testing.assert_array_equal(audio, before)


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "Hello.",
        "Hello. ",
        "Hello!",
        "Hello? ",
        "你好",
        "你好。",
        "你好。 ",
        "你好.",
        "Ends in a quote.”",
        " x ",
    ],
)
def test_transcript_end_matches_f5_tts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1, RATE_HZ), RATE_HZ)
    _, expected = upstream.preprocess(path, text)
    assert ensure_sentence_end(text) == expected


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_blank_transcript_is_rejected(text: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        ensure_sentence_end(text)
    assert caught.value.param == "reference_text"


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros(0, np.float32),
        np.zeros(3 * RATE_HZ, np.float32),
        noise(3, RATE_HZ, level=1e-3),
        noise(0.2, RATE_HZ),
        np.full(RATE_HZ, np.nan, np.float32),
    ],
    ids=["empty", "silent", "too quiet", "too short", "not finite"],
)
def test_recording_without_speech_is_rejected(audio: np.ndarray) -> None:
    with pytest.raises(InvalidJob) as caught:
        preprocess(audio, RATE_HZ)
    assert caught.value.param == "reference_audio"
