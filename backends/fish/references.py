"""Voices as the language model knows them: the codes of a prompt.

Letters: N samples, Q codebooks, T code frames.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import soundfile
import soxr

from backends.base import Audio, Reference
from backends.errors import InvalidJob
from backends.fish.v0_2.config import CODE_HOPS, CODE_SAMPLES, CODEBOOKS, HOP_SAMPLES, RATE_HZ
from backends.fish.v0_2.text.prompt import Codes
from backends.npy import read_npy

KEPT_CODES = 512  # references whose codes are kept; each takes some kilobytes
MAX_PROMPT_S = 120.0
NO_CODES: Codes = np.zeros((CODEBOOKS, 0), np.int64)  # of a voice that the seed or a speaker's name draws


class KeptCodes:
    """The codes of the references heard last, by content."""

    def __init__(self, kept: int = KEPT_CODES):
        self._kept = kept
        self._codes: OrderedDict[str, Codes] = OrderedDict()

    def get(self, digest: str) -> Codes | None:
        """The codes of a reference, shape (Q, T), where they are known."""
        codes = self._codes.get(digest)
        if codes is not None:
            self._codes.move_to_end(digest)
        return codes

    def put(self, digest: str, codes: Codes) -> None:
        """Keep them; the reference not heard of for the longest time is forgotten."""
        self._codes[digest] = codes
        self._codes.move_to_end(digest)
        while len(self._codes) > self._kept:
            self._codes.popitem(last=False)


def to_codec_rate(audio: Audio, rate_hz: int, param: str = "reference_audio") -> Audio:
    """Mono PCM at the codec's rate, shape (N,), by the resampler that librosa (and so the classic tools) uses.

    :raises InvalidJob: it is shorter than one code frame, longer than two minutes, or holds what is no number.
    """
    if not np.isfinite(audio).all():
        raise InvalidJob("holds samples that are not numbers", param=param)
    if len(audio) > MAX_PROMPT_S * rate_hz:
        raise InvalidJob(f"is longer than {MAX_PROMPT_S:g} s", param=param)
    converted: Audio = audio if rate_hz == RATE_HZ else soxr.resample(audio, rate_hz, RATE_HZ, quality="HQ")
    if len(converted) < CODE_SAMPLES:
        raise InvalidJob(f"is shorter than {CODE_SAMPLES / RATE_HZ * 1000:.0f} ms, one frame of codes", param=param)
    return np.ascontiguousarray(converted, dtype=np.float32)


def read_audio(path: Path) -> tuple[Audio, int]:
    """An audio file as mono PCM, shape (N,), and its rate in Hz.

    :raises ValueError: it is no audio file that libsndfile reads.
    """
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{path}: {error}") from None
    return samples.mean(axis=1), rate_hz


def read_codes(data: bytes, codebook_size: int, param: str) -> Codes:
    """Codes from the bytes of an ``.npy`` file as the classic tools write them; int64 of shape (Q, T).

    :param codebook_size: how many codes there are.
    :raises InvalidJob: naming ``param``.
    """
    try:
        codes = read_npy(data)
    except ValueError as error:
        raise InvalidJob(f"is no .npy file of numbers ({error})", param=param) from None
    if codes.ndim != 2 or codes.shape[0] != CODEBOOKS or not codes.shape[1] or codes.dtype.kind not in "iu":
        found = f"{codes.dtype} of shape {codes.shape}"
        raise InvalidJob(f"has to hold whole numbers of shape ({CODEBOOKS}, T), but holds {found}", param=param)
    if codes.min() < 0 or codes.max() >= codebook_size:
        raise InvalidJob(f"has to hold codes from 0 to {codebook_size - 1}", param=param)
    return codes.astype(np.int64)


def frames_of(samples: int) -> int:
    """How many code frames come of so many samples at the codec's rate."""
    return -(-(samples // HOP_SAMPLES) // CODE_HOPS)


def require_room(frames: int, room: int, param: str) -> None:
    """Refuse a voice that is too long.

    :param frames: of the voice.
    :param room: columns of a prompt that are left beside the text.
    :raises InvalidJob: naming ``param``.
    """
    if frames > room:
        message = f"the voice takes {frames} tokens, and beside the text and its transcript there is room for {room}"
        raise InvalidJob(message, param=param)


class References:
    """Reference recordings on their way to codes: each content is encoded once, whoever waits for it."""

    def __init__(self, known: KeptCodes):
        self._known = known
        self._waiting: OrderedDict[str, Audio] = OrderedDict()
        self._askers: dict[str, list[str]] = {}  # by digest

    def ask(self, job_id: str, reference: Reference, room: int) -> Codes | None:
        """The codes where they are known, shape (Q, T); otherwise they will come.

        :param room: how many frames there is room for.
        :raises InvalidJob: it is no voice, or too long.
        """
        codes = self._known.get(reference.digest)
        if codes is not None:
            require_room(codes.shape[1], room, "reference_audio")
            return codes
        audio = self._waiting.get(reference.digest)
        if audio is None:
            audio = to_codec_rate(reference.audio, reference.sample_rate_hz)
        require_room(frames_of(len(audio)), room, "reference_audio")
        self._waiting[reference.digest] = audio
        self._askers.setdefault(reference.digest, []).append(job_id)
        return None

    def next(self) -> tuple[str, Audio] | None:
        """The reference to encode next: its digest and audio, shape (N,)."""
        return next(iter(self._waiting.items()), None)

    def encoded(self, digest: str, codes: Codes | None) -> list[str]:
        """Keep what came of it, None for a failure, and return the jobs that waited."""
        self._waiting.pop(digest, None)
        if codes is not None:
            self._known.put(digest, codes)
        return self._askers.pop(digest, [])

    def forget(self, job_id: str) -> None:
        """A job waits no more."""
        for digest, askers in list(self._askers.items()):
            if job_id in askers:
                askers.remove(job_id)
                if not askers:
                    del self._askers[digest], self._waiting[digest]
