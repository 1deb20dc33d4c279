"""Untrusted JSON and MessagePack, decoded one level at a time.

The values of an object or a list stay raw (``msgspec.Raw``, a view of the body) until their field is known. So memory
follows the limits below, not the number of values in a body, and unknown fields cost their names only.
"""

from __future__ import annotations

import codecs
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from gateway.errors import BadRequest, InvalidRequest

MAX_FIELDS = 1000  # of one object
MAX_ITEMS = 100  # of one list
MAX_NESTED_BYTES = 64 * 2**10  # of lists and objects that are decoded whole: a byte becomes up to 90 bytes of objects

# More items are an error while JSON is being read. The limit of a list type is checked once the list is complete.
_Items = msgspec.defstruct(
    "_Items",
    [(f"item_{index}", Raw, Raw()) for index in range(MAX_ITEMS)],
    array_like=True,
    forbid_unknown_fields=True,
)


class Encoding(ABC):
    """JSON or MessagePack.

    :cvar name: for errors, as ``kind``, the name of objects.
    :cvar library: ``msgspec.json`` or ``msgspec.msgpack``.
    :cvar containers: first bytes of lists and objects.
    """

    name: str
    kind: str
    library: Any
    containers: Collection[int]
    malformed: type[InvalidRequest] = InvalidRequest

    @abstractmethod
    def fields(
        self, data: bytes | Raw, what: str = "the body", param: str | None = None, max_fields: int = MAX_FIELDS
    ) -> dict[str, Raw]:
        """The fields of an object.

        :param what: the object, in errors without ``param``.
        :raises InvalidRequest: if it is malformed, not an object, or has more than ``max_fields``.
        """

    def items(self, data: Raw, param: str) -> list[Raw]:
        """The items of a list.

        :raises InvalidRequest: if it is malformed, not a list, or has more than MAX_ITEMS.
        """
        items = self._decode(self.library.Decoder(_Items).decode, data, "must be a list", param=param)
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
        decode = self.library.decode if kind is Any else self.library.Decoder(kind).decode  # a decoder costs 2 µs
        return self._decode(decode, data, "is invalid", param=param)

    def is_container(self, data: Raw) -> bool:
        """Whether a value is a list or an object."""
        view = memoryview(data)
        return len(view) > 0 and view[0] in self.containers

    def _decode(
        self,
        decode: Callable[[bytes | Raw], Any],
        data: bytes | Raw,
        rule: str,
        what: str = "the value",
        param: str | None = None,
    ) -> Any:
        try:
            return decode(data)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"{rule}: {error}", param=param) from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise self.malformed(f"{what} is not {self.name}: {error}", param=param) from None


class _MessagePack(Encoding):
    name, kind, library = "MessagePack", "a map", msgspec.msgpack
    containers = frozenset([*range(0x80, 0xA0), *range(0xDC, 0xE0)])

    def fields(
        self, data: bytes | Raw, what: str = "the body", param: str | None = None, max_fields: int = MAX_FIELDS
    ) -> dict[str, Raw]:
        """See :class:`Encoding`. The length comes first, so that msgspec checks it before it reads the fields."""
        decode = msgspec.msgpack.Decoder(Annotated[dict[str, Raw], Meta(max_length=max_fields)]).decode
        rule = f"{'' if param else f'{what} '}must be {self.kind}"
        found: dict[str, Raw] = self._decode(decode, data, rule, what, param)
        return found

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


class _Name(str):
    """A field's name; a type of its own, because msgspec calls its hook only for types that it does not know."""

    __slots__ = ()


class _Json(Encoding):
    name, kind, library = "JSON", "a JSON object", msgspec.json
    containers = frozenset(b"{[")

    def fields(
        self, data: bytes | Raw, what: str = "the body", param: str | None = None, max_fields: int = MAX_FIELDS
    ) -> dict[str, Raw]:
        """See :class:`Encoding`. A byte-order mark is skipped; encodings other than UTF-8 are refused."""
        prefix = "" if param else f"{what} "
        if isinstance(data, bytes):
            encoding = json.detect_encoding(data)
            if encoding not in ("utf-8", "utf-8-sig"):
                raise self.malformed(f"{prefix}is not UTF-8 but looks like {encoding.upper()}: send UTF-8", param=param)
            data = data.removeprefix(codecs.BOM_UTF8)
        count = 0

        def counted(kind: type[_Name], name: str) -> _Name:
            nonlocal count
            count += 1
            if count > max_fields:
                raise ValueError(f"too many fields: the limit is {max_fields}")
            return kind(name)

        decode = msgspec.json.Decoder(dict[_Name, Raw], dec_hook=counted).decode
        found = self._decode(decode, data, f"{prefix}must be {self.kind}", what, param)
        return {str(name): value for name, value in found.items()}


class _Json400(_Json):
    malformed = BadRequest


MESSAGEPACK = _MessagePack()
JSON = _Json()
JSON_OR_400 = _Json400()
"""For APIs in which malformed JSON has another status than an invalid field."""
