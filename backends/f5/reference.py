"""A reference recording made ready for the model, by f5-tts's rules (``preprocess_ref_audio_text``).

f5-tts works in pydub on 16-bit samples and whole milliseconds; its arithmetic is followed here on arrays, so that the
same recording is cut at the same sample. What differs: samples keep their own precision, a rate under 11.025 kHz is not
raised first, and what would leave the model nothing to imitate is refused. Letters in shapes: N samples.
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
from backends.f5.model import RATE_HZ

TARGET_RMS = 0.1
MAX_MS = 12_000
ENOUGH_MS = 6_000  # once this much is kept, the next stretch is only added if all of it fits into MAX_MS
KEEP_SILENCE_MS = 1_000  # on either side of a stretch of speech
LONG_SILENCE = (1_000, -50.0)  # ms and dBFS: what counts as a pause at first
SHORT_SILENCE = (100, -40.0)  # ... and where that leaves too much
SEEK_MS = 10
EDGE_DBFS = -42.0
CLOSING_MS = 50
MIN_S = 0.5  # less sound than this says nothing about a voice
MAX_KERNEL = 1_000_000  # taps of f5-tts's resampler, 4 bytes each; for 44.1 kHz it has 14 thousand


@dataclass(frozen=True, slots=True)
class PreparedReference:
    """What the model is conditioned on.

    :param samples: mono PCM at 24 kHz, shape (N,), at least :data:`TARGET_RMS` loud.
    :param rms: of the recording before it was raised; the output is scaled back by ``gain``.
    """

    samples: Audio
    rms: float

    @property
    def gain(self) -> float:
        """What the model's output is multiplied with to be as loud as the recording."""
        return min(1.0, self.rms / TARGET_RMS)


def prepare(audio: Audio, rate_hz: int) -> PreparedReference:
    """Clip a recording to at most 12 s of speech, raise a quiet one, and bring it to 24 kHz.

    :param audio: mono PCM, shape (N,).
    :raises InvalidJob: there is next to nothing to hear in it.
    """
    if not np.isfinite(audio).all():
        raise InvalidJob("the reference audio holds samples that are not numbers", param="reference_audio")
    audio = _clip(audio.astype(np.float32), rate_hz)
    if len(audio) < MIN_S * rate_hz:
        message = f"the reference audio holds less than {MIN_S:g} s of sound above {EDGE_DBFS:g} dBFS"
        raise InvalidJob(message, param="reference_audio")
    audio = np.concatenate((audio, np.zeros(_closing_samples(rate_hz), np.float32)))
    rms = float(np.sqrt(np.mean(np.square(audio), dtype=np.float64)))
    if rms < TARGET_RMS:
        audio = audio * np.float32(TARGET_RMS / rms)
    return PreparedReference(_resample(audio, rate_hz), rms)


def close_text(text: str) -> str:
    """The text with an end of sentence and a space, which the model needs to know where the new text begins.

    :raises InvalidJob: there is none.
    """
    if not text.strip():
        raise InvalidJob("F5-TTS needs to know what is said in the reference audio", param="reference_text")
    if text.endswith((". ", "。")):
        return text
    return text + (" " if text.endswith(".") else ". ")


