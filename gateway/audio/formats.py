"""Table of output formats with their sample rates and bit rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.errors import InvalidRequest

# Speech gains nothing from rates above 48 kHz, the maximum of Opus and MP3.
_ANY_RATE_HZ = range(8_000, 48_001)
_MPEG_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """An output format. Audio is always mono.

    :param media_type: media type without parameters; see :meth:`content_type`.
    :param extension: file name extension, without the dot.
    :param codec: FFmpeg's encoder name.
    :param container: FFmpeg's muxer name.
    :param rates_hz: supported sample rates, ascending.
    :param bitrates_kbps: range of bit rates that a request may choose; empty for lossless formats.
    """

    name: str
    media_type: str
    extension: str
    codec: str
    container: str
    rates_hz: Sequence[int]
    bitrates_kbps: range = range(0)

    def content_type(self, rate_hz: int) -> str:
        """Return the ``Content-Type``. That of headerless PCM states the sample rate."""
        return f"{self.media_type};rate={rate_hz};channels=1" if self.name == "pcm" else self.media_type


FORMATS: Mapping[str, AudioFormat] = MappingProxyType(
    {
        fmt.name: fmt
        for fmt in (
            AudioFormat("wav", "audio/wav", "wav", "pcm_s16le", "wav", _ANY_RATE_HZ),
            AudioFormat("mp3", "audio/mpeg", "mp3", "libmp3lame", "mp3", _MPEG_RATES_HZ, range(8, 321)),
            AudioFormat("flac", "audio/flac", "flac", "flac", "flac", _ANY_RATE_HZ),
            AudioFormat("opus", "audio/ogg", "opus", "libopus", "ogg", _OPUS_RATES_HZ, range(6, 257)),
            AudioFormat("aac", "audio/aac", "aac", "aac", "adts", _MPEG_RATES_HZ, range(8, 289)),
            AudioFormat("pcm", "audio/pcm", "pcm", "pcm_s16le", "s16le", _ANY_RATE_HZ),
        )
    }
)


def get_format(name: str) -> AudioFormat:
    """Return the format with this name.

    :raises InvalidRequest: if the name is unknown; lists the known ones.
    """
    try:
        return FORMATS[name]
    except KeyError:
        known = ", ".join(FORMATS)
        raise InvalidRequest(f"unknown audio format {name!r}: must be one of {known}", param="format") from None


def choose_rate(fmt: AudioFormat, engine_rate_hz: int, requested_rate_hz: int | None = None) -> int:
    """Choose the output sample rate.

    The requested rate wins. The default is the engine's rate; if the format does not support it, the next higher one,
    so that nothing audible is lost, or else the format's highest.

    :raises InvalidRequest: if the format does not support the requested rate; lists the supported ones.
    """
    if requested_rate_hz is not None:
        if requested_rate_hz not in fmt.rates_hz:
            raise InvalidRequest(
                f"{fmt.name} does not support {requested_rate_hz} Hz: must be {_describe(fmt.rates_hz)}",
                param="sample_rate",
            )
        return requested_rate_hz
    if engine_rate_hz in fmt.rates_hz:
        return engine_rate_hz
    return next((rate_hz for rate_hz in fmt.rates_hz if rate_hz >= engine_rate_hz), fmt.rates_hz[-1])


def check_bitrate(fmt: AudioFormat, bitrate_kbps: int | None) -> None:
    """Check that a format supports a bit rate.

    :raises InvalidRequest: if it does not.
    """
    if bitrate_kbps is None or bitrate_kbps in fmt.bitrates_kbps:
        return
    if not fmt.bitrates_kbps:
        others = ", ".join(other.name for other in FORMATS.values() if other.bitrates_kbps)
        raise InvalidRequest(f"{fmt.name} has no bit rate: leave it out, or use one of {others}", param="bitrate")
    raise InvalidRequest(
        f"{bitrate_kbps} kbit/s is out of range: {fmt.name} supports {fmt.bitrates_kbps[0]} to "
        f"{fmt.bitrates_kbps[-1]} kbit/s",
        param="bitrate",
    )


def _describe(rates_hz: Sequence[int]) -> str:
    if isinstance(rates_hz, range):
        return f"any from {rates_hz[0]} to {rates_hz[-1]} Hz"
    return f"one of {', '.join(map(str, rates_hz))} Hz"
