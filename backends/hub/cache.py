"""The cache folder of one repository, in the layout of huggingface_hub and shared with it.

    models--owner--repo/
        refs/main                          commit of "main" at the last fetch
        snapshots/<commit>/<path>          symlink to ../../blobs/<etag>
        blobs/<etag>                       verified content, named by its hash
        blobs/<etag>.voxgate-incomplete    partial download, to be resumed
        trees/<commit>.json                listing of the repository at that commit
    .locks/models--owner--repo/<etag>.lock

Reading it needs no huggingface_hub, whose import takes a second. ``hf cache prune`` deletes ``blobs/*.incomplete``; our
suffix does not match that pattern.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from backends.hub.errors import CacheError, DiskFull, LockTimeout
from backends.hub.reference import is_safe_path

PARTIAL_SUFFIX = ".voxgate-incomplete"
COMMIT = re.compile(r"[0-9a-f]{40}")
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FOLDER_PREFIX = "models--"
_LISTING_FORMAT = 1  # huggingface_hub's; other versions are ignored
_READ_BYTES = 1 << 20
_LOCK_POLL_S = 0.5

_log = logging.getLogger(__name__)


class RemoteFile(msgspec.Struct, frozen=True):
    """One file of a repository at one commit.

    :param path: inside the repository, ``/``-separated.
    :param etag: name of the content at the hub and in the cache: the SHA-256 of its bytes for a file in large-file
        storage, git's blob hash for any other.
    """

    path: str
    size_bytes: int
    etag: str

    @classmethod
    def parse(cls, path: Any, size_bytes: Any, blob_id: Any, sha256: Any) -> RemoteFile:
        """Check an entry of a listing, whose name and hash become paths in the cache.

        :raises ValueError: if a value is invalid.
        """
        etag = sha256 or blob_id
        sound = isinstance(path, str) and is_safe_path(path) and isinstance(etag, str) and _HASH.fullmatch(etag)
        if not sound or type(size_bytes) is not int or not 0 <= size_bytes < 1 << 62:
            raise ValueError(f"invalid entry {ascii(path)[:100]}")
        return cls(path, size_bytes, etag)

    def new_hash(self) -> Any:
        """A hashlib object for the bytes of the file."""
        if len(self.etag) == hashlib.sha256().digest_size * 2:
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self.size_bytes, usedforsecurity=False)

    def hash_of(self, path: Path, report: Callable[[int], None], digest: Any = None) -> str:
        """Hash a file on disk.

        :param report: called at intervals with the number of hashed bytes.
        :param digest: the hashlib object to use; default: a new one.
        :raises OSError: if it cannot be read.
        """
        digest, hashed_bytes = digest or self.new_hash(), 0
        with path.open("rb") as file:
            while chunk := file.read(_READ_BYTES):
                digest.update(chunk)
                hashed_bytes += len(chunk)
                report(hashed_bytes)
        return str(digest.hexdigest())


class RepoCache:
    """One model repository in the cache. Reading creates no files.

    :param cache_dir: the cache that all repositories share.
    :param repo: ``owner/name``.
    """

    def __init__(self, cache_dir: Path, repo: str):
        self.repo = repo
        folder = _FOLDER_PREFIX + repo.replace("/", "--")
        self.root = cache_dir / folder
        self._locks = cache_dir / ".locks" / folder

    def commit_of(self, revision: str) -> str | None:
        """The commit of a revision at its last fetch."""
        if COMMIT.fullmatch(revision):
            return revision
        try:
            commit = (self.root / "refs" / revision).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return commit if COMMIT.fullmatch(commit) else None

    def record(self, revision: str, commit: str) -> None:
        """Record the commit of a revision."""
        if self.commit_of(revision) != commit:
            self._write(self.root / "refs" / revision, commit)

    def snapshot(self, commit: str) -> Path:
        """The folder with the repository's files at a commit."""
        return self.root / "snapshots" / commit

    def blob(self, file: RemoteFile) -> Path:
        """The path of a file's content."""
        return self.root / "blobs" / file.etag

    def partial(self, file: RemoteFile) -> Path:
        """The path of a file's partial download."""
        return self.root / "blobs" / (file.etag + PARTIAL_SUFFIX)

    def listing(self, commit: str) -> list[RemoteFile] | None:
        """The cached listing of the repository at a commit; None if it is missing or invalid."""
        try:
            document = json.loads(self._listing_file(commit).read_bytes())
            if document["format_version"] != _LISTING_FORMAT:
                return None
            return [
                RemoteFile.parse(path, entry["size"], entry["blob_id"], entry.get("lfs_sha256"))
                for path, entry in document["files"].items()
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None  # missing, damaged or forged: it will be requested again

    def save_listing(self, commit: str, files: Iterable[RemoteFile]) -> None:
        """Cache a commit's listing, which never changes."""
        entries: dict[str, dict[str, object]] = {}
        for file in sorted(files, key=lambda file: file.path):
            large = {"lfs_sha256": file.etag, "lfs_size": file.size_bytes} if not COMMIT.fullmatch(file.etag) else {}
            # The blob ID of a large file is that of its pointer, which is not used.
            entries[file.path] = {"size": file.size_bytes, "blob_id": "0" * 40 if large else file.etag, **large}
        document = {"format_version": _LISTING_FORMAT, "files": entries}
        # The snapshot's folder first: ``hf cache`` reports a repository without one as damaged.
        self._write(self._listing_file(commit), json.dumps(document, indent=1), self.snapshot(commit))

    def delete_listing(self, commit: str) -> None:
        """Delete a cached listing, so that it is requested again."""
        with suppress(OSError):
            self._listing_file(commit).unlink()

    def _listing_file(self, commit: str) -> Path:
        return self.root / "trees" / f"{commit}.json"

    def _write(self, target: Path, text: str, *folders: Path) -> None:
        """Write a small file atomically. Skipped if the cache is not writable."""
        draft = target.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            for folder in (*folders, target.parent):
                folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
            os.replace(draft, target)
        except OSError as error:
            _log.info("cannot write %s: %s", target, error)

    def prepare(self, commit: str, needed_bytes: int) -> None:
        """Create the folders that a fetch writes to, and check the free space.

        :raises CacheError: if they cannot be created, or fewer than ``needed_bytes`` are free.
        """
        with disk_errors(self.root):
            for folder in (self.snapshot(commit), self.root / "blobs", self._locks):
                folder.mkdir(parents=True, exist_ok=True)
            free_bytes = shutil.disk_usage(self.root / "blobs").free
        if free_bytes < needed_bytes:
            raise DiskFull(
                f"{self.repo} needs {needed_bytes / 1e6:,.1f} MB more, but {self.root} has room for"
                f" {free_bytes / 1e6:,.1f} MB; free some, or point HF_HUB_CACHE to another disk"
            )

    @contextmanager
    def lock(self, file: RemoteFile, timeout_s: float, waiting: Callable[[int], None]) -> Iterator[None]:
        """Hold the lock of a file's content, which huggingface_hub takes, too.

        The operating system releases it when the process ends, even after ``kill -9``.

        :param timeout_s: how long to wait while the holder's partial download does not grow.
        :param waiting: called at intervals with the size of that download.
        :raises LockTimeout: naming the lock file.
        """
        from filelock import FileLock, Timeout

        path = self._locks / f"{file.etag}.lock"
        # A soft lock, the fallback on a file system without locks, would outlive a killed holder.
        lock = FileLock(path, mode=0o664, fallback_to_soft=False)
        polls_left, before_bytes = timeout_s / _LOCK_POLL_S, -1
        while not lock.is_locked:
            try:
                lock.acquire(timeout=_LOCK_POLL_S)
            except Timeout:  # a subclass of OSError, so it comes first
                incoming_bytes = sum(size_of(part) for part in (self.root / "blobs").glob(f"{file.etag}*incomplete"))
                polls_left = timeout_s / _LOCK_POLL_S if incoming_bytes != before_bytes else polls_left - 1
                before_bytes = incoming_bytes
                if polls_left <= 0:
                    raise LockTimeout(
                        f"another process has held {path} for {timeout_s:g} s and fetched nothing meanwhile;"
                        " end that process to release the lock"
                    ) from None
                waiting(incoming_bytes)
            except OSError as error:
                raise _cache_error(error, path) from error
        try:
            yield
        finally:
            lock.release()

    def publish(self, commit: str, file: RemoteFile) -> None:
        """Show a file's verified content at its path in the snapshot."""
        blob, pointer = self.blob(file), self.snapshot(commit) / file.path
        draft = blob.with_name(f".{uuid.uuid4().hex}.tmp")
        with disk_errors(pointer):
            if self.partial(file).exists():
                os.replace(self.partial(file), blob)
            pointer.parent.mkdir(parents=True, exist_ok=True)
            try:  # under another name first, so that readers never see the path missing
                os.symlink(os.path.relpath(blob, pointer.parent), draft)
                os.replace(draft, pointer)
            except PermissionError:  # a file system without links: the only copy is moved, as by huggingface_hub
                os.replace(blob, pointer)
            finally:
                draft.unlink(missing_ok=True)


def cached_snapshots(cache_dir: Path) -> Iterator[tuple[RepoCache, str]]:
    """Every model repository in the cache with each of its cached commits."""
    for root in sorted(cache_dir.glob(f"{_FOLDER_PREFIX}*--*")):
        cache = RepoCache(cache_dir, root.name.removeprefix(_FOLDER_PREFIX).replace("--", "/", 1))
        for snapshot in sorted((root / "snapshots").glob("*")):
            if snapshot.is_dir() and COMMIT.fullmatch(snapshot.name):
                yield cache, snapshot.name


def size_of(path: Path) -> int:
    """Size of a file in bytes; 0 if it does not exist."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Translate an ``OSError`` about ``path`` into a :class:`CacheError`."""
    try:
        yield
    except OSError as error:
        raise _cache_error(error, path) from error


def _cache_error(error: OSError, path: Path) -> CacheError:
    where = error.filename or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(
            f"no room left at {where} ({error.strerror}); the partial download is kept and continued once there is room"
        )
    return CacheError(
        f"the cache cannot be written at {where} ({error.strerror or error}); point HF_HUB_CACHE to a writable folder"
    )
