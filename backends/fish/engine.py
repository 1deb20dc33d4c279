"""The Fish-Speech engine: reference encoding, code generation and audio decoding, batched over jobs.

A step generates one code frame for every active chunk of every job, and decodes one window for chunks that have enough
codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backends.base import Capabilities, CodecInfo, DecodeJob, EncodeJob, Engine, Event, Failed, Finished, Job
from backends.errors import InvalidJob
from backends.fish.codec_jobs import CodecJobs
from backends.fish.generation import DecoderOutput, Generation, Pipeline, StepOutput
from backends.fish.options import read_options
from backends.fish.references import MAX_REFERENCE_S, ReferenceEncoder
from backends.fish.utterance import DecoderInput, Utterance, plan_utterance
from backends.fish.voices import Voices
from backends.options import json_schema

MAX_TEXT_CHARS = 20_000


class FishEngine(Engine):
    """A language model that continues a voice's codes, and a codec that decodes them."""

    def __init__(self, generation: Generation, pipeline: Pipeline, voices: Voices, defaults: Mapping[str, Any]):
        codec, sizes, languages = pipeline.codec, generation.sizes, pipeline.front_end.languages
        super().__init__(
            Capabilities(
                model=pipeline.name,
                sample_rate_hz=sizes.rate_hz,
                languages=languages,
                cloning=generation.cloning,
                streaming="frame",
                voices=voices.builtin(languages[0]),
                max_text_chars=MAX_TEXT_CHARS,
                max_jobs=pipeline.slots,
                options_schema=json_schema(generation.options),
                codec=CodecInfo(sizes.codebooks, codec.codebook_size, sizes.samples_per_frame, generates=True),
                alphabet=pipeline.front_end.alphabet,
                max_reference_s=MAX_REFERENCE_S,
                dtype=pipeline.dtype,
            )
        )
        self._options = generation.options
        self._defaults = defaults
        self._voices = voices
        self._pipeline = pipeline
        self._references = ReferenceEncoder(codec)
        self._codec_jobs = CodecJobs(codec, pipeline.decoder)
        self._utterances: dict[str, Utterance] = {}

    def add(self, job: Job) -> None:
        """Tokenize the text; later steps encode a new reference and generate the codes.

        :raises InvalidJob: if the voice or an option is unknown, the reference is unusable, or the text cannot be
            spoken or is too long for the model.
        """
        options = read_options(self._options, self._defaults, job.options)
        utterance = plan_utterance(job, options, self._voices, self._pipeline)
        if job.reference is not None:
            utterance.voice = self._references.request(job.id, job.reference, utterance.max_voice_frames)
        self._utterances[job.id] = utterance
        try:
            self._submit(utterance)
        except InvalidJob:
            self.abort(job.id)
            raise

    def convert(self, job: EncodeJob | DecodeJob) -> None:
        """Admit a codec job; each later step processes one window.

        :raises InvalidJob: if its audio or codes are invalid or too long.
        """
        self._codec_jobs.add(job)

    def step(self) -> Sequence[Event]:
        """Encode one queued reference, generate one frame of each active chunk, decode the next windows.

        Of the codec jobs, one recording has one window encoded; codes to decode share the decoder's windows.
        """
        if not self._utterances and not self._codec_jobs:
            return ()
        events = [*self._encode_reference(), *self._codec_jobs.encode()]
        for generated in self._pipeline.lm.step():
            events += self._add_codes(generated)
        for decoded in self._pipeline.decoder.step():
            events += self._add_audio(decoded)
        return events

    def _encode_reference(self) -> list[Event]:
        encoded = self._references.step()
        if encoded is None:
            return []
        events: list[Event] = []
        for job_id in encoded.job_ids:
            if encoded.codes is None:
                events.append(self._fail(job_id, encoded.failure))
            else:
                self._utterances[job_id].voice = encoded.codes
                events += self._advance(self._utterances[job_id], [], [])
        return events

    def _add_codes(self, generated: StepOutput) -> list[Event]:
        job_id, index = generated.id
        utterance = self._utterances.get(job_id)
        if utterance is None:  # an earlier chunk has failed the job in this step
            return []
        if generated.failure is not None:
            return [self._fail(job_id, f"{self._voices.engine} could not generate speech: {generated.failure}")]
        return self._advance(utterance, *utterance.add_codes(index, generated.codes, generated.ended))

    def _add_audio(self, decoded: DecoderOutput) -> list[Event]:
        utterance = self._utterances.get(decoded.key[0])
        if utterance is None:  # a codec job, or the job has failed in this step
            return self._codec_jobs.add_audio(decoded)
        if decoded.failure is not None:
            return [self._fail(utterance.job.id, f"the codec failed: {decoded.failure}")]
        return self._advance(utterance, *utterance.add_audio(decoded.samples, decoded.last))

    def _advance(self, utterance: Utterance, events: list[Event], inputs: list[DecoderInput]) -> list[Event]:
        """Submit what an utterance has ready; forget it after its last event."""
        try:
            self._submit(utterance)
        except InvalidJob as error:
            return [*events, self._fail(utterance.job.id, error.message)]
        for item in inputs:
            self._pipeline.decoder.push(item.key, item.codes, item.last, utterance.low_latency)
        if events and isinstance(events[-1], Finished | Failed):
            self.abort(utterance.job.id)
        return events

    def _submit(self, utterance: Utterance) -> None:
        for sequence in utterance.next_sequences(self._pipeline.front_end):
            self._pipeline.lm.add(sequence)

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
        del self._codec_jobs, self._references, self._pipeline
