"""The contract tests fail for engines that break a promise, each by the test that is named after it."""

from __future__ import annotations

import inspect
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.toy_engine import ToyEngine, ToyPlugin, toy_plugin

from backends.base import (
    AudioChunk,
    Codes,
    DecodeJob,
    EncodeJob,
    EngineConfig,
    Event,
    Failed,
    Finished,
    Job,
    Progress,
    Trace,
    no_progress,
)
from backends.errors import FatalFault, InvalidConfig, InvalidJob
from backends.testing import EngineContract, EngineProfile, EngineRunner
from backends.text import Alphabet
from backends.tone.engine import ToneEngine, TonePlugin


class TestSoundEngine(EngineContract):
    """The toy that the others break passes every test."""

    @classmethod
    def profile(cls, folder: Path) -> EngineProfile:
        return EngineProfile(ToyPlugin, failing_job={"options": {"fail_at": 1}})


# --- events ---


class SendsEventsAfterAbort(ToyEngine):
    def abort(self, job_id: str) -> None:
        pass


class FailsOnUnknownAbort(ToyEngine):
    def abort(self, job_id: str) -> None:
        del self._jobs[job_id]


class NeverFinishes(ToyEngine):
    def step(self) -> Sequence[Event]:
        return [event for event in super().step() if not isinstance(event, Finished)]


class FinishesTwice(ToyEngine):
    def step(self) -> Sequence[Event]:
        events = super().step()
        return [*events, *(event for event in events if isinstance(event, Finished))]


class TalksWhenIdle(ToyEngine):
    def step(self) -> Sequence[Event]:
        return super().step() or [Finished("unknown")]


class FailsSilently(ToyEngine):
    def step(self) -> Sequence[Event]:
        return [Failed(event.job_id, "") if isinstance(event, Failed) else event for event in super().step()]


class SwallowsFailures(ToyEngine):
    """Ends a failed job as if it were complete."""

    def step(self) -> Sequence[Event]:
        return [Finished(event.job_id) if isinstance(event, Failed) else event for event in super().step()]


class FailsTogether(ToyEngine):
    """One failing job takes the others with it."""

    def step(self) -> Sequence[Event]:
        others = list(self._jobs)
        events = super().step()
        if not any(isinstance(event, Failed) for event in events):
            return events
        self._jobs.clear()
        return [Failed(job_id, "another job failed") for job_id in others]


class DiesOfOneJob(ToyEngine):
    def step(self) -> Sequence[Event]:
        events = super().step()
        if any(isinstance(event, Failed) for event in events):
            raise FatalFault("one job failed")
        return events


# --- steps ---


class BlocksInStep(ToyEngine):
    def step(self) -> Sequence[Event]:
        if any(utterance.sent == 1 for utterance in self._jobs.values()):
            time.sleep(0.3)
        return super().step()


class BlocksInAdd(ToyEngine):
    def add(self, job: Job) -> None:
        time.sleep(0.3)
        super().add(job)


class DoesAJobInOneStep(ToyEngine):
    def step(self) -> Sequence[Event]:
        events: list[Event] = []
        while self._jobs:
            events += super().step()
        return events


