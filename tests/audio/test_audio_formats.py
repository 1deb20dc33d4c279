from dataclasses import FrozenInstanceError

import pytest

from gateway.audio.formats import FORMATS, choose_rate, get_format
from gateway.errors import InvalidRequest


def test_table_has_six_formats():
    assert {name: (fmt.media_type, fmt.extension) for name, fmt in FORMATS.items()} == {
        "wav": ("audio/wav", "wav"),
        "mp3": ("audio/mpeg", "mp3"),
        "flac": ("audio/flac", "flac"),
        "opus": ("audio/ogg", "opus"),
        "aac": ("audio/aac", "aac"),
        "pcm": ("audio/pcm", "pcm"),
    }


def test_table_is_immutable():
    with pytest.raises(TypeError):
        FORMATS["wma"] = FORMATS["wav"]  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        FORMATS["wav"].codec = "pcm_u8"  # type: ignore[misc]


def test_only_pcm_states_its_rate_in_the_content_type():
    assert FORMATS["pcm"].content_type(24_000) == "audio/pcm;rate=24000;channels=1"
    assert FORMATS["mp3"].content_type(24_000) == "audio/mpeg"


def test_unknown_format_error_lists_the_known_ones():
    assert get_format("flac") is FORMATS["flac"]
    with pytest.raises(InvalidRequest, match=r"'ogg'.*wav, mp3, flac, opus, aac, pcm") as caught:
        get_format("ogg")
    assert caught.value.param == "format"


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
    ],
)
def test_unsupported_rate_error_lists_the_supported_ones(name, requested_rate_hz, supported):
    with pytest.raises(InvalidRequest, match=supported) as caught:
        choose_rate(FORMATS[name], 24_000, requested_rate_hz)
    assert caught.value.param == "sample_rate"
    assert str(requested_rate_hz) in caught.value.message
