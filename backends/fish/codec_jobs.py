"""The codec for its own sake: sounds on their way to codes, and codes on their way to sound.

Letters: N samples, G codebooks, T code frames.
"""

from __future__ import annotations

from collections import OrderedDict

from backends.base import Audio, AudioChunk, CodesMade, DecodeJob, EncodeJob, Event, Failed, Finished
from backends.common.device import fatal_when_lost
from backends.errors import InvalidJob
from backends.fish.references import MAX_PROMPT_S, to_codec_rate
from backends.fish.v0_2.codec.encoding import Encoding
from backends.fish.v0_2.codec.stream import StreamDecoder
from backends.fish.v0_2.codec.vqgan import VQGAN
from backends.fish.v0_2.config import CODE_SAMPLES, RATE_HZ

MAX_FRAMES = int(MAX_PROMPT_S * RATE_HZ) // CODE_SAMPLES + 1


class Conversions:
    """Jobs of the codec alone, beside those that speak.

    :param decoder: shared with those: its windows are computed in the order in which they can be.
    """

    def __init__(self, codec: VQGAN, decoder: StreamDecoder):
        self._codec = codec
        self._decoder = decoder
        self._encoding: OrderedDict[str, Encoding] = OrderedDict()
        self._decoding: set[str] = set()

    def __len__(self) -> int:
        return len(self._encoding) + len(self._decoding)

    def add(self, job: EncodeJob | DecodeJob) -> None:
        """Admit a job.

        :raises InvalidJob: the sound or the codes are of no use to the codec, or too long.
        """
        if isinstance(job, EncodeJob):
            audio = to_codec_rate(job.audio, job.sample_rate_hz, param="audio")
            self._encoding[job.id] = Encoding(self._codec, audio)
            return
        try:
            self._codec.check(job.codes)
        except ValueError as error:
            raise InvalidJob(str(error), param="codes") from None
        if not 1 <= job.codes.shape[1] <= MAX_FRAMES:
            message = f"{job.codes.shape[1]} frames of codes; there have to be 1 to {MAX_FRAMES} ({MAX_PROMPT_S:g} s)"
            raise InvalidJob(message, param="codes")
        self._decoder.push(_key(job.id), job.codes, last=True, early=False)
        self._decoding.add(job.id)

    def encode(self) -> list[Event]:
        """Encode one window of one sound; the sounds take turns."""
        if not self._encoding:
            return []
        job_id, encoding = self._encoding.popitem(last=False)
        try:
            with fatal_when_lost():
                codes = encoding.step()
        except (RuntimeError, ValueError) as error:  # out of memory, mostly
            return [Failed(job_id, f"the sound could not be encoded: {error}")]
        made = CodesMade(job_id, codes)
        if encoding.complete:
            return [made, Finished(job_id)]
        self._encoding[job_id] = encoding
        return [made]

    def heard(self, key: str, samples: Audio | str, last: bool) -> list[Event]:
        """What the decoder made for ``key``, if that is of a job here: samples of shape (N,), or why there are none."""
        job_id = key.rpartition("/")[0]
        if job_id not in self._decoding:
            return []
        if last:
            self._decoding.discard(job_id)
        if isinstance(samples, str):
            return [Failed(job_id, f"the codec failed: {samples}")]
        events: list[Event] = [AudioChunk(job_id, samples)] if len(samples) else []
        return [*events, Finished(job_id)] if last else events

    def remove(self, job_id: str) -> None:
        """Forget a job; unknown ones are ignored."""
        self._encoding.pop(job_id, None)
        if job_id in self._decoding:
            self._decoding.discard(job_id)
            self._decoder.remove([_key(job_id)])


def _key(job_id: str) -> str:
    """What the decoder calls a job: no speaking job's piece is called that."""
    return f"{job_id}/codes"
