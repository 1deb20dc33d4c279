"""F5 engine: F5-TTS and E2-TTS checkpoints; the text chunks of all jobs share one batch.

A step is one model evaluation for all active samples, each at its own timestep, then the vocoder for the samples that
finished.
"""

from __future__ import annotations

from collections.abc import Sequence

from backends.base import Audio, Capabilities, Engine, EngineConfig, Event, Failed, Finished, Job
from backends.errors import InvalidJob
from backends.f5.config import RATE_HZ, F5Config
from backends.f5.loading import LoadedModel
from backends.f5.options import F5Options
from backends.f5.references import MAX_REFERENCE_S, EncodedReference
from backends.f5.sample import SampleResult
from backends.f5.utterance import Utterance, plan_chunks
from backends.options import json_schema, parse_job_options
from backends.text import SCRIPT_LANGUAGES, require_scripts

MAX_TEXT_CHARS = 50_000


class F5Engine(Engine):
    """Flow matching with voice cloning."""

    def __init__(self, config: EngineConfig, model: F5Config, loaded: LoadedModel):
        languages = set(model.languages)
        scripts = {name for name, known in SCRIPT_LANGUAGES.items() if languages & set(known)}
        # Latin occurs in texts of every language (names, quotations), single Greek letters in formulas.
        self._scripts = frozenset(scripts | {"LATIN", "GREEK"})
        super().__init__(
            Capabilities(
                model=loaded.name,
                sample_rate_hz=RATE_HZ,
                languages=model.languages,
                cloning=model.cloning,
                streaming="sentence",
                voices=tuple(loaded.references.builtin_voices.values()),
                max_text_chars=MAX_TEXT_CHARS,
                max_jobs=loaded.max_jobs,
                options_schema=json_schema(F5Options),
                alphabet=loaded.vocabulary.alphabet(self._scripts),
                max_reference_s=MAX_REFERENCE_S,
                dtype=loaded.dtype,
            )
        )
        self._config = config
        self._loaded = loaded
        self._untranscribed: dict[str, tuple[Job, F5Options]] = {}  # jobs whose reference has no transcript yet
        self._utterances: dict[str, Utterance] = {}

    def add(self, job: Job) -> None:
        """Encode the reference, split the text into chunks and queue the first ones.

        With ``asr``, a job whose reference has no transcript waits for the next step, which transcribes it.

        :raises InvalidJob: for an unknown voice or option, a reference without transcript or speech, text that the
            vocabulary lacks symbols for, and durations out of range.
        """
        options = parse_job_options(F5Options, self._config.defaults, job.options)
        reference = self._reference(job)
        self._require_speakable(job.text, "text")
        if job.reference is not None:
            self._require_speakable(job.reference.text, "reference_text")
        if reference is None:
            self._untranscribed[job.id] = job, options
        else:
            self._start(job, reference, options)

    def _require_speakable(self, text: str, param: str) -> None:
        if param == "reference_text" and not text.strip():
            return  # it will be transcribed
        try:
            require_scripts(text, self._scripts, self._config.name)
            self._loaded.vocabulary.require(text)
        except InvalidJob as error:
            raise InvalidJob(error.message, param=param, needs_languages=error.needs_languages) from None

    def _reference(self, job: Job) -> EncodedReference | None:
        """Return the job's reference, or None if it must be transcribed first."""
        references = self._loaded.references
        if job.reference is not None:
            return references.get(job.reference)
        reference = references.builtin(job.voice)
        if reference is None:
            known = ", ".join(references.builtin_voices)
            raise InvalidJob(f"{self._config.name} has no voice {job.voice!r}; it has {known}", param="voice")
        return reference

    def _start(self, job: Job, reference: EncodedReference, options: F5Options) -> None:
        utterance = Utterance(job.id, plan_chunks(job, reference, options), reference, options)
        self._submit_samples(utterance)
        self._utterances[job.id] = utterance

    def _submit_samples(self, utterance: Utterance) -> None:
        for sample in utterance.next_samples(self._loaded.vocabulary.ids):
            self._loaded.sampler.add(sample)

    def step(self) -> Sequence[Event]:
        """Evaluate the model once and vocode the mels that are complete."""
        if not self._utterances and not self._untranscribed:
            return ()
        events: list[Event] = list(self._transcribe())
        for utterance in self._utterances.values():
            self._submit_samples(utterance)
        outputs = self._vocode(self._loaded.sampler.step())
        for utterance in self._utterances.values():
            if utterance.traces:
                events += utterance.traces
                utterance.traces.clear()
        for result, audio in outputs:
            job_id, index = result.sample.id
            if job_id not in self._utterances:  # an earlier chunk failed in this very step
                continue
            if isinstance(audio, str):
                self.abort(job_id)
                events.append(Failed(job_id, f"{self._config.name} could not speak: {audio}"))
            else:
                events += self._utterances[job_id].deliver(index, audio)
        for event in events:
            if isinstance(event, Finished):
                del self._utterances[event.job_id]
        if outputs:
            self._loaded.release_memory()
        return events

    def _transcribe(self) -> list[Failed]:
        """Transcribe at most one reference; start the jobs whose references have a transcript now."""
        failed: list[Failed] = []
        references, transcribed = self._loaded.references, False
        for job, options in list(self._untranscribed.values()):
            assert job.reference is not None  # noqa: S101 - built-in voices have transcripts
            reference = references.cached(job.reference)
            if reference is None and transcribed:
                continue
            try:
                if reference is None:
                    transcribed = True
                    reference = references.transcribe(job.reference)
                self._start(job, reference, options)
            except (InvalidJob, RuntimeError) as error:
                failed.append(Failed(job.id, f"{self._config.name} could not use the reference: {error}"))
            del self._untranscribed[job.id]
        return failed

    def _vocode(self, results: Sequence[SampleResult]) -> list[tuple[SampleResult, Audio | str]]:
        """Return the audio of each sample, shape (N,), or its error."""
        outputs: list[tuple[SampleResult, Audio | str]] = [(r, r.error) for r in results if r.mel is None]
        # Drop the reference by whole hops, as f5-tts counts it; its mel is one frame longer.
        generated = [(r, r.mel[len(r.sample.reference_mel) - 1 :]) for r in results if r.mel is not None]
        waves = self._loaded.vocoder.decode([mel for _, mel in generated])
        for (result, _), wave in zip(generated, waves, strict=True):
            outputs.append((result, f"the vocoder failed: {wave}" if isinstance(wave, str) else wave.numpy()))
        return outputs

    def abort(self, job_id: str) -> None:
        """Drop the job and its samples."""
        self._untranscribed.pop(job_id, None)
        utterance = self._utterances.pop(job_id, None)
        if utterance is not None:
            self._loaded.sampler.remove(utterance.sample_ids)

    def close(self) -> None:
        """Release the model."""
        self._utterances.clear()
        self._untranscribed.clear()
        del self._loaded
