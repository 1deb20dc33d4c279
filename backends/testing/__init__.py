"""Contract tests for engines: a pytest class that checks what :mod:`backends.base` promises.

Subclass :class:`EngineContract` in the engine's own test suite and describe the engine with an :class:`EngineProfile`;
docs/add_an_engine.md has an example. Needs pytest, which nothing else in the package imports.
"""

from __future__ import annotations

import pytest

# Before the modules are imported: their asserts then show the compared values.
pytest.register_assert_rewrite("backends.testing.contract", "backends.testing.runner")

from backends.testing.contract import EngineContract  # noqa: E402 - see above
from backends.testing.profile import EngineProfile  # noqa: E402
from backends.testing.runner import EngineRunner, JobOutput  # noqa: E402

__all__ = ["EngineContract", "EngineProfile", "EngineRunner", "JobOutput"]
