"""Recordings on their way in: any audio file, from strangers, to mono float samples.

FFmpeg reads hundreds of formats, and some of them are playlists that make it open other files and URLs. Here only
plain audio containers and codecs are let near it, nothing but the uploaded bytes can be opened, and the memory that
a small file can claim is bounded.

Letters in shapes: N samples of mono audio, C channels.
"""

from __future__ import annotations

import ctypes
import functools
import io
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import av
import numpy as np
import soxr
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard

from backends.base import Audio
from gateway.errors import InvalidRequest, UnsupportedMedia

_log = logging.getLogger(__name__)

MAX_RATE_HZ = 48_000
"""Recordings above this rate are resampled to it; no engine wants more."""

_SOURCE_RATES_HZ = range(4_000, 384_001)
_MAX_CHANNELS = 8

# Honest frames have at least 64 samples. A crafted file can have one sample in each, at some 20 microseconds' work.
_MIN_MEAN_FRAME_SAMPLES = 32
_FREE_FRAMES = 1_000

# Half a minute of anything decodes in a fraction of a second. A crafted Matroska file can have megabytes copied for
# every few bytes of its own.
_MAX_CPU_S = 3.0

# Names as FFmpeg's demuxers have them; `mov` is also mp4 and m4a, `matroska` also webm.
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
    # None at all. A demuxer that starts another one need not ask _refuse_to_open, but hands this on.
    "protocol_whitelist": "",
    # A recording has one stream, perhaps with a picture or a film beside it. Each may cost _MAX_ALLOCATION_BYTES.
    "max_streams": "8",
}

_MAX_ALLOCATION_BYTES = 16 * 2**20
"""The largest single piece of memory FFmpeg may ask for, in the whole process.

Otherwise an m4a of 1 kB that claims 80 million samples makes it build a table of 3 GB. Honest audio needs far less:
this much holds the sample table of four hours of m4a.
"""

# An ID3v2.3 or 2.4 header, as FFmpeg recognises it. In the middle of audio it is as good as never there by chance.
_ID3 = re.compile(rb"ID3[\x03\x04][^\xff].[\x00-\x7f]{4}", re.DOTALL)
_ID3_HEADER_BYTES = 10
_ID3_HAS_FOOTER = 0x10


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """A decoded recording.

    :param samples: shape (N,); nominally in [-1, 1], but a file of floats may go beyond.
    """

    samples: Audio
    rate_hz: int
    duration_s: float


def decode(data: bytes, *, max_s: float, min_s: float, param: str = "audio") -> DecodedAudio:
    """Decode the first audio stream of a file, its channels averaged. Stops soon after ``max_s``.

    :param param: the request field to name in errors.
    :raises UnsupportedMedia: when the bytes are no audio file of a known kind, or a broken one.
    :raises InvalidRequest: when the audio is shorter than ``min_s`` or longer than ``max_s``.
    """
    _limit_allocations()
    pieces: list[Audio] = []
    length, rate_hz = 0, MAX_RATE_HZ
    limits = f"it has to be from {min_s:g} to {max_s:g} s long"
    try:
        for rate_hz, piece in _resampled(_mono_frames(data, param)):
            pieces.append(piece)
            length += len(piece)
            if length > max_s * rate_hz:
                raise InvalidRequest(f"the recording lasts more than {max_s:g} s; {limits}", param=param)
    except (av.FFmpegError, ValueError, OSError) as error:
        # PyAV raises the latter two for sample formats it cannot convert, and for what _refuse_to_open said.
        raise UnsupportedMedia(f"the recording is broken, or no audio file ({_reason(error)})", param=param) from error
    if not length:
        raise UnsupportedMedia("the recording has no audio in it", param=param)
    samples = np.concatenate(pieces)
    duration_s = length / rate_hz
    if duration_s < min_s:
        raise InvalidRequest(f"the recording lasts {duration_s:.2f} s; {limits}", param=param)
    return DecodedAudio(samples, rate_hz, duration_s)


