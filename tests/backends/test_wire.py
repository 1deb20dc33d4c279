"""Messages round-trip, and invalid frames raise WireError."""

from __future__ import annotations

import random
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from backends import wire
from backends.base import (
    AudioChunk,
    BuiltinVoice,
    Capabilities,
    CodecInfo,
    CodesChunk,
    DecodeJob,
    EncodeJob,
    EngineConfig,
    Failed,
    Finished,
    Job,
    Reference,
    Trace,
)
from backends.errors import WireError
from backends.text import Alphabet

AUDIO = np.random.default_rng(0).standard_normal(1001).astype(np.float32)
CODES = np.random.default_rng(0).integers(0, 4096, (4, 9), dtype=np.int32)
CAPABILITIES = Capabilities(
    model="m",
    sample_rate_hz=24000,
    languages=("en", "zh"),
    cloning="optional",
    streaming="frame",
    voices=(BuiltinVoice("a", "en", "one"),),
    max_text_chars=10,
    max_jobs=2,
    options_schema={"type": "object", "properties": {"x": {"type": "number"}}},
    codec=CodecInfo(4, 160, 1024),
    alphabet=Alphabet(("LATIN",), "12", "<[^>]*>"),
)
OPTIONS = {"nfe": 7, "deep": {"a": [1, None]}}
TO_WORKER: list[wire.ToWorker] = [
    wire.Configure("f5", EngineConfig("f5", "cuda:0", "float16", 2, {"checkpoint": "hf://a/b/c"}, {"nfe": 16})),
    Job("id", "text", 2**32 - 1, 1.5, "zh", None, Reference(AUDIO, 22050, "你好", "digest"), True, OPTIONS, True),
    Job("id", "text", 0),
    EncodeJob("a", AUDIO, 22050),
    DecodeJob("b", CODES[:, ::2]),
    wire.AbortJob("a"),
    wire.Shutdown(),
]
FROM_WORKER: list[wire.FromWorker] = [
    wire.Hello(wire.PROTOCOL, 7, "3.11"),
    wire.Loading("weights", 1, None),
    CAPABILITIES,
    AudioChunk("id", AUDIO[::2]),
    AudioChunk("id", AUDIO[:0], (3, 9)),
    CodesChunk("id", CODES),
    Trace("id", "codes", CODES.astype(np.uint16)[:, ::2], (3, 9), 7, 21.5),
    Trace("id", "mel", CODES.astype(np.uint8), (0, 0), 0, 1.0),
    Finished("a"),
    Failed("a", "no"),
    wire.JobRejected("b", "no", "text", ("zh",)),
    wire.Heartbeat(1, 2, 0.5),
    wire.Dying("no device"),
]


def comparable(message: Any) -> object:
    """The message as plain values, because arrays have no single truth value."""

    def plain(value: object) -> object:
        assert isinstance(value, np.ndarray)
        return [value.dtype.name, value.shape, value.tolist()]

    return type(message), msgspec.to_builtins(message, enc_hook=plain)


def test_messages_to_the_worker_round_trip_in_order() -> None:
    assert {type(message) for message in TO_WORKER} == set(get_args(wire.ToWorker))
    decoded = wire.decode_to_worker(wire.encode(TO_WORKER))
    assert list(map(comparable, decoded)) == list(map(comparable, TO_WORKER))


def test_messages_from_the_worker_round_trip_in_order() -> None:
    assert {type(message) for message in FROM_WORKER} == set(get_args(wire.FromWorker))
    decoded = wire.decode_from_worker(wire.encode(FROM_WORKER))
    assert list(map(comparable, decoded)) == list(map(comparable, FROM_WORKER))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ">f4"])
def test_other_float_dtypes_of_audio_arrive_as_float32(dtype: str) -> None:
    (chunk,) = wire.decode_from_worker(wire.encode([AudioChunk("a", AUDIO.astype(dtype))]))
    assert isinstance(chunk, AudioChunk)
    assert chunk.samples.dtype == np.float32
    np.testing.assert_array_equal(chunk.samples, AUDIO.astype(dtype).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.int64, np.int16, np.uint8, np.uint16, np.uint32, ">i4"])
