"""Writing to ``data_dir``: durably, within quotas, and with typed errors when the disk is full or read-only."""

from __future__ import annotations

import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.errors import InsufficientStorage

_log = logging.getLogger(__name__)

_TEMPORARY = ".tmp-"
_LEFTOVER_AGE_S = 3_600.0


@contextmanager
def storing(what: str, folder: Path) -> Iterator[None]:
    """Turn a failure to write into an error for the client; the log has the path.

    :param what: the failed operation, for the message.
    :raises InsufficientStorage: for every ``OSError`` in the context.
    """
    try:
        yield
    except OSError as error:
        raise _insufficient(f"{what}: {error.strerror or error}", error.filename or folder) from None


def check_free(folder: Path, size: int) -> None:
    """Check that a folder, which may not exist yet, can be written and that its disk has room for ``size`` bytes.

    :raises InsufficientStorage: otherwise.
    """
    with storing("nothing can be stored", folder):
        existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        if not os.access(existing, os.W_OK):
            raise _insufficient("nothing can be stored: the folder cannot be written", existing)
        free = shutil.disk_usage(existing).free
    if free < size:
        raise _insufficient(f"nothing of {size} bytes can be stored: the disk has {free} bytes left", existing)


def used_bytes(path: Path) -> int:
    """Size of all files below a path, whether they can be used or not; 0 if it does not exist."""
    used = 0
    for folder, _, files in os.walk(path):
        for file in files:
            with suppress(OSError):  # removed meanwhile
                used += os.lstat(os.path.join(folder, file)).st_size
    return used


def temporary(folder: Path) -> Path:
    """A path in the folder that no request can name; :func:`remove_leftovers` removes it after a crash."""
    return folder / f"{_TEMPORARY}{uuid.uuid4().hex}"


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old or the new content."""
    new = temporary(path.parent)
    try:
        write_durably(new, data)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def delete(path: Path) -> None:
    """Delete a file, a link or a folder with its content."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files and folders of killed processes, but not those of writes in progress."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        try:
            if time.time() - path.lstat().st_mtime > _LEFTOVER_AGE_S:
                delete(path)
        except OSError as error:
            _log.warning("leftover %s could not be deleted: %s", path, error)


def _insufficient(message: str, path: Path | str) -> InsufficientStorage:
    _log.warning("%s: %s", message, path)
    return InsufficientStorage(f"{message}; free space, or set data_dir to another folder")
