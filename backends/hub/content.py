"""What a file of a repository must contain: its size, and the hash the hub names it by.

The hub calls a file by the sha256 of its bytes when it lives in large-file storage, and by git's blob hash
(sha1 over a header and the bytes) otherwise. The cache names blobs the same way, which is why a cached file
can be verified without asking anyone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backends.hub.reference import is_safe_path

SHA256 = re.compile(r"[0-9a-f]{64}")
GIT_SHA1 = re.compile(r"[0-9a-f]{40}")
_READ_BYTES = 1 << 20
_MAX_SIZE_BYTES = 1 << 62  # beyond it no file system can be meant


class Hash(Protocol):
    """As much of a hashlib object as is needed here."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def hexdigest(self) -> str:
        """The hash of what was taken."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository at one commit.

    :param path: inside the repository, ``/``-separated.
    :param blob_id: git's hash of the file, or of the pointer when it lives in large-file storage.
    :param sha256: set for files in large-file storage.
    :param xet_hash: kept for huggingface_hub, which reads the same cached listing; not used here.
    """

    path: str
    size_bytes: int
    blob_id: str
    sha256: str | None = None
    xet_hash: str | None = None

    @property
    def etag(self) -> str:
        """What the hub, and therefore the cache, calls the content."""
        return self.sha256 or self.blob_id


def is_sound(file: RemoteFile) -> bool:
    """Whether an entry of a listing, which may come from anywhere, is safe to make paths of.

    Names and hashes become paths in the cache, so this is the fence around it.
    """
    return (
        isinstance(file.path, str)
        and is_safe_path(file.path)
        and type(file.size_bytes) is int  # a bool is none
        and 0 <= file.size_bytes <= _MAX_SIZE_BYTES
        and isinstance(file.blob_id, str)
        and bool(GIT_SHA1.fullmatch(file.blob_id))
        and (file.sha256 is None or (isinstance(file.sha256, str) and bool(SHA256.fullmatch(file.sha256))))
        and isinstance(file.xet_hash, str | None)
    )


def contradiction(paths: Collection[str]) -> str | None:
    """A path of a listing that occurs as a file and as a folder, which no disk can hold."""
    files = set(paths)
    folders = {path[:end] for path in paths for end, character in enumerate(path) if character == "/"}
    return min(files & folders, default=None)


def is_content_hash(etag: str) -> bool:
    """Whether an etag says what the content must hash to."""
    return bool(SHA256.fullmatch(etag) or GIT_SHA1.fullmatch(etag))


def new_hash(etag: str, size_bytes: int) -> Hash:
    """Start the hash that ``etag`` is the result of, for a file of that size."""
    if SHA256.fullmatch(etag):
        return hashlib.sha256()
    digest = hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % size_bytes)
    return digest


def hash_file(path: Path, etag: str, report: Callable[[int], None] | None = None) -> str:
    """Hash a file on disk the way ``etag`` was made.

    :param report: called now and then with the bytes that are hashed.
    """
    hashed_bytes = 0
    with path.open("rb") as file:
        digest = new_hash(etag, path.stat().st_size)
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
            hashed_bytes += len(chunk)
            if report is not None:
                report(hashed_bytes)
    return digest.hexdigest()
