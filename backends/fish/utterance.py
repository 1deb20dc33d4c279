"""Utterances: one job's text chunks, their codes, and their audio in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from backends.base import Audio, AudioChunk, Codes, CodesChunk, Event, Failed, Finished, Job, Trace
from backends.common.seeds import piece_seed
from backends.common.tempo import Tempo
from backends.fish.generation import ChunkKey, FrontEnd, Pipeline, PreparedText, Sampling, Sequence, Sizes
from backends.fish.options import FishOptions
from backends.fish.references import check_length, read_codes
from backends.fish.voices import Voices

SILENT = "the model stopped before it generated any speech; try another seed"


@dataclass(frozen=True, slots=True)
class DecoderInput:
    """Codes to push into the decoder, shape (K, T), T in code frames."""

    key: ChunkKey
    codes: Codes
    last: bool


def plan_utterance(job: Job, options: FishOptions, voices: Voices, pipeline: Pipeline) -> Utterance:
    """Choose the voice, and normalize, split and tokenize the text. The codes of a reference are not part of the plan.

    :raises InvalidJob: if the voice is unknown or unusable, or the text cannot be spoken or is too long for the model.
    """
    prompt = voices.prompt(job, options)
    codec, param = pipeline.codec, "options.prompt_tokens"
    codes = codec.sizes.no_codes
    if options.prompt_tokens is not None:
        codes = read_codes(options.prompt_tokens, codec.sizes.codebooks, codec.codebook_size, param)
    text = pipeline.front_end.prepare(job, options, prompt)
    max_frames = pipeline.max_prompt_tokens - text.longest
    check_length(codes.shape[1], max_frames, param)
    return Utterance(job, options, text, codes, codec.sizes, max_frames)


class Utterance:
    """Keeps a job's chunks in order, from prompts through codes to audio.

    One chunk at a time is decoded. Later chunks wait as codes, which are small.

    :param voice: codes that the chunks are prompted with, shape (K, T); T is 0 if the seed or a speaker's name
        determines the voice. None while the reference is being encoded.
    :param max_voice_frames: number of the voice's code frames that fit into a prompt beside the longest chunk.
    """

    def __init__(
        self, job: Job, options: FishOptions, text: PreparedText, voice: Codes, sizes: Sizes, max_voice_frames: int
    ):
        self.job = job
        self.options = options
        self.text = text
        self.max_voice_frames = max_voice_frames
        self.voice: Codes | None = voice
        self._sizes = sizes
        self._submitted = 0  # chunks given to the language model
        self._codes: list[list[Codes]] = [[] for _ in text.chunks]
        self._ended = [False] * len(text.chunks)
        self._current = 0  # index of the chunk that is decoded now
        self._tempo = Tempo(sizes.rate_hz, job.speed) if job.speed != 1.0 else None
        self._has_audio = False

    @property
    def low_latency(self) -> bool:
        """Whether the first audio is decoded in short windows.

        Always true at a changed speed: time stretching depends on the last bits of the samples, and windows of other
        lengths round differently.
        """
        return self.job.stream or self._tempo is not None

    def key(self, index: int) -> ChunkKey:
        """The key of a chunk in the language model and the decoder."""
        return self.job.id, index

    @property
    def keys(self) -> list[ChunkKey]:
        """The keys of all chunks."""
        return [self.key(index) for index in range(len(self.text.chunks))]

    def codes(self, index: int) -> Codes:
        """The codes generated for a chunk so far, shape (K, T)."""
        return np.concatenate((self._sizes.no_codes, *self._codes[index]), axis=1)

    def next_sequences(self, front_end: FrontEnd) -> Iterator[Sequence]:
        """Yield the chunks whose prompts are complete and that the language model does not have yet.

        With ``voice_from_first_chunk``, the later chunks wait until the first one has ended.
        """
        if self.voice is None:
            return
        waits = self.text.voice_from_first_chunk and not self._ended[0]
        options, end = self.options, 1 if waits else len(self.text.chunks)
        while self._submitted < end:
            index = self._submitted
            self._submitted += 1
            prompt = front_end.prompt(self.text.chunks[index], self.voice)
            seed = piece_seed(self.job.seed, index)
            yield Sequence(self.key(index), prompt, seed, Sampling.of(options), options.max_new_tokens)

    def add_codes(self, index: int, codes: Codes, ended: bool) -> tuple[list[Event], list[DecoderInput]]:
        """Take a chunk's next codes, shape (K, T).

        :returns: events, and what can be decoded now.
        """
        events: list[Event] = []
        if codes.shape[1]:
            if self.options.trace:
                events.append(self._trace(index, codes))
            self._codes[index].append(codes)
        self._ended[index] = ended
        if ended and index == 0 and self.text.voice_from_first_chunk:
            # A model that does not stop fills its context; the later chunks need room for their own speech.
            self.voice = self.codes(0)[:, : self.max_voice_frames // 2]
        if self.job.codes_only:
            return [*events, *(self._all_codes() if all(self._ended) else ())], []
        return events, [DecoderInput(self.key(index), codes, ended)] if index == self._current else []

    def _all_codes(self) -> list[Event]:
        """The codes of all chunks in order."""
        codes = np.concatenate([self.codes(index) for index in range(len(self._codes))], axis=1)  # (K, T)
        if not codes.shape[1]:
            return [Failed(self.job.id, SILENT)]
        return [CodesChunk(self.job.id, codes), Finished(self.job.id)]

    def _trace(self, index: int, codes: Codes) -> Trace:
        position = sum(part.shape[1] for part in self._codes[index])
        rate_hz = self._sizes.rate_hz / self._sizes.samples_per_frame * self.job.speed
        return Trace(self.job.id, "codes", codes.astype(np.uint16), self.text.chunks[index].span, position, rate_hz)

    def add_audio(self, samples: Audio, last: bool) -> tuple[list[Event], list[DecoderInput]]:
        """Take the next audio of the current chunk, shape (N,).

        :returns: events, and what can be decoded of the next chunk.
        """
        span = self.text.chunks[self._current].span
        inputs: list[DecoderInput] = []
        if last:
            self._current += 1
            inputs = list(self._ready())
        ended = self._current == len(self.text.chunks)
        self._has_audio = self._has_audio or bool(len(samples))
        if self._tempo is not None:
            samples = self._tempo.push(samples)
            if ended:
                samples = np.concatenate((samples, self._tempo.finish()))
        events: list[Event] = [AudioChunk(self.job.id, samples, span)] if len(samples) else []
        if ended:
            silent = Failed(self.job.id, SILENT)
            events.append(Finished(self.job.id) if self._has_audio else silent)
        return events, inputs

    def _ready(self) -> Iterable[DecoderInput]:
        """All codes so far of the chunk that has become current."""
        if self._current == len(self.text.chunks):
            return
        codes, ended = self.codes(self._current), self._ended[self._current]
        if codes.shape[1] or ended:
            yield DecoderInput(self.key(self._current), codes, ended)
