"""Sampler: the same mels as f5-tts, independent of the other samples in the batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from support.f5.sampling import (
    VOCAB_SIZE,
    build_flow_model,
    drain,
    flow_model,
    official_model,
    official_sample,
    random_sample,
    relative_error,
    run,
    run_alone,
)
from support.f5.synthetic import random_model

from backends.f5.model import FlowModel
from backends.f5.sample import SampleId, SampleResult
from backends.f5.sampler import MAX_CACHED_SCHEDULES, Sampler

EXACT = 1e-5  # float32, sums in another order
BFLOAT16 = 2e-2


@pytest.mark.parametrize("sway", [-1.0, 0.0, 0.4])
@pytest.mark.parametrize("nfe", [7, 16, 32])
@pytest.mark.parametrize("arch", ["tiny", "tiny_v0", "tiny_e2"])
def test_sample_matches_f5_tts(arch: str, nfe: int, sway: float) -> None:
    sample = random_sample(nfe=nfe, sway=sway)
    assert relative_error(run_alone(arch, sample), official_sample(official_model(arch), sample)) < EXACT


def test_sample_of_a_full_size_model_matches_f5_tts() -> None:
    arch = "F5TTS_v1_Small"
    sample = random_sample(nfe=7, frames=60)
    expected = official_sample(official_model(arch), sample)
    for dtype, bound in ((torch.float32, EXACT), (torch.bfloat16, BFLOAT16)):
        found = run(Sampler(flow_model(arch, dtype), 10_000), sample)[sample.id]
        assert relative_error(found, expected) < bound


@pytest.mark.parametrize(
    "changes",
    [
        {"cfg_strength": 0.0},
        {"cfg_strength": 4.5},
        {"nfe": 1},
        {"nfe": 5},
        {"nfe": 6},
        {"nfe": 10},
        {"nfe": 12},
        {"frames": 10},  # raised to what the inputs need
        {"symbols": 80, "frames": 60},
        {"seed": 2**63 - 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("arch", ["tiny", "tiny_e2"])
def test_sample_with_extreme_inputs_matches_f5_tts(arch: str, changes: dict) -> None:
    sample = random_sample(**{"nfe": 4, **changes})
    assert relative_error(run_alone(arch, sample), official_sample(official_model(arch), sample)) < EXACT


@pytest.mark.parametrize(
    "changes",
    [
        {"qk_norm": "rms_norm"},
        {"long_skip_connection": True},
        {"text_embedding_average_upsampling": True},
        {"text_dim": None, "conv_layers": 0},
        {"pe_attn_head": 1},
        {"dim_head": 16},
        {"backbone": "UNetT", "skip_connect_type": "add"},
        {"backbone": "UNetT", "skip_connect_type": "none"},
        {"backbone": "UNetT", "text_dim": 48, "conv_layers": 2},
    ],
    ids=str,
)
def test_every_architecture_option_matches_f5_tts(changes: dict) -> None:
    arch = {
        "dim": 64,
        "depth": 2,
        "heads": 2,
        "dim_head": 32,
        "ff_mult": 2,
        "text_dim": 32,
        "conv_layers": 1,
        **changes,
    }
    if arch.get("backbone") == "UNetT" and "conv_layers" not in changes:
        del arch["text_dim"], arch["conv_layers"]
    model = random_model(arch, seed=2, vocab_size=VOCAB_SIZE)
    sample = random_sample(nfe=4)
    found = run(Sampler(build_flow_model(model, arch), 10_000), sample)[sample.id]
    assert relative_error(found, official_sample(model, sample)) < EXACT


@pytest.mark.parametrize(("packed", "bound"), [(True, EXACT), (False, 0.0)])
@pytest.mark.parametrize("arch", ["tiny", "tiny_v0", "tiny_e2"])
def test_samples_that_join_and_leave_change_no_other_sample(arch: str, packed: bool, bound: float) -> None:
    samples = [
        random_sample(0, nfe=7),
        random_sample(1, frames=130, symbols=50, nfe=9),
        random_sample(2, frames=64, nfe=7, cfg_strength=0.0),
        random_sample(3, frames=64, reference=60, nfe=5, sway=0.0),
        random_sample(4, frames=90, nfe=7, cfg_strength=3.0),
    ]
    sampler = Sampler(flow_model(arch), 10_000, packed)
    mels: dict[SampleId, torch.Tensor | None] = {}
    for step, joining in enumerate(([samples[0], samples[1]], [samples[2]], [], [samples[3], samples[4]])):
        for sample in joining:
            sampler.add(sample)
        if step == 2:
            sampler.remove({samples[0].id})
        mels |= {result.sample.id: result.mel for result in sampler.step()}
    mels |= drain(sampler)
    assert set(mels) == {sample.id for sample in samples[1:]}
    for sample in samples[1:]:
        assert relative_error(mels[sample.id], run_alone(arch, sample)) <= bound


@pytest.mark.parametrize("arch", ["tiny", "tiny_v0", "tiny_e2"])
def test_bfloat16_sample_is_close_to_float32(arch: str) -> None:
    sample = random_sample(nfe=16)
    rounded = run(Sampler(flow_model(arch, torch.bfloat16), 10_000), sample)[sample.id]
    assert relative_error(rounded, run_alone(arch, sample)) < BFLOAT16


def test_mel_starts_with_the_given_reference() -> None:
    sample = random_sample(nfe=2)
    torch.testing.assert_close(run_alone("tiny", sample)[:40], sample.reference_mel, rtol=0, atol=0)


def test_batch_is_bounded_in_frames_and_refilled() -> None:
    sampler = Sampler(flow_model("tiny"), 200)
    for index in range(5):
        sampler.add(random_sample(index, nfe=2))  # 90 frames each
    active = []
    while len(sampler):
        sampler.step()
        active.append(sampler.active)
    assert max(active) == 2
    assert len(active) == 6


def test_sample_longer_than_the_bound_runs_alone() -> None:
    sampler = Sampler(flow_model("tiny"), 100)
    mels = run(sampler, random_sample(0, nfe=2), random_sample(1, frames=300, nfe=2), random_sample(2, nfe=2))
    assert [len(mel) for mel in mels.values()] == [90, 300, 90]


def test_samples_advance_by_their_own_schedules() -> None:
    sampler = Sampler(flow_model("tiny"), 10_000)
    samples = [random_sample(0, nfe=5), random_sample(1, nfe=2), random_sample(2, nfe=2)]
    sampler.add(samples[0])
    sampler.add(samples[1])
    sampler.step()
    sampler.add(samples[2])
    ends = {result.sample.id: step for step in range(2, 7) for result in sampler.step()}
    assert ends == {samples[1].id: 2, samples[2].id: 3, samples[0].id: 5}


def test_cached_schedules_are_bounded() -> None:
    sampler = Sampler(flow_model("tiny"), 10_000)
    run(sampler, *(random_sample(index, frames=50, nfe=index + 1) for index in range(12)))
    assert len(sampler._schedules) == MAX_CACHED_SCHEDULES == 8


class LimitedMemory:
    """Wraps a flow model; raises out-of-memory errors beyond a number of frames, or of samples in the batch."""

    def __init__(self, model: FlowModel, frames: int, samples: int = 100):
        self._model, self._frames, self._samples = model, frames, samples
        self.sampler: Sampler | None = None

    def condition(self, *arguments: Any, **options: Any) -> torch.Tensor:
        if self.sampler is not None and self.sampler.active >= self._samples:
            raise torch.OutOfMemoryError("out of memory")
        return self._model.condition(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, frames: torch.Tensor, *arguments: Any) -> torch.Tensor:
        if len(frames) > self._frames:
            raise torch.OutOfMemoryError("out of memory")
        return self._model(frames, *arguments)


def limited_sampler(*, frames: int = 10_000, samples: int = 100) -> Sampler:
    model = LimitedMemory(flow_model("tiny"), frames, samples)
    model.sampler = Sampler(model, 10_000, packed=True)  # type: ignore[arg-type]
    return model.sampler


def test_bound_after_out_of_memory_is_not_that_of_one_short_sample() -> None:
    sampler = limited_sampler(frames=300)
    sampler.add(random_sample(0, nfe=9, frames=50))
    sampler.step()
    sampler.add(random_sample(1, nfe=9, frames=290))
    sampler.step()
    assert sampler.active == 1
    drain(sampler)
    for index in range(2, 5):
        sampler.add(random_sample(index, nfe=2))  # 90 frames each
    sampler.step()
    assert sampler.active == 2


def test_sample_that_cannot_start_for_lack_of_memory_keeps_its_place() -> None:
    samples = [random_sample(index, nfe=2, job="book") for index in range(4)]
    assert list(run(limited_sampler(samples=1), *samples)) == [sample.id for sample in samples]


@pytest.mark.parametrize("limit", [{"frames": 200}, {"samples": 2}], ids=str)
def test_samples_finish_in_smaller_batches_after_out_of_memory(limit: dict) -> None:
    samples = [random_sample(index, nfe=3) for index in range(5)]
    mels = run(limited_sampler(**limit), *samples)
    for sample in samples:
        assert relative_error(mels[sample.id], run_alone("tiny", sample)) < EXACT


def results_of(sampler: Sampler) -> dict[SampleId, SampleResult]:
    results = {}
    while len(sampler):
        results |= {result.sample.id: result for result in sampler.step()}
    return results


def test_sample_too_large_for_the_device_fails_alone() -> None:
    sampler = limited_sampler(frames=200)
    samples = [random_sample(0, nfe=3), random_sample(1, frames=300, nfe=3), random_sample(2, nfe=3)]
    for sample in samples:
        sampler.add(sample)
    results = results_of(sampler)
    assert [results[sample.id].mel is None for sample in samples] == [False, True, False]
    assert "300 frames" in results[samples[1].id].error


def test_sample_with_invalid_symbols_fails_alone() -> None:
    sampler = Sampler(flow_model("tiny"), 10_000)
    samples = [random_sample(0, nfe=2), random_sample(1, nfe=2, symbols=5)]
    samples.append(replace(random_sample(2, nfe=2), text_ids=[10_000]))
    for sample in samples:
        sampler.add(sample)
    results = results_of(sampler)
    assert [results[sample.id].mel is None for sample in samples] == [False, False, True]
