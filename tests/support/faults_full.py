"""The size of the faults: small within the whole suite, full by ``make faults``."""

from __future__ import annotations

import os

import pytest

FULL = os.environ.get("FAULTS") == "full"
AGAIN = 5 if FULL else 1
"""Repetitions of a fault."""

full = pytest.mark.skipif(not FULL, reason="by `make faults`")
