"""Typed options: one msgspec Struct defines the parser, the defaults and the JSON schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from backends.errors import InvalidConfig, InvalidJob


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base class of an engine's per-request options and of its ``model:`` block.

    Declare fields with defaults and ``Annotated[float, msgspec.Meta(ge=…, le=…, description=…)]``.
    """


T = TypeVar("T", bound=Options)

_PATH = re.compile(r"^(?P<fault>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"contains unknown field `(?P<key>[^`]+)`")


def _convert(kind: type[T], values: Mapping[str, Any]) -> T:
    return msgspec.convert(dict(values), kind, dec_hook=_decode)


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str | Path) and str(value).strip():
        return Path(value)
    raise ValueError(f"expected a path, got {value!r}")


def _parse_error(error: msgspec.ValidationError, kind: type[Options]) -> tuple[str, str]:
    """Split msgspec's message into the key path and the fault."""
    match = _PATH.match(str(error))
    fault = match["fault"] if match else str(error)
    path = ((match["path"] if match else None) or "").lstrip(".")
    if unknown := _UNKNOWN.search(fault):
        path = f"{path}.{unknown['key']}".lstrip(".")
        fault = f"unknown key; known keys: {', '.join(sorted(kind.__struct_encode_fields__)) or '(none)'}"
    return path, fault


def parse_job_options(kind: type[T], defaults: Mapping[str, Any], options: Mapping[str, Any]) -> T:
    """Parse a request's options over the configured defaults.

    :raises InvalidJob: with ``param`` set to ``options.<key>``.
    """
    try:
        return _convert(kind, {**defaults, **options})
    except msgspec.ValidationError as error:
        path, fault = _parse_error(error, kind)
        raise InvalidJob(fault, param=f"options.{path}" if path else "options") from None


def parse_config(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Parse a block of the engine's configuration.

    :param where: path of the block in the configuration, e.g. ``engines.f5.model``.
    :raises InvalidConfig: naming the key.
    """
    try:
        return _convert(kind, values)
    except msgspec.ValidationError as error:
        path, fault = _parse_error(error, kind)
        raise InvalidConfig(f"{where}.{path}" if path else where, fault) from None


def json_schema(kind: type[Options]) -> dict[str, Any]:
    """The options' JSON schema, as returned by ``/v1/engines``; the top level is not a reference."""
    (schema,), definitions = msgspec.json.schema_components((kind,), ref_template="#/$defs/{name}")
    name = schema["$ref"].rsplit("/", 1)[1]
    top = dict(definitions.pop(name))
    if definitions:
        top["$defs"] = definitions
    return top
