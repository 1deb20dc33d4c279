"""Text that remembers where in the input each of its characters comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement of ``text[start:end]``.

    :param spoken: the replacement; empty: the text is dropped.
    :param category: the reason, as shown to users, e.g. ``currency``.
    """

    start: int
    end: int
    spoken: str
    category: str


@dataclass(frozen=True, slots=True, eq=False)
class MappedText:
    """A text with the span of the input that each of its characters was made from.

    Characters that are copied from the input have a span of one character. All characters of a replacement have the
    span of the text that it replaces.

    :param starts: start of each character's span in the input, shape (characters,).
    :param ends: end of each character's span in the input, shape (characters,).
    """

    text: str
    starts: Offsets
    ends: Offsets

    @classmethod
    def of(cls, text: str, start: int = 0) -> MappedText:
        """Map a text to itself.

        :param start: its position in the input.
        """
        starts = np.arange(start, start + len(text), dtype=np.int32)
        return cls(text, starts, starts + 1)

    @classmethod
    def replacement(cls, text: str, start: int, end: int) -> MappedText:
        """Map a text to the span of the input that it replaces."""
        return cls(text, np.full(len(text), start, np.int32), np.full(len(text), end, np.int32))

    @classmethod
    def join(cls, parts: Iterable[MappedText]) -> MappedText:
        """Concatenate texts that were made from the same input."""
        parts = list(parts)
        if not parts:
            return cls.of("")
        return cls(
            "".join(part.text for part in parts),
            np.concatenate([part.starts for part in parts]),
            np.concatenate([part.ends for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.text)

    def slice(self, start: int, end: int) -> MappedText:
        """Return ``text[start:end]``."""
        return MappedText(self.text[start:end], self.starts[start:end], self.ends[start:end])

    def strip(self) -> MappedText:
        """Return the text without surrounding white space."""
        start = len(self.text) - len(self.text.lstrip())
        return self.slice(start, max(start, len(self.text.rstrip())))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the input that ``text[start:end]`` was made from, as (start, end).

        An empty span is at the input position of its start.
        """
        if not len(self.text):
            return 0, 0
        if start >= end:
            at = int(self.starts[start]) if start < len(self.text) else int(self.ends[-1])
            return at, at
        return int(self.starts[start:end].min()), int(self.ends[start:end].max())

    def apply(self, edits: Sequence[Edit]) -> MappedText:
        """Apply replacements, which are sorted and do not overlap."""
        if not edits:
            return self
        parts = []
        position = 0
        for edit in edits:
            parts.append(self.slice(position, edit.start))
            parts.append(MappedText.replacement(edit.spoken, *self.span(edit.start, edit.end)))
            position = edit.end
        parts.append(self.slice(position, len(self.text)))
        return MappedText.join(parts)
