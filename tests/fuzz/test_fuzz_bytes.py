"""Random and damaged bytes, wherever they are read: refused by the typed error, or valid."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support.audio_files import tone
from support.mutation import damaged, json_values

from backends import wire
from backends.base import AudioChunk, CodesChunk, EncodeJob, Failed, Job, Reference, Trace
from backends.errors import WireError
from backends.npy import read_npy
from gateway.api.common import json_socket
from gateway.api.common.decoding import MESSAGEPACK
from gateway.api.common.websocket import Start
from gateway.api.fish_audio import bodies, live
from gateway.audio.decode import decode
from gateway.audio.encode import encode
from gateway.audio.formats import FORMATS
from gateway.errors import ConfigError, InvalidRequest
from gateway.settings import Settings
from gateway.settings_sources import load_settings

FILES = [
    encode(tone(0.3, fmt.rates_hz[0]), fmt.rates_hz[0], fmt, fmt.rates_hz[0])
    for fmt in FORMATS.values()
    if fmt.has_header
]
NUMBERS = (
    st.integers(-(2**63), 2**64 - 1) | st.floats() | st.sampled_from([0, 1, -1, 1e300, 2**31, 2**32, -0.0, math.inf])
)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=8)


@given(damaged(FILES, head_bytes=600))
def test_damaged_recording_is_refused_or_decoded_to_finite_samples(data: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        audio = decode(data, max_s=30, min_s=0.1)
        assert np.isfinite(audio.samples).all()
        assert 0.1 <= audio.duration_s <= 30


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.sampled_from(["<i4", ">f8", "|O", "<U9", "<M8[s]", "|V0", "i4,f4", "descr", "shape"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from(["names", "formats"]), inner, max_size=3)
    ),
    max_leaves=6,
)
SHAPES = LITERALS | st.lists(st.integers(-1, 4) | st.integers(), max_size=4).map(tuple)
DTYPES = LITERALS | arrays.array_dtypes().map(lambda dtype: np.lib.format.dtype_to_descr(dtype))


@given(
    st.fixed_dictionaries({"descr": DTYPES, "fortran_order": st.booleans() | LITERALS, "shape": SHAPES}),
    st.sampled_from([b"\1\0", b"\2\0"]),
    st.integers(0, 64),
)
def test_npy_header_of_any_literals_is_refused_or_describes_the_data(header: object, version: bytes, size: int) -> None:
    text = repr(header).encode()
    length = len(text).to_bytes(2 if version == b"\1\0" else 4, "little")
    with contextlib.suppress(ValueError):
        assert read_npy(b"\x93NUMPY" + version + length + text + bytes(size)).nbytes == size


TTS_FIELDS = (*bodies.FishTtsBody.model_fields, "audio", "speed", "volume", "event", "request")
TTS_BODIES = json_values(LEAVES | st.binary(max_size=8), TTS_FIELDS)
TTS_BODY = {
    "text": "One.",
    "references": [{"audio": b"RIFF", "text": "x"}],
    "prosody": {"speed": 1.5, "volume": 0},
    "format": "mp3",
    "seed": 7,
    "normalize": True,
    "latency": "normal",
    "top_p": 0.5,
}
PACKED = [msgspec.msgpack.encode(TTS_BODY), msgspec.msgpack.encode({"event": "start", "request": TTS_BODY})]


@given(damaged(PACKED) | TTS_BODIES.map(msgspec.msgpack.encode))
def test_messagepack_body_is_valid_or_an_invalid_request(data: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        body, unknown = bodies._tts_body(MESSAGEPACK, data)
        assert isinstance(body.text, str)
        assert not set(unknown) & set(bodies.FishTtsBody.model_fields)
    for read in (lambda: bodies._fields(MESSAGEPACK, data), lambda: live._fields(data)):
        with contextlib.suppress(InvalidRequest):
            read()


LIVE_FIELDS = (*json_socket.START_FIELDS, "type", "text", "played_ms")
LIVE = st.fixed_dictionaries(
    {"type": st.sampled_from([*json_socket._FIELDS]) | LEAVES},
    optional={name: json_values(LEAVES, LIVE_FIELDS) for name in LIVE_FIELDS if name != "type"},
)
LIVE_MESSAGES = [
    b'{"type":"start","engine":"tone","format":"pcm","options":{"a":[1]},"speed":1.2,"lexicons":["a"]}',
    b'{"type":"text","text":"One. \\ud83d"}',
    b'{"type":"interrupt","played_ms":120.5}',
]


@given(damaged(LIVE_MESSAGES) | LIVE.map(msgspec.json.encode))
def test_live_message_is_a_command_or_an_invalid_request(data: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        command = json_socket._read(data)
        assert not isinstance(command, Start) or command.spec.stream


TEXTS = st.text(max_size=20)
AUDIO = arrays.arrays(np.float32, st.integers(0, 40), elements=st.floats(width=32, allow_nan=False))
REFERENCES = st.builds(Reference, AUDIO, st.integers(1, 2**31), TEXTS, TEXTS)
CODES = arrays.arrays(st.sampled_from([np.int32, np.uint8, np.uint16]), st.tuples(st.integers(1, 4), st.integers(1, 9)))
OPTIONS = st.dictionaries(TEXTS, json_values(LEAVES.filter(lambda leaf: leaf == leaf), ("a",)), max_size=3)
TO_WORKER = st.builds(
    Job, TEXTS, TEXTS, st.integers(0, 2**32 - 1), reference=st.none() | REFERENCES, options=OPTIONS
) | st.builds(EncodeJob, TEXTS, AUDIO, st.integers(1, 2**31))
SPANS = st.tuples(st.integers(0, 2**40), st.integers(0, 2**40))
TRACES = st.builds(Trace, TEXTS, st.just("mel"), CODES.filter(lambda codes: codes.dtype != np.int32), SPANS)
FROM_WORKER = (
    st.builds(AudioChunk, TEXTS, AUDIO, SPANS) | st.builds(CodesChunk, TEXTS, CODES) | st.builds(Failed, TEXTS, TEXTS)
)


def plain(message: object) -> object:
    return msgspec.to_builtins(message, enc_hook=lambda array: [array.dtype.name, array.shape, array.tolist()])


@given(st.lists(TO_WORKER, max_size=4), st.lists(FROM_WORKER, max_size=4))
def test_any_messages_round_trip(to_worker: list[Any], from_worker: list[Any]) -> None:
    assert plain(wire.decode_to_worker(wire.encode(to_worker))) == plain(to_worker)
    assert plain(wire.decode_from_worker(wire.encode(from_worker))) == plain(from_worker)


@given(
    st.lists(FROM_WORKER | TO_WORKER, min_size=1, max_size=2).map(wire.encode).flatmap(lambda frame: damaged([frame]))
)
def test_damaged_frame_is_a_wire_error_or_messages(frame: bytes) -> None:
    for read in (wire.decode_from_worker, wire.decode_to_worker):
        with contextlib.suppress(WireError):
            wire.encode(read(frame))


def _names(model: Any) -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        found += [name, *(_names(field.annotation) if hasattr(field.annotation, "model_fields") else ())]
    return found


SHIPPED = [path.read_bytes() for path in Path("configs").glob("*.yaml")]
TREES = st.dictionaries(
    st.sampled_from([*Settings.model_fields, "include"]),
    json_values(LEAVES | st.dates() | st.binary(max_size=4), _names(Settings)),
    max_size=4,
)


@given(damaged(SHIPPED) | TREES.map(lambda tree: yaml.safe_dump({"default_engine": "tone", **tree}).encode()))
def test_any_configuration_file_is_read_or_a_config_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(data)
    with contextlib.suppress(ConfigError):
        load_settings(path)