def _mono_frames(data: bytes, param: str) -> Iterator[tuple[int, Audio]]:
    """Yield (sample rate, samples of shape (N,)) for each decoded frame."""
    with av.open(
        io.BytesIO(_without_id3(data)), "r", options=_OPTIONS, io_open=_refuse_to_open, metadata_errors="replace"
    ) as container:
        if not container.streams.audio:
            raise UnsupportedMedia("the file has no audio in it", param=param)
        stream = container.streams.audio[0]
        # None where FFmpeg has no decoder, which PyAV's annotations do not say.
        codec: Any = stream.codec_context
        if codec is None or codec.name not in _CODECS:
            name = "an unknown codec" if codec is None else f"the codec {codec.name!r}"
            raise UnsupportedMedia(f"the recording uses {name}, which is not accepted", param=param)
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all  # before its packets are unpacked: what they cost would be for nothing
        rate_hz, length = None, 0
        for count, frame in enumerate(_frames(container, stream, param)):
            rate_hz = rate_hz or frame.sample_rate
            length += frame.samples
            if count > _FREE_FRAMES + length / _MIN_MEAN_FRAME_SAMPLES:
                raise UnsupportedMedia("the recording is cut into too many tiny pieces", param=param)
            channels = frame.layout.nb_channels
            if frame.sample_rate != rate_hz:
                raise UnsupportedMedia("the recording changes its sample rate midway", param=param)
            if rate_hz not in _SOURCE_RATES_HZ or not 1 <= channels <= _MAX_CHANNELS:
                raise UnsupportedMedia(
                    f"the recording has {channels} channels at {rate_hz} Hz; up to {_MAX_CHANNELS} are accepted, "
                    f"from {_SOURCE_RATES_HZ[0]} to {_SOURCE_RATES_HZ[-1]} Hz",
                    param=param,
                )
            mono = _to_mono(frame, channels)
            if not np.isfinite(mono).all():
                raise UnsupportedMedia("the recording has samples that are not finite numbers", param=param)
            yield rate_hz, mono


def _frames(container: InputContainer, stream: AudioStream, param: str) -> Iterator[av.AudioFrame]:
    """Yield decoded frames for as long as the file costs no more CPU time than an honest one ever does."""
    began_s = time.thread_time()
    for packet in container.demux(stream):
        if time.thread_time() - began_s > _MAX_CPU_S:
            raise UnsupportedMedia(f"the recording takes more than {_MAX_CPU_S:g} s to decode", param=param)
        yield from packet.decode()


def _to_mono(frame: av.AudioFrame, channels: int) -> Audio:
    """Return the average of a frame's channels, shape (N,)."""
    raw = frame.to_ndarray()  # (C, N) where planar, else (1, N * C)
    if not frame.format.is_planar:
        raw = raw.reshape(-1, channels).T
    # What is not finite, or becomes so, the caller refuses; it needs no warning as well.
    with np.errstate(over="ignore", invalid="ignore"):
        floats = raw.astype(np.float32)
        if raw.dtype == np.uint8:
            floats = (floats - 128.0) / 128.0
        elif np.issubdtype(raw.dtype, np.integer):
            # 24-bit audio comes as the upper bits of 32.
            floats /= 2.0 ** (8 * raw.itemsize - 1)
        mono: Audio = floats.mean(axis=0, dtype=np.float32)
    return mono


def _resampled(frames: Iterator[tuple[int, Audio]]) -> Iterator[tuple[int, Audio]]:
    """Pass frames on at no more than ``MAX_RATE_HZ``, piece by piece, so that a high rate costs no memory."""
    resampler = None
    for rate_hz, samples in frames:
        if rate_hz <= MAX_RATE_HZ:
            yield rate_hz, samples
            continue
        resampler = resampler or soxr.ResampleStream(rate_hz, MAX_RATE_HZ, 1, dtype="float32", quality="HQ")
        yield MAX_RATE_HZ, resampler.resample_chunk(samples)
    if resampler is not None:
        yield MAX_RATE_HZ, resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _without_id3(data: bytes) -> bytes:
    """Remove ID3v2 tags: their compressed fields inflate a thousandfold in FFmpeg, and nobody reads them here."""
    start = 0
    while match := _ID3.match(data, start):
        flags, size = match[0][5], match[0][6:]
        start = match.end() + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
        start += _ID3_HEADER_BYTES if flags & _ID3_HAS_FOOTER else 0
    # WAV and AIFF may have one as a chunk. Overwritten, it is skipped, and nothing moves.
    return _ID3.sub(bytes(_ID3_HEADER_BYTES), data[start:])


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    """Answer a demuxer that wants anything but the bytes it was given."""
    raise PermissionError("it refers to another file")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@functools.cache
def _limit_allocations() -> None:
    """Set FFmpeg's limit on one allocation, which PyAV has no function for."""
    libraries = _loaded_avutil()
    for path in libraries:
        set_max_bytes = ctypes.CDLL(path).av_max_alloc
        set_max_bytes.argtypes, set_max_bytes.restype = [ctypes.c_size_t], None
        set_max_bytes(_MAX_ALLOCATION_BYTES)
    if not libraries:
        _log.warning("libavutil was not found: crafted audio files can claim gigabytes of memory")


def _loaded_avutil() -> set[str]:
    """Return the paths of the libavutil that PyAV uses: any other copy would have its own limit."""
    maps = Path("/proc/self/maps")
    if maps.exists():
        lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
        paths = {line[line.index("/") :] for line in lines if "/libavutil" in line}
        # A file replaced since it was loaded is listed with a suffix, and cannot be reached by its path.
        return {path for path in paths if Path(path).exists()}
    return {str(path) for path in Path(av.__file__).parent.glob(".dylibs/libavutil*")}
