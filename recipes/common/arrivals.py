"""Discovery of new shards, so that training can start while the teacher still speaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from recipes.common.workspace import HELD_OUT_SHARD

U = TypeVar("U")

POLL_S = 0.2


def finished(folder: Path) -> list[str]:
    """List the complete ``.npz`` shards of a folder."""
    return sorted(path.stem for path in folder.glob("*.npz") if ".part" not in path.name)


class Arrivals(Generic[U]):
    """The utterances of new shards in a folder, without the held-out shard.

    :param read: returns the utterances of a shard, given its name.
    """

    def __init__(self, folder: Path, read: Callable[[str], list[U]]):
        self._folder, self._read = folder, read
        self._seen = {HELD_OUT_SHARD}

    def __call__(self) -> list[U]:
        """Return the utterances of the shards written since the last call."""
        names = [name for name in finished(self._folder) if name not in self._seen]
        self._seen.update(names)
        return [one for name in names for one in self._read(name)]

    def first(self, shards: int, patience_s: float) -> list[U]:
        """Wait for a number of shards and the held-out one, and return the utterances of the former.

        :raises TimeoutError: too few shards after ``patience_s``.
        """
        until = time.monotonic() + patience_s
        while len(names := finished(self._folder)) <= shards or HELD_OUT_SHARD not in names:
            if time.monotonic() > until:
                raise TimeoutError(f"{self._folder}: {len(names)} shards after {patience_s:.0f} s, {shards + 1} needed")
            time.sleep(POLL_S)
        return self()
