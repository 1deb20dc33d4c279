from dataclasses import FrozenInstanceError

import pytest

from gateway.audio.formats import _OTHER_NAMES, FORMATS, choose_rate, get_format
from gateway.errors import InvalidRequest


def test_table_has_the_documented_formats():
    assert {name: (fmt.media_type, fmt.extension) for name, fmt in FORMATS.items()} == {
        "wav": ("audio/wav", "wav"),
        "mp3": ("audio/mpeg", "mp3"),
        "flac": ("audio/flac", "flac"),
        "opus": ("audio/ogg", "opus"),
        "aac": ("audio/aac", "aac"),
        "pcm": ("audio/pcm", "pcm"),
        "m4a": ("audio/mp4", "m4a"),
        "webm": ("audio/webm", "webm"),
        "mulaw": ("audio/PCMU", "ulaw"),
        "alaw": ("audio/PCMA", "alaw"),
        "mulaw_wav": ("audio/wav", "wav"),
        "alaw_wav": ("audio/wav", "wav"),
    }


def test_table_is_immutable():
    with pytest.raises(TypeError):
        FORMATS["wma"] = FORMATS["wav"]  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        FORMATS["wav"].codec = "pcm_u8"  # type: ignore[misc]


def test_headerless_audio_states_its_rate_in_the_content_type():
    assert FORMATS["pcm"].content_type(24_000) == "audio/pcm;rate=24000;channels=1"
    assert FORMATS["mulaw"].content_type(8_000) == "audio/PCMU;rate=8000;channels=1"
    assert FORMATS["mp3"].content_type(24_000) == "audio/mpeg"
    assert FORMATS["mulaw_wav"].content_type(8_000) == "audio/wav"


def test_unknown_format_error_lists_the_known_ones():
    assert get_format("flac") is FORMATS["flac"]
    with pytest.raises(
        InvalidRequest, match=r"'wma'.*wav, mp3, flac, opus, aac, pcm, m4a, webm, mulaw, alaw"
    ) as caught:
        get_format("wma")
    assert caught.value.param == "format"
    with pytest.raises(InvalidRequest) as caught:
        get_format("x" * 1_000_000)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (("MP3", "mpeg", "audio/mpeg", "Audio/MP3"), "mp3"),
        (("ogg", "OGG", "oga", "ogg-opus", "audio/ogg"), "opus"),
        (("mp4", "M4A", "audio/mp4", "audio/x-m4a"), "m4a"),
        (("WebM", "weba", "audio/webm"), "webm"),
        (("pcm16", "linear16", "LINEAR16", "raw", "audio/L16"), "pcm"),
        (("ulaw", "MULAW", "mu-law", "g711_ulaw", "ulaw_8000", "pcmu", "audio/pcmu", "audio/x-mulaw"), "mulaw"),
        (("A-law", "g711_alaw", "alaw_8000", "PCMA", "audio/PCMA"), "alaw"),
        (("WAV", "wave", "audio/wav", "audio/x-wav"), "wav"),
        (("ulaw_wav", "wav-mulaw"), "mulaw_wav"),
    ],
)
def test_other_names_in_any_case_mean_the_same_format(names, name):
    assert {get_format(other).name for other in names} == {name}


def test_no_two_formats_share_a_name():
    names = [name for others in _OTHER_NAMES.values() for name in others.split()]
    assert len(set(names) | set(FORMATS)) == len(names) + len(FORMATS)
    assert set(_OTHER_NAMES) <= set(FORMATS)


@pytest.mark.parametrize(
    ("name", "engine_rate_hz", "requested_rate_hz", "rate_hz"),
    [
        ("wav", 24_000, None, 24_000),
        ("wav", 24_000, 11_111, 11_111),
        ("flac", 96_000, None, 48_000),
        ("pcm", 4_000, None, 8_000),
        ("mp3", 44_100, None, 44_100),
        ("mp3", 24_000, 16_000, 16_000),
        ("opus", 44_100, None, 48_000),
        ("opus", 22_050, None, 24_000),
        ("opus", 24_000, None, 24_000),
        ("aac", 30_000, None, 32_000),
        ("aac", 96_000, None, 48_000),
        ("mulaw", 24_000, None, 8_000),
        ("alaw_wav", 44_100, None, 8_000),
        ("webm", 22_050, None, 24_000),
    ],
)
def test_default_rate_is_the_engines_or_the_next_higher(name, engine_rate_hz, requested_rate_hz, rate_hz):
    assert choose_rate(FORMATS[name], engine_rate_hz, requested_rate_hz) == rate_hz


@pytest.mark.parametrize(
    ("name", "requested_rate_hz", "supported"),
    [
        ("opus", 44_100, "one of 8000, 12000, 16000, 24000, 48000 Hz"),
        ("mp3", 96_000, "11025"),
        ("wav", 7_999, "any from 8000 to 48000 Hz"),
        ("pcm", 48_001, "any from 8000 to 48000 Hz"),
        ("flac", 0, "any from"),
        ("aac", -1, "one of"),
        ("mulaw", 16_000, "one of 8000 Hz"),
    ],
)
def test_unsupported_rate_error_lists_the_supported_ones(name, requested_rate_hz, supported):
    with pytest.raises(InvalidRequest, match=supported) as caught:
        choose_rate(FORMATS[name], 24_000, requested_rate_hz)
    assert caught.value.param == "sample_rate"
    assert str(requested_rate_hz) in caught.value.message
