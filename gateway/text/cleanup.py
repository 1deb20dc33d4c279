"""Unicode clean-up: one spelling for each character, without formatting and decoration."""

from __future__ import annotations

from gateway.text.mapped_text import Edit


def cleanup_edits(text: str) -> list[Edit]:
    """Return the edits that clean a text up, in order, with the category ``cleanup``."""
    return []
