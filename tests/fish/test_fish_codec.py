"""Parity of the codec with the official v0.2.0 modules on the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.fish import GOLDEN
from support.fish.codec import codec_tensors, decode_whole, load_synthetic, random_codes
from torch.nn import functional as F

from backends.base import Codes
from backends.errors import FatalFault
from backends.fish.v0_2.codec import vqgan
from backends.fish.v0_2.codec.mel import MIN_SAMPLES
from backends.fish.v0_2.codec.vqgan import VQGAN

TOLERANCE = 1e-4
WIDTH = 32  # channels of the small codec
ROUNDING = 3e-6  # in float32: kernels depend on the lengths of their inputs


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> VQGAN:
    return load_synthetic(tmp_path_factory.mktemp("codec"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> VQGAN:
    return load_synthetic(tmp_path_factory.mktemp("small"), small=True)


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz") as content:
        return dict(content)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(samples).astype(np.float32)


def max_error(one: np.ndarray | torch.Tensor, other: np.ndarray | torch.Tensor) -> float:
    assert one.shape == other.shape
    return float(np.abs(np.asarray(one) - np.asarray(other)).max())


@torch.inference_mode()
def test_every_stage_of_encoding_equals_the_official_one(codec: VQGAN) -> None:
    expected = golden("codec")
    mel = codec.to_mel(expected["audio"])
    assert max_error(mel, expected["mel"]) <= TOLERANCE
    features = codec.downsample(mel[None])
    assert max_error(features[0], expected["features"]) <= TOLERANCE
    encoded = codec.mel_encoder(features, valid=len(expected["audio"]) // 1024)
    assert max_error(encoded[0], expected["encoded"]) <= TOLERANCE
    (codes,) = codec.encode([expected["audio"]])
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(codes, expected["codes"])


@pytest.mark.parametrize("name", ["codec", "codec_decode"])
@torch.inference_mode()
def test_decoding_equals_the_official_one(codec: VQGAN, name: str) -> None:
    expected = golden(name)
    lookup, decoder = codec.chain.stages[:2]
    mel = decoder.run(lookup.run(codec.to_device(expected["codes"][None])))
    assert max_error(mel[0], expected["decoded_mel"]) <= TOLERANCE
    (audio,) = codec.decode([expected["codes"]])
    assert audio.dtype == np.float32
    assert max_error(audio, expected["audio_out"]) <= TOLERANCE


def masked_encoder(tensors: dict[str, torch.Tensor], x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The encoder with explicit masks, and weight norm applied at every use."""

    def conv(name: str, x: torch.Tensor, dilation: int) -> torch.Tensor:
        magnitude, direction = (tensors[f"{name}.parametrizations.weight.original{index}"] for index in (0, 1))
        weight = torch._weight_norm(direction, magnitude, 0)
        return F.conv1d(x, weight, tensors[f"{name}.bias"], padding=weight.shape[2] // 2 * dilation, dilation=dilation)

    total = torch.zeros_like(x)
    for layer in range(6):
        signal, gate = conv(f"mel_encoder.in_layers.{layer}", x, 2**layer).chunk(2, 1)
        both = conv(f"mel_encoder.res_skip_layers.{layer}", signal.tanh() * gate.sigmoid(), 1)
        if layer < 5:
            residual, both = both.chunk(2, 1)
            x = (x + residual) * mask
        total = total + both
    return total * mask


@pytest.mark.parametrize("valid", [0, 1, 20, 21])
@torch.inference_mode()
def test_encoder_masks_positions_without_a_complete_code_frame(small: VQGAN, valid: int) -> None:
    x = torch.randn(2, WIDTH, 21, generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(21) < valid).float()
    expected = masked_encoder(codec_tensors(small=True), x, mask)
    assert max_error(small.mel_encoder(x.clone(), valid), expected) <= ROUNDING


@pytest.mark.parametrize(
    "samples", [MIN_SAMPLES, 511, 512, 1024, 1279, 1280, 2047, 2048, 2303, 2304, 4096, 4351, 4352, 9999, 22050]
)
def test_incomplete_last_code_frame_is_kept(small: VQGAN, samples: int) -> None:
    frames = samples // 256
    assert small.to_mel(noise(samples)).shape == (80, frames)
    (codes,) = small.encode([noise(samples)])
    assert codes.shape == (4, -(-frames // 4)) == (4, small.frames(samples))
    assert small.decode([codes])[0].shape == (1024 * codes.shape[1],)
    if frames % 4:
        masked = torch.zeros(1, WIDTH, 1)
        np.testing.assert_array_equal(codes[:, -1:], small.vq_encoder.encode(masked)[0])


def test_quantizer_returns_the_nearest_codes(small: VQGAN) -> None:
    x = torch.randn(1, WIDTH, 50, generator=torch.Generator().manual_seed(0))
    tensors = codec_tensors(small=True)
    inner = F.conv1d(x, tensors["vq_encoder.conv_in.weight"], tensors["vq_encoder.conv_in.bias"])
    codes = small.vq_encoder.encode(x)
    for k, part in enumerate(inner[0].chunk(4)):
        vectors = tensors[f"vq_encoder.vq.rvqs.{k}.layers.0._codebook.embed"][0]
        distances = (part.T[:, None] - vectors).square().sum(-1)
        assert torch.equal(codes[0, k], distances.argmin(-1))
    assert len(codes.unique()) > 20


def test_batch_encodes_as_each_recording_alone(small: VQGAN) -> None:
    audios = [noise(samples, seed) for seed, samples in enumerate((9999, 400, 30000, 9999, 10000, 700))]
    together = small.encode(audios)
    for audio, codes in zip(audios, together, strict=True):
        np.testing.assert_array_equal(codes, small.encode([audio])[0])
    assert not np.array_equal(together[0], together[3])


def test_batch_decodes_as_each_alone(small: VQGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vqgan, "BATCH_FRAMES", 64)
    batch = [random_codes(frames, seed) for seed, frames in enumerate((15, 1, 7, 15, 0, 7, 33, 34, 33, 15))]
    for codes, audio in zip(batch, small.decode(batch), strict=True):
        assert audio.shape == (1024 * codes.shape[1],)
        if audio.size:
            assert max_error(audio, small.decode([codes])[0]) <= ROUNDING
            assert max_error(audio, decode_whole(small, codes)) <= ROUNDING
            assert np.abs(audio).max() > 0.1
    assert small.decode([]) == []
    assert small.encode([]) == []


def test_long_codes_are_decoded_in_exact_windows(small: VQGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vqgan, "BATCH_FRAMES", 48)
    codes = random_codes(2 * 48 + 3)
    assert max_error(small.decode([codes])[0], decode_whole(small, codes)) <= ROUNDING


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8])
def test_codes_of_any_integer_type_are_decoded(small: VQGAN, dtype: type[np.integer]) -> None:
    codes = random_codes(9)
    narrow = codes.astype(dtype)
    narrow.flags.writeable = False
    np.testing.assert_array_equal(small.decode([narrow])[0], small.decode([codes])[0])


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.full((4, 3), 160), "0 to 159, not 160 to 160"),
        (np.array([[0, 1]] * 3 + [[-1, 5]]), "0 to 159, not -1 to 5"),
        (np.zeros((3, 5), np.int64), r"shape \(4, T\), not int64 of \(3, 5\)"),
        (np.zeros(4, np.int64), r"shape \(4, T\)"),
        (np.zeros((1, 4, 5), np.int64), r"shape \(4, T\)"),
        (np.zeros((4, 5)), "integers"),
    ],
)
def test_invalid_codes_are_rejected(small: VQGAN, codes: Codes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small.decode([random_codes(3), codes])


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (noise(MIN_SAMPLES - 1), "384 samples is too short to encode: at least 385"),
        (noise(0), "0 samples is too short"),
        (noise(20000).reshape(2, -1), "must be mono"),
    ],
)
def test_invalid_audio_is_rejected(small: VQGAN, audio: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small.encode([noise(9999), audio])


def test_read_only_audio_is_encoded(small: VQGAN, tmp_path: Path) -> None:
    np.save(tmp_path / "audio.npy", noise(9999))
    mapped = np.load(tmp_path / "audio.npy", mmap_mode="r")
    np.testing.assert_array_equal(small.encode([mapped])[0], small.encode([noise(9999)])[0])


def test_lost_device_is_fatal(small: VQGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **__: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(small.chain, "advance", lost)
    monkeypatch.setattr(small.mel_encoder, "forward", lost)
    with pytest.raises(FatalFault, match="illegal memory access"):
        small.decode([random_codes(3)])
    with pytest.raises(FatalFault, match="illegal memory access"):
        small.encode([noise(9999)])
