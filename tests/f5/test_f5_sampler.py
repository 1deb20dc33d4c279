"""The sampler draws what f5-tts draws, whoever else is in the batch."""

from __future__ import annotations

import pytest
import torch
from f5 import sampling
from f5.sampling import alone, drain, error, network, official_cfm, run, sample

from backends.f5.sample import Sample
from backends.f5.sampler import Sampler

EXACT = 1e-5  # float32, sums in another order
BFLOAT16 = 2e-2


def upstream(arch: str, one: Sample) -> torch.Tensor:
    """``CFM.sample`` on the same inputs."""
    made, _ = official_cfm(sampling.official(arch)).sample(
        cond=one.reference[None],
        text=torch.tensor([list(one.symbols)]),
        duration=one.frames,
        steps=one.nfe,
        cfg_strength=one.cfg_strength,
        sway_sampling_coef=one.sway or None,
        seed=one.seed,
    )
    return made[0]


@pytest.mark.parametrize("sway", [-1.0, 0.0, 0.4])
@pytest.mark.parametrize("nfe", [7, 16, 32])
@pytest.mark.parametrize("arch", ["tiny", "tiny_v0", "tiny_e2"])
def test_it_draws_what_f5_tts_draws(arch: str, nfe: int, sway: float) -> None:
    one = sample(nfe=nfe, sway=sway)
    assert error(alone(arch, one), upstream(arch, one)) < EXACT


def test_a_model_of_full_size_draws_what_f5_tts_draws() -> None:
    arch = "F5TTS_v1_Small"
    one = sample(nfe=7, frames=60)
    expected = upstream(arch, one)
    for dtype, bound in ((torch.float32, EXACT), (torch.bfloat16, BFLOAT16)):
        assert error(run(Sampler(network(arch, dtype), 10_000), one)[one.id], expected) < bound


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
)
@pytest.mark.parametrize("arch", ["tiny", "tiny_e2"])
def test_it_draws_what_f5_tts_draws_at_the_edges(arch: str, changes: dict) -> None:
    one = sample(**{"nfe": 4, **changes})
    assert error(alone(arch, one), upstream(arch, one)) < EXACT


