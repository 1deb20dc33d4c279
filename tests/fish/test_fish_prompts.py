"""Voices as codes: reading them, resampling references, encoding each content once."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from backends.base import Reference
from backends.errors import InvalidJob
from backends.fish.references import KeptCodes, References, frames_of, read_audio, read_codes, to_codec_rate

ROOM = 1000
CODES = np.arange(24).reshape(4, 6)


def npy(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def clip(digest: str, seconds: float = 0.2) -> Reference:
    return Reference(np.full(int(24000 * seconds), 0.1, np.float32), 24000, "", digest)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.int16, np.uint8])
def test_codes_of_any_integer_type_are_read(kind: type) -> None:
    codes = read_codes(npy(CODES.astype(kind)), 160, "options.prompt_tokens")
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(codes, CODES)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no .npy file"),
        (b"RIFF....WAVE", "no .npy file"),
        (npy(CODES)[:-8], "no .npy file"),
        (npy(np.array([object()])), "no .npy file"),
        (npy(CODES.astype(np.float32)), "whole numbers"),
        (npy(CODES[:3]), r"shape \(3, 6\)"),
        (npy(CODES[:, :0]), r"shape \(4, 0\)"),
        (npy(CODES[0]), r"shape \(6,\)"),
        (npy(CODES - 1), "from 0 to 159"),
        (npy(CODES + 140), "from 0 to 159"),
    ],
)
def test_what_is_no_codes_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(InvalidJob, match=why) as caught:
        read_codes(data, 160, "options.prompt_tokens")
    assert caught.value.param == "options.prompt_tokens"


def test_what_a_header_promises_is_not_believed() -> None:
    data = npy(CODES).replace(b"(4, 6), ", b"(4, 60000000000), ")
    data = data.replace(b" " * 10 + b"\n", b"\n", 1)  # the header keeps its length
    with pytest.raises(InvalidJob, match="where its header says 1920000000000"):
        read_codes(data, 160, "x")


def test_codes_written_by_columns_are_read() -> None:
    np.testing.assert_array_equal(read_codes(npy(np.asfortranarray(CODES)), 160, "x"), CODES)


def test_an_archive_of_arrays_is_refused() -> None:
    file = io.BytesIO()
    np.savez(file, CODES)
    with pytest.raises(InvalidJob, match="magic string"):
        read_codes(file.getvalue(), 160, "x")


def test_a_reference_comes_to_the_codecs_rate() -> None:
    t = np.arange(48000) / 48000
    audio = to_codec_rate(np.sin(2 * np.pi * 440 * t).astype(np.float32), 48000)
    assert audio.dtype == np.float32
    assert len(audio) == 22050
    expected = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    assert np.abs(audio - expected)[500:-500].max() < 1e-3


@pytest.mark.parametrize(
    ("audio", "why"),
    [
        (np.zeros(500, np.float32), "shorter"),
        (np.zeros(0, np.float32), "shorter"),
        (np.full(48000, np.nan, np.float32), "not numbers"),
        (np.zeros(121 * 24000, np.float32), "longer"),
    ],
)
def test_a_reference_that_is_no_voice_is_refused(audio: np.ndarray, why: str) -> None:
    with pytest.raises(InvalidJob, match=why) as caught:
        to_codec_rate(audio, 24000)
    assert caught.value.param == "reference_audio"


def test_audio_files_are_read_as_mono(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1), 16000, subtype="FLOAT")
    audio, rate_hz = read_audio(path)
    assert rate_hz == 16000
    np.testing.assert_allclose(audio, 0.125)
    (tmp_path / "text.wav").write_text("no audio")
    for name in ("text.wav", "missing.wav"):
        with pytest.raises(ValueError, match=name):
            read_audio(tmp_path / name)


def test_each_content_is_encoded_once_and_reaches_everyone_who_waits() -> None:
    references = References(KeptCodes())
    assert references.ask("a", clip("one"), ROOM) is None
    assert references.ask("b", clip("one"), ROOM) is None
    assert references.ask("c", clip("two"), ROOM) is None
    waiting = references.next()
    assert waiting is not None
    assert waiting[0] == "one"
    assert references.encoded("one", CODES) == ["a", "b"]
    np.testing.assert_array_equal(references.ask("d", clip("one"), ROOM), CODES)
    assert references.next()[0] == "two"  # type: ignore[index]


@pytest.mark.parametrize("samples", [1024, 1279, 1280, 4096, 4351, 4352, 22050])
def test_the_length_of_a_voice_is_known_before_it_is_encoded(samples: int) -> None:
    assert frames_of(samples) == -(-(samples // 256) // 4)


def test_a_voice_without_room_beside_the_text_is_refused_whether_it_is_known_or_not() -> None:
    references = References(KeptCodes())
    for room in (4, 0, -3):
        with pytest.raises(InvalidJob, match=f"5 tokens.*room for {room}") as caught:
            references.ask("a", clip("one"), room)
        assert caught.value.param == "reference_audio"
    assert references.next() is None
    assert references.ask("a", clip("one"), 5) is None
    references.encoded("one", CODES[:, :5])
    assert references.ask("a", clip("one"), 5) is not None
    with pytest.raises(InvalidJob, match=r"5 tokens.*room for 4") as caught:
        references.ask("a", clip("one"), 4)
    assert caught.value.param == "reference_audio"


def test_a_failure_is_not_kept() -> None:
    references = References(KeptCodes())
    references.ask("a", clip("one"), ROOM)
    assert references.encoded("one", None) == ["a"]
    assert references.ask("b", clip("one"), ROOM) is None
    assert references.next() is not None


def test_nobody_waits_for_what_was_aborted() -> None:
    references = References(KeptCodes())
    references.ask("a", clip("one"), ROOM)
    references.ask("b", clip("one"), ROOM)
    references.forget("a")
    assert references.next() is not None
    references.forget("b")
    references.forget("never asked")
    assert references.next() is None


def test_the_codes_kept_are_bounded_and_the_stalest_go_first() -> None:
    kept = KeptCodes(kept=2)
    kept.put("one", CODES)
    kept.put("two", CODES)
    assert kept.get("one") is not None
    kept.put("three", CODES)
    assert kept.get("two") is None
    assert kept.get("one") is not None
    assert kept.get("three") is not None
