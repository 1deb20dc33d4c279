"""The contract of an engine as a pytest class; each test is one promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from backends.base import MAX_TRACE_BYTES, DecodeJob, EncodeJob, EngineConfig, Failed, Finished
from backends.errors import InvalidJob, LoadError
from backends.testing.profile import EngineProfile
from backends.testing.runner import EngineRunner

ANY_SCRIPT = "Hello, привет, 你好!"
"""Text that an engine without ``unsupported_text`` must speak."""


class EngineContract(ABC):
    """The promises of every engine. Subclass it as ``TestMyEngine`` and implement ``profile``.

    The engine is loaded once per class. Every test leaves it without jobs.
    """

    @classmethod
    @abstractmethod
    def profile(cls, folder: Path) -> EngineProfile:
        """The engine under test.

        :param folder: an empty folder for files that the engine loads.
        """

    @pytest.fixture(scope="class")
    @classmethod
    def loaded(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRunner]:
        """The engine, loaded once per class."""
        runner = EngineRunner(cls.profile(tmp_path_factory.mktemp("engine")))
        yield runner
        runner.engine.close()

    @pytest.fixture
    def runner(self, loaded: EngineRunner) -> Iterator[EngineRunner]:
        """The engine without jobs."""
        yield loaded
        loaded.reset()

    # --- configuration ---

    @pytest.mark.parametrize("block", ["model", "defaults"])
    def test_unknown_configuration_key_raises_load_error(self, runner: EngineRunner, block: str) -> None:
        """The constructor names the key by its full path, before anything is loaded."""
        config = EngineConfig("mine", **{block: {"no_such_key": 1}})  # type: ignore[arg-type]
        with pytest.raises(LoadError) as caught:
            runner.profile.engine(config)
        assert f"engines.mine.{block}.no_such_key" in str(caught.value)

    def test_capabilities_are_complete(self, runner: EngineRunner) -> None:
        """Every field has a usable value, and the options' schema is closed."""
        found = runner.capabilities
        assert runner.profile.engine.summary, "the class has no summary"
        assert found.model
        assert 8000 <= found.sample_rate_hz <= 48000
        assert found.languages
        assert all(tag == tag.lower() and 2 <= len(tag) <= 3 for tag in found.languages), found.languages
        assert found.max_text_chars > 0
        assert found.max_jobs > 0
        assert found.voices or found.cloning == "required"
        jsonschema.Draft202012Validator.check_schema(found.options_schema)
        assert found.options_schema["additionalProperties"] is False

    # --- audio ---

    def test_audio_is_finite_mono_float32(self, runner: EngineRunner) -> None:
        """A short text gives audible samples within range."""
        (audio,) = runner.run(runner.job("a")).values()
        assert audio.dtype == np.float32
        assert audio.ndim == 1
        assert len(audio) > 0.1 * runner.capabilities.sample_rate_hz
        assert np.isfinite(audio).all()
        assert 0.001 < np.abs(audio).max() <= 1.5

    def test_streamed_audio_starts_before_the_last_step(self, runner: EngineRunner) -> None:
        """Unless the engine declares that it returns whole jobs only."""
        text = f"{runner.profile.long_text} {runner.profile.long_text}"
        output = runner.add(runner.job("a", text, stream=True))
        runner.drain()
        assert output.chunks, "no audio"
        if runner.capabilities.streaming != "none":
            assert output.chunk_steps[0] < runner.steps, "all audio came with the last step"

    def test_text_spans_ascend_within_the_text(self, runner: EngineRunner) -> None:
        """Spans are optional; those given locate audio in ``Job.text``."""
        job = runner.job("a", runner.profile.long_text, stream=True)
        output = runner.add(job)
        runner.drain()
        spans = [chunk.text_span for chunk in output.chunks if chunk.text_span]
        assert all(0 <= start <= end <= len(job.text) for start, end in spans), spans
        assert spans == sorted(spans)

    def test_trace_is_bounded_and_leaves_the_audio_as_it_is(self, runner: EngineRunner) -> None:
        """An engine without the option ``trace`` refuses it; a job without it gets no traces."""
        if not runner.capabilities.supports("trace"):
            with pytest.raises(InvalidJob):
                runner.engine.add(runner.job("traced", options={"trace": True}))
            return
        plain = runner.add(runner.job("plain", runner.profile.long_text))
        runner.drain()
        traced = runner.add(runner.job("traced", runner.profile.long_text, options={"trace": True}))
        runner.drain()
        np.testing.assert_array_equal(traced.audio, plain.audio)
        assert plain.traces == []
        assert traced.traces, "no traces"
        assert {trace.text_span for trace in traced.traces} <= {chunk.text_span for chunk in traced.chunks}
        for trace in traced.traces:
            assert trace.data.dtype in (np.uint8, np.uint16)
            assert trace.data.ndim == 2
            assert 0 < trace.data.nbytes <= MAX_TRACE_BYTES
            assert trace.rate_hz > 0

    def test_speed_changes_the_duration(self, runner: EngineRunner) -> None:
        """Half the speed doubles the duration; four times the speed is faster than twice."""
        frames = {
            speed: len(runner.run(runner.job("a", runner.profile.long_text, speed=speed))["a"])
            for speed in (0.5, 1.0, 2.0, 4.0)
        }
        assert frames[0.5] == pytest.approx(2 * frames[1.0], rel=0.15)
        assert frames[2.0] == pytest.approx(frames[1.0] / 2, rel=0.2)
        assert frames[4.0] < 0.65 * frames[2.0]

    # --- determinism and batching ---

    def test_same_seed_gives_same_audio(self, runner: EngineRunner) -> None:
        """Bit for bit, whatever ran before."""
        first = runner.run(runner.job("a", seed=5))["a"]
        again = runner.run(runner.job("b", seed=5))["b"]
        np.testing.assert_array_equal(first, again)

    def test_other_seed_gives_other_audio(self, runner: EngineRunner) -> None:
        """An engine whose profile says ``seeded=False`` must ignore the seed."""
        first = runner.run(runner.job("a", seed=5))["a"]
        other = runner.run(runner.job("b", seed=6))["b"]
        equal = first.shape == other.shape and np.array_equal(first, other)
        assert equal != runner.profile.seeded

    def test_batch_does_not_change_the_audio(self, runner: EngineRunner) -> None:
        """Neither jobs that are there before nor one that joins later."""
        text = runner.profile.long_text
        alone = runner.run(runner.job("a", text, seed=3))["a"]
        batch = runner.run(
            runner.job("x", seed=9),
            runner.job("a", text, seed=3),
            runner.job("y", text, seed=3),
            late={1: runner.job("z", seed=4)},
        )
        assert runner.same(batch["a"], alone)
        assert runner.same(batch["y"], alone)

    # --- steps ---

    def test_each_job_ends_exactly_once(self, runner: EngineRunner) -> None:
        """With ``Finished``, within the profile's ``max_steps``; nothing follows."""
        outputs = [runner.add(runner.job(job_id)) for job_id in ("a", "b", "c")]
        runner.drain()
        assert [type(output.ended) for output in outputs] == [Finished] * 3
        assert list(runner.step()) == []

    def test_step_without_jobs_returns_no_events(self, runner: EngineRunner) -> None:
        """An idle engine may be stepped."""
        assert list(runner.step()) == []

    def test_long_text_takes_several_bounded_steps(self, runner: EngineRunner) -> None:
        """``step`` does one unit of work, so that other jobs, aborts and heartbeats are not held up."""
        before = runner.steps
        runner.run(runner.job("a", runner.profile.long_text))
        assert runner.steps - before > 1, "one step did the whole job"
        assert runner.longest_call_s <= runner.profile.max_step_s, "add or step exceeds max_step_s"

    # --- jobs that end early ---

    def test_aborted_job_has_no_further_events(self, runner: EngineRunner) -> None:
        """Other jobs are unaffected; aborting an unknown or aborted ID does nothing."""
        text = runner.profile.long_text
        expected = runner.run(runner.job("stays", text))["stays"]
        runner.add(runner.job("goes", text))
        runner.step()
        stays = runner.add(runner.job("stays", text))
        runner.abort("goes")
        runner.abort("goes")
        runner.abort("unknown")
        runner.drain()
        assert isinstance(stays.ended, Finished)
        assert runner.same(stays.audio, expected)

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"options": {"no_such_option": 1}}, "options.no_such_option"),
            ({"voice": "no such voice", "reference": None}, "voice"),
        ],
        ids=["unknown option", "unknown voice"],
    )
    def test_invalid_job_is_refused_by_param(self, runner: EngineRunner, fields: dict[str, Any], param: str) -> None:
        """``add`` raises ``InvalidJob`` that names the field, and leaves the engine unchanged."""
        text = runner.profile.long_text
        expected = runner.run(runner.job("good", text))["good"]
        good = runner.add(runner.job("good", text))
        with pytest.raises(InvalidJob) as caught:
            runner.engine.add(runner.job("bad", **fields))
        assert caught.value.param == param
        runner.drain()
        assert runner.same(good.audio, expected)

    def test_unsupported_text_is_refused_with_the_languages_it_needs(self, runner: EngineRunner) -> None:
        """No character is dropped silently: the text is refused, or all of it can be spoken."""
        if runner.profile.unsupported_text is None:
            assert len(runner.run(runner.job("a", ANY_SCRIPT))["a"])
            return
        with pytest.raises(InvalidJob) as caught:
            runner.engine.add(runner.job("bad", runner.profile.unsupported_text))
        assert caught.value.param == "text"
        assert caught.value.needs_languages

    def test_every_character_of_the_alphabet_is_accepted(self, runner: EngineRunner) -> None:
        """The gateway sends any text of these characters."""
        if (alphabet := runner.capabilities.alphabet) is None:
            pytest.skip("only the engine knows what it can speak")
        for char in alphabet.characters:
            runner.engine.add(runner.job(f"character {char}", f"{runner.profile.text} {char} {char}"))
            runner.engine.abort(f"character {char}")

    def test_failing_job_fails_alone(self, runner: EngineRunner) -> None:
        """It ends with one ``Failed`` that has a message; other jobs are unaffected."""
        if runner.profile.failing_job is None:
            pytest.skip("the profile has no failing_job")
        text = runner.profile.long_text
        expected = runner.run(runner.job("good", text))["good"]
        bad = runner.add(runner.job("bad", **runner.profile.failing_job))
        good = runner.add(runner.job("good", text))
        runner.drain()
        assert isinstance(bad.ended, Failed), "failing_job did not fail"
        assert bad.ended.message
        assert isinstance(good.ended, Finished)
        assert runner.same(good.audio, expected)

    def test_engine_with_jobs_closes_without_affecting_another(self, runner: EngineRunner, tmp_path: Path) -> None:
        """Engines share no state."""
        other = EngineRunner(self.profile(tmp_path))
        other.add(other.job("a", other.profile.long_text))
        other.step()
        other.engine.close()
        assert len(runner.run(runner.job("b"))["b"])

    # --- cloning and codec ---

    def test_reference_is_cloned_or_refused(self, runner: EngineRunner) -> None:
        """As ``Capabilities.cloning`` says."""
        reference = runner.profile.reference
        if runner.capabilities.cloning == "none":
            with pytest.raises(InvalidJob) as caught:
                runner.engine.add(runner.job("a", reference=reference))
            assert caught.value.param == "reference_audio"
            return
        cloned = runner.run(runner.job("a", reference=reference))["a"]
        again = runner.run(runner.job("b", reference=replace(reference, audio=reference.audio.copy())))["b"]
        assert len(cloned)
        assert runner.same(again, cloned)
        if runner.capabilities.cloning == "required":
            with pytest.raises(InvalidJob) as caught:
                runner.engine.add(runner.job("c", reference=None))
            assert caught.value.param == "reference_audio"

    def test_codec_converts_both_ways_or_is_refused(self, runner: EngineRunner) -> None:
        """An engine without a codec refuses; one with a codec encodes and decodes beside other jobs."""
        codec, rate_hz = runner.capabilities.codec, runner.capabilities.sample_rate_hz
        noise = np.random.default_rng(0).uniform(-0.1, 0.1, rate_hz).astype(np.float32)  # (N,), one second
        if codec is None:
            with pytest.raises(InvalidJob):
                runner.engine.convert(EncodeJob("a", noise, rate_hz))
            assert list(runner.step()) == []
            return
        expected = runner.run(runner.job("speaks"))["speaks"]
        encoded = runner.convert(EncodeJob("a", noise, rate_hz))
        runner.drain()
        assert isinstance(encoded.ended, Finished)
        codes = np.concatenate(encoded.codes, axis=1)  # (K, T), code frames
        assert len(codes) == codec.codebooks
        assert abs(codes.shape[1] - rate_hz / codec.samples_per_frame) <= 1, codes.shape
        assert codes.min() >= 0
        assert codes.max() < codec.codebook_size
        decoded = runner.convert(DecodeJob("b", codes))
        runner.convert(DecodeJob("aborted", codes))
        runner.abort("aborted")
        speaks = runner.add(runner.job("speaks"))
        runner.drain()
        assert isinstance(decoded.ended, Finished)
        assert len(decoded.audio) == codes.shape[1] * codec.samples_per_frame
        assert runner.same(speaks.audio, expected)
