"""The Fish-Speech engine: reference encoding, code generation and audio decoding, batched over jobs.

A step generates one code frame for every active chunk of every job, and decodes one window for chunks that have enough
codes. Torch is imported by ``load``.
"""

from __future__ import annotations

import collections.abc
from typing import TYPE_CHECKING, ClassVar

from backends.base import (
    BuiltinVoice,
    Capabilities,
    CodecInfo,
    CodesChunk,
    DecodeJob,
    EncodeJob,
    Engine,
    EngineConfig,
    Event,
    Failed,
    Finished,
    Job,
    Progress,
    no_progress,
)
from backends.common.seeds import piece_seed
from backends.errors import InvalidJob
from backends.fish.generation import Generation, Pipeline, Sampling, Sequence, StepOutput, VoicePrompt
from backends.fish.options import RANDOM_VOICE, VOICE_OPTIONS, FishOptions, check_defaults, read_options
from backends.fish.references import MAX_REFERENCE_S, ReferenceEncoder, check_length, read_codes
from backends.fish.utterance import SILENT, DecoderInput, Utterance
from backends.fish.v0_2.generation import FishV02
from backends.options import json_schema

if TYPE_CHECKING:
    from backends.base import Audio, Codes
    from backends.fish.codec_jobs import CodecJobs

MAX_TEXT_CHARS = 20_000


