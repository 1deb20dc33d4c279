"""Codec checkpoints: every form loads, and a checkpoint that does not fit is rejected by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.fish.codec import codec_tensors, random_codes, write_codec
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from backends.errors import LoadError
from backends.fish.generation import Sizes
from backends.fish.v0_2.codec.checkpoint import fill, load_vqgan
from backends.fish.v0_2.codec.hifigan import conv
from backends.fish.v0_2.codec.vqgan import VQGAN

CPU = torch.device("cpu")
Tensors = dict[str, torch.Tensor]
CODEBOOK = "vq_encoder.vq.rvqs.{}.layers.0._codebook.embed"


def load(tensors: object, folder: Path) -> VQGAN:
    torch.save(tensors, folder / "codec.pth")
    return load_vqgan(folder / "codec.pth", CPU)


def equal(one: VQGAN, other: VQGAN) -> bool:
    codes = random_codes(9)
    audio = 0.1 * np.random.default_rng(0).standard_normal(9999).astype(np.float32)
    pairs = [(one.decode([codes])[0], other.decode([codes])[0]), (one.encode([audio])[0], other.encode([audio])[0])]
    return all(np.allclose(a, b, atol=3e-6, rtol=0) for a, b in pairs)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> VQGAN:
    return load_vqgan(write_codec(tmp_path_factory.mktemp("codec"), small=True), CPU)


def test_sizes_follow_from_the_weights(small: VQGAN) -> None:
    assert small.mel_encoder.in_layers[0].in_channels == 32
    assert (small.sizes, small.codebook_size) == (Sizes(22050, 1024, 4), 160)


def test_other_numbers_of_codebooks_and_codes_load(tmp_path: Path) -> None:
    tensors = codec_tensors(small=True)
    for group in range(4):
        del tensors[CODEBOOK.format(group)]
    for group in range(2):
        tensors[CODEBOOK.format(group)] = torch.randn(1, 100, 16, generator=torch.Generator().manual_seed(group))
    codec = load(tensors, tmp_path)
    assert (codec.sizes.codebooks, codec.codebook_size) == (2, 100)
    (codes,) = codec.encode([np.linspace(-1, 1, 9999, dtype=np.float32)])
    assert codes.shape == (2, 10)
    assert codec.decode([codes])[0].shape == (10240,)


def lightning(tensors: Tensors) -> dict[str, object]:
    return {"epoch": 3, "global_step": 1, "state_dict": tensors, "optimizer_states": [{"state": {}}], "lr": 0.1}


def without_discriminator(tensors: Tensors) -> Tensors:
    return {name: value for name, value in tensors.items() if not name.startswith("discriminator.")}


@pytest.mark.parametrize("form", [lightning, without_discriminator])
def test_every_form_gives_the_same_codec(small: VQGAN, tmp_path: Path, form: Callable[[Tensors], object]) -> None:
    assert equal(load(form(codec_tensors(small=True)), tmp_path), small)


def test_half_precision_weights_compute_in_float32(tmp_path: Path) -> None:
    halved = {name: value.half() for name, value in codec_tensors(small=True).items()}
    restored = {name: value.float() for name, value in halved.items()}
    (tmp_path / "restored").mkdir()
    one, other = load(halved, tmp_path), load(restored, tmp_path / "restored")
    assert one.decode([random_codes(9)])[0].dtype == np.float32
    assert equal(one, other)


def test_safetensors_checkpoint_loads(small: VQGAN, tmp_path: Path) -> None:
    save_file(codec_tensors(small=True), tmp_path / "codec.safetensors")
    assert equal(load_vqgan(tmp_path / "codec.safetensors", CPU), small)


def test_checkpoint_without_weight_norm_loads(small: VQGAN, tmp_path: Path) -> None:
    tensors = codec_tensors(small=True)
    normed = [name.removesuffix("0") for name in tensors if name.endswith(".parametrizations.weight.original0")]
    for name in normed:
        magnitude, direction = tensors.pop(f"{name}0"), tensors.pop(f"{name}1")
        plain = torch._weight_norm(direction, magnitude, 0)
        tensors[name.replace("parametrizations.weight.original", "weight")] = plain
    assert equal(load(tensors, tmp_path), small)


@pytest.mark.parametrize("layer", [nn.Conv1d(5, 7, 3), nn.ConvTranspose1d(5, 7, 4)])
def test_weight_norm_is_folded_as_by_torch(layer: nn.Conv1d | nn.ConvTranspose1d) -> None:
    generator = torch.Generator().manual_seed(0)
    normed = weight_norm(copy.deepcopy(layer))
    tensors = {name: torch.randn(value.shape, generator=generator) for name, value in normed.state_dict().items()}
    normed.load_state_dict(tensors)
    module = nn.ModuleDict({"layer": layer})
    fill(module, {f"layer.{name}": value for name, value in tensors.items()}, Path("test"), torch.float32)
    assert dict(layer.named_parameters()).keys() == {"weight", "bias"}
    torch.testing.assert_close(layer.weight, normed.weight.detach(), atol=1e-6, rtol=1e-5)


def test_convolution_output_has_length_divided_by_stride_rounded_up() -> None:
    for kernel, dilation, stride in ((3, 1, 2), (11, 5, 1), (1, 1, 1)):
        layer = conv(3, 2, kernel, dilation, stride)
        for length in (1, 4, 7):
            assert layer(torch.ones(1, 3, length)).shape == (1, 2, -(-length // stride))


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def shaped(name: str, *shape: int) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: torch.zeros(shape)}


GATE = "decoder.in_layers.3"
MAGNITUDE, DIRECTION = "parametrizations.weight.original0", "parametrizations.weight.original1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without(f"{GATE}.bias"), f"no weights named {GATE}.bias"),
        (without(f"{GATE}.{MAGNITUDE}"), f"no weights named {GATE}.weight"),
        (without("downsample.convs.1.1.weight"), "no weights named downsample.convs.1.1.weight"),
        (without("generator.ups.2.bias"), "no weights named generator.ups.2.bias"),
        (without("generator.conv_post.bias"), "no weights named generator.conv_post.bias"),
        (without(CODEBOOK.format(0)), f"no weights named {CODEBOOK.format(0)}"),
        (without(CODEBOOK.format(2)), r"shape \(1, 160, 8\), but the architecture needs \(1, 160, 16\)"),
        (shaped(CODEBOOK.format(3), 1, 150, 8), rf"{CODEBOOK.format(3)} has shape \(1, 150, 8\).*\(1, 160, 8\)"),
        (shaped(CODEBOOK.format(0), 160, 8), r"has shape \(160, 8\), but a codebook needs"),
        (shaped(f"{GATE}.{DIRECTION}", 64, 32, 5), rf"{GATE}.{DIRECTION} has shape \(64, 32, 5\).*\(64, 32, 3\)"),
        (shaped("decoder.out_layer.weight", 128, 32, 1), r"decoder.out_layer.weight has shape.*\(80, 32, 1\)"),
        (shaped("downsample.convs.0.0.weight", 64, 128, 3), r"downsample.convs.0.0.weight has shape.*\(64, 80, 3\)"),
        (shaped("vq_encoder.vq.rvqs.0.layers.1._codebook.embed", 1, 160, 8), "no place for: vq_encoder.vq.rvqs.0.lay"),
        (shaped("generator.ups.4.bias", 2), "no place for: generator.ups.4.bias"),
        (shaped("speaker_encoder.in_layer.weight", 2, 3), "no place for: speaker_encoder.in_layer.weight"),
    ],
)
def test_tensor_that_does_not_fit_is_named(tmp_path: Path, change: Callable[[Tensors], Tensors], message: str) -> None:
    with pytest.raises(LoadError, match=f"codec.pth: .*{message}"):
        load(change(codec_tensors(small=True)), tmp_path)


def test_other_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"codec\.pth: .*is not a codec of Fish-Speech 0\.2"):
        load({"embeddings.weight": torch.zeros(2, 2)}, tmp_path)
    with pytest.raises(LoadError, match=r"codec\.pth: .*is not a codec"):
        load({"state_dict": torch.zeros(2)}, tmp_path)
    with pytest.raises(LoadError, match=r"codec\.pth: holds a list"):
        load([1, 2], tmp_path)
    with pytest.raises(LoadError, match=r"codec\.pth: refused.*loading it would run code"):
        load({"model": nn.Linear(2, 2)}, tmp_path)
    with pytest.raises(LoadError, match=r"absent\.pth: no such file"):
        load_vqgan(tmp_path / "absent.pth", CPU)
