"""Encoder for synthesized speech: float samples to the bytes of an audio format, as early as the codec allows."""

from __future__ import annotations

from typing import Self

import numpy as np
import soxr

from backends.base import Audio
from gateway.audio.coders import coder
from gateway.audio.formats import AudioFormat
from gateway.errors import SynthesisFailed

_CHEAP_SAMPLES = 200_000  # about a millisecond of work for a cheap coder without resampling

_RESAMPLING_LAG_S = 0.1


class Encoder:
    """Resample and encode one stretch of speech. Not thread-safe. Close it, or use it as a context manager.

    The bytes depend only on the audio, not on its division into chunks or their timing.

    :param streaming: return bytes as soon as they exist, with headers that leave length and checksum open. Otherwise
        :meth:`finish` returns all bytes, with complete headers.
    :param bitrate_kbps: bit rate, for formats that have one; rounded to the nearest that ``rate_hz`` allows.
    """

    def __init__(
        self,
        fmt: AudioFormat,
        source_rate_hz: int,
        rate_hz: int,
        streaming: bool,
        bitrate_kbps: int | None = None,
    ):
        self._coder = coder(fmt, rate_hz, streaming, bitrate_kbps)
        self._done = False
        self._resampler = (
            soxr.ResampleStream(source_rate_hz, rate_hz, 1, dtype="float32", quality="HQ")
            if source_rate_hz != rate_hz
            else None
        )

    def is_quick(self, samples: int) -> bool:
        """Whether encoding this many samples is cheaper than a switch to another thread."""
        return self._coder.cheap and self._resampler is None and samples <= _CHEAP_SAMPLES

    @property
    def lag_s(self) -> float:
        """Seconds of silence after which all audio written before has been returned."""
        resampling_s = 0.0 if self._resampler is None else _RESAMPLING_LAG_S
        return resampling_s + self._coder.lag_s

    def write(self, samples: Audio) -> bytes:
        """Encode the next samples, shape (N,), at the source rate.

        :returns: encoded bytes, with the header the first time; empty unless streaming.
        :raises SynthesisFailed: if a sample is NaN or infinite.
        """
        self._check_open()
        chunk = np.ascontiguousarray(samples, dtype=np.float32)
        if not np.isfinite(chunk).all():
            raise SynthesisFailed("the engine returned samples that are NaN or infinite")
        if self._resampler is not None:
            chunk = self._resampler.resample_chunk(chunk)
        self._coder.push(chunk)
        return self._coder.take()

    def finish(self) -> bytes:
        """End the audio and return the remaining bytes."""
        self._check_open()
        if self._resampler is not None:
            self._coder.push(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        self._done = True
        return self._coder.finish()

    def close(self) -> None:
        """Release all resources and drop the remaining bytes. Idempotent."""
        self._done = True
        self._coder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._done:
            raise ValueError("the encoder is closed")


def encode(samples: Audio, source_rate_hz: int, fmt: AudioFormat, rate_hz: int) -> bytes:
    """Encode samples of shape (N,) to a complete file."""
    with Encoder(fmt, source_rate_hz, rate_hz, streaming=False) as encoder:
        encoder.write(samples)
        return encoder.finish()