def _resample(audio: Audio, rate_hz: int) -> Audio:
    """To 24 kHz with the filter that f5-tts uses: the model should hear what it was published with.

    That one makes a kernel for each of the phases in which the two rates can meet. For rates that have next to no
    common divisor (44.101 kHz) they would take gigabytes, and another filter has to do.
    """
    if rate_hz == RATE_HZ:
        return audio
    common = gcd(rate_hz, RATE_HZ)
    if (rate_hz // common) * (RATE_HZ // common) > MAX_KERNEL:
        other: Audio = soxr.resample(audio, rate_hz, RATE_HZ, quality="HQ")
        return other
    import torch
    from torchaudio.transforms import Resample

    resampled: Audio = Resample(rate_hz, RATE_HZ)(torch.from_numpy(audio)).numpy()
    return resampled


def _closing_samples(rate_hz: int) -> int:
    """50 ms; pydub makes them as 551 samples of 11.025 kHz and interpolates, which ends a few samples early."""
    made = CLOSING_MS * 11_025 // 1000
    return (made - 1) * rate_hz // 11_025 + 1


class _Loudness:
    """How loud any stretch of a recording is, from running sums over its 16-bit samples."""

    def __init__(self, audio: Audio, rate_hz: int):
        self.rate_hz = rate_hz
        self.samples = len(audio)
        self.ms = _ms(len(audio), rate_hz)
        # The same samples that a 16-bit file of them would hold, and as pydub measures them.
        pcm = np.clip(np.rint(audio.astype(np.float64) * 32768), -32768, 32767)
        self._energy = np.concatenate(([0.0], np.cumsum(np.square(pcm))))  # exact: far below 2**53

    def _at(self, ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (np.minimum(ms, self.ms) * (self.rate_hz / 1000.0)).astype(np.int64)

    def rms(self, start_ms: npt.NDArray[np.int64], end_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Whole-numbered RMS of each stretch, full scale 32768; what lies past the end counts as silence."""
        start, end = self._at(start_ms), self._at(end_ms)
        energy = self._energy[np.minimum(end, self.samples)] - self._energy[np.minimum(start, self.samples)]
        whole: npt.NDArray[np.float64] = np.floor(np.sqrt(energy / np.maximum(end - start, 1)))
        return whole


def _clip(audio: Audio, rate_hz: int) -> Audio:
    """At most 12 s, cut in a pause where possible, without silence at either end."""
    loudness = _Loudness(audio, rate_hz)
    for min_silence_ms, silence_dbfs in (LONG_SILENCE, SHORT_SILENCE):
        clipped = _within_limit(audio, loudness, min_silence_ms, silence_dbfs)
        if _ms(len(clipped), rate_hz) <= MAX_MS:
            break
    else:
        clipped = _slice(clipped, rate_hz, 0, MAX_MS)
    return _trim(clipped, rate_hz)


def _ms(samples: int, rate_hz: int) -> int:
    return round(1000 * (samples / rate_hz))


def _slice(audio: Audio, rate_hz: int, start_ms: int, end_ms: int) -> Audio:
    """Between two times, with silence for the fraction of a millisecond that the recording may fall short of them."""
    start, end = int(start_ms * (rate_hz / 1000.0)), int(end_ms * (rate_hz / 1000.0))
    part = audio[start:end]
    return np.concatenate((part, np.zeros(end - start - len(part), np.float32)))


def _within_limit(audio: Audio, loudness: _Loudness, min_silence_ms: int, silence_dbfs: float) -> Audio:
    """The first stretches of speech, with some silence around them, up to 12 s where they allow it."""
    kept: list[Audio] = []
    kept_samples = 0
    rate_hz = loudness.rate_hz
    for start_ms, end_ms in _speech(loudness, min_silence_ms, silence_dbfs):
        stretch = _slice(audio, rate_hz, start_ms, end_ms)
        together_ms = _ms(kept_samples + len(stretch), rate_hz)
        if _ms(kept_samples, rate_hz) > ENOUGH_MS and together_ms > MAX_MS:
            break
        kept.append(stretch)
        kept_samples += len(stretch)
    return np.concatenate(kept) if kept else np.zeros(0, np.float32)


def _speech(loudness: _Loudness, min_silence_ms: int, silence_dbfs: float) -> list[tuple[int, int]]:
    """Spans between pauses in ms, each with up to a second of the silence around it; two share a short pause."""
    spans = [
        [start - KEEP_SILENCE_MS, end + KEEP_SILENCE_MS] for start, end in _loud(loudness, min_silence_ms, silence_dbfs)
    ]
    for before, after in pairwise(spans):
        if after[0] < before[1]:
            before[1] = after[0] = (before[1] + after[0]) // 2
    return [(max(start, 0), min(end, loudness.ms)) for start, end in spans]


def _loud(loudness: _Loudness, min_silence_ms: int, silence_dbfs: float) -> list[tuple[int, int]]:
    """Spans in ms that are no pause."""
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
    """Spans in ms of which every window of ``min_silence_ms`` is quiet; a window starts every 10 ms."""
    last_ms = loudness.ms - min_silence_ms
    if last_ms < 0:
        return []
    starts = np.unique(np.append(np.arange(0, last_ms + 1, SEEK_MS), last_ms))
    quiet = loudness.rms(starts, starts + min_silence_ms) <= 32768 * 10 ** (silence_dbfs / 20)
    pauses: list[tuple[int, int]] = []
    for start in starts[quiet].tolist():
        # Quiet windows that touch are one pause, though a window between them may be loud for a click.
        if pauses and start <= pauses[-1][1]:
            pauses[-1] = (pauses[-1][0], start + min_silence_ms)
        else:
            pauses.append((start, start + min_silence_ms))
    return pauses


def _trim(audio: Audio, rate_hz: int) -> Audio:
    """Without the silence at either end, in steps of 10 ms."""
    lead_ms = _leading_silence_ms(audio, rate_hz)
    audio = _slice(audio, rate_hz, lead_ms, _ms(len(audio), rate_hz))
    trail_ms = _leading_silence_ms(audio[::-1], rate_hz)
    return _slice(audio, rate_hz, 0, _ms(len(audio), rate_hz) - trail_ms) if trail_ms else audio


def _leading_silence_ms(audio: Audio, rate_hz: int) -> int:
    loudness = _Loudness(audio, rate_hz)
    starts = np.arange(0, loudness.ms, SEEK_MS)
    with np.errstate(divide="ignore"):
        loud = 20 * np.log10(loudness.rms(starts, starts + SEEK_MS) / 32768) >= EDGE_DBFS
    return int(starts[np.argmax(loud)]) if loud.any() else loudness.ms
