"""The F5 engine: F5-TTS and E2-TTS checkpoints, every piece of every job in one batch.

A step is one evaluation of the network for all active samples, each at its own time, and the vocoder for those that
ended with it. Torch is imported by ``load``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from backends.base import (
    Audio,
    Capabilities,
    Engine,
    EngineConfig,
    Event,
    Failed,
    Finished,
    Job,
    Progress,
    no_progress,
)
from backends.errors import InvalidJob, LoadError
from backends.f5.model import RATE_HZ, F5Model
from backends.f5.sample import Made
from backends.f5.speaking import F5Options, Speaking, plan_pieces
from backends.options import json_schema, parse_config, parse_job_options
from backends.text import SCRIPT_LANGUAGES, require_scripts

if TYPE_CHECKING:
    from backends.f5.loading import Loaded
    from backends.f5.voices import Voice

MAX_TEXT_CHARS = 50_000


class F5Engine(Engine):
    """Flow matching with voice cloning."""

    summary: ClassVar[str] = "F5-TTS and E2-TTS: voice cloning in English and Chinese (f5-tts, torch)"

    def __init__(self, config: EngineConfig):
        where = f"engines.{config.name}"
        self._model = parse_config(F5Model, config.model, f"{where}.model")
        parse_config(F5Options, config.defaults, f"{where}.defaults")
        self._config = config
        # Latin for the languages and for names and quotations in others; single Greek letters stand in formulas.
        known = {name for name, languages in SCRIPT_LANGUAGES.items() if set(languages) & set(self._model.languages)}
        self._scripts = frozenset(known | {"LATIN", "GREEK"})
        self._listening: dict[str, tuple[Job, F5Options]] = {}  # until it is known what their reference says
        self._speaking: dict[str, Speaking] = {}

    def load(self, progress: Progress = no_progress) -> Capabilities:
        """Fetch what is configured and bring it to the device."""
        try:
            from backends.f5.loading import load
        except ImportError as error:
            raise LoadError(f"the f5 engine needs f5-tts and torch: make install-f5 ({error})") from error
        self._loaded: Loaded = load(self._model, self._config, progress)
        return Capabilities(
            model=self._loaded.name,
            sample_rate_hz=RATE_HZ,
            languages=self._model.languages,
            cloning="optional",
            streaming="sentence",
            voices=tuple(self._loaded.voices.builtin.values()),
            max_text_chars=MAX_TEXT_CHARS,
            max_jobs=self._loaded.max_jobs,
            options_schema=json_schema(F5Options),
        )

    def add(self, job: Job) -> None:
        """Prepare the reference and cut the text; the pieces wait for room in the batch.

        A reference without transcript, where there is an ``asr`` to make one, waits for the next step instead.

        :raises InvalidJob: for unknown voices and options, a reference without transcript or sound, text the model has
            no symbols for, and lengths it cannot make.
        """
        options = parse_job_options(F5Options, self._config.defaults, job.options)
        voice = self._voice(job)
        require_scripts(job.text, self._scripts, self._config.name)
        self._loaded.vocabulary.require(job.text)
        if voice is None:
            self._listening[job.id] = job, options
        else:
            self._start(job, voice, options)

    def _start(self, job: Job, voice: Voice, options: F5Options) -> None:
        speaking = Speaking(job.id, plan_pieces(job, voice, options), voice, options)
        self._ask(speaking)
        self._speaking[job.id] = speaking

    def _ask(self, speaking: Speaking) -> None:
        for sample in speaking.ask(self._loaded.vocabulary.ids):
            self._loaded.sampler.add(sample)

    def _voice(self, job: Job) -> Voice | None:
        """The job's voice, or None while it is not known what is said in its reference."""
        voices = self._loaded.voices
        if job.reference is not None:
            return voices.of(job.reference)
        voice = voices.named(job.voice)
        if voice is None:
            known = ", ".join(voices.builtin)
            raise InvalidJob(f"{self._config.name} has no voice {job.voice!r}; it has {known}", param="voice")
        return voice

    def step(self) -> Sequence[Event]:
        """Advance the flow once, and turn the mels that are complete into audio."""
        if not self._speaking and not self._listening:
            return ()
        events: list[Event] = list(self._listen())
        for speaking in self._speaking.values():
            self._ask(speaking)
        results = self._vocode(self._loaded.sampler.step())
        for done, audio in results:
            job_id = done.sample.owner
            if job_id not in self._speaking:  # failed by an earlier piece of this very step
                continue
            if isinstance(audio, str):
                self.abort(job_id)
                events.append(Failed(job_id, f"{self._config.name} could not speak: {audio}"))
            else:
                events += self._speaking[job_id].deliver(done.sample.id, audio)
        for event in events:
            if isinstance(event, Finished):
                del self._speaking[event.job_id]
        if results:
            self._loaded.tidy()
        return events

    def _listen(self) -> list[Failed]:
        """Start the jobs whose references are understood, listening to one of them at most."""
        failed: list[Failed] = []
        voices, listened = self._loaded.voices, False
        for job, options in list(self._listening.values()):
            assert job.reference is not None  # noqa: S101 - built-in voices have transcripts
            voice = voices.kept(job.reference)
            if voice is None and listened:
                continue
            try:
                if voice is None:
                    listened = True
                    voice = voices.hear(job.reference)
                self._start(job, voice, options)
            except (InvalidJob, RuntimeError) as error:
                failed.append(Failed(job.id, f"{self._config.name} could not use the reference: {error}"))
            del self._listening[job.id]
        return failed

    def _vocode(self, made: Sequence[Made]) -> list[tuple[Made, Audio | str]]:
        """Audio of each sample, shape (N,), or why there is none."""
        results: list[tuple[Made, Audio | str]] = [(done, done.reason) for done in made if done.mel is None]
        # The reference comes off by whole hops, as f5-tts counts it; its mel is a frame longer.
        drawn = [(done, done.mel[len(done.sample.reference) - 1 :]) for done in made if done.mel is not None]
        waves = self._loaded.vocoder.decode([mel for _, mel in drawn])
        for (done, _), wave in zip(drawn, waves, strict=True):
            results.append((done, f"the vocoder failed: {wave}" if isinstance(wave, str) else wave.numpy()))
        return results

    def abort(self, job_id: str) -> None:
        """Forget the job and its samples."""
        self._listening.pop(job_id, None)
        speaking = self._speaking.pop(job_id, None)
        if speaking is not None:
            self._loaded.sampler.remove(set(speaking.sample_ids))

    def close(self) -> None:
        """Let go of the model."""
        self._speaking.clear()
        self._listening.clear()
        del self._loaded
