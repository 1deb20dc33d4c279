"""References: reading codes and audio, resampling, encoding each recording once."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from backends.base import Reference
from backends.errors import InvalidJob
from backends.fish.generation import Sizes
from backends.fish.references import ReferenceEncoder, read_audio, read_codes, resample

SIZES = Sizes(22050, 1024, 4)
MAX_FRAMES = 1000
CODES = np.arange(24).reshape(4, 6)


def npy(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def clip(digest: str, seconds: float = 0.2) -> Reference:
    return Reference(np.full(int(24000 * seconds), 0.1, np.float32), 24000, "", digest)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.int16, np.uint8])
def test_codes_of_any_integer_type_are_read(kind: type) -> None:
    codes = read_codes(npy(CODES.astype(kind)), 4, 160, "options.prompt_tokens")
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(codes, CODES)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not an .npy file"),
        (b"RIFF....WAVE", "not an .npy file"),
        (npy(CODES)[:-8], "not an .npy file"),
        (npy(np.array([object()])), "not an .npy file"),
        (npy(CODES.astype(np.float32)), "integers"),
        (npy(CODES[:3]), r"shape \(3, 6\)"),
        (npy(CODES[:, :0]), r"shape \(4, 0\)"),
        (npy(CODES[0]), r"shape \(6,\)"),
        (npy(CODES - 1), "from 0 to 159"),
        (npy(CODES + 140), "from 0 to 159"),
    ],
)
def test_invalid_codes_are_rejected(data: bytes, why: str) -> None:
    with pytest.raises(InvalidJob, match=why) as caught:
        read_codes(data, 4, 160, "options.prompt_tokens")
    assert caught.value.param == "options.prompt_tokens"


def test_npy_header_with_an_impossible_size_is_rejected() -> None:
    data = npy(CODES).replace(b"(4, 6), ", b"(4, 60000000000), ")
    data = data.replace(b" " * 10 + b"\n", b"\n", 1)  # the header keeps its length
    with pytest.raises(InvalidJob, match="but its header says 1920000000000"):
        read_codes(data, 4, 160, "x")


def test_codes_in_fortran_order_are_read() -> None:
    np.testing.assert_array_equal(read_codes(npy(np.asfortranarray(CODES)), 4, 160, "x"), CODES)


def test_archive_of_arrays_is_rejected() -> None:
    file = io.BytesIO()
    np.savez(file, CODES)
    with pytest.raises(InvalidJob, match="magic string"):
        read_codes(file.getvalue(), 4, 160, "x")


def test_reference_is_resampled_to_the_codecs_rate() -> None:
    t = np.arange(48000) / 48000
    audio = resample(np.sin(2 * np.pi * 440 * t).astype(np.float32), 48000, SIZES)
    assert audio.dtype == np.float32
    assert len(audio) == 22050
    expected = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    assert np.abs(audio - expected)[500:-500].max() < 1e-3


@pytest.mark.parametrize(
    ("audio", "why"),
    [
        (np.zeros(500, np.float32), "shorter"),
        (np.zeros(0, np.float32), "shorter"),
        (np.full(48000, np.nan, np.float32), "NaN or infinite"),
        (np.zeros(121 * 24000, np.float32), "longer"),
    ],
)
def test_unusable_reference_is_rejected(audio: np.ndarray, why: str) -> None:
    with pytest.raises(InvalidJob, match=why) as caught:
        resample(audio, 24000, SIZES)
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


class FakeCodec:
    """Returns codes without encoding."""

    sizes = SIZES

    def __init__(self, codes: np.ndarray = CODES):
        self.codes = codes
        self.broken = False
        self.encoded = 0

    def frames(self, samples: int) -> int:
        return -(-samples // 1024)

    def encode(self, audios: list[np.ndarray]) -> list[np.ndarray]:
        if self.broken:
            raise RuntimeError("no memory")
        self.encoded += len(audios)
        return [self.codes for _ in audios]


def reference_encoder(codec: FakeCodec) -> ReferenceEncoder:
    return ReferenceEncoder(codec)  # type: ignore[arg-type]


def test_each_reference_is_encoded_once_for_all_waiting_jobs() -> None:
    codec = FakeCodec()
    encoder = reference_encoder(codec)
    assert encoder.request("a", clip("one"), MAX_FRAMES) is None
    assert encoder.request("b", clip("one"), MAX_FRAMES) is None
    assert encoder.request("c", clip("two"), MAX_FRAMES) is None
    encoded = encoder.step()
    assert encoded is not None
    assert encoded.job_ids == ["a", "b"]
    np.testing.assert_array_equal(encoded.codes, CODES)
    np.testing.assert_array_equal(encoder.request("d", clip("one"), MAX_FRAMES), CODES)
    assert encoder.step().job_ids == ["c"]  # type: ignore[union-attr]
    assert encoder.step() is None
    assert codec.encoded == 2


def test_voice_that_does_not_fit_is_rejected_before_and_after_encoding() -> None:
    encoder = reference_encoder(FakeCodec(CODES[:, :5]))
    for room in (4, 0, -3):
        with pytest.raises(InvalidJob, match=f"5 tokens.*room for {room};") as caught:
            encoder.request("a", clip("one"), room)
        assert caught.value.param == "reference_audio"
    assert not len(encoder)
    assert encoder.request("a", clip("one"), 5) is None
    encoder.step()
    assert encoder.request("a", clip("one"), 5) is not None
    with pytest.raises(InvalidJob, match=r"5 tokens.*room for 4;") as caught:
        encoder.request("a", clip("one"), 4)
    assert caught.value.param == "reference_audio"


def test_failure_is_not_cached() -> None:
    codec = FakeCodec()
    codec.broken = True
    encoder = reference_encoder(codec)
    encoder.request("a", clip("one"), MAX_FRAMES)
    encoded = encoder.step()
    assert encoded is not None
    assert (encoded.job_ids, encoded.codes) == (["a"], None)
    assert "no memory" in encoded.failure
    assert encoder.request("b", clip("one"), MAX_FRAMES) is None
    assert len(encoder) == 1


def test_reference_of_cancelled_jobs_leaves_the_queue() -> None:
    encoder = reference_encoder(FakeCodec())
    encoder.request("a", clip("one"), MAX_FRAMES)
    encoder.request("b", clip("one"), MAX_FRAMES)
    encoder.cancel("a")
    assert len(encoder) == 1
    encoder.cancel("b")
    encoder.cancel("unknown")
    assert not len(encoder)
