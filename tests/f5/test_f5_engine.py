"""Engine: references, chunk order, failures and cancellation, with a tiny model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from support.f5.sampling import write_model

from backends.base import AudioChunk, EngineConfig, Event, Failed, Finished, Job, Reference
from backends.common.seeds import piece_seed
from backends.errors import FatalFault, InvalidJob, LoadError
from backends.f5.chunking import duration_frames
from backends.f5.config import HOP_SAMPLES, RATE_HZ
from backends.f5.engine import F5Engine
from backends.f5.plugin import F5Plugin

TEXT = "The first sentence is long enough to be heard. The second one follows at once, and it has two clauses. "


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[F5Engine]:
    model = write_model(tmp_path_factory.mktemp("f5"), "tiny")
    built = F5Plugin(EngineConfig("f5", device="cpu", dtype="float32", model=model, defaults={"nfe": 2})).load()
    yield built
    built.close()


def tone(seconds: float = 2.0, rate_hz: int = 16000, level: float = 0.3) -> np.ndarray:
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * 180 * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 2).astype(np.float32)


def reference(**fields: object) -> Reference:
    return replace(Reference(tone(), 16000, "A clip of some two seconds.", "digest"), **fields)  # type: ignore[arg-type]


def events_of(engine: F5Engine, *jobs: Job) -> list[Event]:
    for job in jobs:
        engine.add(job)
    events: list[Event] = []
    while sum(isinstance(event, Finished | Failed) for event in events) < len(jobs):
        events += engine.step()
    return events


def audio_of(events: list[Event], job_id: str) -> np.ndarray:
    chunks = [event for event in events if isinstance(event, AudioChunk) and event.job_id == job_id]
    return np.concatenate([chunk.samples for chunk in chunks])


def speak(engine: F5Engine, job: Job) -> np.ndarray:
    return audio_of(events_of(engine, job), job.id)


def test_audio_has_the_predicted_length(engine: F5Engine) -> None:
    encoded = engine._loaded.references.get(reference())
    text = "A sentence of moderate length."
    frames = duration_frames(encoded.frames, encoded.text, text, 1.0) - encoded.frames
    audio = speak(engine, Job("a", text, seed=1, reference=reference()))
    assert len(audio) == (frames - 1) * HOP_SAMPLES


@pytest.mark.parametrize("voice", ["basic_en", "basic_zh"])
def test_package_voice_speaks(engine: F5Engine, voice: str) -> None:
    assert len(speak(engine, Job("a", "Hello, 你好。", seed=1, voice=voice)))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"reference": reference(text="  ", digest="empty")}, "reference_text"),
        ({"reference": reference(audio=np.zeros(16000, np.float32), digest="silent")}, "reference_audio"),
        ({"reference": reference(audio=tone(10.0), text="x", digest="short"), "text": TEXT}, "reference_text"),
        ({"reference": reference(text="much too long " * 70, digest="long"), "text": TEXT * 400}, "reference_text"),
        ({"voice": "nobody"}, "voice"),
        ({"text": "?!"}, "text"),
        ({"text": "Schön ქ"}, "text"),
        ({"options": {"nfe": 0}}, "options.nfe"),
        ({"options": {"nfe": 65}}, "options.nfe"),
        ({"options": {"sway": 1.5}}, "options.sway"),
        ({"options": {"fix_duration_s": 1.0}, "reference": reference()}, "options.fix_duration_s"),
        ({"options": {"fix_duration_s": 90.0}}, "options.fix_duration_s"),
        ({"options": {"steps": 3}}, "options.steps"),
    ],
)
def test_invalid_job_is_rejected_by_param(engine: F5Engine, fields: dict, param: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        engine.add(Job(**{"id": "bad", "text": "Hello there.", "seed": 1, **fields}))
    assert caught.value.param == param
    assert not engine.step()


def test_fixed_duration_is_kept(engine: F5Engine) -> None:
    ref_s = engine._loaded.references.builtin("basic_en").duration_s
    audio = speak(engine, Job("a", "Hello there.", seed=1, options={"fix_duration_s": 9.0}))
    assert len(audio) / RATE_HZ == pytest.approx(9.0 - ref_s, abs=0.03)


def test_fixed_duration_is_shared_by_chunks_and_their_overlaps(engine: F5Engine) -> None:
    ref_s = engine._loaded.references.builtin("basic_en").duration_s
    audio = speak(engine, Job("a", TEXT * 3, seed=1, options={"fix_duration_s": 30.0}))
    assert len(audio) / RATE_HZ == pytest.approx(30.0 - ref_s, abs=0.1)


def test_quiet_reference_gives_quiet_audio(engine: F5Engine) -> None:
    loud = speak(engine, Job("a", "Hello there.", seed=1, reference=reference()))
    quiet = reference(audio=tone(level=0.03), digest="quiet")
    quiet_audio = speak(engine, Job("a", "Hello there.", seed=1, reference=quiet))
    assert np.abs(quiet_audio).mean() < 0.5 * np.abs(loud).mean()


def test_chunks_cover_the_text_in_order_and_a_stream_starts_with_a_short_one(engine: F5Engine) -> None:
    job = Job("a", TEXT * 4, seed=1)
    whole = [event for event in events_of(engine, job) if isinstance(event, AudioChunk)]
    streamed = [event for event in events_of(engine, replace(job, stream=True)) if isinstance(event, AudioChunk)]
    for chunks in (whole, streamed):
        spans = [chunk.text_span for chunk in chunks]
        assert spans[0][0] == 0
        assert spans[-1][1] == len(job.text)
        assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert streamed[0].text_span[1] < whole[0].text_span[1]
    assert len(streamed[0].samples) < 0.7 * len(whole[0].samples)


def test_first_chunk_has_the_jobs_seed_and_all_chunks_differ() -> None:
    seeds = [piece_seed(7, index) for index in range(50)] + [piece_seed(8, index) for index in range(50)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_long_text_is_converted_a_few_chunks_per_step(engine: F5Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []
    ids = engine._loaded.vocabulary.ids
    monkeypatch.setattr(engine._loaded.vocabulary, "ids", lambda text: prompts.append(text) or ids(text))
    engine.add(Job("book", "这个故事很长，没有人知道它的结尾。" * 100, seed=1, voice="basic_zh"))
    converted = [len(prompts)]
    for _ in range(2):
        engine.step()
        converted.append(len(prompts))
    engine.abort("book")
    assert converted == [4, 8, 12]
    assert len(engine._loaded.sampler) == 0


def test_failed_chunk_fails_its_job_only(engine: F5Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = engine._loaded.vocoder.decode
    failing = Job("failing", TEXT * 3, seed=1)
    other = Job("other", TEXT, seed=2)
    expected = speak(engine, other)
    calls = 0

    def fail_first(mels):
        nonlocal calls
        waves = decode(mels)
        is_first = calls == 0 and len(mels) > 0
        calls += len(mels)
        return ["out of memory", *waves[1:]] if is_first else waves

    monkeypatch.setattr(engine._loaded.vocoder, "decode", fail_first)
    events = events_of(engine, failing, other)
    failed = [event for event in events if isinstance(event, Failed)]
    assert [event.job_id for event in failed] == ["failing"]
    assert "out of memory" in failed[0].message
    np.testing.assert_allclose(audio_of(events, "other"), expected, atol=1e-4)
    assert len(engine._loaded.sampler) == 0


def test_lost_device_raises_a_fatal_fault(engine: F5Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    engine.add(Job("a", TEXT, seed=1))
    engine.step()
    monkeypatch.setattr(engine._loaded.sampler, "_evaluate", lost)
    with pytest.raises(FatalFault, match="illegal memory access"):
        engine.step()
    engine.abort("a")


def test_aborted_job_drops_its_samples(engine: F5Engine) -> None:
    engine.add(Job("a", TEXT * 6, seed=1))
    engine.step()
    assert len(engine._loaded.sampler) > 1
    engine.abort("a")
    assert len(engine._loaded.sampler) == 0
    assert not engine.step()


def test_long_text_does_not_delay_a_short_one(engine: F5Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine._loaded.sampler, "_max_frames", 1)
    engine.add(Job("book", TEXT * 12, seed=1))
    engine.step()
    events = events_of(engine, Job("word", "Hello there.", seed=1))
    assert [event.job_id for event in events if isinstance(event, Finished)] == ["word"]
    engine.abort("book")


def test_missing_library_fails_loading_and_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "backends.f5.loading", None)
    with pytest.raises(LoadError, match="make install-f5"):
        F5Plugin(EngineConfig("f5")).load()
