from __future__ import annotations

import tracemalloc
from typing import Any

import ormsgpack
import pytest

from gateway.api.fish_audio.msgpack import decode
from gateway.errors import BadRequest


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        [],
        {},
        {"a": [1, 2.5, "x", b"\0", None, True, {"b": []}], "long": b"x" * 70_000},
        list(range(20)),
        {str(number): number for number in range(20)},
        {"text": "x" * 300, "list": [list(range(300))]},
    ],
)
def test_messages_of_clients_are_decoded(value: Any) -> None:
    assert decode(ormsgpack.packb(value)) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x81",
        b"\x81\xa1a",
        b"\x81\x01\x01",  # a key that is not a string
        b"\x92\x01",
        b"\xc0\xc0",
        b"\xdc",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\x00\x00\x00\x02\xa1a\x01",
        b"\x91" * 100_000,
        b"\x81\xa1a" * 10_000 + b"\x01",
        b"\x81\xa2\xff\xfe\x01",
    ],
)
def test_invalid_messagepack_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(body)


def test_body_with_too_many_items_is_refused_before_decoding() -> None:
    bodies = [
        b"\xdd" + (10**7).to_bytes(4, "big") + b"\x90" * 10**7,
        b"\x91\xdd" + (10**7).to_bytes(4, "big") + b"\x90" * 10**7,
        b"\xdf" + (10**6).to_bytes(4, "big") + b"".join(b"\xa4%04x\x90" % (n % 65536) for n in range(10**6)),
    ]
    for body in bodies:
        tracemalloc.start()
        with pytest.raises(BadRequest, match="too many values: the limit is 1000"):
            decode(body)
        assert tracemalloc.get_traced_memory()[1] < 2**20
        tracemalloc.stop()


def test_item_limit_covers_all_levels() -> None:
    body = ormsgpack.packb([[1] * 10] * 10)
    assert decode(body, 110) == [[1] * 10] * 10
    with pytest.raises(BadRequest, match="too many values: the limit is 109"):
        decode(body, 109)
