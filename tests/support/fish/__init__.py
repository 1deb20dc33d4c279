"""Helpers for tests of the Fish-Speech engine: synthetic checkpoints and stand-ins."""

from __future__ import annotations

from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "fish" / "golden"
"""Outputs of the official v0.2.0 modules."""
