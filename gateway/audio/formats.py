"""Table of output formats with their names, sample rates and bit rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.errors import InvalidRequest

# Speech gains nothing from rates above 48 kHz, the maximum of Opus and MP3.
_ANY_RATE_HZ = range(8_000, 48_001)
_MPEG_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
_TELEPHONE_RATES_HZ = (8_000,)  # G.711


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """An output format. Audio is always mono.

    :param media_type: media type without parameters; see :meth:`content_type`.
    :param extension: file name extension, without the dot.
    :param codec: FFmpeg's encoder name.
    :param container: FFmpeg's muxer name.
    :param rates_hz: supported sample rates, ascending.
    :param bitrates_kbps: range of bit rates that a request may choose; empty for formats with a fixed one.
    """

    name: str
    media_type: str
    extension: str
    codec: str
    container: str
    rates_hz: Sequence[int]
    bitrates_kbps: range = range(0)

    @property
    def has_header(self) -> bool:
        """Whether files state their sample rate."""
        return self.container not in ("s16le", "mulaw", "alaw")

    def content_type(self, rate_hz: int) -> str:
        """Return the ``Content-Type``. That of headerless audio states the sample rate."""
        return self.media_type if self.has_header else f"{self.media_type};rate={rate_hz};channels=1"


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
            AudioFormat("m4a", "audio/mp4", "m4a", "aac", "ipod", _MPEG_RATES_HZ, range(8, 289)),
            AudioFormat("webm", "audio/webm", "webm", "libopus", "webm", _OPUS_RATES_HZ, range(6, 257)),
            AudioFormat("mulaw", "audio/PCMU", "ulaw", "pcm_mulaw", "mulaw", _TELEPHONE_RATES_HZ),
            AudioFormat("alaw", "audio/PCMA", "alaw", "pcm_alaw", "alaw", _TELEPHONE_RATES_HZ),
            AudioFormat("mulaw_wav", "audio/wav", "wav", "pcm_mulaw", "wav", _TELEPHONE_RATES_HZ),
            AudioFormat("alaw_wav", "audio/wav", "wav", "pcm_alaw", "wav", _TELEPHONE_RATES_HZ),
        )
    }
)

# Names of OpenAI Realtime (pcm16, g711_ulaw, audio/pcmu), ElevenLabs (ulaw_8000), Twilio (audio/x-mulaw), Deepgram and
# Google (linear16, mulaw), SIP (pcmu) and FFmpeg (pcm_mulaw), file name extensions, and media types; in lower case.
_OTHER_NAMES = {
    "wav": "wave audio/x-wav audio/wave audio/vnd.wave",
    "mp3": "mpeg audio/mp3",
    "flac": "audio/x-flac",
    "opus": "ogg oga ogg_opus audio/opus application/ogg",
    "aac": "adts audio/aacp",
    "pcm": "raw l16 pcm16 linear16 s16le pcm_s16le audio/l16",
    "m4a": "mp4 m4b audio/m4a audio/x-m4a",
    "webm": "weba",
    "mulaw": "ulaw mu_law u_law g711_ulaw g711_mulaw ulaw_8000 mulaw_8000 pcmu pcm_mulaw ul "
    "audio/basic audio/mulaw audio/x-mulaw audio/ulaw audio/x-ulaw",
    "alaw": "a_law g711_alaw alaw_8000 pcma pcm_alaw al audio/alaw audio/x-alaw",
    "mulaw_wav": "wav_mulaw ulaw_wav wav_ulaw",
    "alaw_wav": "wav_alaw",
}


def _key(name: str) -> str:
    return name.lower().replace("-", "_")


# The last assignment wins: audio/wav is wav.
_BY_NAME: Mapping[str, AudioFormat] = {
    _key(name): fmt
    for fmt in reversed(tuple(FORMATS.values()))
    for name in (fmt.name, fmt.media_type, *_OTHER_NAMES.get(fmt.name, "").split())
}


def get_format(name: str) -> AudioFormat:
    """Return the format with this name, in any case; also by other names and by media types without parameters.

    :raises InvalidRequest: if the name is unknown; lists the known ones.
    """
    try:
        return _BY_NAME[_key(name)]
    except KeyError:
        known = ", ".join(FORMATS)
        raise InvalidRequest(f"unknown audio format {name[:40]!r}: must be one of {known}", param="format") from None


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
        raise InvalidRequest(
            f"{fmt.name} has no bit rate to choose: leave it out, or use one of {others}", param="bitrate"
        )
    raise InvalidRequest(
        f"{bitrate_kbps} kbit/s is out of range: {fmt.name} supports {fmt.bitrates_kbps[0]} to "
        f"{fmt.bitrates_kbps[-1]} kbit/s",
        param="bitrate",
    )


def _describe(rates_hz: Sequence[int]) -> str:
    if isinstance(rates_hz, range):
        return f"any from {rates_hz[0]} to {rates_hz[-1]} Hz"
    return f"one of {', '.join(map(str, rates_hz))} Hz"
