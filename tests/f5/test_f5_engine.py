"""The engine around the sampler: voices, pieces, order, failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from f5.sampling import write_model

from backends.base import AudioChunk, EngineConfig, Event, Failed, Finished, Job, Reference
from backends.common.seeds import piece_seed
from backends.errors import FatalFault, InvalidJob
from backends.f5.engine import F5Engine
from backends.f5.model import HOP_SAMPLES, RATE_HZ
from backends.f5.pieces import duration_frames
from backends.f5.speaking import F5Options, Piece, Speaking
from backends.f5.voices import Voice

TEXT = "The first sentence is long enough to be heard. The second one follows at once, and it has two clauses. "


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[F5Engine]:
    model = write_model(tmp_path_factory.mktemp("f5"), "tiny")
    built = F5Engine(EngineConfig("f5", device="cpu", dtype="float32", model=model, defaults={"nfe": 2}))
    built.load()
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


def speak(engine: F5Engine, job: Job) -> np.ndarray:
    return np.concatenate([event.samples for event in events_of(engine, job) if isinstance(event, AudioChunk)])


def test_the_audio_is_as_long_as_predicted(engine: F5Engine) -> None:
    voice = engine._loaded.voices.of(reference())
    text = "A sentence of moderate length."
    frames = duration_frames(voice.frames, voice.text, text, 1.0) - voice.frames
    audio = speak(engine, Job("a", text, seed=1, reference=reference()))
    assert len(audio) == (frames - 1) * HOP_SAMPLES


def test_the_shipped_voices_speak(engine: F5Engine) -> None:
    for voice in ("basic_en", "basic_zh"):
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
def test_what_it_cannot_honour_is_refused_by_name(engine: F5Engine, fields: dict, param: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        engine.add(Job(**{"id": "bad", "text": "Hello there.", "seed": 1, **fields}))
    assert caught.value.param == param
    assert not engine.step()


def test_a_fixed_duration_is_kept(engine: F5Engine) -> None:
    voice = engine._loaded.voices.named("basic_en")
    fixed_s = 9.0
    audio = speak(engine, Job("a", "Hello there.", seed=1, options={"fix_duration_s": fixed_s}))
    assert len(audio) / RATE_HZ == pytest.approx(fixed_s - voice.duration_s, abs=0.03)
    # Several pieces share it, with their overlaps counted in.
    audio = speak(engine, Job("a", TEXT * 3, seed=1, options={"fix_duration_s": 30.0}))
    assert len(audio) / RATE_HZ == pytest.approx(30.0 - voice.duration_s, abs=0.1)


def test_a_quiet_reference_is_answered_quietly(engine: F5Engine) -> None:
    loud = speak(engine, Job("a", "Hello there.", seed=1, reference=reference()))
    quiet = reference(audio=tone(level=0.03), digest="quiet")
    hushed = speak(engine, Job("a", "Hello there.", seed=1, reference=quiet))
    assert np.abs(hushed).mean() < 0.5 * np.abs(loud).mean()


def test_pieces_are_heard_in_order_and_the_first_early(engine: F5Engine) -> None:
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


def test_pieces_are_put_in_order() -> None:
    pieces = [Piece((index, index + 1), "x", 10, index) for index in range(3)]
    voice = Voice(torch.zeros(5, 100), 4, 0.05, "x. ", gain=0.5)
    speaking = Speaking("a/b", pieces, voice, F5Options(cross_fade_s=0.0))
    first, second, third = [sample.id for sample in speaking.ask(lambda prompt: [1])]
    wave = np.ones(10, np.float32)
    assert speaking.deliver(third, 3 * wave) == []
    assert speaking.deliver(second, 2 * wave) == []
    *chunks, finished = speaking.deliver(first, wave)
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), np.repeat([0.5, 1.0, 1.5], 10))
    assert [chunk.text_span for chunk in chunks] == [(0, 1), (1, 2), (2, 3)]
    assert isinstance(finished, Finished)


def test_seeds_of_pieces_are_the_jobs_own_and_others() -> None:
    seeds = [piece_seed(7, index) for index in range(50)] + [piece_seed(8, index) for index in range(50)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_references_are_prepared_once_and_not_for_ever(engine: F5Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    voices = engine._loaded.voices
    made: list[str] = []
    keep = voices._keep
    monkeypatch.setattr(voices, "_keep", lambda given, *more: made.append(given.digest) or keep(given, *more))
    monkeypatch.setattr(voices, "_kept", 2)
    for digest in ("x", "x", "y", "x", "z", "x", "y"):
        voices.of(reference(digest=digest))
    assert made == ["x", "y", "z", "y"]
    assert len(voices._made) == 2


def test_a_voice_with_another_transcript_is_another_voice(engine: F5Engine) -> None:
    one: Voice = engine._loaded.voices.of(reference(digest="1"))
    other = engine._loaded.voices.of(reference(digest="2", text="Something else."))
    assert one.text != other.text


def test_the_same_samples_at_another_rate_are_another_voice(engine: F5Engine) -> None:
    voices = engine._loaded.voices
    one, other = (voices.of(reference(digest="rate", sample_rate_hz=rate)) for rate in (16000, 8000))
    assert one is not None
    assert other is not None
    assert other.duration_s == pytest.approx(2 * one.duration_s, rel=0.05)


def test_a_book_is_taken_up_at_once_and_made_ready_by_and_by(engine: F5Engine) -> None:
    prompts: list[str] = []
    ids = engine._loaded.vocabulary.ids
    engine._loaded.vocabulary.ids = lambda text: prompts.append(text) or ids(text)  # type: ignore[method-assign]
    try:
        engine.add(Job("book", "这个故事很长，没有人知道它的结尾。" * 500, seed=1, voice="basic_zh"))
        asked = [len(prompts)]
        for _ in range(2):
            engine.step()
            asked.append(len(prompts))
    finally:
        engine.abort("book")
        engine._loaded.vocabulary.ids = ids  # type: ignore[method-assign]
    assert asked == [4, 8, 12]
    assert len(engine._loaded.sampler) == 0


def test_a_failed_piece_fails_its_job_only(engine: F5Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = engine._loaded.vocoder.decode
    sick = Job("sick", TEXT * 3, seed=1)
    well = Job("well", TEXT, seed=2)
    expected = speak(engine, well)
    calls = 0

    def decode_but_one(mels):
        nonlocal calls
        waves = decode(mels)
        first = calls == 0 and len(mels) > 0
        calls += len(mels)
        return ["no room", *waves[1:]] if first else waves

    monkeypatch.setattr(engine._loaded.vocoder, "decode", decode_but_one)
    events = events_of(engine, sick, well)
    failed = [event for event in events if isinstance(event, Failed)]
    assert [event.job_id for event in failed] == ["sick"]
    assert "no room" in failed[0].message
    audio = np.concatenate([e.samples for e in events if isinstance(e, AudioChunk) and e.job_id == "well"])
    np.testing.assert_allclose(audio, expected, atol=1e-4)
    assert len(engine._loaded.sampler) == 0


def test_a_lost_device_ends_the_engine(engine: F5Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    engine.add(Job("a", TEXT, seed=1))
    engine.step()
    monkeypatch.setattr(engine._loaded.sampler, "_evaluate", lost)
    with pytest.raises(FatalFault, match="illegal memory access"):
        engine.step()
    engine.abort("a")


def test_an_aborted_job_takes_its_samples_along(engine: F5Engine) -> None:
    engine.add(Job("a", TEXT * 6, seed=1))
    engine.step()
    assert len(engine._loaded.sampler) > 1
    engine.abort("a")
    assert len(engine._loaded.sampler) == 0
    assert not engine.step()


def test_a_long_text_does_not_keep_a_short_one_waiting(engine: F5Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine._loaded.sampler, "_max_frames", 1)
    engine.add(Job("book", TEXT * 12, seed=1))
    engine.step()
    events = events_of(engine, Job("word", "Hello there.", seed=1))
    assert [event.job_id for event in events if isinstance(event, Finished)] == ["word"]
    engine.abort("book")


def test_an_engine_without_its_libraries_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from backends.errors import LoadError

    monkeypatch.setitem(__import__("sys").modules, "backends.f5.loading", None)
    with pytest.raises(LoadError, match="make install-f5"):
        F5Engine(EngineConfig("f5")).load()
