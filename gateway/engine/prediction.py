"""Prediction of the length of a job's audio from its text.

A text has two features: the time that its characters take, and the time that its sentence ends take, both at typical
rates. Their two factors are fitted to the finished jobs of an engine, and again for each voice and language of it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from backends.base import Job
from backends.text import script

DECAY = 0.98  # of the weight of a finished job with every later one: the last 50 count
PRIOR_S = 0.5  # weight of the prior, in seconds of audio
MIN_S = 0.1
MAX_VOICES = 1000  # learnt voices and languages; the oldest one is dropped

_SENTENCE_END = re.compile(r"[.!?…。！？]+")
_SENTENCE_END_S = 0.5
_DIGIT_S = 0.3
_SYLLABLE_S = {"CJK": 0.22, "HANGUL": 0.18, "HIRAGANA": 0.13, "KATAKANA": 0.13}  # scripts of syllables
_CHAR_S = 0.06  # letters of other scripts, spaces and marks


@lru_cache(maxsize=4096)
def _char_s(char: str) -> float:
    return _DIGIT_S if char.isdigit() else _SYLLABLE_S.get(script(char) or "", _CHAR_S)


class LengthPredictor:
    """Predict the audio lengths of one engine's jobs. It starts with typical rates and learns from finished jobs."""

    def __init__(self) -> None:
        self._engine = _Fit()
        self._voices: dict[tuple[str | None, str | None], _Fit] = {}

    def predict(self, job: Job) -> float:
        """The expected length of a job's audio, in seconds."""
        chars_s, ends_s = _features(job.text)
        chars, ends = self._engine.factors()
        if (voice := self._voices.get(_voice(job))) is not None:
            chars, ends = voice.factors(chars, ends)
        return max(MIN_S, (chars * chars_s + ends * ends_s) / job.speed)

    def learn(self, job: Job, audio_s: float) -> None:
        """Learn from the length of a finished job's audio, in seconds."""
        voice = self._voices.setdefault(_voice(job), _Fit())
        if len(self._voices) > MAX_VOICES:
            del self._voices[next(iter(self._voices))]
        features = _features(job.text)
        for fit in (self._engine, voice):
            fit.add(*features, audio_s * job.speed)


def _voice(job: Job) -> tuple[str | None, str | None]:
    return job.reference.digest if job.reference else job.voice, job.language


def _features(text: str) -> tuple[float, float]:
    """Typical time of the characters and of the sentence ends, in seconds."""
    return sum(map(_char_s, text)), _SENTENCE_END_S * max(1, len(_SENTENCE_END.findall(text)))


class _Fit:
    """Least squares for two factors, with exponentially decaying weights, regularized toward a prior."""

    def __init__(self) -> None:
        self._cc = self._ce = self._ee = self._cy = self._ey = 0.0  # weighted sums of products

    def add(self, chars_s: float, ends_s: float, audio_s: float) -> None:
        """Add an observation. Its squared error is weighted by 1/length, as the error grows with the length."""
        weight = 1 / (chars_s + ends_s)
        self._cc = DECAY * self._cc + weight * chars_s * chars_s
        self._ce = DECAY * self._ce + weight * chars_s * ends_s
        self._ee = DECAY * self._ee + weight * ends_s * ends_s
        self._cy = DECAY * self._cy + weight * chars_s * audio_s
        self._ey = DECAY * self._ey + weight * ends_s * audio_s

    def factors(self, prior_chars: float = 1.0, prior_ends: float = 1.0) -> tuple[float, float]:
        """The factors of the characters and of the sentence ends: the solution of the normal equations."""
        cc, ee = self._cc + PRIOR_S, self._ee + PRIOR_S
        cy, ey = self._cy + PRIOR_S * prior_chars, self._ey + PRIOR_S * prior_ends
        determinant = cc * ee - self._ce * self._ce  # positive, by Cauchy-Schwarz
        return (cy * ee - ey * self._ce) / determinant, (ey * cc - cy * self._ce) / determinant
