"""Encoded references: cached by content, within a bound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backends.base import BuiltinVoice, Reference
from backends.errors import InvalidJob, LoadError
from backends.f5.builtin_voices import BuiltinClip
from backends.f5.mel import LogMel
from backends.f5.references import References

TONE = (0.3 * np.sin(2 * np.pi * 180 * np.arange(32000) / 16000)).astype(np.float32)
REFERENCE = Reference(TONE, 16000, "A clip of some two seconds.", "digest")


@pytest.fixture(scope="module")
def references() -> References:
    return References(LogMel(), [BuiltinClip(BuiltinVoice("tone", "en"), REFERENCE)])


def test_references_are_encoded_once_until_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    references = References(LogMel(), [], cache_size=2)
    encoded: list[str] = []
    encode = references._encode
    monkeypatch.setattr(references, "_encode", lambda ref, *more: encoded.append(ref.digest) or encode(ref, *more))
    for digest in ("x", "x", "y", "x", "z", "x", "y"):
        references.get(replace(REFERENCE, digest=digest))
    assert encoded == ["x", "y", "z", "y"]
    assert len(references._cache) == 2


def test_first_builtin_voice_is_the_default(references: References) -> None:
    assert references.builtin(None) is references.builtin("tone") is not None
    assert references.builtin("other") is None


def test_another_transcript_is_another_reference(references: References) -> None:
    other = replace(REFERENCE, text="Something else.", digest="other")
    assert references.get(REFERENCE).text != references.get(other).text


def test_another_sample_rate_is_another_reference(references: References) -> None:
    half_rate = replace(REFERENCE, sample_rate_hz=8000)
    assert references.get(half_rate).duration_s == pytest.approx(2 * references.get(REFERENCE).duration_s, rel=0.05)


def spoken(seconds: float, rate_hz: int = 16000) -> np.ndarray:
    """A tone with the rhythm of syllables, without a pause in which it could be divided."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    return (0.3 * np.sin(2 * np.pi * 150 * time_s) * (1.2 + np.sin(2 * np.pi * 4 * time_s))).astype(np.float32)


def test_clip_with_speech_beyond_the_limit_is_refused_with_figures(references: References) -> None:
    with pytest.raises(InvalidJob) as caught:
        references.get(replace(REFERENCE, audio=spoken(15), digest="long"))
    assert caught.value.param == "reference_audio"
    assert "up to 12 s" in caught.value.message
    assert "3.0 s are left out" in caught.value.message


def test_clip_whose_speech_fits_the_limit_is_used_whole(references: References) -> None:
    silence = np.zeros(3 * 16000, np.float32)
    encoded = references.get(replace(REFERENCE, audio=np.concatenate([spoken(11), silence]), digest="tail"))
    assert encoded is not None
    assert 10.9 < encoded.duration_s < 11.2


def test_long_clip_is_transcribed_after_it_is_cut_where_a_transcriber_is_configured() -> None:
    class Words:
        seconds = 0.0

        def transcribe(self, samples: np.ndarray) -> str:
            self.seconds = len(samples) / 24000
            return "The words of what is used."

    words = Words()
    references = References(LogMel(), [BuiltinClip(BuiltinVoice("tone", "en"), REFERENCE)], words)
    long = replace(REFERENCE, audio=spoken(15), digest="long")
    assert references.get(long) is None
    encoded = references.transcribe(long)
    assert encoded.text == "The words of what is used. "
    assert words.seconds == pytest.approx(12, abs=0.1)
    assert references.get(long) is encoded


def test_long_builtin_voice_is_a_load_error() -> None:
    clip = BuiltinClip(BuiltinVoice("epic", "en"), replace(REFERENCE, audio=spoken(15)))
    with pytest.raises(LoadError, match=r"built-in voice 'epic': .* up to 12 s"):
        References(LogMel(), [clip])
