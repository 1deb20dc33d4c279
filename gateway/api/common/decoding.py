"""Untrusted JSON and MessagePack, decoded one level at a time.

The values of an object or a list stay raw (``msgspec.Raw``, a view of the body) until their field is known. So memory
follows the limits below, not the number of values in a body, and unknown fields cost their names only.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Raw

from gateway.errors import InvalidRequest

MAX_FIELDS = 1000  # of one object
MAX_ITEMS = 100  # of one list
MAX_NESTED_BYTES = 64 * 2**10  # of lists and objects that are decoded whole: a byte becomes up to 90 bytes of objects


class _Name(str):
    """A field's name; a type of its own, because msgspec calls its hook only for types that it does not know."""

    __slots__ = ()


# More items are an error while they are being read. The limit of a list type is checked once the list is complete.
_Items = msgspec.defstruct(
    "_Items",
    [(f"item_{index}", Raw, Raw()) for index in range(MAX_ITEMS)],
    array_like=True,
    forbid_unknown_fields=True,
)


class Encoding:
    """JSON or MessagePack.

    :param name: for errors, as ``kind``, the name of objects.
    :param library: ``msgspec.json`` or ``msgspec.msgpack``.
    :param containers: first bytes of lists and objects.
    """

    def __init__(self, name: str, kind: str, library: Any, containers: Iterable[int]):
        self._name = name
        self._kind = kind
        self._library = library
        self._containers = frozenset(containers)

    def fields(
        self, data: bytes | Raw, what: str = "the body", param: str | None = None, max_fields: int = MAX_FIELDS
    ) -> dict[str, Raw]:
        """The fields of an object.

        :param what: the object, in errors without ``param``.

        :raises InvalidRequest: if it is malformed, not an object, or has more than ``max_fields``.
        """
        count = 0
        prefix = "" if param else f"{what} "

        def name(kind: type[_Name], value: str) -> _Name:
            nonlocal count
            count += 1
            if count > max_fields:
                raise InvalidRequest(f"{prefix}has too many fields: the limit is {max_fields}", param=param)
            return kind(value)

        decoder = self._library.Decoder(dict[_Name, Raw], dec_hook=name)
        found = self._decode(decoder, data, f"{prefix}must be {self._kind}", what, param)
        return {str(field): value for field, value in found.items()}

    def items(self, data: Raw, param: str) -> list[Raw]:
        """The items of a list.

        :raises InvalidRequest: if it is malformed, not a list, or has more than MAX_ITEMS.
        """
        items = self._decode(self._library.Decoder(_Items), data, "must be a list", param=param)
        return [item for item in msgspec.structs.astuple(items) if memoryview(item)]

    def values(self, fields: Mapping[str, Raw], known: Collection[str], raw: Collection[str] = ()) -> dict[str, Any]:
        """Decode fields. Lists and objects stay raw in unknown fields, and in those named in ``raw``.

        :raises InvalidRequest: if a value is malformed, or the other lists and objects have more than MAX_NESTED_BYTES.
        """
        found: dict[str, Any] = {}
        nested_bytes = 0
        for name, data in fields.items():
            if self.is_container(data):
                if name in raw or name not in known:
                    found[name] = data
                    continue
                nested_bytes += memoryview(data).nbytes
                if nested_bytes > MAX_NESTED_BYTES:
                    message = f"the lists and objects of a body may have {MAX_NESTED_BYTES} bytes in all: send less"
                    raise InvalidRequest(message, param=name)
            found[name] = self.value(data, name)
        return found

    def value(self, data: Raw, param: str, kind: Any = Any) -> Any:
        """Decode a value whole.

        :param kind: its type, for msgspec.
        :raises InvalidRequest: if it is malformed, or not of that type.
        """
        return self._decode(self._library.Decoder(kind), data, "is invalid", param=param)

    def is_container(self, data: Raw) -> bool:
        """Whether a value is a list or an object."""
        return next(iter(memoryview(data)), None) in self._containers

    def _decode(
        self, decoder: Any, data: bytes | Raw, rule: str, what: str = "the value", param: str | None = None
    ) -> Any:
        try:
            return decoder.decode(data)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"{rule}: {error}", param=param) from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"{what} is not {self._name}: {error}", param=param) from None


class _MessagePack(Encoding):
    def value(self, data: Raw, param: str, kind: Any = Any) -> Any:
        """See :class:`Encoding`. A string may have lone surrogates: JavaScript's encoder divides emoji."""
        try:
            return super().value(data, param, kind)
        except InvalidRequest:
            first = memoryview(data)[0]
            if header := 1 if 0xA0 <= first <= 0xBF else {0xD9: 2, 0xDA: 3, 0xDB: 5}.get(first):
                with suppress(UnicodeDecodeError):
                    return str(memoryview(data)[header:], "utf-8", "surrogatepass")
            raise


class _Json(Encoding):
    def fields(
        self, data: bytes | Raw, what: str = "the body", param: str | None = None, max_fields: int = MAX_FIELDS
    ) -> dict[str, Raw]:
        """See :class:`Encoding`. A byte-order mark is skipped; encodings other than UTF-8 are refused."""
        if isinstance(data, bytes):
            encoding = json.detect_encoding(data)
            if encoding not in ("utf-8", "utf-8-sig"):
                raise InvalidRequest(f"{what} is not UTF-8 but looks like {encoding.upper()}: send UTF-8", param=param)
            data = data.removeprefix(codecs.BOM_UTF8)
        return super().fields(data, what, param, max_fields)


JSON = _Json("JSON", "a JSON object", msgspec.json, b"{[")
MESSAGEPACK = _MessagePack("MessagePack", "a map", msgspec.msgpack, [*range(0x80, 0xA0), *range(0xDC, 0xE0)])
