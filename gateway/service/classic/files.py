"""Files of this machine that requests may name: those in the folders that the settings allow, and no others."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import Forbidden, InvalidRequest

MAX_PATH_CHARS = 4096


class RequestFiles:
    """Finds and reads them. The methods block on the disk.

    :param roots: the folders; with none, no path is allowed.
    :param max_bytes: of a file that is read.
    """

    def __init__(self, roots: Sequence[Path], max_bytes: int):
        self._roots = tuple(roots)
        self._max_bytes = max_bytes

    def find(self, name: str, param: str) -> Path | None:
        """The path of a file or folder, free of links; None when there is none.

        :param name: relative ones are looked up in each root.
        :param param: the request field to name in errors.
        :raises Forbidden: when it lies outside of every root, whether it exists or not.
        :raises InvalidRequest: when it could be no path.
        """
        if not self._roots:
            raise Forbidden("no path may be given here: the setting fish_api.roots names no folder", param=param)
        if len(name) > MAX_PATH_CHARS:
            raise InvalidRequest(f"has more than {MAX_PATH_CHARS} characters", param=param)
        try:
            roots = [root.expanduser().resolve() for root in self._roots]
            found = [(root / name).resolve() for root in roots]
            inside = [path for path in found if any(path.is_relative_to(root) for root in roots)]
            existing = next((path for path in inside if path.exists()), None)
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a null byte, a name too long
            raise InvalidRequest(f"is no usable path: {error}", param=param) from None
        if existing is not None or len(inside) == len(found):
            return existing
        raise Forbidden("lies outside of the folders in the setting fish_api.roots", param=param)

    def read(self, path: Path, param: str) -> bytes:
        """The bytes of a file that was found.

        :raises InvalidRequest: when it is no plain file, is too large, or cannot be read.
        """
        try:
            # Neither a link that took its place meanwhile, nor a pipe that nobody writes to.
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                found = os.fstat(file)
                if not stat.S_ISREG(found.st_mode):
                    raise InvalidRequest("is no plain file", param=param)
                if found.st_size > self._max_bytes:
                    raise InvalidRequest(f"is larger than {self._max_bytes} bytes", param=param)
                with open(file, "rb", closefd=False) as stream:
                    return stream.read(self._max_bytes)
            finally:
                os.close(file)
        except OSError as error:
            raise InvalidRequest(f"cannot be read: {error.strerror}", param=param) from None