class HoldsBackAudio(ToyEngine):
    """Declares frames and sends everything at the end."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.held: list[Event] = []

    def step(self) -> Sequence[Event]:
        self.held += super().step()
        if self._jobs:
            return []
        events, self.held = self.held, []
        return events


# --- audio ---


class ChangesChunks(ToyEngine):
    """Base of engines that change audio chunks on their way out."""

    @abstractmethod
    def change(self, chunk: AudioChunk) -> AudioChunk:
        """Return the chunk that is sent in place of this one."""

    def step(self) -> Sequence[Event]:
        return [self.change(event) if isinstance(event, AudioChunk) else event for event in super().step()]


class SendsFloat64(ChangesChunks):
    def change(self, chunk: AudioChunk) -> AudioChunk:
        return replace(chunk, samples=chunk.samples.astype(np.float64))  # type: ignore[arg-type]


class SendsStereo(ChangesChunks):
    def change(self, chunk: AudioChunk) -> AudioChunk:
        return replace(chunk, samples=np.stack([chunk.samples, chunk.samples], axis=1))


class SendsNaN(ChangesChunks):
    def change(self, chunk: AudioChunk) -> AudioChunk:
        return replace(chunk, samples=np.full_like(chunk.samples, np.nan))


class SendsSilence(ChangesChunks):
    def change(self, chunk: AudioChunk) -> AudioChunk:
        return replace(chunk, samples=np.zeros_like(chunk.samples))


class SendsSpansBackwards(ChangesChunks):
    def change(self, chunk: AudioChunk) -> AudioChunk:
        start, end = chunk.text_span or (0, 0)
        return replace(chunk, text_span=(100 - end, 100 - start))


class SendsSpansOutsideTheText(ChangesChunks):
    def change(self, chunk: AudioChunk) -> AudioChunk:
        return replace(chunk, text_span=(0, 10_000))


class TracesUnasked(ToyEngine):
    def step(self) -> Sequence[Event]:
        trace = np.zeros((1, 1), np.uint8)
        jobs = [utterance.job for utterance in self._jobs.values()]
        return [*(Trace(job.id, "mel", trace, (0, len(job.text)), 0, 1.0) for job in jobs), *super().step()]


class TraceChangesTheSeed(ToyEngine):
    def add(self, job: Job) -> None:
        super().add(replace(job, seed=0) if job.options.get("trace") else job)


class SendsHugeTraces(ToyEngine):
    def step(self) -> Sequence[Event]:
        huge = np.zeros((1000, 1000), np.uint8)
        return [replace(event, data=huge) if isinstance(event, Trace) else event for event in super().step()]


class AudioDependsOnBatch(ChangesChunks):
    """Normalizes by the number of active jobs."""

    def change(self, chunk: AudioChunk) -> AudioChunk:
        return replace(chunk, samples=chunk.samples * np.float32(1 - 0.001 * len(self._jobs)))


class SeedsGlobally(ToyEngine):
    draws = np.random.default_rng(0)

    def add(self, job: Job) -> None:
        super().add(replace(job, seed=int(self.draws.integers(1 << 30))))


class IgnoresSeed(ToyEngine):
    def add(self, job: Job) -> None:
        super().add(replace(job, seed=0))


class IgnoresSpeed(ToyEngine):
    def add(self, job: Job) -> None:
        super().add(replace(job, speed=1.0))


class DropsOtherScripts(ToyEngine):
    """Speaks what is left of a text without its foreign letters, though its profile says that it refuses them."""

    def add(self, job: Job) -> None:
        super().add(replace(job, text="".join(char for char in job.text if char.isascii())))


# --- refusals ---


class AcceptsUnknownOptions(ToyEngine):
    def add(self, job: Job) -> None:
        super().add(replace(job, options={key: job.options[key] for key in job.options if key == "fail_at"}))


class AcceptsUnknownVoices(ToyEngine):
    def add(self, job: Job) -> None:
        super().add(replace(job, voice=None))


class RefusesPartOfItsAlphabet(ToyEngine):
    def __init__(self, *args: Any):
        super().__init__(*args)
        self.capabilities = replace(self.capabilities, alphabet=Alphabet(("LATIN",), "12€"))

    def add(self, job: Job) -> None:
        if "€" in job.text:
            raise InvalidJob("cannot speak '€'", param="text")
        super().add(job)


class RefusesWithoutParam(ToyEngine):
    def add(self, job: Job) -> None:
        try:
            super().add(job)
        except InvalidJob as error:
            raise InvalidJob(error.message) from None


class KeepsRefusedJobs(ToyEngine):
    def add(self, job: Job) -> None:
        super().add(replace(job, options={}, voice=None))
        super().add(job)


class IgnoresReference(ToyEngine):
    """Declares no cloning, and speaks with its own voice when a reference is given."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.capabilities = replace(self.capabilities, cloning="none")


class DriftsWithReferences(ToyEngine):
    """What it derives from a reference changes from job to job."""

    uses = 0

    def add(self, job: Job) -> None:
        if job.reference is not None:
            self.uses += 1
            job = replace(job, reference=replace(job.reference, digest=f"{self.uses:02x}"))
        super().add(job)


# --- configuration and state ---


