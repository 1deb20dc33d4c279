"""Reference audio and transcript, preprocessed by f5-tts's rules (``preprocess_ref_audio_text``).

f5-tts uses pydub, which works on 16-bit samples and whole milliseconds. This module reproduces its arithmetic on
arrays, so that a recording is cut at the same sample. Differences: samples keep their precision, rates below 11.025 kHz
are not raised first, recordings with almost no speech are rejected, and speech that is left out is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import gcd

import numpy as np
import numpy.typing as npt
import soxr

from backends.base import Audio
from backends.errors import InvalidJob
from backends.f5.config import RATE_HZ

TARGET_RMS = 0.1
MAX_MS = 12_000
ENOUGH_MS = 6_000  # beyond this, a stretch of speech is added only if all of it fits into MAX_MS
KEEP_SILENCE_MS = 1_000  # kept on either side of a stretch of speech
LONG_SILENCE = (1_000, -50.0)  # ms and dBFS: definition of a pause in the first pass
SHORT_SILENCE = (100, -40.0)  # and in the second pass, if the first leaves too much
SEEK_MS = 10
EDGE_DBFS = -42.0
CLOSING_MS = 50
MIN_CUT_MS = 300  # of sound left out: about one word; less is a breath or a click
MIN_S = 0.5  # too little sound to clone a voice from
MAX_KERNEL = 1_000_000  # taps of f5-tts's resampler, 4 bytes each; 44.1 kHz needs 14 thousand


@dataclass(frozen=True, slots=True)
class ReferenceAudio:
    """Audio that the model is conditioned on.

    :param samples: mono PCM at 24 kHz, shape (N,), with an RMS of at least :data:`TARGET_RMS`.
    :param rms: RMS of the recording before it was amplified.
    :param cut_s: duration of the sound beyond the limit, which was left out; 0 if all speech was kept.
    """

    samples: Audio
    rms: float
    cut_s: float = 0.0

    @property
    def gain(self) -> float:
        """Factor that gives the model's output the loudness of the recording."""
        return min(1.0, self.rms / TARGET_RMS)


def preprocess(audio: Audio, rate_hz: int) -> ReferenceAudio:
    """Clip a recording to at most 12 s of speech, amplify a quiet one, and resample it to 24 kHz.

    :param audio: mono PCM, shape (N,).
    :raises InvalidJob: if it has non-finite samples or too little sound.
    """
    if not np.isfinite(audio).all():
        raise InvalidJob("the reference audio has samples that are not finite numbers", param="reference_audio")
    audio, cut_ms = _clip(audio.astype(np.float32), rate_hz)
    if len(audio) < MIN_S * rate_hz:
        message = f"the reference audio has less than {MIN_S:g} s of sound above {EDGE_DBFS:g} dBFS"
        raise InvalidJob(message, param="reference_audio")
    audio = np.concatenate((audio, np.zeros(_closing_samples(rate_hz), np.float32)))
    rms = float(np.sqrt(np.mean(np.square(audio), dtype=np.float64)))
    if rms < TARGET_RMS:
        audio = audio * np.float32(TARGET_RMS / rms)
    return ReferenceAudio(_resample(audio, rate_hz), rms, cut_ms / 1000 if cut_ms >= MIN_CUT_MS else 0.0)


def ensure_sentence_end(text: str) -> str:
    """Append a period and a space where they are missing: they show the model where the new text starts.

    :raises InvalidJob: if the text is blank.
    """
    if not text.strip():
        raise InvalidJob("F5-TTS needs the transcript of the reference audio", param="reference_text")
    if text.endswith((". ", "。")):
        return text
    return text + (" " if text.endswith(".") else ". ")


