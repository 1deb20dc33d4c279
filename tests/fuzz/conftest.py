"""Profiles of Hypothesis: ``short`` is part of ``make test`` and repeats itself, ``full`` is ``make fuzz``."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# Clearing the settings' environment once for all examples is enough.
_COMMON = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
settings.register_profile("short", max_examples=25, derandomize=True, **_COMMON)
settings.register_profile("full", max_examples=int(os.environ.get("EXAMPLES") or 1000), print_blob=True, **_COMMON)


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--hypothesis-profile", None):
        settings.load_profile("short")
