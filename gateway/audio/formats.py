"""The audio formats the gateway answers in, and which sample rates each can carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.errors import InvalidRequest

# No codec here gains anything for speech above 48 kHz, and Opus and MP3 end there.
_ANY_RATE_HZ = range(8_000, 48_001)
_MPEG_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One format of an answer; always mono.

    :param media_type: without parameters; see :meth:`content_type`.
    :param extension: of a file name, without the dot.
    :param codec: FFmpeg's name of the encoder.
    :param container: FFmpeg's name of the muxer.
    :param rates_hz: the sample rates it can carry, ascending.
    :param bitrates_kbps: the bit rates it can be asked for; none where nothing is lost.
    """

    name: str
    media_type: str
    extension: str
    codec: str
    container: str
    rates_hz: Sequence[int]
    bitrates_kbps: range = range(0)

    def content_type(self, rate_hz: int) -> str:
        """Return the ``Content-Type`` of audio at that rate: raw samples cannot tell it themselves."""
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
    """Return the format of that name.

    :raises InvalidRequest: when there is none; the message lists those there are.
    """
    try:
        return FORMATS[name]
    except KeyError:
        known = ", ".join(FORMATS)
        raise InvalidRequest(f"there is no audio format {name!r}; there are {known}", param="format") from None


def choose_rate(fmt: AudioFormat, engine_rate_hz: int, requested_rate_hz: int | None = None) -> int:
    """Return the sample rate to answer with.

    That is the requested one. Without a request it is the engine's own; where the format cannot carry that, the
    next higher one, so that nothing audible is lost, and failing that the format's highest.

    :raises InvalidRequest: when the format cannot carry the requested rate; the message lists those it can.
    """
    if requested_rate_hz is not None:
        if requested_rate_hz not in fmt.rates_hz:
            raise InvalidRequest(
                f"{fmt.name} cannot have a sample rate of {requested_rate_hz} Hz, but {_spell(fmt.rates_hz)}",
                param="sample_rate",
            )
        return requested_rate_hz
    if engine_rate_hz in fmt.rates_hz:
        return engine_rate_hz
    return next((rate_hz for rate_hz in fmt.rates_hz if rate_hz >= engine_rate_hz), fmt.rates_hz[-1])


def check_bitrate(fmt: AudioFormat, bitrate_kbps: int | None) -> None:
    """Make sure that a format can be asked for a bit rate.

    :raises InvalidRequest: it cannot.
    """
    if bitrate_kbps is None or bitrate_kbps in fmt.bitrates_kbps:
        return
    if not fmt.bitrates_kbps:
        having = ", ".join(other.name for other in FORMATS.values() if other.bitrates_kbps)
        raise InvalidRequest(f"{fmt.name} has no bit rate to choose; {having} have", param="bitrate")
    raise InvalidRequest(
        f"{fmt.name} has bit rates from {fmt.bitrates_kbps[0]} to {fmt.bitrates_kbps[-1]} kbit/s", param="bitrate"
    )


def _spell(rates_hz: Sequence[int]) -> str:
    if isinstance(rates_hz, range):
        return f"any from {rates_hz[0]} to {rates_hz[-1]} Hz"
    return f"one of {', '.join(map(str, rates_hz))} Hz"
