"""Fish-Speech's codec and F5's vocoder on a CUDA device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from support.f5.synthetic import write_vocoder
from support.fish.codec import GOLDEN, random_codes, write_codec
from support.gpu_device import DEVICE

from backends.f5.vocoder import load_vocoder
from backends.fish.generation import DecoderOutput
from backends.fish.v0_2.codec.checkpoint import load_vqgan
from backends.fish.v0_2.codec.stream import StreamDecoder
from backends.fish.v0_2.codec.vqgan import VQGAN

pytestmark = pytest.mark.gpu

CPU = torch.device("cpu")
EXACT, ROUNDED = 1e-3, 1e-2
"""Differences in parts of the loudest sample, in full float32 and where convolutions round to TF32."""


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> VQGAN:
    return load_vqgan(write_codec(tmp_path_factory.mktemp("codec")), DEVICE)


@pytest.fixture
def full_float32() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz") as content:
        return dict(content)


def error(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.usefixtures("full_float32")
def test_codes_and_sound_are_the_official_ones(codec: VQGAN) -> None:
    expected = golden("codec")
    (codes,) = codec.encode([expected["audio"]])
    np.testing.assert_array_equal(codes, expected["codes"])
    for name in ("codec", "codec_decode"):
        expected = golden(name)
        (audio,) = codec.decode([expected["codes"]])
        assert error(audio, expected["audio_out"]) <= EXACT


def test_sound_is_the_official_one_as_engines_decode_it(codec: VQGAN) -> None:
    expected = golden("codec_decode")
    (audio,) = codec.decode([expected["codes"]])
    assert error(audio, expected["audio_out"]) <= ROUNDED


@pytest.mark.usefixtures("full_float32")
def test_streamed_windows_make_the_sound_of_one_pass(codec: VQGAN) -> None:
    codes = [random_codes(frames, frames) for frames in (90, 75)]
    decoder = StreamDecoder(codec)
    outputs: list[DecoderOutput] = []
    for index, one in enumerate(codes):
        for first in range(0, one.shape[1], 16):
            decoder.push(("job", index), one[:, first : first + 16], last=first + 16 >= one.shape[1])
            outputs += decoder.step()
    while len(decoder):
        outputs += decoder.step()
    assert not any(output.failure for output in outputs)
    for index, whole in enumerate(codec.decode(codes)):
        assert (
            error(np.concatenate([output.samples for output in outputs if output.key == ("job", index)]), whole)
            <= EXACT
        )


@pytest.mark.usefixtures("full_float32")
def test_the_vocoder_makes_the_sound_of_the_cpu(tmp_path: Path) -> None:
    folder = write_vocoder(tmp_path, dim=512, layers=8)
    generator = torch.Generator().manual_seed(1)
    mels = [torch.randn(frames, 100, generator=generator) - 3 for frames in (40, 97, 40)]
    found, expected = (load_vocoder(folder, device).decode(mels) for device in (DEVICE, CPU))
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, torch.Tensor)
        assert isinstance(other, torch.Tensor)
        assert error(one.numpy(), other.numpy()) <= EXACT
