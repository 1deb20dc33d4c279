"""Utterances: one job's text chunks, and their audio in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backends.base import Audio, AudioChunk, Event, Finished, Job, Trace
from backends.common.seeds import piece_seed
from backends.errors import InvalidJob
from backends.f5.chunking import (
    CrossFader,
    duration_frames,
    max_chunk_bytes,
    prompt_text,
    share_duration,
    split_text,
    spoken_text,
)
from backends.f5.config import HOP_SAMPLES, RATE_HZ
from backends.f5.options import F5Options
from backends.f5.references import EncodedReference
from backends.f5.sample import Sample, SampleId
from backends.f5.trace import mel_observer

FIRST_CHUNK_S = 3.0  # speech in the first chunk of a stream
MAX_FRAMES = 4096  # of one sample, 43.7 s with its reference: the number of text positions of E2-TTS
CHUNKS_PER_STEP = 4  # converted to samples at a time: converting a whole Chinese book takes seconds


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A part of the text that is generated as one sample.

    :param span: start and end in the job's text.
    :param prompt: the transcript and the chunk's text.
    :param frames: length with the reference.
    """

    span: tuple[int, int]
    prompt: str
    frames: int
    seed: int


def plan_chunks(job: Job, reference: EncodedReference, options: F5Options) -> list[TextChunk]:
    """Split a job's text into chunks of a duration that the model handles well.

    :raises InvalidJob: if a chunk would be too long, or a fixed duration leaves no time for it.
    """
    ref_bytes_per_s = len(reference.text.encode()) / reference.duration_s
    first_max_bytes = int(ref_bytes_per_s * FIRST_CHUNK_S * job.speed) if job.stream else None
    max_bytes = max_chunk_bytes(reference.text, reference.duration_s, job.speed)
    spans = split_text(job.text, max_bytes, first_max_bytes)
    texts = [spoken_text(job.text[start:end]) for start, end in spans]
    shares = share_duration(options.fix_duration_s, reference.frames, texts, options.cross_fade_s)
    chunks = []
    for index, (span, text, fixed_s) in enumerate(zip(spans, texts, shares, strict=True)):
        frames = duration_frames(reference.frames, reference.text, text, job.speed, fixed_s)
        if fixed_s is not None and frames <= reference.frames + 1:
            message = f"must exceed the {reference.duration_s:.2f} s of the reference, which it includes"
            raise InvalidJob(message, param="options.fix_duration_s")
        if frames > MAX_FRAMES:
            longest_s = MAX_FRAMES * HOP_SAMPLES / RATE_HZ
            message = f"a chunk of the text would exceed {longest_s:.0f} s, reference included"
            if fixed_s is not None:
                raise InvalidJob(message, param="options.fix_duration_s")
            raise InvalidJob(f"{message}: the transcript is too short for its audio", param="reference_text")
        prompt = prompt_text(reference.text) + text
        if len(prompt) >= MAX_FRAMES:  # every symbol takes at least one frame
            raise InvalidJob("the transcript is too long for its audio", param="reference_text")
        chunks.append(TextChunk(span, prompt, frames, piece_seed(job.seed, index)))
    return chunks


class Utterance:
    """One job: submits its chunks as samples, and joins their audio in order.

    :ivar traces: traces that the engine has not taken yet, if the job asks for them.
    """

    def __init__(self, job_id: str, chunks: list[TextChunk], reference: EncodedReference, options: F5Options):
        self._job_id = job_id
        self._chunks = chunks
        self._reference = reference
        self._options = options
        self._submitted = 0
        self._fader = CrossFader(int(options.cross_fade_s * RATE_HZ))
        self._ahead: dict[int, Audio] = {}  # audio of chunks that finished before an earlier one
        self._next = 0
        self.traces: list[Trace] = []

    @property
    def sample_ids(self) -> set[SampleId]:
        """Ids of the samples submitted so far."""
        return {(self._job_id, index) for index in range(self._submitted)}

    def next_samples(self, encode: Callable[[str], Sequence[int]]) -> list[Sample]:
        """Return the next few samples to submit, possibly none.

        :param encode: converts text to symbol ids.
        """
        options, start = self._options, self._submitted
        reference_frames = len(self._reference.mel)
        self._submitted = min(start + CHUNKS_PER_STEP, len(self._chunks))
        return [
            Sample(
                id=(self._job_id, index),
                reference_mel=self._reference.mel,
                text_ids=encode(chunk.prompt),
                frames=chunk.frames,
                seed=chunk.seed,
                nfe=options.nfe,
                cfg_strength=options.cfg_strength,
                sway=options.sway,
                observe=(
                    mel_observer(self._job_id, chunk.span, reference_frames, options.nfe, self.traces.append)
                    if options.trace
                    else None
                ),
            )
            for index, chunk in enumerate(self._chunks[start : self._submitted], start)
        ]

    def deliver(self, index: int, samples: Audio) -> list[Event]:
        """Store the audio of a chunk, shape (N,); return the events that are due, in text order."""
        self._ahead[index] = samples
        events: list[Event] = []
        while self._next in self._ahead:
            chunk = self._chunks[self._next]
            parts = [self._fader.push(self._ahead.pop(self._next) * self._reference.gain)]
            self._next += 1
            if self._next == len(self._chunks):
                parts.append(self._fader.finish())
            samples = np.concatenate(parts)
            if len(samples):
                events.append(AudioChunk(self._job_id, samples, chunk.span))
        if self._next == len(self._chunks):
            events.append(Finished(self._job_id))
        return events