def _resample(audio: Audio, rate_hz: int) -> Audio:
    """Resample to 24 kHz with f5-tts's filter, so that the model gets the same samples as there.

    That filter has one kernel per phase of the two rates. With almost no common divisor (44.101 kHz) the kernels would
    take gigabytes; soxr resamples those rates.
    """
    if rate_hz == RATE_HZ:
        return audio
    common = gcd(rate_hz, RATE_HZ)
    if (rate_hz // common) * (RATE_HZ // common) > MAX_KERNEL:
        by_soxr: Audio = soxr.resample(audio, rate_hz, RATE_HZ, quality="HQ")
        return by_soxr
    import torch
    from torchaudio.transforms import Resample

    resampled: Audio = Resample(rate_hz, RATE_HZ)(torch.from_numpy(audio)).numpy()
    return resampled


def _closing_samples(rate_hz: int) -> int:
    """Length of the appended silence: pydub interpolates 551 samples at 11.025 kHz and ends a few samples early."""
    samples = CLOSING_MS * 11_025 // 1000
    return (samples - 1) * rate_hz // 11_025 + 1


class _Loudness:
    """RMS of any interval of a recording, from cumulative sums over its 16-bit samples."""

    def __init__(self, audio: Audio, rate_hz: int):
        self.rate_hz = rate_hz
        self.samples = len(audio)
        self.ms = _ms(len(audio), rate_hz)
        # Quantized as in a 16-bit file, which is what pydub measures.
        pcm = np.clip(np.rint(audio.astype(np.float64) * 32768), -32768, 32767)
        self._energy = np.concatenate(([0.0], np.cumsum(np.square(pcm))))  # exact: far below 2**53

    def _sample_at(self, ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (np.minimum(ms, self.ms) * (self.rate_hz / 1000.0)).astype(np.int64)

    def rms(self, start_ms: npt.NDArray[np.int64], end_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """RMS of each interval, rounded down, full scale 32768; beyond the end the recording is silent."""
        start, end = self._sample_at(start_ms), self._sample_at(end_ms)
        energy = self._energy[np.minimum(end, self.samples)] - self._energy[np.minimum(start, self.samples)]
        rms: npt.NDArray[np.float64] = np.floor(np.sqrt(energy / np.maximum(end - start, 1)))
        return rms


def _clip(audio: Audio, rate_hz: int) -> tuple[Audio, int]:
    """Clip to 12 s, in a pause where possible, and trim the silence at both ends.

    :returns: the audio, and the milliseconds of sound that were left out.
    """
    loudness = _Loudness(audio, rate_hz)
    for min_silence_ms, silence_dbfs in (LONG_SILENCE, SHORT_SILENCE):
        clipped, cut_ms = _first_stretches(audio, loudness, min_silence_ms, silence_dbfs)
        if _ms(len(clipped), rate_hz) <= MAX_MS:
            break
    else:
        cut_ms += _sound_ms(clipped[int(MAX_MS * (rate_hz / 1000.0)) :], rate_hz)
        clipped = _slice(clipped, rate_hz, 0, MAX_MS)
    return _trim(clipped, rate_hz), cut_ms


def _ms(samples: int, rate_hz: int) -> int:
    return round(1000 * (samples / rate_hz))


def _slice(audio: Audio, rate_hz: int, start_ms: int, end_ms: int) -> Audio:
    """Cut out an interval; append silence for the fraction of a millisecond by which the recording may be too short."""
    start, end = int(start_ms * (rate_hz / 1000.0)), int(end_ms * (rate_hz / 1000.0))
    part = audio[start:end]
    return np.concatenate((part, np.zeros(end - start - len(part), np.float32)))


def _first_stretches(audio: Audio, loudness: _Loudness, min_silence_ms: int, silence_dbfs: float) -> tuple[Audio, int]:
    """Join the first stretches of speech, with some silence around each, up to 12 s where their lengths permit.

    :returns: the audio, and the milliseconds of sound in the stretches that were left out.
    """
    kept: list[Audio] = []
    kept_samples = cut_ms = 0
    rate_hz = loudness.rate_hz
    for start_ms, end_ms in _speech_spans(loudness, min_silence_ms, silence_dbfs):
        stretch = _slice(audio, rate_hz, start_ms, end_ms)
        total_ms = _ms(kept_samples + len(stretch), rate_hz)
        if _ms(kept_samples, rate_hz) > ENOUGH_MS and total_ms > MAX_MS:
            cut_ms = _sound_ms(audio[int(start_ms * (rate_hz / 1000.0)) :], rate_hz)
            break
        kept.append(stretch)
        kept_samples += len(stretch)
    return np.concatenate(kept) if kept else np.zeros(0, np.float32), cut_ms


def _speech_spans(loudness: _Loudness, min_silence_ms: int, silence_dbfs: float) -> list[tuple[int, int]]:
    """Spans of speech in ms, each with up to 1 s of silence on either side; a short pause is divided between two."""
    spans = [
        [start - KEEP_SILENCE_MS, end + KEEP_SILENCE_MS]
        for start, end in _loud_spans(loudness, min_silence_ms, silence_dbfs)
    ]
    for before, after in pairwise(spans):
        if after[0] < before[1]:
            before[1] = after[0] = (before[1] + after[0]) // 2
    return [(max(start, 0), min(end, loudness.ms)) for start, end in spans]


def _loud_spans(loudness: _Loudness, min_silence_ms: int, silence_dbfs: float) -> list[tuple[int, int]]:
    """Spans between pauses, in ms."""
    pauses = _pauses(loudness, min_silence_ms, silence_dbfs)
    if not pauses:
        return [(0, loudness.ms)]
    if pauses[0] == (0, loudness.ms):
        return []
    spans = list(zip([0, *(end for _, end in pauses)], [start for start, _ in pauses], strict=False))
    if pauses[-1][1] != loudness.ms:
        spans.append((pauses[-1][1], loudness.ms))
    return spans[1:] if spans[0] == (0, 0) else spans


def _pauses(loudness: _Loudness, min_silence_ms: int, silence_dbfs: float) -> list[tuple[int, int]]:
    """Spans in ms in which every window of ``min_silence_ms`` is quiet; windows start every 10 ms."""
    last_ms = loudness.ms - min_silence_ms
    if last_ms < 0:
        return []
    starts = np.unique(np.append(np.arange(0, last_ms + 1, SEEK_MS), last_ms))
    quiet = loudness.rms(starts, starts + min_silence_ms) <= 32768 * 10 ** (silence_dbfs / 20)
    pauses: list[tuple[int, int]] = []
    for start in starts[quiet].tolist():
        # Quiet windows that touch form one pause, even if a click makes a window between them loud.
        if pauses and start <= pauses[-1][1]:
            pauses[-1] = (pauses[-1][0], start + min_silence_ms)
        else:
            pauses.append((start, start + min_silence_ms))
    return pauses


def _trim(audio: Audio, rate_hz: int) -> Audio:
    """Remove the silence at both ends, in steps of 10 ms."""
    lead_ms = _leading_silence_ms(audio, rate_hz)
    audio = _slice(audio, rate_hz, lead_ms, _ms(len(audio), rate_hz))
    trail_ms = _leading_silence_ms(audio[::-1], rate_hz)
    return _slice(audio, rate_hz, 0, _ms(len(audio), rate_hz) - trail_ms) if trail_ms else audio


def _leading_silence_ms(audio: Audio, rate_hz: int) -> int:
    loud = _loud_steps(audio, rate_hz)
    return int(np.argmax(loud)) * SEEK_MS if loud.any() else _ms(len(audio), rate_hz)


def _sound_ms(audio: Audio, rate_hz: int) -> int:
    """Duration of the sound between the silences."""
    return int(np.count_nonzero(_loud_steps(audio, rate_hz))) * SEEK_MS


def _loud_steps(audio: Audio, rate_hz: int) -> npt.NDArray[np.bool_]:
    """Whether each step of 10 ms is above the threshold of silence at the ends."""
    loudness = _Loudness(audio, rate_hz)
    starts = np.arange(0, loudness.ms, SEEK_MS)
    with np.errstate(divide="ignore"):
        loud: npt.NDArray[np.bool_] = 20 * np.log10(loudness.rms(starts, starts + SEEK_MS) / 32768) >= EDGE_DBFS
    return loud
