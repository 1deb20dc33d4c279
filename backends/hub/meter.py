"""Progress over several files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.base import Progress


class Meter:
    """Progress over all files of a reference, so that a folder's progress bar never jumps back.

    :ivar done_bytes: size of the files that are complete.
    """

    def __init__(self, progress: Progress, total_bytes: int):
        self._progress = progress
        self.total_bytes = total_bytes
        self.done_bytes = 0

    def stage(self, name: str) -> Callable[[int], None]:
        """A callback for one stage of one file; it takes the number of processed bytes."""
        return lambda bytes_: self._progress(name, self.done_bytes + bytes_, self.total_bytes)