class FishEngine(Engine):
    """A language model that continues a voice's codes, and a codec that decodes them."""

    summary: ClassVar[str] = "Fish-Speech 0.2: voice cloning in Chinese, Japanese and English (torch)"

    def __init__(self, config: EngineConfig):
        where = f"engines.{config.name}"
        self._generation: Generation = FishV02(config.model, f"{where}.model")
        check_defaults(self._generation.options, config.defaults, f"{where}.defaults")
        self._config = config
        self._utterances: dict[str, Utterance] = {}

    def load(self, progress: Progress = no_progress) -> Capabilities:
        """Fetch the checkpoints and load them onto the device."""
        self._pipeline: Pipeline = self._generation.load(self._config, progress)
        from backends.fish.codec_jobs import CodecJobs  # imports torch, which is known to be installed by now

        codec, sizes, languages = self._pipeline.codec, self._generation.sizes, self._pipeline.front_end.languages
        self._references = ReferenceEncoder(codec)
        self._codec_jobs: CodecJobs = CodecJobs(codec, self._pipeline.decoder)
        return Capabilities(
            model=self._pipeline.name,
            sample_rate_hz=sizes.rate_hz,
            languages=languages,
            cloning=self._generation.cloning,
            streaming="frame",
            voices=self._voices(languages[0]),
            max_text_chars=MAX_TEXT_CHARS,
            max_jobs=self._pipeline.slots,
            options_schema=json_schema(self._generation.options),
            codec=CodecInfo(sizes.codebooks, codec.codebook_size, sizes.samples_per_frame, generates=True),
            alphabet=self._pipeline.front_end.alphabet,
            max_reference_s=MAX_REFERENCE_S,
            dtype=self._pipeline.dtype,
        )

    def known_voices(self) -> tuple[BuiltinVoice, ...]:
        """The configured speakers, and the random voice."""
        return self._voices((self._generation.languages or ("",))[0])

    def _voices(self, language: str) -> tuple[BuiltinVoice, ...]:
        voices = [BuiltinVoice(name, language, "a speaker of the checkpoint") for name in self._speakers()]
        random = BuiltinVoice(RANDOM_VOICE, language, "a voice that the seed determines")
        voices.insert(0 if self._default_speaker() is None else 1, random)
        return tuple(voices)

    def _default_speaker(self) -> str | None:
        speaker: str | None = self._config.defaults.get("speaker")
        return speaker

    def _speakers(self) -> tuple[str, ...]:
        """Names of the speakers, the default one first."""
        default = self._default_speaker()
        first = () if default is None else (default,)
        return (*first, *(name for name in self._generation.speakers if name != default))

    def add(self, job: Job) -> None:
        """Tokenize the text; later steps encode a new reference and generate the codes.

        :raises InvalidJob: if the voice or an option is unknown, the reference is unusable, or the text cannot be
            spoken or is too long for the model.
        """
        options = read_options(self._generation.options, self._config.defaults, job.options)
        self._check_voice(job, options)
        voice_codes = self._voice_codes(options)
        has_codes = job.reference is not None or voice_codes is not None
        text = self._pipeline.front_end.prepare(job, options, self._voice_prompt(job, options, has_codes))
        max_frames = self._pipeline.max_prompt_tokens - text.longest
        voice: Codes | None = self._generation.sizes.no_codes
        if voice_codes is not None:
            check_length(voice_codes.shape[1], max_frames, "options.prompt_tokens")
            voice = voice_codes
        elif job.reference is not None:
            voice = self._references.request(job.id, job.reference, max_frames)
        utterance = Utterance(job, options, text, voice, self._generation.sizes)
        self._utterances[job.id] = utterance
        try:
            if voice is not None:
                self._generate(utterance, range(1 if text.voice_from_first_chunk else len(text.chunks)))
        except InvalidJob:
            self.abort(job.id)
            raise

    def _check_voice(self, job: Job, options: FishOptions) -> None:
        for key in VOICE_OPTIONS:
            if job.reference is not None and job.options.get(key) is not None:
                raise InvalidJob("cannot be combined with a reference: send one voice", param=f"options.{key}")
        if options.prompt_text is not None and options.prompt_tokens is None:
            raise InvalidJob("is the transcript of prompt_tokens, which are missing", param="options.prompt_text")
        if job.reference is None and job.voice not in (None, RANDOM_VOICE, *self._speakers()):
            known = ", ".join((RANDOM_VOICE, *self._speakers()))
            raise InvalidJob(f"{self._config.name} has no voice {job.voice!r}; its voices are {known}", param="voice")

    def _voice_codes(self, options: FishOptions) -> Codes | None:
        """The codes in the request, shape (K, T)."""
        if options.prompt_tokens is None:
            return None
        codebooks, codebook_size = self._generation.sizes.codebooks, self._pipeline.codec.codebook_size
        return read_codes(options.prompt_tokens, codebooks, codebook_size, "options.prompt_tokens")

    def _voice_prompt(self, job: Job, options: FishOptions, has_codes: bool) -> VoicePrompt:
        if job.reference is not None:
            transcript, param = job.reference.text, "reference_text"
        else:
            transcript, param = options.prompt_text or "", "options.prompt_text"
        return VoicePrompt(self._speaker(job, options), transcript, param, has_codes)

    def _speaker(self, job: Job, options: FishOptions) -> str | None:
        """The request's speaker, else its voice; else, for a request without a voice, the default speaker."""
        if job.options.get("speaker") is not None:
            return options.speaker
        if job.reference is not None or job.voice == RANDOM_VOICE or options.prompt_tokens is not None:
            return None
        return job.voice or options.speaker

    def _generate(self, utterance: Utterance, indices: range) -> None:
        """Queue chunks for the language model.

        :raises InvalidJob: if a prompt is too long.
        """
        assert utterance.voice is not None  # noqa: S101 - called only after the voice is known
        job, text, options = utterance.job, utterance.text, utterance.options
        for index in indices:
            first = text.voice_from_first_chunk and index == 0
            codes = self._generation.sizes.no_codes if first else utterance.voice
            prompt = self._pipeline.front_end.prompt(text.chunks[index], codes)
            seed = piece_seed(job.seed, index)
            sequence = Sequence(utterance.key(index), prompt, seed, Sampling.of(options), options.max_new_tokens)
            self._pipeline.lm.add(sequence)

    def convert(self, job: EncodeJob | DecodeJob) -> None:
        """Admit a codec job; each later step processes one window.

        :raises InvalidJob: if its audio or codes are invalid or too long.
        """
        self._codec_jobs.add(job)

    def step(self) -> collections.abc.Sequence[Event]:
        """Encode one queued reference, generate one frame of each active chunk, decode the next windows.

        Of the codec jobs, one recording has one window encoded; codes to decode share the decoder's windows.
        """
        if not self._utterances and not self._codec_jobs:
            return ()
        events = [*self._encode_reference(), *self._codec_jobs.encode()]
        for generated in self._pipeline.lm.step():
            job_id, index = generated.id
            if job_id in self._utterances:  # an earlier chunk may have failed the job in this step
                events += self._add_codes(self._utterances[job_id], index, generated)
        for decoded in self._pipeline.decoder.step():
            utterance = self._utterances.get(decoded.key[0])
            if utterance is None:  # a codec job, or the job failed in this step
                events += self._codec_jobs.add_audio(decoded)
            elif decoded.failure is not None:
                events.append(self._fail(utterance.job.id, f"the codec failed: {decoded.failure}"))
            else:
                events += self._add_audio(utterance, decoded.samples, decoded.last)
        return events

    def _encode_reference(self) -> list[Event]:
        encoded = self._references.step()
        if encoded is None:
            return []
        events: list[Event] = []
        for job_id in encoded.job_ids:
            utterance = self._utterances[job_id]
            if encoded.codes is None:
                events.append(self._fail(job_id, encoded.failure))
                continue
            utterance.voice = encoded.codes
            events += self._continue(utterance, range(len(utterance.text.chunks)))
        return events

    def _continue(self, utterance: Utterance, indices: range) -> list[Event]:
        try:
            self._generate(utterance, indices)
        except InvalidJob as error:
            return [self._fail(utterance.job.id, error.message)]
        return []

    def _add_codes(self, utterance: Utterance, index: int, generated: StepOutput) -> list[Event]:
        if generated.failure is not None:
            return [self._fail(utterance.job.id, f"{self._config.name} could not generate speech: {generated.failure}")]
        events: list[Event] = []
        text = utterance.text
        if utterance.options.trace and generated.codes.shape[1]:
            events.append(utterance.trace(index, generated.codes))
        inputs = utterance.add_codes(index, generated.codes, generated.ended)
        if generated.ended and index == 0 and text.voice_from_first_chunk:
            # A model that does not stop fills its context; the later chunks need room for their own speech.
            utterance.voice = utterance.codes(0)[:, : (self._pipeline.max_prompt_tokens - text.longest) // 2]
            events += self._continue(utterance, range(1, len(text.chunks)))
        if utterance.job.codes_only:
            return [*events, *self._finish_codes(utterance)]
        self._decode(utterance, inputs)
        return events

    def _finish_codes(self, utterance: Utterance) -> list[Event]:
        """Return all codes of a job that wants no audio, once its last chunk has ended."""
        job_id = utterance.job.id
        if job_id not in self._utterances or not utterance.is_generated:
            return []
        codes = utterance.all_codes()
        if not codes.shape[1]:
            return [self._fail(job_id, SILENT)]
        self.abort(job_id)
        return [CodesChunk(job_id, codes), Finished(job_id)]

    def _add_audio(self, utterance: Utterance, samples: Audio, last: bool) -> list[Event]:
        events, inputs = utterance.add_audio(samples, last)
        self._decode(utterance, inputs)
        for event in events:
            if isinstance(event, (Finished, Failed)):
                self.abort(utterance.job.id)
        return events

    def _decode(self, utterance: Utterance, inputs: collections.abc.Sequence[DecoderInput]) -> None:
        if utterance.job.id in self._utterances:  # it may have failed in this step
            for item in inputs:
                self._pipeline.decoder.push(item.key, item.codes, item.last, utterance.low_latency)

    def _fail(self, job_id: str, reason: str) -> Failed:
        self.abort(job_id)
        return Failed(job_id, reason)

    def abort(self, job_id: str) -> None:
        """Drop a job with everything queued for it."""
        utterance = self._utterances.pop(job_id, None)
        if utterance is not None:
            self._references.cancel(job_id)
            self._pipeline.lm.remove(utterance.keys)
            self._pipeline.decoder.remove(utterance.keys)
        else:
            self._codec_jobs.remove(job_id)

    def close(self) -> None:
        """Release the models."""
        self._utterances.clear()
        for name in ("_codec_jobs", "_references", "_pipeline"):
            self.__dict__.pop(name, None)  # absent if loading failed
