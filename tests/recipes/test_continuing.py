"""Further training: from an exported model, on new shards, on another machine and on a GPU."""

from __future__ import annotations

import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from backends.errors import LoadError
from backends.fish.v0_2.codec.checkpoint import load_vqgan
from backends.fish.v0_2.codec.mel import LogMel
from backends.fish.v0_2.config import FRAME_SAMPLES
from recipes import kit
from recipes.common.arrivals import Arrivals
from recipes.common.export import to_float16
from recipes.common.optim import Average, Optimizer
from recipes.common.workspace import HELD_OUT_SHARD
from recipes.f5_mini import dit, flow, sequences, train
from recipes.f5_mini import export as f5_export
from recipes.f5_mini.exported import CHECKPOINT_FILE, read_flow
from recipes.fish_mini import columns, lm
from recipes.fish_mini import export as fish_export
from recipes.fish_mini.exported import CODEC_FILE, LM_FILE, UNUSED_IN_TRAINING, load_generator, load_mel_codec, read_lm

F5, FISH = kit.ASSETS
GPU = torch.device("cuda:0")


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        torch.testing.assert_close(found[name], value, atol=0, rtol=0, msg=name)


def test_flow_export_of_an_exported_flow_is_identical(tmp_path: Path) -> None:
    f5_export.write_flow(read_flow(F5), tmp_path)
    assert_same(load_file(tmp_path / CHECKPOINT_FILE), load_file(F5 / CHECKPOINT_FILE))


def test_lm_export_of_an_exported_lm_is_identical() -> None:
    made = to_float16(fish_export.lm_tensors(read_lm(FISH), buffers=False))
    assert_same(made, torch.load(FISH / LM_FILE, weights_only=True))


def test_codec_export_of_an_exported_codec_is_equal_up_to_rounding() -> None:
    lower, upper = load_mel_codec(FISH).state_dict(), load_generator(FISH).state_dict()
    made, expected = (
        to_float16(fish_export.codec_tensors(lower, upper)),
        torch.load(FISH / CODEC_FILE, weights_only=True),
    )
    assert made.keys() == expected.keys()
    for name, value in expected.items():  # length and direction are rounded separately
        torch.testing.assert_close(made[name], value, atol=1e-7, rtol=2**-10, msg=name)


