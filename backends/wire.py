"""Messages between the gateway and a worker process.

A ZeroMQ frame is a msgpack array of messages, each the name of its class and its fields. Jobs, capabilities and events
are the classes of :mod:`backends.base`. An array is sent as dtype, rows and bytes. Nothing is pickled, so neither side
can make the other run code. The worker first sends its ``PROTOCOL`` number, because it may run in another interpreter
with another version of Voxgate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from backends.base import (
    Audio,
    Capabilities,
    Codes,
    DecodeJob,
    EncodeJob,
    EngineConfig,
    Event,
    Job,
    TraceData,
)
from backends.errors import WireError

PROTOCOL = 5
"""Incremented with every incompatible change of a message."""


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base class of the messages that are not in :mod:`backends.base`."""


# --- gateway to worker ---


class Configure(_Message, frozen=True):
    """The first message: the plugin to load, and its configuration."""

    backend: str
    config: EngineConfig


class AbortJob(_Message, frozen=True):
    """Drop a job whose client is gone."""

    job_id: str


class Shutdown(_Message, frozen=True):
    """Close the engine and exit with status 0."""


# --- worker to gateway ---


class Hello(_Message, frozen=True):
    """The worker's first message."""

    protocol: int
    pid: int
    python: str


class Loading(_Message, frozen=True):
    """Progress of loading; in bytes if the stage is a download."""

    stage: str
    done: int
    total: int | None


class JobRejected(_Message, frozen=True):
    """The job was not admitted: the request is at fault."""

    job_id: str
    message: str
    param: str | None
    needs_languages: tuple[str, ...] = ()


class Heartbeat(_Message, frozen=True):
    """Sign of life. ``steps`` counts since the start; ``step_s`` is the longest step since the last heartbeat."""

    active_jobs: int
    steps: int
    step_s: float


class Dying(_Message, frozen=True):
    """The worker exits: its engine could not be loaded, or had a fatal fault. Its jobs are lost."""

    message: str


ToWorker = Configure | Job | EncodeJob | DecodeJob | AbortJob | Shutdown
"""The gateway's messages."""

FromWorker = Hello | Loading | Capabilities | Event | JobRejected | Heartbeat | Dying
"""The worker's messages. ``Capabilities`` says that the engine is loaded."""

Message = ToWorker | FromWorker

_DTYPES = {name: np.dtype(name).newbyteorder("<") for name in ("float32", "int32", "uint8", "uint16")}
_DTYPE_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_FIELDS: Mapping[Any, tuple[int, Collection[str]]] = {
    Audio: (1, {"float32"}),
    Codes: (2, {"int32", "uint8", "uint16"}),
    TraceData: (2, {"uint8", "uint16"}),
}
"""Type of a field -> its number of dimensions and its dtypes."""


def _pack_array(array: object) -> tuple[str, int | None, memoryview]:
    """Return dtype, rows (None: one dimension) and bytes of an array. Only a conversion of dtype or order copies it."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{type(array).__name__} cannot be sent")
    name = _DTYPE_NAMES.get(array.dtype) or ("float32" if array.dtype.kind == "f" else "int32")
    array = np.ascontiguousarray(array, _DTYPES[name])
    return name, None if array.ndim == 1 else len(array), array.data


def _unpack_array(field: Any, packed: Any) -> npt.NDArray[Any]:
    """Return a read-only array of a field's type.

    :raises ValueError: if it is malformed, or of another type; also ``TypeError`` and ``KeyError``.
    """
    name, rows, data = packed
    array = np.frombuffer(data, _DTYPES[name])
    if rows is not None:
        array = array.reshape(rows, -1)
    dimensions, names = _FIELDS[field]
    if array.ndim != dimensions or name not in names:
        raise ValueError(f"unexpected array of {name} with {array.ndim} dimensions")
    return array


def _decoders(messages: Any) -> dict[str, msgspec.msgpack.Decoder[Any]]:
    return {kind.__name__: msgspec.msgpack.Decoder(kind, dec_hook=_unpack_array) for kind in get_args(messages)}


_encoder = msgspec.msgpack.Encoder(enc_hook=_pack_array)
_frames = msgspec.msgpack.Decoder(list[tuple[str, msgspec.Raw]])
_to_worker = _decoders(ToWorker)
_from_worker = _decoders(FromWorker)


def encode(messages: Iterable[Message]) -> bytes:
    """Encode messages, in order, as one frame."""
    return _encoder.encode([(type(message).__name__, message) for message in messages])


def decode_to_worker(frame: bytes) -> list[ToWorker]:
    """Decode a frame in the worker.

    :raises WireError: if it is not a list of messages to a worker.
    """
    return _decode(frame, _to_worker, "the gateway")


def decode_from_worker(frame: bytes) -> list[FromWorker]:
    """Decode a frame in the gateway.

    :raises WireError: if it is not a list of messages from a worker.
    """
    return _decode(frame, _from_worker, "the worker")


def _decode(frame: bytes, decoders: Mapping[str, msgspec.msgpack.Decoder[Any]], sender: str) -> list[Any]:
    try:
        return [decoders[name].decode(fields) for name, fields in _frames.decode(frame)]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        source = f"{sender} (both sides need the same version of voxgate)"
        raise WireError(f"unreadable message from {source}: {error!r}") from None
