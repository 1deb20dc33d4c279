"""Coders of the audio formats: FFmpeg's codecs through PyAV, and PCM and G.711 without FFmpeg's containers."""

from __future__ import annotations

import io
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Literal, cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream

from backends.base import Audio
from gateway.audio.formats import AudioFormat

# Without it, FFmpeg writes its version and, in Ogg, a random serial number, so equal audio would give different bytes.
_BITEXACT = "+bitexact"


@dataclass(frozen=True, slots=True)
class _Tuning:
    """Options of a codec and its container.

    :param samples: sample format of the encoder's input; floats for lossy codecs, so that nothing is quantized twice.
    :param lag_samples: samples that encoder and muxer hold back at most while streaming.
    :param lag_s: seconds that they hold back in addition.
    :param codec: encoder options in both modes.
    :param muxer: container options in both modes.
    :param stream_codec: additional encoder options when streaming.
    :param stream_muxer: additional container options when streaming.
    """

    samples: Literal["s16", "flt", "fltp"]
    lag_samples: int = 0
    lag_s: float = 0.0
    max_bit_rate: int | None = None
    codec: dict[str, str] = field(default_factory=dict)
    muxer: dict[str, str] = field(default_factory=dict)
    stream_codec: dict[str, str] = field(default_factory=dict)
    stream_muxer: dict[str, str] = field(default_factory=dict)


_TUNING = {
    # A Xing header contains the length, which a stream does not know yet. Without the bit reservoir, a frame does not
    # wait for the next ones to fill it: at 24 kHz the first byte comes after 50 ms instead of 80.
    "mp3": _Tuning(
        "fltp",
        lag_samples=2 * 1152,
        lag_s=0.04,
        max_bit_rate=128_000,
        muxer={"id3v2_version": "0"},
        stream_codec={"reservoir": "0"},
        stream_muxer={"write_xing": "0"},
    ),
    # By default the muxer reserves 8 KiB for tags, and the encoder collects some 100 ms in a block.
    "flac": _Tuning(
        "s16", lag_samples=2 * 1024, muxer={"metadata_header_padding": "0"}, stream_codec={"frame_size": "1024"}
    ),
    # The muxer holds back one page. A page of one packet (20 ms) costs 28 bytes; FFmpeg's default holds a second.
    "opus": _Tuning("flt", lag_s=0.1, max_bit_rate=64_000, stream_muxer={"page_duration": "20000"}),
    # FFmpeg's `fast` search takes half the time but distorts loud vowels: 8 dB signal-to-noise ratio instead of 25.
    "aac": _Tuning("fltp", lag_samples=4 * 1024, max_bit_rate=128_000, codec={"aac_coder": "twoloop"}),
    # A stream is fragmented, with a header of 108 bytes for each fragment: two AAC frames at 24 kHz.
    "m4a": _Tuning(
        "fltp",
        lag_samples=4 * 1024,
        lag_s=0.1,
        max_bit_rate=128_000,
        codec={"aac_coder": "twoloop"},
        stream_muxer={"movflags": "+empty_moov+default_base_moof", "frag_duration": "80000"},
    ),
    # The muxer holds back one cluster, by default a second: here two packets.
    "webm": _Tuning("flt", lag_s=0.1, max_bit_rate=64_000, stream_muxer={"cluster_time_limit": "20"}),
}

# FFmpeg allocates a frame in one piece, and decode.py bounds the size of allocations for the whole process.
_FRAME_SAMPLES = 2**17

_MPEG1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# By sample rate; below 16 kHz, encoder and players support only the lower half.
_MP3_BITRATES_KBPS = ((16_000, _MPEG2[:8]), (32_000, _MPEG2), (48_001, _MPEG1))

_BITS_PER_SAMPLE = 4
"""Default bit rate of lossy codecs, up to their maximum: transparent for speech, and allowed at every sample rate."""


class _Pipe:
    """Non-seekable output of a streaming muxer."""

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
    """Convert samples of shape (N,) to 16-bit integers.

    They are clipped to [-1, 1], scaled by 32767 and rounded to nearest, so both ends of the range are reached without
    overflow. No dither is added: equal audio gives equal bytes, and speech at 16 bits gains nothing from dither.
    """
    scaled: Audio = np.clip(samples, -1.0, 1.0) * np.float32(32767.0)
    return np.rint(scaled).astype(np.int16)


class Coder(ABC):
    """Incremental encoder of one stretch of audio at the output rate.

    :cvar cheap: whether a second of audio is encoded fast enough to do it on the event loop.
    :ivar lag_s: seconds of audio that the coder holds back at most while streaming.
    """

    cheap: bool
    lag_s: float

    @abstractmethod
    def push(self, samples: Audio) -> None:
        """Encode the next samples, shape (N,)."""

    @abstractmethod
    def take(self) -> bytes:
        """Return the encoded bytes not taken yet; empty unless streaming."""

    @abstractmethod
    def finish(self) -> bytes:
        """End the audio and return the remaining bytes."""

    @abstractmethod
    def close(self) -> None:
        """Release all resources. Idempotent."""


