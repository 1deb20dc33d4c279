"""Speech on its way out: float samples in, bytes of an audio format out, as early as the codec allows.

Letters in shapes: N samples of mono audio.
"""

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
    """Encodes one stretch of speech. Not for several threads at once; close it, or use it as a context manager.

    The bytes depend on the audio alone, not on how it is cut into chunks nor on when they come.

    :param streaming: whether bytes are wanted as soon as they exist. Headers then leave open what only the end can
        tell (length, checksum). Otherwise everything comes from :meth:`finish`, with complete headers.
    :param bitrate_kbps: of a format that has one; the nearest is taken that it has at ``rate_hz``.
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
        """Whether writing that many samples takes less time than handing them to a thread is worth."""
        return self._coder.cheap and self._resampler is None and samples <= _CHEAP_SAMPLES

    @property
    def lag_s(self) -> float:
        """Seconds of silence that push out whatever was written before; what is held back otherwise waits for more."""
        resampling_s = 0.0 if self._resampler is None else _RESAMPLING_LAG_S
        return resampling_s + self._coder.lag_s

    def write(self, samples: Audio) -> bytes:
        """Encode further samples of shape (N,), at the source rate.

        :returns: the bytes that are ready, including the header the first time; none unless streaming.
        :raises SynthesisFailed: when there are NaN or infinite samples.
        """
        self._check_open()
        chunk = np.ascontiguousarray(samples, dtype=np.float32)
        if not np.isfinite(chunk).all():
            raise SynthesisFailed("the engine made samples that are not finite numbers")
        if self._resampler is not None:
            chunk = self._resampler.resample_chunk(chunk)
        self._coder.push(chunk)
        return self._coder.take()

    def finish(self) -> bytes:
        """End the audio and return the bytes not returned yet."""
        self._check_open()
        if self._resampler is not None:
            self._coder.push(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        self._done = True
        return self._coder.finish()

    def close(self) -> None:
        """Release everything; what was not returned yet is lost. May be called at any time, and again."""
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
    """Return a complete file of samples of shape (N,)."""
    with Encoder(fmt, source_rate_hz, rate_hz, streaming=False) as encoder:
        encoder.write(samples)
        return encoder.finish()
