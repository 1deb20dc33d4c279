"""Reference recordings: reading, resampling, encoding, and the cache of their codes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from backends.base import Audio, Codes, Reference
from backends.errors import FatalFault, InvalidJob
from backends.fish.generation import Codec, Sizes
from backends.lru import LRUCache
from backends.npy import read_npy

CACHED_REFERENCES = 512  # some kilobytes each
MAX_REFERENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class EncodedReference:
    """The result of encoding one reference.

    :param job_ids: jobs that waited for it.
    :param codes: shape (K, T); None if encoding failed.
    :param failure: the error message, or empty.
    """

    job_ids: list[str]
    codes: Codes | None
    failure: str = ""


class ReferenceEncoder:
    """Encodes references, each content once, however many jobs wait for it."""

    def __init__(self, codec: Codec):
        self._codec = codec
        self._cache: LRUCache[str, Codes] = LRUCache(CACHED_REFERENCES)  # by digest
        self._queue: OrderedDict[str, Audio] = OrderedDict()  # by digest
        self._job_ids: dict[str, list[str]] = {}  # by digest

    def __len__(self) -> int:
        return len(self._queue)

    def request(self, job_id: str, reference: Reference, max_frames: int) -> Codes | None:
        """Return the codes, shape (K, T), if they are cached; otherwise queue the reference and return None.

        :param max_frames: number of code frames that fit beside the text.
        :raises InvalidJob: if the recording is unusable or too long.
        """
        codes = self._cache.get(reference.digest)
        if codes is not None:
            check_length(codes.shape[1], max_frames, "reference_audio")
            return codes
        audio = self._queue.get(reference.digest)
        if audio is None:
            audio = resample(reference.audio, reference.sample_rate_hz, self._codec.sizes)
        check_length(self._codec.frames(len(audio)), max_frames, "reference_audio")
        self._queue[reference.digest] = audio
        self._job_ids.setdefault(reference.digest, []).append(job_id)
        return None

    def step(self) -> EncodedReference | None:
        """Encode the next reference in the queue, if there is one.

        :raises FatalFault: if the device is lost.
        """
        if not self._queue:
            return None
        digest, audio = next(iter(self._queue.items()))
        codes, failure = None, ""
        try:
            (codes,) = self._codec.encode([audio])
            self._cache.put(digest, codes)
        except FatalFault:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it fails the jobs with this reference only
            failure = f"the reference audio could not be encoded: {error}"
        del self._queue[digest]
        return EncodedReference(self._job_ids.pop(digest, []), codes, failure)

    def cancel(self, job_id: str) -> None:
        """Drop a job; a reference that no other job waits for leaves the queue."""
        for digest, job_ids in list(self._job_ids.items()):
            if job_id in job_ids:
                job_ids.remove(job_id)
                if not job_ids:
                    del self._job_ids[digest], self._queue[digest]


def resample(audio: Audio, rate_hz: int, sizes: Sizes, param: str = "reference_audio") -> Audio:
    """Resample mono PCM to the codec's rate, shape (N,). librosa, and so the classic tools, uses the same resampler.

    :raises InvalidJob: if the audio is shorter than one code frame, longer than two minutes, or not finite.
    """
    if not np.isfinite(audio).all():
        raise InvalidJob("contains samples that are NaN or infinite", param=param)
    if len(audio) > MAX_REFERENCE_S * rate_hz:
        raise InvalidJob(f"is longer than {MAX_REFERENCE_S:g} s", param=param)
    resampled: Audio = audio if rate_hz == sizes.rate_hz else soxr.resample(audio, rate_hz, sizes.rate_hz, quality="HQ")
    if len(resampled) < sizes.samples_per_frame:
        shortest_ms = sizes.samples_per_frame / sizes.rate_hz * 1000
        raise InvalidJob(f"is shorter than {shortest_ms:.0f} ms, the length of one code frame", param=param)
    return np.ascontiguousarray(resampled, dtype=np.float32)


def read_audio(path: Path) -> tuple[Audio, int]:
    """Read an audio file as mono PCM, shape (N,), with its sample rate in Hz.

    :raises ValueError: if libsndfile cannot read the file.
    """
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{path}: {error}") from None
    return samples.mean(axis=1), rate_hz


def read_codes(data: bytes, codebooks: int, codebook_size: int, param: str) -> Codes:
    """Parse an ``.npy`` file of codes, as the classic tools write it, to int64 of shape (K, T).

    :param codebooks: K.
    :param codebook_size: codes must be in ``range(codebook_size)``.
    :raises InvalidJob: naming ``param``.
    """
    try:
        codes = read_npy(data)
    except ValueError as error:
        raise InvalidJob(f"is not an .npy file of numbers: {error}", param=param) from None
    if codes.ndim != 2 or codes.shape[0] != codebooks or not codes.shape[1] or codes.dtype.kind not in "iu":
        found = f"{codes.dtype} of shape {codes.shape}"
        raise InvalidJob(f"must contain integers of shape ({codebooks}, T), not {found}", param=param)
    if codes.min() < 0 or codes.max() >= codebook_size:
        raise InvalidJob(f"must contain codes from 0 to {codebook_size - 1}", param=param)
    return codes.astype(np.int64)


def check_length(frames: int, max_frames: int, param: str) -> None:
    """Reject a voice that does not fit beside the text.

    :param frames: code frames of the voice.
    :param max_frames: prompt tokens left beside the text and its transcript.
    :raises InvalidJob: naming ``param``.
    """
    if frames > max_frames:
        message = f"the voice has {frames} tokens, but text and transcript leave room for {max_frames}; shorten it"
        raise InvalidJob(message, param=param)
