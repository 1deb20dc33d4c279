"""One job on its way: the pieces of its text, their codes, and their audio in order.

Letters: Q codebooks, k code frames, N samples, S positions of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backends.base import Audio, AudioChunk, Event, Failed, Finished
from backends.common.tempo import Tempo
from backends.fish.v0_2.config import RATE_HZ
from backends.fish.v0_2.text.prompt import Codes, Prompt


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the text.

    :param text_rows: what the model reads, shape (1 + Q, S), without the voice's codes.
    """

    span: tuple[int, int]
    text_rows: Prompt
    seed: int


@dataclass(frozen=True, slots=True)
class Push:
    """Codes for the decoder, shape (Q, k)."""

    key: str
    codes: Codes
    last: bool


class Speaking:
    """Keeps a job's pieces in order, from codes to audio.

    Pieces behind the one that is heard wait as codes, which are small; one piece at a time is decoded.

    :param voice: the codes that the pieces are prompted with, shape (Q, T); T is 0 where the seed or a speaker's name
        draws the voice. None while they are being made.
    :param chained: the voice is whatever the first piece turns out to be: it prompts the others.
    :param listened: someone hears it while it is made.

    :ivar early: its first audio is made in short windows. Where the pace is changed they are always the same: that
        depends on the last bits of the samples, which windows round differently.
    """

    def __init__(
        self,
        job_id: str,
        pieces: Sequence[Piece],
        voice: Codes | None,
        chained: bool,
        speed: float,
        listened: bool,
    ):
        self.job_id = job_id
        self.pieces = pieces
        self.voice = voice
        self.chained = chained
        self.early = listened or speed != 1.0
        self._codes: list[list[Codes]] = [[] for _ in pieces]
        self._ended = [False] * len(pieces)
        self._heard = 0  # the piece whose audio is due
        self._tempo = Tempo(RATE_HZ, speed) if speed != 1.0 else None
        self._spoke = False

    def key(self, index: int) -> str:
        """The id of a piece, for generator and decoder."""
        return f"{self.job_id}/{index}"

    @property
    def keys(self) -> list[str]:
        """The ids of all pieces."""
        return [self.key(index) for index in range(len(self.pieces))]

    def codes_of(self, index: int) -> Codes | None:
        """What was generated for a piece so far, shape (Q, k); None when that is nothing."""
        return np.concatenate(self._codes[index], axis=1) if self._codes[index] else None

    def grew(self, index: int, codes: Codes, ended: bool) -> list[Push]:
        """Take a piece's next codes, shape (Q, k), and tell what the decoder can have."""
        if codes.shape[1]:
            self._codes[index].append(codes)
        self._ended[index] = ended
        if index != self._heard:
            return []
        return [Push(self.key(index), codes, ended)]

    def heard(self, samples: Audio, last: bool) -> tuple[list[Event], list[Push]]:
        """Take audio of the piece that is due, shape (N,).

        :returns: events, and what the decoder can have of the next piece.
        """
        span = self.pieces[self._heard].span
        pushes: list[Push] = []
        if last:
            self._heard += 1
            pushes = self._due()
        ends = self._heard == len(self.pieces)
        self._spoke = self._spoke or bool(len(samples))
        if self._tempo is not None:
            samples = self._tempo.push(samples)
            if ends:
                samples = np.concatenate((samples, self._tempo.finish()))
        events: list[Event] = [AudioChunk(self.job_id, samples, span)] if len(samples) else []
        if ends:
            silent = Failed(self.job_id, "the model ended the text before it spoke any of it; another seed may help")
            events.append(Finished(self.job_id) if self._spoke else silent)
        return events, pushes

    def _due(self) -> list[Push]:
        """Everything there is of the piece that has become due."""
        if self._heard == len(self.pieces):
            return []
        codes = self.codes_of(self._heard)
        ended = self._ended[self._heard]
        if codes is None:
            if not ended:
                return []
            codes = np.zeros((len(self.pieces[0].text_rows) - 1, 0), np.int64)
        return [Push(self.key(self._heard), codes, ended)]