class AcceptsUnknownKeys(ToyPlugin):
    def __init__(self, config: EngineConfig):
        super().__init__(replace(config, model={}, defaults={}))


class AcceptsAnyDevice(ToyPlugin):
    def __init__(self, config: EngineConfig):
        super().__init__(replace(config, device="auto", dtype="auto"))


class ChecksWhileLoading(ToyPlugin):
    def __init__(self, config: EngineConfig):
        self.config = config

    def load(self, progress: Progress = no_progress) -> ToneEngine:
        return ToyPlugin(self.config).load(progress)


class LacksAKnownVoice(ToyEngine):
    def __init__(self, *args: Any):
        super().__init__(*args)
        self.capabilities = replace(self.capabilities, voices=self.capabilities.voices[:1])


class NamesNoKey(ToyPlugin):
    def __init__(self, config: EngineConfig):
        try:
            super().__init__(config)
        except InvalidConfig as error:
            raise InvalidConfig("engines.mine", str(error)) from None


class HasOpenSchema(ToyEngine):
    def __init__(self, *args: Any):
        super().__init__(*args)
        self.capabilities = replace(self.capabilities, options_schema={"type": "object", "additionalProperties": True})


class SharesState(ToyEngine):
    """Closing one instance closes all."""

    closed = False

    def close(self) -> None:
        super().close()
        type(self).closed = True

    def step(self) -> Sequence[Event]:
        if self.closed:
            raise FatalFault("closed")
        return super().step()


# --- codec ---


class EncodesOutOfRange(ToyEngine):
    def encode(self, job: EncodeJob) -> Codes:
        return super().encode(job) + 200


class EncodesOneCodebookOnly(ToyEngine):
    def encode(self, job: EncodeJob) -> Codes:
        return super().encode(job)[:1]


