"""Parser of YAML that people or other programs wrote."""

from __future__ import annotations

from typing import Any

import yaml


def parse_yaml(text: str) -> Any:
    """Parse a document of plain values.

    :raises ValueError: if it is malformed.
    """
    try:
        return yaml.safe_load(text)
    except Exception as error:  # noqa: BLE001 - PyYAML raises KeyError for `!!bool x`, ValueError for 2024-13-45, …
        raise ValueError(str(error) or type(error).__name__) from None
