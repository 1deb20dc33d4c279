"""Decoder for audio files: bytes to mono float samples. It runs in a child process, see ``decoder_process.py``.

FFmpeg reads hundreds of formats, and some are playlists that make it open other files and URLs. Only plain audio
containers and codecs are allowed here, and only the bytes themselves can be opened.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import av
import numpy as np
import numpy.typing as npt
import soxr
from av.stream import Discard

from backends.base import Audio
from gateway.errors import InvalidRequest, UnsupportedMedia

MAX_RATE_HZ = 48_000
"""Recordings with a higher rate are resampled to this one; no engine uses more."""

ACCEPTED_FORMATS = "WAV, FLAC, MP3, Ogg (Opus, Vorbis), M4A/MP4, AAC, WebM, AIFF, AU, CAF and AMR"

_SOURCE_RATES_HZ = range(4_000, 384_001)
_MAX_CHANNELS = 8

# Names of FFmpeg's demuxers; `mov` includes mp4 and m4a, `matroska` includes webm.
_CONTAINERS = ("aac", "aiff", "amr", "au", "caf", "flac", "matroska", "mov", "mp3", "ogg", "w64", "wav")
_CODECS = frozenset(
    [
        *(f"pcm_{kind}{order}" for kind in ("s16", "s24", "s32", "f32", "f64") for order in ("le", "be")),
        *("pcm_u8", "pcm_s8", "pcm_alaw", "pcm_mulaw", "adpcm_ima_wav", "adpcm_ms"),
        *("aac", "alac", "amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb", "flac", "libopus", "opus"),
        *("mp2", "mp2float", "mp3", "mp3float", "vorbis"),
    ]
)

_OPTIONS = {
    "format_whitelist": ",".join(_CONTAINERS),
    "codec_whitelist": ",".join(sorted(_CODECS)),
    # No protocols. A nested demuxer may not call _refuse_to_open, but inherits this option.
    "protocol_whitelist": "",
    # A recording has one audio stream, perhaps with a picture or video.
    "max_streams": "8",
}


def decode_file(data: bytes, *, max_s: float, min_s: float) -> tuple[Audio, int]:
    """Decode the first audio stream of a file and average its channels. Stops soon after ``max_s``.

    Channels that cancel each other, such as two in opposite phase, give the loudest channel instead.

    :returns: samples of shape (N,), and their rate in Hz.
    :raises UnsupportedMedia: if the bytes are not an audio file of an accepted format, or the file is broken.
    :raises InvalidRequest: if the audio is shorter than ``min_s`` or longer than ``max_s``.
    """
    power = _ChannelPower()
    audio = _decode(data, max_s, min_s, power)
    return _decode(data, max_s, min_s, power, power.loudest) if power.cancels else audio


@dataclass
class _ChannelPower:
    """Energy of the channels of a file, shape (C,), and of their average."""

    channels: npt.NDArray[np.float64] | None = None
    average: float = 0.0

    def add(self, channels: Audio, average: Audio) -> None:
        """Add a frame, shape (C, N), and the average of its channels, shape (N,)."""
        if self.channels is not None and len(self.channels) != len(channels):
            return  # the layout changes midway, which hardly any file does
        energy = np.einsum("cn,cn->c", channels, channels, dtype=np.float64)
        self.channels = energy if self.channels is None else self.channels + energy
        self.average += float(np.einsum("n,n->", average, average, dtype=np.float64))

    @property
    def loudest(self) -> int:
        """Index of the loudest channel."""
        return 0 if self.channels is None else int(self.channels.argmax())

    @property
    def cancels(self) -> bool:
        """Whether the average is 3 dB quieter than the loudest channel alone would make it."""
        if self.channels is None:
            return False
        return self.average < 0.5 * float(self.channels.max()) / len(self.channels) ** 2


def _decode(
    data: bytes, max_s: float, min_s: float, power: _ChannelPower, channel: int | None = None
) -> tuple[Audio, int]:
    """Decode one channel, or the average of all."""
    chunks: list[Audio] = []
    length, rate_hz = 0, MAX_RATE_HZ
    limits = f"must be from {min_s:g} to {max_s:g} s long"
    try:
        for rate_hz, chunk in _resampled(_mono_frames(data, power, channel)):
            chunks.append(chunk)
            length += len(chunk)
            if length > max_s * rate_hz:
                raise InvalidRequest(f"the recording is longer than {max_s:g} s: {limits}")
    except (av.FFmpegError, ValueError, OSError) as error:
        # PyAV raises ValueError for sample formats it cannot convert, and passes on the error of _refuse_to_open.
        raise UnsupportedMedia(
            f"not an audio file of an accepted format, or a broken one ({_reason(error)}); accepted: {ACCEPTED_FORMATS}"
        ) from error
    if not length:
        raise UnsupportedMedia("the recording contains no audio")
    samples = np.concatenate(chunks)
    duration_s = length / rate_hz
    if duration_s < min_s:
        raise InvalidRequest(f"the recording is {duration_s:.2f} s long: {limits}")
    return samples, rate_hz


def _mono_frames(data: bytes, power: _ChannelPower, channel: int | None) -> Iterator[tuple[int, Audio]]:
    """Yield (sample rate, samples of shape (N,)) for each decoded frame."""
    with av.open(
        io.BytesIO(data), "r", options=_OPTIONS, io_open=_refuse_to_open, metadata_errors="replace"
    ) as container:
        if not container.streams.audio:
            raise UnsupportedMedia(f"the file contains no audio; accepted: {ACCEPTED_FORMATS}")
        stream = container.streams.audio[0]
        # None if FFmpeg has no decoder; missing in PyAV's annotations.
        codec: Any = stream.codec_context
        if codec is None or codec.name not in _CODECS:
            name = "an unknown codec" if codec is None else f"the codec {codec.name!r}"
            raise UnsupportedMedia(f"the recording uses {name}, which is not accepted; accepted: {ACCEPTED_FORMATS}")
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all  # before its packets are unpacked, which can be costly
        rate_hz = None
        for frame in container.decode(stream):
            rate_hz = rate_hz or frame.sample_rate
            channels = frame.layout.nb_channels
            if frame.sample_rate != rate_hz:
                raise UnsupportedMedia("the recording changes its sample rate midway")
            if rate_hz not in _SOURCE_RATES_HZ or not 1 <= channels <= _MAX_CHANNELS:
                raise UnsupportedMedia(
                    f"the recording has {channels} channels at {rate_hz} Hz; up to {_MAX_CHANNELS} are accepted, "
                    f"from {_SOURCE_RATES_HZ[0]} to {_SOURCE_RATES_HZ[-1]} Hz"
                )
            samples = _to_floats(frame, channels)
            with np.errstate(over="ignore", invalid="ignore"):
                mono: Audio = samples.mean(axis=0, dtype=np.float32) if channel is None else _pick(samples, channel)
            if not np.isfinite(mono).all():
                raise UnsupportedMedia("the recording has samples that are NaN or infinite")
            if channels > 1 and channel is None:
                power.add(samples, mono)
            yield rate_hz, mono


def _pick(samples: Audio, channel: int) -> Audio:
    """One channel of a frame, shape (N,); the last one if the frame has fewer."""
    picked: Audio = np.ascontiguousarray(samples[min(channel, len(samples) - 1)])
    return picked


def _to_floats(frame: av.AudioFrame, channels: int) -> Audio:
    """Samples of a frame, shape (C, N)."""
    raw = frame.to_ndarray()  # (channels, N) if planar, else (1, N * channels)
    if not frame.format.is_planar:
        raw = raw.reshape(-1, channels).T
    # The caller rejects samples that are not finite; no warning is needed.
    with np.errstate(over="ignore", invalid="ignore"):
        floats: Audio = raw.astype(np.float32)
        if raw.dtype == np.uint8:
            floats = (floats - 128.0) / 128.0
        elif np.issubdtype(raw.dtype, np.integer):
            # FFmpeg decodes 24-bit audio to the upper bits of 32.
            floats /= 2.0 ** (8 * raw.itemsize - 1)
    return floats


def _resampled(frames: Iterator[tuple[int, Audio]]) -> Iterator[tuple[int, Audio]]:
    """Resample frames above ``MAX_RATE_HZ`` chunk by chunk, so that a high rate takes no extra memory."""
    resampler = None
    for rate_hz, samples in frames:
        if rate_hz <= MAX_RATE_HZ:
            yield rate_hz, samples
            continue
        resampler = resampler or soxr.ResampleStream(rate_hz, MAX_RATE_HZ, 1, dtype="float32", quality="HQ")
        yield MAX_RATE_HZ, resampler.resample_chunk(samples)
    if resampler is not None:
        yield MAX_RATE_HZ, resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    """Reject a demuxer's attempt to open another file or a URL."""
    raise PermissionError("it refers to another file")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
