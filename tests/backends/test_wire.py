"""Messages round-trip, and invalid frames raise WireError."""

from __future__ import annotations

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
    Job,
    Reference,
    Trace,
)
from backends.errors import WireError

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
)


def test_job_round_trips() -> None:
    audio = np.linspace(-1, 1, 1001, dtype=np.float32)
    reference = Reference(audio, 22050, "你好", "digest")
    job = Job("id", "text", 2**32 - 1, 1.5, "zh", None, reference, True, {"nfe": 7, "deep": {"a": [1, None]}}, True)
    (message,) = wire.decode_to_worker(wire.encode([wire.add_job(job)]))
    assert isinstance(message, wire.AddJob)
    back = wire.job(message)
    assert back.reference is not None
    np.testing.assert_array_equal(back.reference.audio, audio)
    assert (back.reference.sample_rate_hz, back.reference.text, back.reference.digest) == (22050, "你好", "digest")
    for name in ("id", "text", "seed", "speed", "language", "voice", "stream", "options", "codes_only"):
        assert getattr(back, name) == getattr(job, name)


def test_job_without_reference_round_trips() -> None:
    (message,) = wire.decode_to_worker(wire.encode([wire.add_job(Job("id", "text", 0))]))
    assert isinstance(message, wire.AddJob)
    assert wire.job(message) == Job("id", "text", 0)


@pytest.mark.parametrize("span", [None, (0, 0), (3, 9)])
def test_audio_round_trips_bit_by_bit(span: tuple[int, int] | None) -> None:
    samples = np.random.default_rng(0).standard_normal(4800).astype(np.float32)
    part = wire.audio_part(AudioChunk("id", samples[::2], span), 24000)
    (message,) = wire.decode_from_worker(wire.encode([part]))
    assert isinstance(message, wire.AudioPart)
    assert message.rate_hz == 24000
    chunk = wire.audio_chunk(message)
    np.testing.assert_array_equal(chunk.samples, samples[::2])
    assert chunk.text_span == span


def test_codec_jobs_and_codes_round_trip() -> None:
    audio = np.linspace(-1, 1, 1001, dtype=np.float32)
    codes = np.random.default_rng(0).integers(0, 4096, (4, 9))
    jobs = [EncodeJob("a", audio, 22050), DecodeJob("b", codes[:, ::2])]
    sound, back = map(wire.conversion, wire.decode_to_worker(wire.encode([wire.codec_job(job) for job in jobs])))
    assert isinstance(sound, EncodeJob)
    assert (sound.id, sound.sample_rate_hz) == ("a", 22050)
    np.testing.assert_array_equal(sound.audio, audio)
    assert isinstance(back, DecodeJob)
    assert back.id == "b"
    np.testing.assert_array_equal(back.codes, codes[:, ::2])
    (part,) = wire.decode_from_worker(wire.encode([wire.codes_part(CodesChunk("c", codes))]))
    assert isinstance(part, wire.CodesPart)
    made = wire.codes_chunk(part)
    assert made.job_id == "c"
    np.testing.assert_array_equal(made.codes, codes)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_trace_round_trips(dtype: type) -> None:
    data = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (4, 9)).astype(dtype)[:, ::2]
    (message,) = wire.decode_from_worker(wire.encode([wire.trace_part(Trace("id", "codes", data, (3, 9), 7, 21.5))]))
    assert isinstance(message, wire.TracePart)
    back = wire.trace(message)
    np.testing.assert_array_equal(back.data, data)
    assert back.data.dtype == dtype
    assert (back.job_id, back.kind, back.text_span, back.position, back.rate_hz) == ("id", "codes", (3, 9), 7, 21.5)


@pytest.mark.parametrize(("size", "rows"), [(7, 2), (8, 0), (8, 3)])
def test_truncated_trace_raises_wire_error(size: int, rows: int) -> None:
    with pytest.raises(WireError, match="rows of uint16"):
        wire.trace(wire.TracePart("id", "mel", bytes(size), "uint16", rows, 0, 1, 0, 1.0))


def test_capabilities_round_trip() -> None:
    (message,) = wire.decode_from_worker(wire.encode([wire.ready(CAPABILITIES)]))
    assert isinstance(message, wire.Ready)
    assert wire.capabilities(message) == CAPABILITIES


def test_messages_keep_their_order() -> None:
    messages = [wire.JobDone("a"), wire.Heartbeat(1, 2, 0.5), wire.JobRejected("b", "no", "text", ("zh",))]
    assert wire.decode_from_worker(wire.encode(messages)) == messages


def test_configuration_round_trips() -> None:
    config = EngineConfig("f5", "cuda:0", "float16", 2, {"checkpoint": "hf://a/b/c"}, {"nfe": 16})
    (message,) = wire.decode_to_worker(wire.encode([wire.Configure("f5", config)]))
    assert message == wire.Configure("f5", config)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({"type": "JobDone"}),
        msgspec.msgpack.encode([{"type": "Nonsense"}]),
        msgspec.msgpack.encode([{"type": "JobDone"}]),
        msgspec.msgpack.encode([{"type": "JobDone", "job_id": "a", "extra": 1}]),
        wire.encode([wire.AbortJob("a")]),  # a worker never says that
    ],
)
def test_invalid_frame_raises_wire_error(frame: bytes) -> None:
    with pytest.raises(WireError):
        wire.decode_from_worker(frame)


def test_truncated_audio_raises_wire_error() -> None:
    with pytest.raises(WireError, match="whole float32"):
        wire.audio_chunk(wire.AudioPart("a", b"\0\0\0", "float32", 24000))


@pytest.mark.parametrize(("data", "codebooks"), [(bytes(20), 4), (bytes(16), 0), (bytes(16), -1), (bytes(3), 1)])
def test_truncated_codes_raise_wire_error(data: bytes, codebooks: int) -> None:
    with pytest.raises(WireError, match="whole frames"):
        wire.codes_chunk(wire.CodesPart("a", data, codebooks))