def test_phone_head_after_start_from_an_export_gives_no_gradient() -> None:
    learner = flow.Learner()
    train.start_from(learner, F5)
    features = torch.randn(2, 5, 256, requires_grad=True)
    learner.phones(features).square().sum().backward()
    assert not features.grad.any()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights packed and unpacked again."""
    folder = tmp_path_factory.mktemp("kit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kit, "sentences", lambda: "Go on.\n")
        kit.pack(folder / "train.zip")
    kit.unpack(folder / "train.zip", folder / "start")
    return folder


def test_unpacked_kit_has_identical_weights(packed: Path) -> None:
    assert_same(load_file(packed / "start" / CHECKPOINT_FILE), load_file(F5 / CHECKPOINT_FILE))
    for name in (LM_FILE, CODEC_FILE):
        expected = torch.load(FISH / name, weights_only=True)
        kept = {key: value for key, value in expected.items() if not key.startswith(UNUSED_IN_TRAINING)}
        assert_same(torch.load(packed / "start" / name, weights_only=True), kept)
    with zipfile.ZipFile(packed / "train.zip") as archive:
        assert archive.read("sentences.txt") == b"Go on.\n"
    assert (packed / "train.zip").stat().st_size < 42 * kit.MIB  # with 20 MiB of wheels and the tree: less than 64


def test_encoder_of_an_unpacked_kit_gives_the_engines_codes(packed: Path) -> None:
    samples = (np.random.default_rng(0).normal(0, 0.1, 20 * FRAME_SAMPLES)).astype(np.float32)
    (expected,) = load_vqgan(FISH / CODEC_FILE, torch.device("cpu")).encode([samples])
    found = load_mel_codec(packed / "start").encode(LogMel()(torch.from_numpy(samples)[None]))[0].numpy()
    inner = slice(None, -4)  # the engine masks the frames after the end
    assert np.mean(found[:, : expected.shape[1]][:, inner] == expected[:, inner]) > 0.99


def test_checkpoint_without_encoder_tensors_raises(tmp_path: Path) -> None:
    whole = torch.load(FISH / CODEC_FILE, weights_only=True)
    torch.save({name: value for name, value in whole.items() if "downsample" not in name}, tmp_path / CODEC_FILE)
    with pytest.raises(LoadError, match=r"vqgan-fish-mini\.pth: has no weights named downsample"):
        load_mel_codec(tmp_path)


def test_arrivals_returns_each_new_shard_once(tmp_path: Path) -> None:
    def write(name: str) -> None:
        (tmp_path / f"{name}.npz").touch()

    arrivals = Arrivals(tmp_path, lambda name: [name])
    with pytest.raises(TimeoutError, match=r"0 shards after 0 s, 2 needed"):
        arrivals.first(1, patience_s=0)
    write("shard_000")

    def later() -> None:
        time.sleep(0.3)
        write(HELD_OUT_SHARD)

    threading.Thread(target=later).start()
    assert arrivals.first(1, patience_s=60) == ["shard_000"]
    assert arrivals() == []
    write("shard_001")
    write("shard_002.part")
    assert arrivals() == ["shard_001"]


def utterances(count: int) -> list[columns.Utterance]:
    codes = np.zeros((4, 5), np.uint8)
    return [columns.Utterance(np.ones(3, np.int16), codes, np.zeros(5, np.int16), index > 0) for index in range(count)]


def test_sequences_include_utterances_that_arrive_later() -> None:
    more = [utterances(3)]
    drawn = columns.Sequences(utterances(2), seed=0, more=lambda: more.pop() if more else [])
    assert drawn.size == 1  # the other one is altered
    next(iter(drawn))
    assert drawn.size == 3


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeTensorMode:
    """Tensors with a device and a shape but no values: an operation on two devices raises, as on a GPU."""
    monkeypatch.setattr(Tensor, "__int__", lambda tensor: 4)
    return FakeTensorMode(shape_env=ShapeEnv())


def assert_steps_on_gpu(model: nn.Module, matrices: set[str], losses: dict[str, Tensor]) -> None:
    assert {value.device for value in losses.values()} == {GPU}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer, average = Optimizer(model, matrices, 0.02, 1e-3), Average(model)
    optimizer._muon.step(1.0)
    optimizer._adam.step()
    average.update(model)


def test_flow_step_on_gpu_uses_no_other_device(gpu: FakeTensorMode) -> None:
    with gpu:
        with GPU:
            learner = flow.Learner()
        long = torch.zeros(2, 40, dtype=torch.long)
        batch = sequences.Batch(
            torch.zeros(2, 40, 100),
            torch.ones(2, 9, dtype=torch.long),
            long,
            long > 0,
            long,
            torch.stack((long,) * 2, -1),
        ).to(GPU)
        chosen = torch.zeros(2, dtype=torch.bool, device=GPU)
        at = flow.Draw(torch.zeros(2, device=GPU), torch.zeros(2, 40, 100, device=GPU), chosen, chosen)
        assert_steps_on_gpu(learner, dit.matrices(learner), flow.losses(learner, batch, at, with_auxiliary=True))


def test_lm_step_on_gpu_uses_no_other_device(gpu: FakeTensorMode) -> None:
    with gpu:
        with GPU:
            model = lm.build_lm()
            for name, constant in model.named_buffers():
                model.register_buffer(name, constant.to(GPU), persistent=False)
        long = torch.zeros(2, 20, dtype=torch.long)
        batch = columns.Batch(torch.stack((long,) * 5, -1), long, torch.stack((long,) * 4, -1), long, 40).to(GPU)
        found = lm.losses(model, batch.ids, batch.text, batch.codes, batch.phone_columns, guided=True)
        assert_steps_on_gpu(model, lm.matrices(model), found)
