"""References encoded for the sampler: built-in voices, and an LRU cache of recent ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backends.base import Reference
from backends.errors import InvalidJob, LoadError
from backends.f5.config import HOP_SAMPLES, RATE_HZ
from backends.f5.reference_audio import MAX_MS, ReferenceAudio, ensure_sentence_end, preprocess
from backends.lru import LRUCache

if TYPE_CHECKING:
    from torch import Tensor

    from backends.f5.builtin_voices import BuiltinClip
    from backends.f5.mel import LogMel
    from backends.f5.transcriber import Transcriber

MAX_REFERENCE_S = MAX_MS / 1000  # of speech; the rest of a recording is left out
MAX_CACHED_REFERENCES = 128  # about half a megabyte each


@dataclass(frozen=True, slots=True)
class EncodedReference:
    """A reference as the sampler needs it.

    :param mel: shape (T, M), one frame more than ``frames``.
    :param frames: whole hops in the audio: f5-tts's unit of duration.
    :param text: transcript with a sentence end.
    :param gain: factor that gives the output the loudness of the recording.
    """

    mel: Tensor
    frames: int
    duration_s: float
    text: str
    gain: float


class References:
    """Encode references; cache the most recently used ones by content.

    Built-in voices are encoded by the constructor, so that no request waits for them.

    :param clips: the built-in voices, the default one first.
    :param transcriber: transcribes references without a transcript; without it they are rejected.
    :raises LoadError: if a clip is unusable.
    """

    def __init__(
        self,
        mel: LogMel,
        clips: Sequence[BuiltinClip],
        transcriber: Transcriber | None = None,
        cache_size: int = MAX_CACHED_REFERENCES,
    ):
        self._mel = mel
        self._transcriber = transcriber
        self._cache: LRUCache[tuple[str, int], EncodedReference] = LRUCache(cache_size)
        self.builtin_voices = {clip.voice.name: clip.voice for clip in clips}
        self._builtin = {clip.voice.name: clip.reference for clip in clips}
        for name, reference in self._builtin.items():
            try:
                usable = self.get(reference) is not None
            except InvalidJob as error:
                raise LoadError(f"built-in voice {name!r}: {error}") from error
            if not usable:
                raise LoadError(f"built-in voice {name!r}: the recording has more than {MAX_REFERENCE_S:g} s of speech")

    def builtin(self, name: str | None) -> EncodedReference | None:
        """Return a built-in voice's reference (None: the default voice), or None if the name is unknown."""
        reference = self._builtin.get(name or next(iter(self._builtin)))
        return self.get(reference) if reference else None

    def get(self, reference: Reference) -> EncodedReference | None:
        """Return a reference encoded, or None if it must be transcribed first.

        A recording that is cut is transcribed as well: its transcript has the words that were left out.

        :raises InvalidJob: if the recording is unusable; without transcriber, if it has no transcript or is too long.
        """
        if encoded := self.cached(reference):
            return encoded
        prepared = preprocess(reference.audio, reference.sample_rate_hz)
        if self._transcriber is not None and (prepared.cut_s or not reference.text.strip()):
            return None
        text = ensure_sentence_end(reference.text)
        if prepared.cut_s:
            raise InvalidJob(
                f"the recording is too long: F5-TTS uses up to {MAX_REFERENCE_S:g} s of speech, and "
                f"{prepared.cut_s:.1f} s are left out although the transcript has their words; cut recording and "
                f"transcript to {MAX_REFERENCE_S:g} s, or configure model.asr, which transcribes the used part",
                param="reference_audio",
            )
        return self._encode(reference, prepared, text)

    def cached(self, reference: Reference) -> EncodedReference | None:
        """Return a cached reference, or None."""
        return self._cache.get(_key(reference))

    def transcribe(self, reference: Reference) -> EncodedReference:
        """Transcribe a reference and encode it. Slow.

        :raises InvalidJob: if the transcript is empty.
        :raises RuntimeError: if the transcriber fails.
        """
        assert self._transcriber is not None  # noqa: S101 - otherwise get() rejects the reference
        prepared = preprocess(reference.audio, reference.sample_rate_hz)
        text = self._transcriber.transcribe(prepared.samples)
        if not text:
            message = "no speech was recognized in the reference audio; send its transcript"
            raise InvalidJob(message, param="reference_text")
        return self._encode(reference, prepared, ensure_sentence_end(text))

    def _encode(self, reference: Reference, prepared: ReferenceAudio, text: str) -> EncodedReference:
        import torch

        samples = np.ascontiguousarray(prepared.samples)
        mel = self._mel(torch.from_numpy(samples))
        encoded = EncodedReference(mel, len(samples) // HOP_SAMPLES, len(samples) / RATE_HZ, text, prepared.gain)
        self._cache.put(_key(reference), encoded)
        return encoded


def _key(reference: Reference) -> tuple[str, int]:
    """Cache key. The digest covers samples and transcript, not the sample rate."""
    return reference.digest, reference.sample_rate_hz
