"""Messages between the gateway and a worker process.

A ZeroMQ frame is a msgpack array of tagged, flat messages; audio is bytes, dtype and rate. Nothing is pickled, so
neither side can make the other run code. The worker first sends its ``PROTOCOL`` number, because it may run in another
interpreter with another version of Voxgate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from backends.base import (
    Audio,
    AudioChunk,
    BuiltinVoice,
    Capabilities,
    Cloning,
    CodecInfo,
    Codes,
    CodesChunk,
    DecodeJob,
    EncodeJob,
    EngineConfig,
    Job,
    Reference,
    Trace,
)
from backends.errors import WireError
from backends.text import Alphabet

PROTOCOL = 4
"""Incremented with every incompatible change of a message."""


class Message(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """Base class of messages; the tag is the class name."""


# --- gateway to worker ---


class Configure(Message, frozen=True, tag=True):
    """The first message: the plugin to load, and its configuration."""

    backend: str
    config: EngineConfig


class AddJob(Message, frozen=True, tag=True):
    """A synthesis job; the reference audio, if any, is little-endian PCM of ``reference_dtype``."""

    job_id: str
    text: str
    seed: int
    speed: float
    language: str | None
    voice: str | None
    stream: bool
    options: dict[str, Any]
    codes_only: bool = False
    reference_audio: bytes | None = None
    reference_dtype: Literal["float32"] = "float32"
    reference_rate_hz: int = 0
    reference_text: str = ""
    reference_digest: str = ""


class EncodeSound(Message, frozen=True, tag=True):
    """A codec job: mono PCM, little-endian float32."""

    job_id: str
    samples: bytes
    rate_hz: int


class DecodeCodes(Message, frozen=True, tag=True):
    """A codec job: codes as little-endian int32, (K, T) in row-major order, T in code frames."""

    job_id: str
    codes: bytes
    codebooks: int


class AbortJob(Message, frozen=True, tag=True):
    """Drop a job whose client is gone."""

    job_id: str


class Shutdown(Message, frozen=True, tag=True):
    """Close the engine and exit with status 0."""


# --- worker to gateway ---


class Hello(Message, frozen=True, tag=True):
    """The worker's first message."""

    protocol: int
    pid: int
    python: str


class Loading(Message, frozen=True, tag=True):
    """Progress of loading; in bytes if the stage is a download."""

    stage: str
    done: int
    total: int | None


class Ready(Message, frozen=True, tag=True):
    """The engine is loaded. Same fields as :class:`backends.base.Capabilities`."""

    model: str
    sample_rate_hz: int
    languages: tuple[str, ...]
    cloning: Cloning
    streaming: Literal["none", "sentence", "frame"]
    voices: tuple[BuiltinVoice, ...]
    max_text_chars: int
    max_jobs: int
    options_schema: dict[str, Any]
    codec: CodecInfo | None = None
    alphabet: Alphabet | None = None
    normalizes: tuple[str, ...] = ()
    max_reference_s: float | None = None
    dtype: str | None = None
    min_letter_s: float = 0.0


class LoadFailed(Message, frozen=True, tag=True):
    """The engine cannot be loaded. The worker then exits."""

    message: str


class AudioPart(Message, frozen=True, tag=True):
    """The next chunk of a job's audio: mono PCM, little-endian."""

    job_id: str
    samples: bytes
    dtype: Literal["float32"]
    rate_hz: int
    text_start: int | None = None
    text_end: int | None = None


class CodesPart(Message, frozen=True, tag=True):
    """The next chunk of a job's codes, encoded as in :class:`DecodeCodes`."""

    job_id: str
    codes: bytes
    codebooks: int


class TracePart(Message, frozen=True, tag=True):
    """A trace; its array is little-endian, (rows, columns) in row-major order."""

    job_id: str
    kind: Literal["codes", "mel"]
    data: bytes
    dtype: Literal["uint8", "uint16"]
    rows: int
    text_start: int
    text_end: int
    position: int
    rate_hz: float


class JobDone(Message, frozen=True, tag=True):
    """The job is complete."""

    job_id: str


class JobRejected(Message, frozen=True, tag=True):
    """The job was not admitted: the request is at fault."""

    job_id: str
    message: str
    param: str | None
    needs_languages: tuple[str, ...] = ()


class JobBroke(Message, frozen=True, tag=True):
    """The job failed after it was admitted: the engine is at fault."""

    job_id: str
    message: str


class Heartbeat(Message, frozen=True, tag=True):
    """Sign of life. ``steps`` counts since the start; ``step_s`` is the longest step since the last heartbeat."""

    active_jobs: int
    steps: int
    step_s: float


class Dying(Message, frozen=True, tag=True):
    """The worker exits because of a fatal fault; its jobs are lost."""

    message: str


ToWorker = Configure | AddJob | EncodeSound | DecodeCodes | AbortJob | Shutdown
JobOutput = AudioPart | CodesPart | TracePart
FromWorker = Hello | Loading | Ready | LoadFailed | JobOutput | JobDone | JobRejected | JobBroke | Heartbeat | Dying

_encoder = msgspec.msgpack.Encoder()
_to_worker = msgspec.msgpack.Decoder(list[ToWorker])
_from_worker = msgspec.msgpack.Decoder(list[FromWorker])


def encode(messages: Sequence[Message]) -> bytes:
    """Encode messages, in order, as one frame."""
    return _encoder.encode(messages)


def decode_to_worker(frame: bytes | memoryview) -> list[ToWorker]:
    """Decode a frame in the worker.

    :raises WireError: if it is not a list of messages to a worker.
    """
    try:
        return _to_worker.decode(frame)
    except (msgspec.DecodeError, ValueError) as error:
        raise WireError(f"unreadable message from the gateway: {error}") from None


