"""One job on its way: the pieces of its text, and their audio in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from backends.base import Audio, AudioChunk, Event, Finished, Job
from backends.common.seeds import piece_seed
from backends.errors import InvalidJob
from backends.f5.model import HOP_SAMPLES, RATE_HZ
from backends.f5.pieces import (
    CrossFader,
    duration_frames,
    max_piece_bytes,
    piece_text,
    prompt_text,
    share_duration,
    split_text,
)
from backends.f5.sample import Sample
from backends.f5.voices import Voice
from backends.options import Options

FIRST_PIECE_S = 3.0  # of speech, when someone is listening already
MAX_FRAMES = 4096  # of one sample, 43.7 s with its reference: E2's text positions end here
PIECES_A_STEP = 4  # made ready at a time; the symbols of a Chinese book take seconds


class F5Options(Options, frozen=True):
    """Per-request options."""

    nfe: Annotated[int, Meta(ge=1, le=64, description="evaluations of the network: 7 fast, 16 good, 32 best")] = 16
    cfg_strength: Annotated[
        float, Meta(ge=0, le=10, description="how strongly reference and text guide; 0 halves the work")
    ] = 2.0
    sway: Annotated[float, Meta(ge=-1, le=1, description="below 0: more evaluations early, where words form")] = -1.0
    cross_fade_s: Annotated[float, Meta(ge=0, le=1, description="overlap of the pieces of a long text, in seconds")] = (
        0.15
    )
    fix_duration_s: (
        Annotated[
            float, Meta(gt=0, le=3600, description="length of reference and speech together, instead of an estimate")
        ]
        | None
    ) = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the text, what the model is given for it, and for how many frames, reference included."""

    span: tuple[int, int]
    prompt: str
    frames: int
    seed: int


def plan_pieces(job: Job, voice: Voice, options: F5Options) -> list[Piece]:
    """Cut a job's text into pieces of a length the model is good at.

    :raises InvalidJob: the pieces would come out too long, or there is no time for them.
    """
    ref_bytes_per_s = len(voice.text.encode()) / voice.duration_s
    first = int(ref_bytes_per_s * FIRST_PIECE_S * job.speed) if job.stream else None
    spans = split_text(job.text, max_piece_bytes(voice.text, voice.duration_s, job.speed), first)
    texts = [piece_text(job.text[start:end]) for start, end in spans]
    shares = share_duration(options.fix_duration_s, voice.frames, texts, options.cross_fade_s)
    pieces = []
    for index, (span, text, fixed_s) in enumerate(zip(spans, texts, shares, strict=True)):
        frames = duration_frames(voice.frames, voice.text, text, job.speed, fixed_s)
        if fixed_s is not None and frames <= voice.frames + 1:
            message = f"it includes the reference, which alone takes {voice.duration_s:.2f} s"
            raise InvalidJob(message, param="options.fix_duration_s")
        if frames > MAX_FRAMES:
            longest_s = MAX_FRAMES * HOP_SAMPLES / RATE_HZ
            message = f"a piece of the text would take over {longest_s:.0f} s, reference included"
            if fixed_s is not None:
                raise InvalidJob(message, param="options.fix_duration_s")
            raise InvalidJob(f"{message}: the transcript is too short for its audio", param="reference_text")
        prompt = prompt_text(voice.text) + text
        if len(prompt) >= MAX_FRAMES:  # a symbol takes a frame at least
            raise InvalidJob("the transcript is far too long for its audio", param="reference_text")
        pieces.append(Piece(span, prompt, frames, piece_seed(job.seed, index)))
    return pieces


class Speaking:
    """Asks for the pieces of a job, puts them in order when they are made, and joins them."""

    def __init__(self, job_id: str, pieces: list[Piece], voice: Voice, options: F5Options):
        self._job_id = job_id
        self._pieces = pieces
        self._voice = voice
        self._options = options
        self._asked = 0
        self._fader = CrossFader(int(options.cross_fade_s * RATE_HZ))
        self._early: dict[int, Audio] = {}  # ended before one that is heard earlier
        self._next = 0

    @property
    def sample_ids(self) -> list[str]:
        """Ids of the samples this job has asked for, one for each piece."""
        return [self._sample_id(index) for index in range(self._asked)]

    def _sample_id(self, index: int) -> str:
        return f"{self._job_id}/{index}"

    def ask(self, spell: Callable[[str], Sequence[int]]) -> list[Sample]:
        """The next few samples to make, possibly none.

        :param spell: gives the ids of a text's symbols.
        """
        options, start = self._options, self._asked
        self._asked = min(start + PIECES_A_STEP, len(self._pieces))
        return [
            Sample(
                id=self._sample_id(index),
                owner=self._job_id,
                reference=self._voice.mel,
                symbols=spell(piece.prompt),
                frames=piece.frames,
                seed=piece.seed,
                nfe=options.nfe,
                cfg_strength=options.cfg_strength,
                sway=options.sway,
            )
            for index, piece in enumerate(self._pieces[start : self._asked], start)
        ]

    def deliver(self, sample_id: str, samples: Audio) -> list[Event]:
        """Take a piece's audio, shape (N,), and tell what can be heard now."""
        self._early[int(sample_id.rpartition("/")[2])] = samples
        events: list[Event] = []
        while self._next in self._early:
            piece = self._pieces[self._next]
            parts = [self._fader.push(self._early.pop(self._next) * self._voice.gain)]
            self._next += 1
            if self._next == len(self._pieces):
                parts.append(self._fader.finish())
            samples = np.concatenate(parts)
            if len(samples):
                events.append(AudioChunk(self._job_id, samples, piece.span))
        if self._next == len(self._pieces):
            events.append(Finished(self._job_id))
        return events