def test_codes_of_any_integer_dtype_arrive_unchanged(dtype: str) -> None:
    codes = CODES.astype(dtype)
    (chunk,) = wire.decode_from_worker(wire.encode([CodesChunk("a", codes)]))
    assert isinstance(chunk, CodesChunk)
    np.testing.assert_array_equal(chunk.codes, codes)


def test_options_that_are_not_plain_values_are_refused_by_the_sender() -> None:
    with pytest.raises(TypeError, match="object cannot be sent"):
        wire.encode([Job("a", "text", 0, options={"x": object()})])


def frame(name: str, **fields: object) -> bytes:
    return msgspec.msgpack.encode([[name, fields]])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        msgspec.msgpack.encode({"Finished": {"job_id": "a"}}),
        frame("Nonsense"),
        frame("Finished"),
        frame("Finished", job_id=1),
        frame("Heartbeat", active_jobs=1, steps=2, step_s=0.5, extra=1),
        wire.encode([wire.AbortJob("a")]),  # only the gateway sends it
        b"\x91\x92\xa8Finished" + b"\x91" * 100_000,
    ],
)
def test_invalid_frame_raises_wire_error(data: bytes) -> None:
    with pytest.raises(WireError):
        wire.decode_from_worker(data)


@pytest.mark.parametrize(
    "array",
    [
        None,
        [],
        [1, 2, 3],
        ["float32", None, "text"],
        ["float32", None, b"\0\0\0"],
        ["float64", None, bytes(8)],
        ["object", None, bytes(8)],
        ["int32", None, bytes(8)],
        ["float32", 2, bytes(8)],
        [["float32"], None, bytes(8)],
    ],
)
def test_invalid_audio_raises_wire_error(array: object) -> None:
    with pytest.raises(WireError):
        wire.decode_from_worker(frame("AudioChunk", job_id="a", samples=array))


@pytest.mark.parametrize(
    ("size", "rows"), [(20, 4), (16, 0), (16, -1), (16, -2), (3, 1), (16, None), (16, "4"), (16, 2.0)]
)
def test_invalid_codes_raise_wire_error(size: int, rows: object) -> None:
    with pytest.raises(WireError):
        wire.decode_from_worker(frame("CodesChunk", job_id="a", codes=["int32", rows, bytes(size)]))


@pytest.mark.parametrize("array", [["int32", 1, bytes(8)], ["uint16", 3, bytes(8)], ["uint16", 2, bytes(7)]])
def test_invalid_trace_raises_wire_error(array: object) -> None:
    fields = {"job_id": "a", "kind": "mel", "data": array, "text_span": (0, 1), "position": 0, "rate_hz": 1.0}
    with pytest.raises(WireError):
        wire.decode_from_worker(frame("Trace", **fields))


def test_damaged_frames_raise_nothing_but_wire_error() -> None:
    random_source = random.Random(0)
    refused = 0
    for _ in range(5000):
        messages, decode = random_source.choice(
            [(TO_WORKER, wire.decode_to_worker), (FROM_WORKER, wire.decode_from_worker)]
        )
        data = bytearray(wire.encode([random_source.choice(messages)]))
        for _ in range(3):
            at = random_source.randrange(min(len(data), 200))
            data[at : at + random_source.randint(0, 2)] = random_source.randbytes(random_source.randint(0, 2))
        try:
            decode(bytes(data))
        except WireError:
            refused += 1
    assert refused > 2500


def test_frame_of_another_version_is_named_as_such() -> None:
    data = msgspec.msgpack.encode([{"type": "Hello", "protocol": 4, "pid": 7, "python": "3.11"}])
    with pytest.raises(WireError, match=r"worker .* need the same version of voxgate"):
        wire.decode_from_worker(data)