class DeclaresNoCodec(ToyEngine):
    """Converts without declaring a codec."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.capabilities = replace(self.capabilities, codec=None)


class DecodesAborted(ToyEngine):
    def abort(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)


class DecodesHalf(ToyEngine):
    def convert(self, job: EncodeJob | DecodeJob) -> None:
        super().convert(replace(job, codes=job.codes[:, ::2]) if isinstance(job, DecodeJob) else job)


CAUGHT_BY: dict[type[ToyEngine | TonePlugin], str] = {
    SendsEventsAfterAbort: "aborted_job_has_no_further_events",
    FailsOnUnknownAbort: "aborted_job_has_no_further_events",
    NeverFinishes: "each_job_ends_exactly_once",
    FinishesTwice: "each_job_ends_exactly_once",
    TalksWhenIdle: "step_without_jobs_returns_no_events",
    FailsSilently: "failing_job_fails_alone",
    SwallowsFailures: "failing_job_fails_alone",
    FailsTogether: "failing_job_fails_alone",
    DiesOfOneJob: "failing_job_fails_alone",
    BlocksInStep: "long_text_takes_several_bounded_steps",
    BlocksInAdd: "long_text_takes_several_bounded_steps",
    DoesAJobInOneStep: "long_text_takes_several_bounded_steps",
    HoldsBackAudio: "streamed_audio_starts_before_the_last_step",
    SendsFloat64: "audio_is_finite_mono_float32",
    SendsStereo: "audio_is_finite_mono_float32",
    SendsNaN: "audio_is_finite_mono_float32",
    SendsSilence: "audio_is_finite_mono_float32",
    SendsSpansBackwards: "text_spans_ascend_within_the_text",
    SendsSpansOutsideTheText: "text_spans_ascend_within_the_text",
    TracesUnasked: "trace_is_bounded_and_leaves_the_audio_as_it_is",
    TraceChangesTheSeed: "trace_is_bounded_and_leaves_the_audio_as_it_is",
    SendsHugeTraces: "trace_is_bounded_and_leaves_the_audio_as_it_is",
    AudioDependsOnBatch: "batch_does_not_change_the_audio",
    SeedsGlobally: "same_seed_gives_same_audio",
    IgnoresSeed: "other_seed_gives_other_audio",
    IgnoresSpeed: "speed_changes_the_duration",
    DropsOtherScripts: "unsupported_text_is_refused_with_the_languages_it_needs",
    AcceptsUnknownOptions: "invalid_job_is_refused_by_param[options.no_such_option]",
    AcceptsUnknownVoices: "invalid_job_is_refused_by_param[voice]",
    RefusesPartOfItsAlphabet: "every_character_of_the_alphabet_is_accepted",
    RefusesWithoutParam: "invalid_job_is_refused_by_param[options.no_such_option]",
    KeepsRefusedJobs: "invalid_job_is_refused_by_param[voice]",
    IgnoresReference: "reference_is_cloned_or_refused",
    DriftsWithReferences: "reference_is_cloned_or_refused",
    AcceptsUnknownKeys: "invalid_configuration_key_is_named[model.no_such_key]",
    NamesNoKey: "invalid_configuration_key_is_named[defaults.no_such_key]",
    ChecksWhileLoading: "invalid_configuration_key_is_named[dtype]",
    AcceptsAnyDevice: "invalid_configuration_key_is_named[device]",
    HasOpenSchema: "capabilities_are_complete",
    LacksAKnownVoice: "capabilities_are_complete",
    SharesState: "engine_with_jobs_closes_without_affecting_another",
    EncodesOutOfRange: "codec_converts_both_ways_or_is_refused",
    EncodesOneCodebookOnly: "codec_converts_both_ways_or_is_refused",
    DeclaresNoCodec: "codec_converts_both_ways_or_is_refused",
    DecodesAborted: "codec_converts_both_ways_or_is_refused",
    DecodesHalf: "codec_converts_both_ways_or_is_refused",
}


class Contract(EngineContract):
    """The contract of one broken engine, run by hand instead of by pytest."""

    def __init__(self, broken: type[ToyEngine | TonePlugin]):
        self.engine_profile = EngineProfile(
            broken if issubclass(broken, TonePlugin) else toy_plugin(broken),
            failing_job={"options": {"fail_at": 1}},
            unsupported_text="Hello 你好" if broken is DropsOtherScripts else None,
            max_step_s=0.25,
            max_steps=300,
        )

    def profile(self, folder: Path) -> EngineProfile:  # type: ignore[override]
        return self.engine_profile

    def check(self, name: str, folder: Path) -> None:
        """Run one test as pytest would, its parameter in brackets."""
        function, _, parameter = name.removesuffix("]").partition("[")
        test: Callable[..., None] = getattr(self, f"test_{function}")
        arguments: dict[str, Any] = {"runner": EngineRunner(self.engine_profile)}
        for mark in getattr(test, "pytestmark", []):
            names = mark.args[0] if isinstance(mark.args[0], tuple) else (mark.args[0],)
            rows = [row if isinstance(row, tuple) else (row,) for row in mark.args[1]]
            (row,) = [row for row in rows if parameter in row]
            arguments |= dict(zip(names, row, strict=True))
        if "tmp_path" in inspect.signature(test).parameters:
            arguments["tmp_path"] = folder
        test(**arguments)


@pytest.mark.parametrize(("broken", "test"), CAUGHT_BY.items(), ids=lambda value: getattr(value, "__name__", "by"))
def test_broken_engine_is_caught_by_the_named_test(
    broken: type[ToyEngine | TonePlugin], test: str, tmp_path: Path
) -> None:
    # Everything that pytest reports as a failure: assertions, pytest.raises without an exception, errors of the engine.
    with pytest.raises((AssertionError, pytest.fail.Exception, InvalidJob, FatalFault, KeyError)):
        Contract(broken).check(test, tmp_path)


def test_every_contract_test_catches_some_broken_engine() -> None:
    promised = {name.removeprefix("test_") for name in vars(EngineContract) if name.startswith("test_")}
    assert promised == {test.partition("[")[0] for test in CAUGHT_BY.values()}


@pytest.mark.parametrize("test", sorted(set(CAUGHT_BY.values())))
def test_sound_engine_passes_when_run_by_hand(test: str, tmp_path: Path) -> None:
    """So that a broken engine is not caught by the way it is run here."""
    Contract(ToyEngine).check(test, tmp_path)


@pytest.fixture(autouse=True)
def _fresh_state() -> Iterator[None]:
    yield
    SharesState.closed = False
