"""Codec jobs: audio to codes and codes to audio, without the language model."""

from __future__ import annotations

from collections import OrderedDict

from backends.base import AudioChunk, CodesChunk, DecodeJob, EncodeJob, Event, Failed, Finished
from backends.common.device import fatal_when_lost
from backends.errors import InvalidJob
from backends.fish.generation import ChunkKey, Codec, DecoderOutput, StreamingDecoder, WindowedEncoder
from backends.fish.references import MAX_REFERENCE_S, resample


class CodecJobs:
    """The codec jobs of one engine.

    :param decoder: shared with speech jobs, so that the windows of both are decoded in one queue.
    """

    def __init__(self, codec: Codec, decoder: StreamingDecoder):
        self._codec = codec
        self._decoder = decoder
        self._encoders: OrderedDict[str, WindowedEncoder] = OrderedDict()
        self._decoding: set[str] = set()

    def __len__(self) -> int:
        return len(self._encoders) + len(self._decoding)

    def add(self, job: EncodeJob | DecodeJob) -> None:
        """Admit a job.

        :raises InvalidJob: if its audio or codes are invalid or too long.
        """
        sizes = self._codec.sizes
        if isinstance(job, EncodeJob):
            audio = resample(job.audio, job.sample_rate_hz, sizes, param="audio")
            self._encoders[job.id] = self._codec.windowed_encoder(audio)
            return
        try:
            self._codec.check(job.codes)
        except ValueError as error:
            raise InvalidJob(str(error), param="codes") from None
        max_frames = int(MAX_REFERENCE_S * sizes.rate_hz) // sizes.samples_per_frame + 1
        if not 1 <= (frames := job.codes.shape[1]) <= max_frames:
            message = f"has {frames} code frames; allowed are 1 to {max_frames} ({MAX_REFERENCE_S:g} s)"
            raise InvalidJob(message, param="codes")
        self._decoder.push(_key(job.id), job.codes, last=True, low_latency=False)
        self._decoding.add(job.id)

    def encode(self) -> list[Event]:
        """Encode one window of one recording, round-robin."""
        if not self._encoders:
            return []
        job_id, encoder = self._encoders.popitem(last=False)
        try:
            with fatal_when_lost():
                codes = encoder.step()
        except (RuntimeError, ValueError) as error:  # most often out of memory
            return [Failed(job_id, f"the audio could not be encoded: {error}")]
        chunk = CodesChunk(job_id, codes)
        if encoder.complete:
            return [chunk, Finished(job_id)]
        self._encoders[job_id] = encoder
        return [chunk]

    def add_audio(self, output: DecoderOutput) -> list[Event]:
        """Return the events of one decoder output; none if it belongs to no codec job."""
        job_id = output.key[0]
        if job_id not in self._decoding:
            return []
        if output.last:
            self._decoding.discard(job_id)
        if output.failure is not None:
            return [Failed(job_id, f"the codec failed: {output.failure}")]
        events: list[Event] = [AudioChunk(job_id, output.samples)] if len(output.samples) else []
        return [*events, Finished(job_id)] if output.last else events

    def remove(self, job_id: str) -> None:
        """Drop a job; unknown IDs are ignored."""
        self._encoders.pop(job_id, None)
        if job_id in self._decoding:
            self._decoding.discard(job_id)
            self._decoder.remove([_key(job_id)])


def _key(job_id: str) -> ChunkKey:
    return job_id, 0
