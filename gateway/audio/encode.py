"""Speech on its way out: float samples in, bytes of an audio format out, as early as the codec allows.

Letters in shapes: N samples of mono audio.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, Self, cast

import av
import numpy as np
import numpy.typing as npt
import soxr
from av.audio.stream import AudioStream

from backends.base import Audio
from gateway.audio.formats import AudioFormat
from gateway.errors import SynthesisFailed

# Without it FFmpeg writes its version and, in Ogg, a random serial number: the same speech would differ each time.
_BITEXACT = "+bitexact"


@dataclass(frozen=True, slots=True)
class _Tuning:
    """How a codec is driven.

    :param samples: the sample layout it takes; lossy codecs get floats, so that nothing is quantised twice.
    :param codec: options of the encoder, in both modes.
    :param muxer: options of the container, in both modes.
    :param stream_codec: further options of the encoder when streaming.
    :param stream_muxer: further options of the container when streaming.
    """

    samples: Literal["s16", "flt", "fltp"]
    max_bit_rate: int | None = None
    codec: dict[str, str] = field(default_factory=dict)
    muxer: dict[str, str] = field(default_factory=dict)
    stream_codec: dict[str, str] = field(default_factory=dict)
    stream_muxer: dict[str, str] = field(default_factory=dict)


_TUNING = {
    "wav": _Tuning("s16"),
    "pcm": _Tuning("s16"),
    # A Xing header needs the end of the audio, which a stream does not know yet. Without the bit reservoir a frame
    # does not wait for the next ones to fill it up: 50 instead of 80 ms until the first byte at 24 kHz.
    "mp3": _Tuning(
        "fltp",
        max_bit_rate=128_000,
        muxer={"id3v2_version": "0"},
        stream_codec={"reservoir": "0"},
        stream_muxer={"write_xing": "0"},
    ),
    # The muxer would reserve 8 KiB for tags, and the encoder gather some 100 ms into a block.
    "flac": _Tuning("s16", muxer={"metadata_header_padding": "0"}, stream_codec={"frame_size": "1024"}),
    # The muxer holds one page back. A page of one packet (20 ms) costs 28 bytes; FFmpeg's default holds a second.
    "opus": _Tuning("flt", max_bit_rate=64_000, stream_muxer={"page_duration": "20000"}),
    # FFmpeg's other, twice as fast search distorts loud vowels: 8 dB of signal to noise instead of 25.
    "aac": _Tuning("fltp", max_bit_rate=128_000, codec={"aac_coder": "twoloop"}),
}

_BITS_PER_SAMPLE = 4
"""Of a lossy codec below its highest bit rate: transparent for speech, and allowed at every sample rate."""


class _Pipe:
    """Where a streaming muxer writes: it cannot seek, as a network client cannot."""

    def __init__(self) -> None:
        self.closed = False
        self._buffer = bytearray()

    def write(self, data: bytes) -> int:
        self._buffer += data
        return len(data)

    def getvalue(self) -> bytes:
        return bytes(self._buffer)

    def take(self) -> bytes:
        data = self.getvalue()
        self._buffer.clear()
        return data

    def close(self) -> None:
        self.closed = True


def to_int16(samples: Audio) -> npt.NDArray[np.int16]:
    """Return samples of shape (N,) as 16-bit integers.

    Clipped to [-1, 1], times 32767, rounded to the nearest: both ends of the range are reached and none overflows.
    There is no dither: the same audio shall give the same bytes, and speech at 16 bits gains nothing from it.
    """
    scaled: Audio = np.clip(samples, -1.0, 1.0) * np.float32(32767.0)
    return np.rint(scaled).astype(np.int16)


class Encoder:
    """Encodes one stretch of speech. Not for several threads at once; close it, or use it as a context manager.

    The bytes depend on the audio alone, not on how it is cut into chunks nor on when they come.

    :param streaming: whether bytes are wanted as soon as they exist. Headers then leave open what only the end can
        tell (length, checksum). Otherwise everything comes from :meth:`finish`, with complete headers.
    """

    def __init__(self, fmt: AudioFormat, source_rate_hz: int, rate_hz: int, streaming: bool):
        tuning = _TUNING[fmt.name]
        self._sample_format = tuning.samples
        self._rate_hz = rate_hz
        self._streaming = streaming
        self._time_base = Fraction(1, rate_hz)
        self._written_samples = 0
        self._done = False
        self._resampler = (
            soxr.ResampleStream(source_rate_hz, rate_hz, 1, dtype="float32", quality="HQ")
            if source_rate_hz != rate_hz
            else None
        )
        codec_options, muxer_options = {"flags": _BITEXACT, **tuning.codec}, {"fflags": _BITEXACT, **tuning.muxer}
        self._sink: _Pipe | io.BytesIO = io.BytesIO()
        if streaming:
            self._sink = _Pipe()
            codec_options |= tuning.stream_codec
            muxer_options |= {"flush_packets": "1", **tuning.stream_muxer}
        self._container = av.open(self._sink, "w", format=fmt.container, container_options=muxer_options)
        self._stream = cast(AudioStream, self._container.add_stream(fmt.codec, rate=rate_hz, options=codec_options))
        self._stream.codec_context.layout = "mono"
        self._stream.codec_context.format = tuning.samples
        if tuning.max_bit_rate is not None:
            self._stream.bit_rate = min(tuning.max_bit_rate, _BITS_PER_SAMPLE * rate_hz)
        self._container.start_encoding()

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
        self._encode(chunk)
        return self._take()

    def finish(self) -> bytes:
        """End the audio and return the bytes not returned yet."""
        self._check_open()
        if self._resampler is not None:
            self._encode(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        data = self._sink.getvalue()
        self.close()
        return data

    def close(self) -> None:
        """Release everything; what was not returned yet is lost. May be called at any time, and again."""
        if not self._done:
            self._done = True
            # A closed sink tells PyAV to write no trailer.
            self._sink.close()
            self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _encode(self, samples: Audio) -> None:
        if not len(samples):
            return
        plain = to_int16(samples) if self._sample_format == "s16" else np.clip(samples, -1.0, 1.0)
        frame = av.AudioFrame.from_ndarray(plain[np.newaxis], format=self._sample_format, layout="mono")
        frame.rate = self._rate_hz
        frame.time_base = self._time_base
        frame.pts = self._written_samples
        self._written_samples += len(samples)
        # PyAV cuts the frame into the codec's own frame size and keeps what is left over for the next one.
        self._container.mux(self._stream.encode(frame))

    def _take(self) -> bytes:
        return self._sink.take() if isinstance(self._sink, _Pipe) else b""

    def _check_open(self) -> None:
        if self._done:
            raise ValueError("the encoder is closed")


def encode(samples: Audio, source_rate_hz: int, fmt: AudioFormat, rate_hz: int) -> bytes:
    """Return a complete file of samples of shape (N,)."""
    with Encoder(fmt, source_rate_hz, rate_hz, streaming=False) as encoder:
        encoder.write(samples)
        return encoder.finish()
