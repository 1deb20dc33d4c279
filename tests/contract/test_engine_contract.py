"""What every registered engine promises, whatever it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from contract.profiles import PROFILES, Profile

from backends.base import (
    AudioChunk,
    Capabilities,
    CodesChunk,
    DecodeJob,
    EncodeJob,
    Engine,
    EngineConfig,
    Failed,
    Finished,
    Job,
)
from backends.errors import InvalidJob, LoadError
from backends.registry import Registry

MAX_STEPS = 10_000


class Bench:
    """An engine and a way to run it."""

    def __init__(self, name: str, profile: Profile, folder: Path):
        self.name = name
        self.profile = profile
        self.engine_class = Registry().engine_class(name)
        model = profile.model(folder) if callable(profile.model) else profile.model
        config = EngineConfig(name, dtype=profile.dtype, model=model, defaults=profile.defaults)
        self.engine: Engine = self.engine_class(config)
        self.capabilities: Capabilities = self.engine.load()

    def job(self, job_id: str, text: str | None = None, **fields: object) -> Job:
        return replace(Job(job_id, text or self.profile.short, seed=1), **fields)  # type: ignore[arg-type]

    def run(self, *jobs: Job, join: dict[int, Job] | None = None) -> dict[str, np.ndarray]:
        """Run jobs to their end; ``join`` adds a job before the step of that number."""
        for job in jobs:
            self.engine.add(job)
        waiting = {job.id for job in jobs} | {job.id for job in (join or {}).values()}
        audio: dict[str, list[np.ndarray]] = defaultdict(list)
        for step in range(MAX_STEPS):
            if late := (join or {}).get(step):
                self.engine.add(late)
            for event in self.engine.step():
                assert event.job_id in waiting, "an event of a job that has ended or never was"
                match event:
                    case AudioChunk():
                        audio[event.job_id].append(event.samples)
                    case Finished():
                        waiting.remove(event.job_id)
                    case Failed():
                        raise AssertionError(event.message)
            if not waiting:
                return {job_id: np.concatenate(parts) for job_id, parts in audio.items()}
        raise AssertionError(f"{waiting} did not end within {MAX_STEPS} steps")

    def same(self, a: np.ndarray, b: np.ndarray) -> bool:
        return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=self.profile.atol))


@pytest.fixture(scope="module", params=Registry().names())
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    assert request.param in PROFILES, f"add {request.param!r} to tests/contract/profiles.py"
    built = Bench(request.param, PROFILES[request.param], tmp_path_factory.mktemp(request.param))
    yield built
    built.engine.close()


def test_capabilities_are_complete(bench: Bench) -> None:
    can = bench.capabilities
    assert can.model
    assert 8000 <= can.sample_rate_hz <= 48000
    assert can.languages
    assert all(language == language.lower() and 2 <= len(language) <= 3 for language in can.languages)
    assert can.max_text_chars > 0
    assert can.max_jobs > 0
    assert can.voices or can.cloning == "required"
    jsonschema.Draft202012Validator.check_schema(can.options_schema)
    assert can.options_schema["additionalProperties"] is False
    assert bench.engine_class.summary


def test_audio_is_finite_float32_mono(bench: Bench) -> None:
    (audio,) = bench.run(bench.job("a")).values()
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    assert len(audio) > 0.1 * bench.capabilities.sample_rate_hz
    assert np.isfinite(audio).all()
    assert 0.001 < np.abs(audio).max() <= 1.5


def test_audio_streams_and_says_which_text_it_speaks(bench: Bench) -> None:
    if bench.capabilities.streaming == "none":
        return
    job = bench.job("a", bench.profile.long, stream=True)
    bench.engine.add(job)
    spans, steps_until_audio, step = [], None, 0
    while True:
        step += 1
        events = bench.engine.step()
        chunks = [event for event in events if isinstance(event, AudioChunk)]
        if chunks and steps_until_audio is None:
            steps_until_audio = step
        spans += [chunk.text_span for chunk in chunks if chunk.text_span]
        if any(isinstance(event, Finished) for event in events):
            break
    assert steps_until_audio is not None
    assert steps_until_audio < step, "no audio before the last step"
    assert all(0 <= start <= end <= len(job.text) for start, end in spans)
    assert spans == sorted(spans)


def test_the_same_seed_gives_the_same_audio(bench: Bench) -> None:
    first = bench.run(bench.job("a", seed=5))["a"]
    again = bench.run(bench.job("b", seed=5))["b"]
    np.testing.assert_array_equal(first, again)


def test_another_seed_gives_other_audio(bench: Bench) -> None:
    if bench.profile.seeded:
        first = bench.run(bench.job("a", seed=5))["a"]
        other = bench.run(bench.job("b", seed=6))["b"]
        assert first.shape != other.shape or not np.array_equal(first, other)


def test_a_crowd_changes_nothing(bench: Bench) -> None:
    alone = bench.run(bench.job("a", bench.profile.long, seed=3))["a"]
    crowd = bench.run(
        bench.job("x", seed=9),
        bench.job("a", bench.profile.long, seed=3),
        bench.job("y", bench.profile.long, seed=3),
        join={1: bench.job("z", seed=4)},
    )
    assert bench.same(crowd["a"], alone)
    assert bench.same(crowd["y"], alone)


def test_speed_shortens_and_lengthens(bench: Bench) -> None:
    seconds = {
        speed: len(bench.run(bench.job("a", bench.profile.long, speed=speed))["a"]) / bench.capabilities.sample_rate_hz
        for speed in (0.5, 1.0, 2.0, 4.0)
    }
    assert seconds[0.5] == pytest.approx(2 * seconds[1.0], rel=0.15)
    assert seconds[2.0] == pytest.approx(seconds[1.0] / 2, rel=0.2)
    assert seconds[4.0] < 0.65 * seconds[2.0]


def test_an_aborted_job_is_silent_and_the_others_go_on(bench: Bench) -> None:
    expected = bench.run(bench.job("stays", bench.profile.long))["stays"]
    bench.engine.add(bench.job("goes", bench.profile.long))
    bench.engine.step()
    bench.engine.abort("goes")
    bench.engine.abort("goes")
    bench.engine.abort("never was")
    assert bench.same(bench.run(bench.job("stays", bench.profile.long))["stays"], expected)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"options": {"no_such_option": 1}}, "options.no_such_option"),
        ({"voice": "no such voice"}, "voice"),
    ],
)
def test_a_bad_job_is_refused_by_name_and_leaves_no_trace(bench: Bench, fields: dict, param: str) -> None:
    expected = bench.run(bench.job("good", bench.profile.long))["good"]
    bench.engine.add(bench.job("good", bench.profile.long))
    with pytest.raises(InvalidJob) as caught:
        bench.engine.add(bench.job("bad", **fields))
    assert caught.value.param == param
    ended, parts = False, []
    while not ended:
        for event in bench.engine.step():
            assert event.job_id == "good"
            ended = ended or isinstance(event, Finished)
            parts += [event.samples] if isinstance(event, AudioChunk) else []
    assert bench.same(np.concatenate(parts), expected)


def test_a_job_that_fails_under_way_fails_alone(bench: Bench) -> None:
    expected = bench.run(bench.job("good", bench.profile.long))["good"]
    bench.engine.add(bench.job("bad", bench.profile.long))
    bench.profile.sabotage(bench.engine, "bad")
    bench.engine.add(bench.job("good", bench.profile.long))
    waiting, failures, parts = {"good", "bad"}, [], []
    for _ in range(MAX_STEPS):
        for event in bench.engine.step():
            assert event.job_id in waiting, "an event of a job that has ended"
            match event:
                case AudioChunk(job_id="good"):
                    parts.append(event.samples)
                case Failed():
                    failures.append((event.job_id, bool(event.message)))
                    waiting.remove(event.job_id)
                case Finished():
                    waiting.remove(event.job_id)
        if not waiting:
            break
    assert failures == [("bad", True)]
    assert bench.same(np.concatenate(parts), expected)


def test_an_engine_closes_with_jobs_under_way_and_another_serves_after_it(bench: Bench, tmp_path: Path) -> None:
    other = Bench(bench.name, bench.profile, tmp_path)
    other.engine.add(other.job("a", bench.profile.long))
    other.engine.step()
    other.engine.close()
    assert len(bench.run(bench.job("b"))["b"])


def test_text_it_cannot_speak_is_refused_with_the_languages_needed(bench: Bench) -> None:
    if bench.profile.unspeakable:
        with pytest.raises(InvalidJob) as caught:
            bench.engine.add(bench.job("bad", bench.profile.unspeakable))
        assert caught.value.param == "text"
        assert caught.value.needs_languages


@pytest.mark.parametrize("block", ["model", "defaults"])
def test_an_unknown_configuration_key_is_named_before_anything_is_loaded(bench: Bench, block: str) -> None:
    with pytest.raises(LoadError, match=rf"engines\.mine\.{block}\.no_such_key"):
        bench.engine_class(EngineConfig("mine", **{block: {"no_such_key": 1}}))


def test_a_step_without_jobs_does_nothing(bench: Bench) -> None:
    assert list(bench.engine.step()) == []


def test_a_codec_converts_there_and_back_or_is_refused(bench: Bench) -> None:
    codec, rate_hz = bench.capabilities.codec, bench.capabilities.sample_rate_hz
    sound = EncodeJob("a", np.random.default_rng(0).uniform(-0.1, 0.1, rate_hz).astype(np.float32), rate_hz)
    if codec is None:
        with pytest.raises(InvalidJob):
            bench.engine.convert(sound)
        assert list(bench.engine.step()) == []
        return
    expected = bench.run(bench.job("speaks"))["speaks"]
    made = []
    bench.engine.convert(sound)
    while not made or not isinstance(made[-1], Finished):
        made += bench.engine.step()
    codes = np.concatenate([event.codes for event in made if isinstance(event, CodesChunk)], axis=1)
    assert codes.shape == (codec.codebooks, pytest.approx(rate_hz / codec.samples_per_frame, abs=1))
    assert 0 <= codes.min() <= codes.max() < codec.codebook_size
    bench.engine.convert(DecodeJob("b", codes))
    bench.engine.convert(DecodeJob("gone", codes))
    bench.engine.abort("gone")
    bench.engine.add(bench.job("speaks"))
    parts = {"b": [], "speaks": []}
    waiting = set(parts)
    while waiting:
        for event in bench.engine.step():
            match event:
                case AudioChunk():
                    parts[event.job_id].append(event.samples)
                case Finished():
                    waiting.remove(event.job_id)
                case _:
                    raise AssertionError(event)
    assert len(np.concatenate(parts["b"])) == codes.shape[1] * codec.samples_per_frame
    assert bench.same(np.concatenate(parts["speaks"]), expected)
