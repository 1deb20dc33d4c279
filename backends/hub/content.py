"""Size and content hash of the files of a repository.

The hub identifies a file in large-file storage by the SHA-256 of its bytes, and any other file by git's blob hash
(SHA-1 over a header and the bytes). The cache names blobs the same way, so a cached file can be verified offline.
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
_MAX_SIZE_BYTES = 1 << 62  # beyond the limit of any file system


class Hash(Protocol):
    """The methods of a hashlib object that are used here."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""

    def hexdigest(self) -> str:
        """The hash of all added bytes."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository at one commit.

    :param path: inside the repository, ``/``-separated.
    :param blob_id: git's hash of the file, or of its pointer if it is in large-file storage.
    :param sha256: for files in large-file storage.
    :param xet_hash: unused here; kept for huggingface_hub, which reads the same cached listing.
    """

    path: str
    size_bytes: int
    blob_id: str
    sha256: str | None = None
    xet_hash: str | None = None

    @property
    def etag(self) -> str:
        """The name of the content at the hub and in the cache."""
        return self.sha256 or self.blob_id


def is_valid_entry(file: RemoteFile) -> bool:
    """Whether an entry of an untrusted listing is valid.

    Security boundary: names and hashes become paths in the cache.
    """
    return (
        isinstance(file.path, str)
        and is_safe_path(file.path)
        and type(file.size_bytes) is int  # excludes bool
        and 0 <= file.size_bytes <= _MAX_SIZE_BYTES
        and isinstance(file.blob_id, str)
        and bool(GIT_SHA1.fullmatch(file.blob_id))
        and (file.sha256 is None or (isinstance(file.sha256, str) and bool(SHA256.fullmatch(file.sha256))))
        and isinstance(file.xet_hash, str | None)
    )


def path_conflict(paths: Collection[str]) -> str | None:
    """A path that occurs both as a file and as a folder; None if no path does."""
    files = set(paths)
    folders = {path[:end] for path in paths for end, character in enumerate(path) if character == "/"}
    return min(files & folders, default=None)


def is_content_hash(etag: str) -> bool:
    """Whether an ETag is a content hash."""
    return bool(SHA256.fullmatch(etag) or GIT_SHA1.fullmatch(etag))


def new_hash(etag: str, size_bytes: int) -> Hash:
    """A hash object of the kind that ``etag`` is, for a file of that size."""
    if SHA256.fullmatch(etag):
        return hashlib.sha256()
    digest = hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % size_bytes)
    return digest


def hash_file(path: Path, etag: str, report: Callable[[int], None] | None = None) -> str:
    """Hash a file on disk with the kind of hash that ``etag`` is.

    :param report: called at intervals with the number of hashed bytes.
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
