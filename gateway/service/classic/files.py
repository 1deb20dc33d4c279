"""Local files that requests may name: only those in folders allowed by the settings."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path, PurePath

from gateway.errors import BadRequest, Forbidden, InvalidRequest

MAX_PATH_CHARS = 4096
MAX_SHOWN_CHARS = 200
_HASH = re.compile(r"[0-9a-f]{32,64}")


def _fix(name: str) -> str:
    """``; add …`` with the folder of uploads, if the path is an upload of a Gradio page; else empty.

    Gradio stores each upload in a folder of its own, named by a hash, in the folder of all uploads.
    """
    folder = PurePath(name).parent
    if not folder.is_absolute() or not _HASH.fullmatch(folder.name) or ".." in folder.parts:
        return ""
    return f"; add {str(folder.parent)[:MAX_SHOWN_CHARS]}, the folder of the page's uploads"


class RequestFiles:
    """Find and read allowed files. The methods block on disk access.

    :param roots: the allowed folders; without any, all paths are forbidden.
    :param max_bytes: largest file to read.
    """

    def __init__(self, roots: Sequence[Path], max_bytes: int):
        self._roots = tuple(roots)
        self._max_bytes = max_bytes

    def find(self, name: str, param: str) -> Path | None:
        """The resolved path of a file or folder; None if it does not exist.

        :param name: a path; a relative one is searched in each root.
        :param param: the request field to name in errors.
        :raises Forbidden: if the path is outside all roots, whether it exists or not.
        :raises InvalidRequest: if the path is malformed.
        """
        if not self._roots:
            raise Forbidden(f"paths are not allowed: the setting fish_api.roots is empty{_fix(name)}", param=param)
        if len(name) > MAX_PATH_CHARS:
            raise InvalidRequest(f"has {len(name)} characters: the limit is {MAX_PATH_CHARS}", param=param)
        try:
            roots = [root.expanduser().resolve() for root in self._roots]
            found = [(root / name).resolve() for root in roots]
            inside = [path for path in found if any(path.is_relative_to(root) for root in roots)]
            existing = next((path for path in inside if path.exists()), None)
        except (OSError, RuntimeError, ValueError) as error:  # a symlink loop, a null byte, a name too long
            raise InvalidRequest(f"invalid path: {error}", param=param) from None
        if existing is not None or len(inside) == len(found):
            return existing
        raise Forbidden(f"outside the folders of the setting fish_api.roots{_fix(name)}", param=param)

    def read(self, name: str, param: str) -> bytes:
        """Read a file; arguments and errors as :meth:`find`.

        :raises BadRequest: if it does not exist.
        :raises InvalidRequest: if it is not a regular file, is too large, or cannot be read.
        """
        path = self.find(name, param)
        if path is None:
            raise BadRequest("file not found in the folders of the setting fish_api.roots", param=param)
        try:
            # O_NOFOLLOW refuses a symlink that has replaced the file; O_NONBLOCK avoids waiting for a pipe's writer.
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                found = os.fstat(file)
                if not stat.S_ISREG(found.st_mode):
                    raise InvalidRequest("must be a regular file", param=param)
                if found.st_size > self._max_bytes:
                    raise InvalidRequest(f"has {found.st_size} bytes: the limit is {self._max_bytes}", param=param)
                with open(file, "rb", closefd=False) as stream:
                    return stream.read(self._max_bytes)
            finally:
                os.close(file)
        except OSError as error:
            raise InvalidRequest(f"cannot be read: {error.strerror}", param=param) from None
