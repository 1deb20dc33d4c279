"""Decoder for untrusted MessagePack: a body of a few megabytes must not become gigabytes of objects."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.errors import BadRequest

MAX_DEPTH = 16
_MAP, _ARRAY = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]), msgspec.msgpack.Decoder(list[msgspec.Raw])


def decode(body: bytes | memoryview, max_items: int = 1000) -> Any:
    """Decode a MessagePack body; keys of maps must be strings.

    :param max_items: total entries of all maps and arrays, checked before they are decoded.
    :raises BadRequest: if the body is not MessagePack or has too many entries.
    """
    try:
        return _Reader(max_items).value(memoryview(body), 0)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not MessagePack: {error}") from None


class _Reader:
    """Decode level by level and count entries."""

    def __init__(self, max_items: int):
        self._left = self._max_items = max_items

    def value(self, data: memoryview, depth: int) -> Any:
        count, is_map = _entries(data)
        if count is None:
            return _scalar(data)
        self._left -= count
        if self._left < 0:
            raise BadRequest(f"the body has too many values: the limit is {self._max_items}")
        if depth >= MAX_DEPTH:
            raise BadRequest(f"the body is nested too deeply: the limit is {MAX_DEPTH} levels")
        if is_map:
            return {key: self.value(memoryview(raw), depth + 1) for key, raw in _MAP.decode(data).items()}
        return [self.value(memoryview(raw), depth + 1) for raw in _ARRAY.decode(data)]


def _scalar(data: memoryview) -> Any:
    try:
        return msgspec.msgpack.decode(data)
    except UnicodeDecodeError:  # JavaScript's encoder sends half of an emoji as a lone surrogate
        header = {0xD9: 2, 0xDA: 3, 0xDB: 5}.get(data[0], 1)
        return str(data[header:], "utf-8", "surrogatepass")


def _entries(data: memoryview) -> tuple[int | None, bool]:
    """The declared number of entries of the map or array at the start of ``data``, and whether it is a map.

    The number is None for any other value.
    """
    kind = data[0] if data else 0xC0
    if 0x80 <= kind <= 0x9F:
        return kind & 0x0F, kind < 0x90
    if kind in (0xDC, 0xDD, 0xDE, 0xDF):
        width = 2 if kind in (0xDC, 0xDE) else 4
        return int.from_bytes(data[1 : 1 + width], "big"), kind >= 0xDE
    return None, False
