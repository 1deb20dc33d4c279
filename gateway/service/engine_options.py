"""Validation of a request's options against the schema that an engine declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema

from gateway.errors import InvalidRequest


def check_options(options: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Check the options; the engine validates them again after merging its defaults.

    :param schema: JSON schema of the options.
    :raises InvalidRequest: naming the option at fault.
    """
    if not options:
        return
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(options))
    if error is None:
        return
    path = [str(part) for part in error.absolute_path]
    message = error.message
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        path.append(next(key for key in error.instance if key not in known))
        message = f"unknown option; this engine's options: {', '.join(sorted(known)) or '(none)'}"
    raise InvalidRequest(message, param=".".join(["options", *path]))
