"""Untrusted JSON and MessagePack: a level at a time, with memory that follows the limits."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import ormsgpack
import pytest
from msgspec import Raw

from gateway.api.common.decoding import JSON, MAX_FIELDS, MAX_ITEMS, MAX_NESTED_BYTES, MESSAGEPACK, Encoding
from gateway.api.fish_audio.bodies import tts_body, tts_fields
from gateway.errors import InvalidRequest

ENCODERS: list[tuple[Encoding, Callable[[Any], bytes]]] = [
    (JSON, lambda value: json.dumps(value).encode()),
    (MESSAGEPACK, ormsgpack.packb),
]
LONG = "x" * 70_000


@pytest.mark.parametrize(("encoding", "encode"), ENCODERS)
def test_values_of_known_fields_are_decoded_and_containers_of_others_stay_raw(
    encoding: Encoding, encode: Callable[[Any], bytes]
) -> None:
    body = {"a": [1, 2.5, "x", None, True, {"b": []}], "n": None, "long": LONG, "other": [1], "kept": {"a": 1}}
    values = encoding.values(encoding.fields(encode(body)), known=("a", "kept"), raw=("kept",))
    assert {name: values[name] for name in ("a", "n", "long")} == {name: body[name] for name in ("a", "n", "long")}
    assert isinstance(values["other"], Raw)
    assert encoding.fields(values["kept"]).keys() == {"a"}
    assert [encoding.value(item, "") for item in encoding.items(values["other"], "other")] == [1]


@pytest.mark.parametrize(("encoding", "encode"), ENCODERS)
def test_limits_on_fields_items_and_nested_bytes(encoding: Encoding, encode: Callable[[Any], bytes]) -> None:
    body = {str(number): [number] for number in range(MAX_FIELDS)}
    fields = encoding.fields(encode(body))
    assert len(fields) == MAX_FIELDS
    with pytest.raises(InvalidRequest, match=r"the body must be a .*(length <= 1000|limit is 1000)"):
        encoding.fields(encode({**body, "more": 1}))
    assert len(encoding.items(Raw(encode([[]] * MAX_ITEMS)), "a")) == MAX_ITEMS
    with pytest.raises(InvalidRequest, match="at most length 100") as refused:
        encoding.items(Raw(encode([[]] * (MAX_ITEMS + 1))), "a")
    assert refused.value.param == "a"
    half = ["x" * (MAX_NESTED_BYTES // 2 - 10)]
    encoding.values(encoding.fields(encode({"a": half, "b": half, "c": half})), known=("a", "b"))
    with pytest.raises(InvalidRequest, match="may have 65536 bytes in all") as refused:
        encoding.values(encoding.fields(encode({"a": half, "b": half, "c": [1, 2, 3] * 10})), known=("a", "b", "c"))
    assert refused.value.param == "c"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        *((JSON, body) for body in (b"", b"{", b"7", b"[]", b'{"a":}', b'{"a":1}}', b"{1:2}", b'{"\\ud800":1}')),
        (JSON, b'{"a":' + b"[" * 100_000),
        *((MESSAGEPACK, body) for body in (b"", b"\xc1", b"\x81", b"\x81\xa1a", b"\xc0", b"\xc0\xc0", b"\x92\x01")),
        (MESSAGEPACK, b"\x81\x01\x01"),  # a key that is not a string
        (MESSAGEPACK, b"\x81\xdd" + (10**5).to_bytes(4, "big") + b"\x90" * 10**5 + b"\x01"),
        (MESSAGEPACK, b"\x81\xa2\xff\xfe\x01"),
        (MESSAGEPACK, b"\xdd\xff\xff\xff\xff"),
        (MESSAGEPACK, b"\xdf\x00\x00\x00\x02\xa1a\x01"),
        (MESSAGEPACK, b"\x91" * 100_000),
        (MESSAGEPACK, b"\x81\xa1a" * 10_000 + b"\x01"),
    ],
)
def test_malformed_bodies_are_refused(encoding: Encoding, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        encoding.fields(body)


def test_messagepack_string_may_have_lone_surrogates() -> None:
    for text in ("\ud83d", "a" * 40 + "\ud83d", "a" * 300 + "\ud83d"):
        data = text.encode("utf-8", "surrogatepass")
        head = bytes([0xA0 + len(data)]) if len(data) < 32 else b"\xda" + len(data).to_bytes(2, "big")
        assert MESSAGEPACK.value(Raw(head + data), "a") == text
    for data in (b"\xa2\xff\xfe", b"\x91\xa3\xed\xa0\xbd"):
        with pytest.raises(InvalidRequest, match="the value is not MessagePack"):
            MESSAGEPACK.value(Raw(data), "a")


NESTED = (b"[" * 100 + b"]" * 100 + b",") * 10**4
BOMBS = {
    "JSON fields": (JSON, b"{" + b",".join(b'"k%d":[]' % n for n in range(3 * 10**5)) + b"}"),
    "JSON unknown": (JSON, b'{"more":[' + NESTED + b"1]}"),
    "JSON prosody": (JSON, b'{"prosody":{"a":[' + NESTED + b"1]}}"),
    "JSON references": (JSON, b'{"references":[' + b"{}," * 10**6 + b"{}]}"),
    "JSON reference": (JSON, b'{"references":[{"audio":[' + NESTED + b"1]}]}"),
    "MessagePack reference": (
        MESSAGEPACK,
        b"\x81\xaareferences\xdc\x00\x64" + (b"\x81\xa5audio\xdc\xea\x60" + b"\x90" * 60_000) * 100,
    ),
    "MessagePack fields": (
        MESSAGEPACK,
        b"\xdf" + (3 * 10**5).to_bytes(4, "big") + b"".join(b"\xa6%06d\x90" % n for n in range(3 * 10**5)),
    ),
    "MessagePack unknown": (MESSAGEPACK, b"\x81\xa4more\xdd" + (10**6).to_bytes(4, "big") + b"\x90" * 10**6),
    "MessagePack prosody": (MESSAGEPACK, b"\x81\xa7prosody\xdd" + (10**6).to_bytes(4, "big") + b"\x90" * 10**6),
    "MessagePack references": (MESSAGEPACK, b"\x81\xaareferences\xdd" + (10**6).to_bytes(4, "big") + b"\x80" * 10**6),
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_of_a_hostile_body_is_less_than_its_size(name: str) -> None:
    encoding, body = BOMBS[name]
    tracemalloc.start()
    try:
        tts_body({"text": "x", **tts_fields(encoding, encoding.fields(body))}, encoding)
        accepted = True
    except InvalidRequest:
        accepted = False
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < min(len(body), 10**6)
    assert accepted == name.endswith("unknown")
