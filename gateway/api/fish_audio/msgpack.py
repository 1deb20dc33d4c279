"""MessagePack from strangers: a body of a few megabytes must not become gigabytes of objects."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.errors import BadRequest

MAX_DEPTH = 16
_MAP, _ARRAY = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]), msgspec.msgpack.Decoder(list[msgspec.Raw])


def decode(body: bytes | memoryview, max_items: int = 1000) -> Any:
    """The value in a MessagePack body; keys of maps are strings.

    :param max_items: entries of all maps and arrays together; their number is looked at before they are decoded.
    :raises BadRequest: it is no MessagePack, or has more than that in it.
    """
    try:
        return _Reader(max_items).value(memoryview(body), 0)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not MessagePack: {error}") from None


class _Reader:
    """Decodes level by level and counts."""

    def __init__(self, max_items: int):
        self._left = self._max_items = max_items

    def value(self, data: memoryview, depth: int) -> Any:
        count, is_map = _entries(data)
        if count is None:
            return msgspec.msgpack.decode(data)
        self._left -= count
        if self._left < 0:
            raise BadRequest(f"the body has more than {self._max_items} values in it")
        if depth >= MAX_DEPTH:
            raise BadRequest(f"the body is nested more than {MAX_DEPTH} deep")
        if is_map:
            return {key: self.value(memoryview(raw), depth + 1) for key, raw in _MAP.decode(data).items()}
        return [self.value(memoryview(raw), depth + 1) for raw in _ARRAY.decode(data)]


def _entries(data: memoryview) -> tuple[int | None, bool]:
    """How many entries the map or array at the start of ``data`` says it has, None where there is neither; a map?"""
    kind = data[0] if data else 0xC0
    if 0x80 <= kind <= 0x9F:
        return kind & 0x0F, kind < 0x90
    if kind in (0xDC, 0xDD, 0xDE, 0xDF):
        width = 2 if kind in (0xDC, 0xDE) else 4
        return int.from_bytes(data[1 : 1 + width], "big"), kind >= 0xDE
    return None, False