@pytest.mark.parametrize(
    "more",
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
def test_every_architecture_of_the_two_classes_is_followed(more: dict) -> None:
    arch = {"dim": 64, "depth": 2, "heads": 2, "dim_head": 32, "ff_mult": 2, "text_dim": 32, "conv_layers": 1, **more}
    if arch.get("backbone") == "UNetT" and "conv_layers" not in more:
        del arch["text_dim"], arch["conv_layers"]
    model = sampling.random_model(arch, seed=2, vocab_size=sampling.SYMBOLS)
    one = sample(nfe=4)
    expected, _ = official_cfm(model).sample(
        cond=one.reference[None],
        text=torch.tensor([list(one.symbols)]),
        duration=one.frames,
        steps=4,
        cfg_strength=2.0,
        sway_sampling_coef=-1.0,
        seed=0,
    )
    found = run(Sampler(sampling.build(model, arch), 10_000), one)[one.id]
    assert error(found, expected[0]) < EXACT


@pytest.mark.parametrize("arch", ["tiny", "tiny_v0", "tiny_e2"])
def test_neighbours_change_nothing(arch: str) -> None:
    crowd = [
        sample(0, nfe=7),
        sample(1, frames=130, symbols=50, nfe=9),
        sample(2, frames=64, nfe=7, cfg_strength=0.0),
        sample(3, frames=64, reference=60, nfe=5, sway=0.0),
        sample(4, frames=90, nfe=7, cfg_strength=3.0),
    ]
    sampler = Sampler(network(arch), 10_000)
    mels: dict[str, torch.Tensor] = {}
    for step, joining in enumerate(([crowd[0], crowd[1]], [crowd[2]], [], [crowd[3], crowd[4]])):
        for one in joining:
            sampler.add(one)
        if step == 2:
            sampler.remove({crowd[0].id})
        mels |= {made.sample.id: made.mel for made in sampler.step()}
    mels |= drain(sampler)
    assert sorted(mels) == ["s1", "s2", "s3", "s4"]
    for one in crowd[1:]:
        assert error(mels[one.id], alone(arch, one)) < EXACT


def test_bfloat16_stays_close() -> None:
    for arch in ("tiny", "tiny_v0", "tiny_e2"):
        one = sample(nfe=16)
        rounded = run(Sampler(network(arch, torch.bfloat16), 10_000), one)[one.id]
        assert error(rounded, alone(arch, one)) < BFLOAT16


def test_the_reference_comes_back_as_it_was_given() -> None:
    one = sample(nfe=2)
    torch.testing.assert_close(alone("tiny", one)[:40], one.reference, rtol=0, atol=0)


def test_the_batch_is_bounded_by_frames_and_refilled() -> None:
    sampler = Sampler(network("tiny"), 200)
    for index in range(5):
        sampler.add(sample(index, nfe=2))  # 90 frames each
    seen = []
    while len(sampler):
        sampler.step()
        seen.append(sampler.active)
    assert max(seen) == 2
    assert len(seen) == 6


def test_a_sample_over_the_bound_is_made_alone() -> None:
    sampler = Sampler(network("tiny"), 100)
    mels = run(sampler, sample(0, nfe=2), sample(1, frames=300, nfe=2), sample(2, nfe=2))
    assert [len(mel) for mel in mels.values()] == [90, 300, 90]


def test_samples_advance_by_their_own_schedules() -> None:
    sampler = Sampler(network("tiny"), 10_000)
    sampler.add(sample(0, nfe=5))
    sampler.add(sample(1, nfe=2))
    sampler.step()
    sampler.add(sample(2, nfe=2))
    ends = {made.sample.id: step for step in range(2, 7) for made in sampler.step()}
    assert ends == {"s1": 2, "s2": 3, "s0": 5}


def test_many_schedules_are_not_all_kept() -> None:
    sampler = Sampler(network("tiny"), 10_000)
    run(sampler, *(sample(index, frames=50, nfe=index + 1) for index in range(12)))
    assert len(sampler._schedules) == 8


def test_one_shortage_does_not_leave_a_batch_of_one_short_sample() -> None:
    sampler = Sampler(Scarce(network("tiny"), 300), 10_000)
    sampler.add(sample(0, nfe=9, frames=50))
    sampler.step()
    sampler.add(sample(1, nfe=9, frames=290))
    sampler.step()
    assert sampler.active == 1
    run(sampler)
    crowd = [sample(index, nfe=2) for index in range(2, 5)]  # 90 frames each
    for one in crowd:
        sampler.add(one)
    sampler.step()
    assert sampler.active == 2


def test_who_finds_no_memory_to_start_in_keeps_its_place() -> None:
    scarce = Scarce(network("tiny"), 10_000, samples=1)
    scarce.sampler = Sampler(scarce, 10_000)
    pieces = [sample(index, nfe=2, owner="book") for index in range(4)]
    assert list(run(scarce.sampler, *pieces)) == [one.id for one in pieces]


class Scarce:
    """A network whose device has room for so many frames, and for so many samples."""

    def __init__(self, inner, frames: int, samples: int = 100):
        self._inner, self._frames, self._samples = inner, frames, samples
        self.sampler: Sampler | None = None

    def condition(self, *arguments, **options):
        if self.sampler is not None and self.sampler.active >= self._samples:
            raise torch.OutOfMemoryError("no room")
        return self._inner.condition(*arguments, **options)

    def __getattr__(self, name: str):
        return getattr(self._inner, name)

    def __call__(self, frames, plan, moments):
        if len(frames) > self._frames:
            raise torch.OutOfMemoryError("no room")
        return self._inner(frames, plan, moments)


def test_a_batch_too_large_for_the_device_becomes_smaller() -> None:
    sampler = Sampler(Scarce(network("tiny"), 200), 10_000)
    crowd = [sample(index, nfe=3) for index in range(5)]
    mels = run(sampler, *crowd)
    for one in crowd:
        assert error(mels[one.id], alone("tiny", one)) < EXACT


def test_a_sample_that_finds_no_memory_to_start_in_waits_for_others_to_leave() -> None:
    scarce = Scarce(network("tiny"), 10_000, samples=2)
    scarce.sampler = Sampler(scarce, 10_000)
    crowd = [sample(index, nfe=3) for index in range(5)]
    mels = run(scarce.sampler, *crowd)
    for one in crowd:
        assert error(mels[one.id], alone("tiny", one)) < EXACT


def test_a_sample_too_large_for_the_device_fails_alone() -> None:
    sampler = Sampler(Scarce(network("tiny"), 200), 10_000)
    for one in (sample(0, nfe=3), sample(1, frames=300, nfe=3), sample(2, nfe=3)):
        sampler.add(one)
    made = {}
    while len(sampler):
        made |= {done.sample.id: done for done in sampler.step()}
    assert made["s1"].mel is None
    assert "300 frames" in made["s1"].reason
    assert made["s0"].mel is not None
    assert made["s2"].mel is not None


def test_a_bad_sample_fails_alone() -> None:
    sampler = Sampler(network("tiny"), 10_000)
    sampler.add(sample(0, nfe=2))
    sampler.add(sample(1, nfe=2, symbols=5))
    sampler.add(sampling.replace(sample(2, nfe=2), symbols=[10_000]))
    made = {}
    while len(sampler):
        made |= {done.sample.id: done for done in sampler.step()}
    assert [made[name].mel is None for name in ("s0", "s1", "s2")] == [False, False, True]
