"""Spanish text normalization."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.text.mapped_text import Edit
from gateway.text.normalize.rules import Language, Rule


class Spanish:
    """The Spanish normalizer."""

    rules: Sequence[Rule] = ()

    def read_rest(self, text: str) -> list[Edit]:
        """Read what no rule has claimed."""
        return []


LANGUAGE: Language = Spanish()