@cache
def _g711_table(codec: str) -> npt.NDArray[np.uint8]:
    """Code of every 16-bit sample, by FFmpeg's encoder; indexed by the sample as an unsigned integer."""
    encoder = cast(AudioCodecContext, av.CodecContext.create(codec, "w"))
    encoder.sample_rate, encoder.layout, encoder.format = 8_000, "mono", "s16"
    samples = np.arange(2**16, dtype=np.uint16).view(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
    frame.rate = 8_000
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return np.frombuffer(b"".join(map(bytes, packets)), np.uint8)


# Format tags of WAV files, and bytes per sample.
_WAV_CODECS = {"pcm_s16le": (1, 2), "pcm_alaw": (6, 1), "pcm_mulaw": (7, 1)}


class PcmCoder(Coder):
    """16-bit little-endian PCM or G.711, with or without a WAV header.

    A streamed header states the maximum length, because the real one is not known yet; players read to the end.
    Implemented without FFmpeg, where opening a container costs more than the rest of a short request.
    """

    cheap = True
    lag_s = 0.0
    UNKNOWN = 0xFFFFFFFF

    def __init__(self, codec: str, rate_hz: int, streaming: bool, header: bool):
        self._codec = codec
        self._rate_hz = rate_hz
        self._streaming = streaming
        self._header = header
        self._parts: list[bytes] = [self._riff(None)] if header and streaming else []

    def push(self, samples: Audio) -> None:
        """See :class:`Coder`."""
        if not len(samples):
            return
        integers = to_int16(samples)
        if self._codec == "pcm_s16le":
            self._parts.append(integers.astype("<i2", copy=False).tobytes())
        else:
            self._parts.append(_g711_table(self._codec)[integers.view(np.uint16)].tobytes())

    def take(self) -> bytes:
        """See :class:`Coder`."""
        if not self._streaming:
            return b""
        data = b"".join(self._parts)
        self._parts.clear()
        return data

    def finish(self) -> bytes:
        """See :class:`Coder`."""
        if self._header and not self._streaming:
            size = sum(map(len, self._parts))
            self._parts = [self._riff(size), *self._parts, bytes(size % 2)]  # chunks have an even size
        data = b"".join(self._parts)
        self.close()
        return data

    def close(self) -> None:
        """See :class:`Coder`."""
        self._parts.clear()

    def _riff(self, data_bytes: int | None) -> bytes:
        tag, width = _WAV_CODECS[self._codec]
        layout = struct.pack("<HHIIHH", tag, 1, self._rate_hz, width * self._rate_hz, width, 8 * width)
        chunks = b"WAVE" + _chunk(b"fmt ", layout)
        if tag != 1:
            samples = (data_bytes or 0) // width  # as FFmpeg: 0 is unknown, and a maximum would be shown as the length
            chunks = b"WAVE" + _chunk(b"fmt ", layout + bytes(2)) + _chunk(b"fact", struct.pack("<I", samples))
        riff, data = self.UNKNOWN, self.UNKNOWN
        if data_bytes is not None:
            riff, data = len(chunks) + 8 + data_bytes + data_bytes % 2, data_bytes
        return b"RIFF" + struct.pack("<I", riff) + chunks + b"data" + struct.pack("<I", data)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


class AvCoder(Coder):
    """A codec of FFmpeg in its container."""

    cheap = False

    def __init__(self, fmt: AudioFormat, rate_hz: int, streaming: bool, bitrate_kbps: int | None):
        tuning = _TUNING[fmt.name]
        self._sample_format = tuning.samples
        self._rate_hz = rate_hz
        self._time_base = Fraction(1, rate_hz)
        self.lag_s = tuning.lag_s + tuning.lag_samples / rate_hz
        self._written_samples = 0
        self._done = False
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
        if bitrate_kbps is not None and fmt.bitrates_kbps:
            self._stream.bit_rate = 1000 * _nearest(fmt, rate_hz, bitrate_kbps)
        elif tuning.max_bit_rate is not None:
            self._stream.bit_rate = min(tuning.max_bit_rate, _BITS_PER_SAMPLE * rate_hz)
        self._container.start_encoding()

    def push(self, samples: Audio) -> None:
        """See :class:`Coder`."""
        for start in range(0, len(samples), _FRAME_SAMPLES):
            self._push_frame(samples[start : start + _FRAME_SAMPLES])

    def _push_frame(self, samples: Audio) -> None:
        plain = to_int16(samples) if self._sample_format == "s16" else np.clip(samples, -1.0, 1.0)
        frame = av.AudioFrame.from_ndarray(plain[np.newaxis], format=self._sample_format, layout="mono")
        frame.rate = self._rate_hz
        frame.time_base = self._time_base
        frame.pts = self._written_samples
        self._written_samples += len(samples)
        # PyAV splits the frame into the codec's frame size and keeps the rest for the next one.
        self._container.mux(self._stream.encode(frame))

    def take(self) -> bytes:
        """See :class:`Coder`."""
        return self._sink.take() if isinstance(self._sink, _Pipe) else b""

    def finish(self) -> bytes:
        """See :class:`Coder`."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        data = self._sink.getvalue()
        self.close()
        return data

    def close(self) -> None:
        """See :class:`Coder`."""
        if not self._done:
            self._done = True
            # If the sink is closed, PyAV writes no trailer.
            self._sink.close()
            self._container.close()


def _nearest(fmt: AudioFormat, rate_hz: int, bitrate_kbps: int) -> int:
    """Nearest supported bit rate in kbit/s. MP3 has a table per sample rate; AAC allows up to 6144 bits per frame."""
    if fmt.name == "mp3":
        table = next(rates for below_hz, rates in _MP3_BITRATES_KBPS if rate_hz < below_hz)
        return min(table, key=lambda known: abs(known - bitrate_kbps))
    return min(bitrate_kbps, 6 * rate_hz // 1000) if fmt.codec == "aac" else bitrate_kbps


def coder(fmt: AudioFormat, rate_hz: int, streaming: bool, bitrate_kbps: int | None = None) -> Coder:
    """Create the coder of a format.

    :param bitrate_kbps: see :class:`~gateway.audio.encode.Encoder`.
    """
    if fmt.codec in _WAV_CODECS:
        return PcmCoder(fmt.codec, rate_hz, streaming, header=fmt.has_header)
    return AvCoder(fmt, rate_hz, streaming, bitrate_kbps)
