"""One job in progress: the chunks of its text, their codes, and their audio in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backends.base import Audio, AudioChunk, Codes, Event, Failed, Finished, Job, Trace
from backends.common.tempo import Tempo
from backends.fish.generation import ChunkKey, PreparedText, Sizes
from backends.fish.options import FishOptions

SILENT = "the model stopped before it generated any speech; try another seed"


@dataclass(frozen=True, slots=True)
class DecoderInput:
    """Codes to push into the decoder, shape (K, T), T in code frames."""

    key: ChunkKey
    codes: Codes
    last: bool


class Utterance:
    """Keeps a job's chunks in order, from codes to audio.

    One chunk at a time is decoded. Later chunks wait as codes, which are small.

    :param voice: codes that the chunks are prompted with, shape (K, T); T is 0 if the seed or a speaker's name
        determines the voice. None while the reference is being encoded.

    :ivar low_latency: whether the first audio is decoded in short windows. Always true at a changed speed: time
        stretching depends on the last bits of the samples, and windows of other lengths round differently.
    """

    def __init__(self, job: Job, options: FishOptions, text: PreparedText, voice: Codes | None, sizes: Sizes):
        self.job = job
        self.options = options
        self.text = text
        self.voice = voice
        self.low_latency = job.stream or job.speed != 1.0
        self._sizes = sizes
        self._codes: list[list[Codes]] = [[] for _ in text.chunks]
        self._ended = [False] * len(text.chunks)
        self._current = 0  # index of the chunk that is decoded now
        self._tempo = Tempo(sizes.rate_hz, job.speed) if job.speed != 1.0 else None
        self._has_audio = False

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

    def all_codes(self) -> Codes:
        """The codes of all chunks in order, shape (K, T)."""
        return np.concatenate([self.codes(index) for index in range(len(self._codes))], axis=1)

    @property
    def is_generated(self) -> bool:
        """Whether every chunk has ended."""
        return all(self._ended)

    def add_codes(self, index: int, codes: Codes, ended: bool) -> list[DecoderInput]:
        """Store a chunk's next codes, shape (K, T), and return what can be decoded now."""
        if codes.shape[1]:
            self._codes[index].append(codes)
        self._ended[index] = ended
        if index != self._current:
            return []
        return [DecoderInput(self.key(index), codes, ended)]

    def trace(self, index: int, codes: Codes) -> Trace:
        """Describe a chunk's next codes, shape (K, T). To be called before :meth:`add_codes`."""
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