def decode_from_worker(frame: bytes | memoryview) -> list[FromWorker]:
    """Decode a frame in the gateway.

    :raises WireError: if it is not a list of messages from a worker.
    """
    try:
        return _from_worker.decode(frame)
    except (msgspec.DecodeError, ValueError) as error:
        raise WireError(f"unreadable message from the worker: {error}") from None


def add_job(job: Job) -> AddJob:
    """Encode a job."""
    reference = job.reference
    return AddJob(
        job_id=job.id,
        text=job.text,
        seed=job.seed,
        speed=job.speed,
        language=job.language,
        voice=job.voice,
        stream=job.stream,
        options=dict(job.options),
        codes_only=job.codes_only,
        reference_audio=_to_bytes(reference.audio) if reference else None,
        reference_rate_hz=reference.sample_rate_hz if reference else 0,
        reference_text=reference.text if reference else "",
        reference_digest=reference.digest if reference else "",
    )


def job(message: AddJob) -> Job:
    """Decode a job.

    :raises WireError: if its audio is truncated.
    """
    reference = None
    if message.reference_audio is not None:
        reference = Reference(
            audio=_from_bytes(message.reference_audio),
            sample_rate_hz=message.reference_rate_hz,
            text=message.reference_text,
            digest=message.reference_digest,
        )
    return Job(
        id=message.job_id,
        text=message.text,
        seed=message.seed,
        speed=message.speed,
        language=message.language,
        voice=message.voice,
        reference=reference,
        stream=message.stream,
        options=message.options,
        codes_only=message.codes_only,
    )


def codec_job(job: EncodeJob | DecodeJob) -> EncodeSound | DecodeCodes:
    """Encode a job."""
    if isinstance(job, EncodeJob):
        return EncodeSound(job.id, _to_bytes(job.audio), job.sample_rate_hz)
    return DecodeCodes(job.id, *_codes_to_bytes(job.codes))


def conversion(message: EncodeSound | DecodeCodes) -> EncodeJob | DecodeJob:
    """Decode a codec job.

    :raises WireError: if its audio or codes are truncated.
    """
    if isinstance(message, EncodeSound):
        return EncodeJob(message.job_id, _from_bytes(message.samples), message.rate_hz)
    return DecodeJob(message.job_id, _codes_from_bytes(message.codes, message.codebooks))


def codes_part(chunk: CodesChunk) -> CodesPart:
    """Encode a chunk of codes."""
    return CodesPart(chunk.job_id, *_codes_to_bytes(chunk.codes))


def codes_chunk(message: CodesPart) -> CodesChunk:
    """Decode a chunk of codes.

    :raises WireError: if it is truncated.
    """
    return CodesChunk(message.job_id, _codes_from_bytes(message.codes, message.codebooks))


def audio_part(chunk: AudioChunk, rate_hz: int) -> AudioPart:
    """Encode a chunk of audio."""
    start, end = chunk.text_span or (None, None)
    return AudioPart(chunk.job_id, _to_bytes(chunk.samples), "float32", rate_hz, start, end)


def audio_chunk(message: AudioPart) -> AudioChunk:
    """Decode a chunk of audio.

    :raises WireError: if it is truncated.
    """
    span = None
    if message.text_start is not None and message.text_end is not None:
        span = (message.text_start, message.text_end)
    return AudioChunk(message.job_id, _from_bytes(message.samples), span)


def trace_part(trace: Trace) -> TracePart:
    """Encode a trace."""
    dtype: Literal["uint8", "uint16"] = "uint8" if trace.data.dtype == np.uint8 else "uint16"
    data = np.ascontiguousarray(trace.data, dtype=np.dtype(dtype).newbyteorder("<")).tobytes()
    return TracePart(
        trace.job_id, trace.kind, data, dtype, len(trace.data), *trace.text_span, trace.position, trace.rate_hz
    )


def trace(message: TracePart) -> Trace:
    """Decode a trace.

    :raises WireError: if its array is truncated.
    """
    dtype = np.dtype(message.dtype).newbyteorder("<")
    if message.rows < 1 or len(message.data) % (message.rows * dtype.itemsize):
        raise WireError(f"{len(message.data)} bytes are not {message.rows} rows of {message.dtype}")
    data = np.frombuffer(message.data, dtype).reshape(message.rows, -1)
    span = (message.text_start, message.text_end)
    return Trace(message.job_id, message.kind, data, span, message.position, message.rate_hz)


def ready(capabilities: Capabilities) -> Ready:
    """Encode capabilities."""
    return Ready(**_fields(capabilities))


def capabilities(message: Ready) -> Capabilities:
    """Decode capabilities."""
    return Capabilities(**_fields(message))


def _fields(value: Ready | Capabilities) -> Mapping[str, Any]:
    return {name: getattr(value, name) for name in Capabilities.__dataclass_fields__}


def _to_bytes(samples: Audio) -> bytes:
    return np.ascontiguousarray(samples, dtype="<f4").tobytes()


def _from_bytes(data: bytes) -> Audio:
    if len(data) % 4:
        raise WireError(f"{len(data)} bytes are not whole float32 samples")
    return np.frombuffer(data, dtype="<f4")


def _codes_to_bytes(codes: Codes) -> tuple[bytes, int]:
    return np.ascontiguousarray(codes, dtype="<i4").tobytes(), len(codes)


def _codes_from_bytes(data: bytes, codebooks: int) -> Codes:
    if codebooks < 1 or len(data) % (4 * codebooks):
        raise WireError(f"{len(data)} bytes are not whole frames of {codebooks} codes")
    return np.frombuffer(data, dtype="<i4").reshape(codebooks, -1)
