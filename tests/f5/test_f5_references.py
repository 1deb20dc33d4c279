"""Encoded references: cached by content, within a bound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backends.base import BuiltinVoice, Reference
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
